"""The summary as one page that needs nothing else: counts, the matrix, growth, and each finding with its timeline.

It says what is so, not how it came to be known: what was in the cache is shown as what was explored just now, and the
page of an unchanged project is the same, byte for byte. The timelines are drawn by what `amp explain --html` has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from markupsafe import Markup

from amp import __version__
from amp.check.judged import Finding, JudgedCell, Mark, Summary, again, relative
from amp.check.records import Asked
from amp.ordering.barriers import BarrierClass
from amp.report.counts import count_of
from amp.report.html import STYLE, script
from amp.report.page import asset, source_hash, template
from amp.visible import visible

_OWN: Final = "as it asks"  # of a program that has its own barriers, and was not run
_STYLES: Final = {Mark.OK: "holds", Mark.KNOWN: "unknown", Mark.FAILED: "broken", Mark.ERROR: "broken"}
_WORDS: Final = {Mark.OK: "as expected", Mark.FAILED: "not as expected"}
_ORDER: Final = (Mark.OK, Mark.NOT_RUN, Mark.KNOWN, Mark.INCONCLUSIVE, Mark.FAILED, Mark.ERROR)


def page(summary: Summary, folder: str) -> bytes:
    """The file's content. Paths are as seen from `folder`, the configuration's."""
    style, code = asset(STYLE) + asset("check.css"), script()
    findings = summary.findings
    links = {id(cell): number for number, finding in enumerate(findings, 1) for cell in finding.cells}
    programs = [cell for cell in summary.cells if not cell.asked.litmus]
    text = template("check.html").render(
        version=__version__,
        title=summary.counts,
        status=summary.status,
        status_style={"holds": "holds", "inconclusive": "unknown", "interrupted": "unknown"}.get(
            summary.status, "broken"
        ),
        counts=[
            ("as expected" if mark is Mark.OK else mark.value, summary.count(mark))
            for mark in Mark
            if mark is Mark.OK or summary.count(mark)
        ],
        problems=[(cell.check.name, cell.name, *_problem(cell)) for cell in summary.cells if _is_problem(cell)],
        classes=_classes(programs),
        matrix=list(_matrix(programs, links)),
        litmus=list(_litmus([cell for cell in summary.cells if cell.asked.litmus])),
        growth=list(_growth(programs)),
        findings=[_finding(number, each, folder) for number, each in enumerate(findings, 1)],
        style=Markup(style),  # ours, not data
        script=Markup(code),
        style_hash=source_hash(style),
        script_hash=source_hash(code),
    )
    return visible(text).encode()


def _is_problem(cell: JudgedCell) -> bool:
    """Is it not as expected, and no finding?"""
    return cell.mark is not Mark.OK and not cell.is_finding


def _problem(cell: JudgedCell) -> tuple[str, str]:
    return cell.mark.value, cell.why


# --- the matrix


def _class_of(cell: JudgedCell) -> str:
    return cell.barriers or _OWN


def _classes(cells: Sequence[JudgedCell]) -> list[str]:
    """The columns: the classes in their order, then what else there is."""
    known = [each.value for each in BarrierClass]
    there = dict.fromkeys(map(_class_of, cells))
    return [each for each in known if each in there] + [each for each in there if each not in known]


def _matrix(cells: Sequence[JudgedCell], links: dict[int, int]) -> Iterator[dict[str, Any]]:
    """A group of rows for each check: a row for each platform, with its cells by class."""
    checks: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for cell in cells:
        rows, platform, again = checks.setdefault(cell.check.name, {}), cell.platform, 1
        while _class_of(cell) in rows.get(platform, {}):  # files of several platforms may have one name
            again += 1
            platform = f"{cell.platform} ({again})"
        rows.setdefault(platform, {})[_class_of(cell)] = _shown(cell, links.get(id(cell)))
    for name, rows in checks.items():
        yield {"check": name, "rows": [{"platform": platform, "cells": row} for platform, row in rows.items()]}


def _shown(cell: JudgedCell, link: int | None) -> dict[str, Any]:
    told = cell.told
    remark = _WORDS.get(cell.mark, cell.mark.value)
    return {
        "text": told.status,
        "remark": "" if remark == told.status or told.status == cell.check.expect == "verified" else remark,
        "style": _STYLES.get(cell.mark, "unknown"),
        "runs": count_of(told.runs, "run") if told.runs else "",
        "link": link,
    }


def _litmus(cells: Sequence[JudgedCell]) -> Iterator[dict[str, Any]]:
    """A row for each check and platform: how many of its tests are as expected, and how the worst stands."""
    groups: dict[tuple[str, str], list[JudgedCell]] = {}
    for cell in cells:
        groups.setdefault((cell.check.name, cell.platform), []).append(cell)
    for (check, platform), group in groups.items():
        good = sum(cell.mark is Mark.OK for cell in group)
        worst = max((cell.mark for cell in group), key=_ORDER.index)
        yield {
            "check": check,
            "platform": platform,
            "text": f"{good} of {len(group)} as expected",
            "remark": "" if worst is Mark.OK else worst.value,
            "style": _STYLES.get(worst, "unknown"),
        }


# --- growth


def _growth(cells: Sequence[JudgedCell]) -> Iterator[dict[str, Any]]:
    """Of each program that several checks explore to its end with other sizes: what each size took."""
    groups: dict[tuple[str, ...], dict[tuple[tuple[str, int], ...], JudgedCell]] = {}
    for cell in cells:
        if cell.told.status == "verified":
            asked = cell.asked
            key = (asked.program, cell.platform, cell.barriers, *asked.weaken)
            groups.setdefault(key, {})[_sizes(asked)] = cell
    for (program, *where), by_size in groups.items():
        if len(by_size) > 1:
            ordered = sorted(by_size.items(), key=lambda each: (each[1].told.runs, each[0]))
            before = [None, *(cell.told.runs for _, cell in ordered)]
            rows = [
                {
                    "size": ", ".join(f"{name} {value:,}" for name, value in sizes) or "the program's own",
                    "runs": f"{cell.told.runs:,}",
                    "executions": f"{cell.told.executions:,}",
                    "states": f"{cell.told.states:,}",
                    "factor": f"{cell.told.runs / less:.1f} times" if less else "",
                }
                for (sizes, cell), less in zip(ordered, before, strict=False)
            ]
            yield {"title": f"{program} on {' '.join(where)}", "rows": rows}


def _sizes(asked: Asked) -> tuple[tuple[str, int], ...]:
    given = {"messages": asked.messages, "ring_size": asked.ring_size, **asked.sizes}
    return tuple((name, value) for name, value in given.items() if value is not None)


# --- findings


def _finding(number: int, finding: Finding, folder: str) -> dict[str, Any]:
    found = finding.found
    path = relative(found.path, folder)
    return {
        "number": number,
        "check": finding.check.name,
        "where": f"{path}:{found.line}" if path else "",
        "site": found.site,
        "known": finding.known,
        "text": found.text,
        "part": found.part,
        "cells": [cell.name for cell in finding.cells],
        "why": finding.cells[0].why if finding.check.expect != "verified" else "",
        "told": found.drawn,
        "story": "\n".join(found.story),
        "again": again(found),
    }
