"""The summary for GitHub's CI: a workflow command for each finding, which it shows at the line, and a step summary.

docs.github.com, "Workflow commands for GitHub Actions": `%`, CR and LF are escaped in a message, `:` and `,` as well in
a property. The step summary is Markdown that is appended to the file which GITHUB_STEP_SUMMARY names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from amp.check.judged import Finding, Mark, Summary, retold
from amp.check.places import Spot, spot_of
from amp.check.told import rows
from amp.visible import visible

SUMMARY: Final = "GITHUB_STEP_SUMMARY"
_LEVELS: Final = {Mark.FAILED: "error", Mark.ERROR: "error", Mark.INCONCLUSIVE: "warning"}


def commands(summary: Summary, root: str) -> Iterator[str]:
    """A line each; paths are relative to `root`, the repository."""
    for finding in summary.findings:
        level = "notice" if finding.known else "error"
        yield _command(level, spot_of(finding.cells[0], root), f"amp: {finding.check.name}", _told(finding))
    for cell in summary.cells:
        if cell.mark in _LEVELS and not cell.is_finding:
            text = f"{cell.name}: {cell.mark.value}: {cell.why}"
            yield _command(_LEVELS[cell.mark], spot_of(cell, root), f"amp: {cell.check.name}", text)


def _told(finding: Finding) -> str:
    return "\n".join((finding.text, *retold(finding.found)))


def _command(level: str, spot: Spot, title: str, text: str) -> str:
    file = _property(spot.path)
    return f"::{level} file={file},line={spot.line},title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def step_summary(summary: Summary, root: str) -> str:
    """The summary as Markdown: the table, and each finding with its story folded away."""
    lines = [
        "## amp check",
        "",
        summary.text,
        "",
        "| check | platform | barriers | verdict | |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(_cell(each) for each in row)} |" for row in rows(summary)]
    for finding in summary.findings:
        spot = spot_of(finding.cells[0], root)
        known = " (known)" if finding.known else ""
        lines += ["", f"**{_cell(f'{spot.path}:{spot.line}')}**{known}: {_cell(finding.text)}", ""]
        story = visible("\n".join(retold(finding.found)))
        fence = "~" * 4 if "~~~" not in story else "~" * 80
        lines += ["<details><summary>its story</summary>", "", fence, story, fence, "", "</details>"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """A text in a line of Markdown, as it is."""
    line = " ".join(visible(text).split())
    return "".join(f"\\{each}" if each in "\\|`*_<>[]" else each for each in line)
