"""The summary as JUnit XML, which most CI systems show: a suite for each check, a case for each cell.

A cell that is not as expected is a failure, so is one without a verdict; a program that cannot be explored is an error.
A known finding is a case that passed, with what is known as its output. docs/check.md has the table.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as Xml

from amp.check.judged import JudgedCell, Mark, Summary, retold
from amp.visible import visible

_ELEMENTS: Final = {
    Mark.FAILED: "failure",
    Mark.INCONCLUSIVE: "failure",
    Mark.ERROR: "error",
    Mark.NOT_RUN: "skipped",
    Mark.KNOWN: "system-out",
}
_COUNTED: Final = {"failures": "failure", "errors": "error", "skipped": "skipped"}
_NO_XML: Final = re.compile("[\ufffe\uffff]")  # no characters of XML 1.0, and no control characters either


def junit(summary: Summary) -> bytes:
    """The file's content."""
    root = Xml.Element("testsuites", _counted("amp check", summary.cells, summary.seconds))
    for name, cells in groupby(summary.cells, key=lambda cell: cell.check.name):
        group = tuple(cells)
        suite = Xml.SubElement(root, "testsuite", _counted(name, group, sum(map(_seconds, group))))
        for cell in group:
            _add_case(suite, cell)
    Xml.indent(root)
    content: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _add_case(suite: Xml.Element, cell: JudgedCell) -> None:
    name, seconds = _text(cell.name), f"{_seconds(cell):.3f}"
    case = Xml.SubElement(suite, "testcase", name=name, classname=_text(cell.check.name), time=seconds)
    element = _ELEMENTS.get(cell.mark)
    if element is None:
        return
    found = cell.told.found
    story = "\n".join((cell.why, *(retold(found) if found is not None else ())))
    if element == "system-out":
        Xml.SubElement(case, element).text = _text(f"known: {story}")
    elif element == "skipped":
        Xml.SubElement(case, element, message=_text(cell.why))
    else:
        kind = found.kind if found is not None and cell.mark is Mark.FAILED else cell.mark.value
        Xml.SubElement(case, element, message=_text(cell.why), type=_text(kind)).text = _text(story)


def _counted(name: str, cells: tuple[JudgedCell, ...], seconds: float) -> dict[str, str]:
    """The attributes of a suite."""
    elements = [_ELEMENTS.get(cell.mark) for cell in cells]
    counts = {key: str(elements.count(each)) for key, each in _COUNTED.items()}
    return {"name": _text(name), "tests": str(len(cells)), **counts, "time": f"{seconds:.3f}"}


def _seconds(cell: JudgedCell) -> float:
    """What it took in this run."""
    return 0.0 if cell.cached else cell.told.seconds


def _text(text: str) -> str:
    return _NO_XML.sub("?", visible(text))
