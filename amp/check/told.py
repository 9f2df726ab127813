"""The summary for a reader: a row a cell (of litmus tests a row a platform), then each finding with its story."""

from __future__ import annotations

import os
from collections.abc import Iterator

from amp.check.judged import Finding, JudgedCell, Mark, Summary, again, relative

_SHOWN: dict[Mark, str] = {Mark.OK: "", Mark.KNOWN: "known", Mark.FAILED: "FAILED", Mark.ERROR: "ERROR"}


def rows(summary: Summary) -> list[tuple[str, str, str, str, str]]:
    """(check, platform, barriers, verdict, remark)."""
    groups: dict[tuple[str, ...], list[JudgedCell]] = {}
    for number, cell in enumerate(summary.cells):
        alone = "" if cell.asked.litmus else str(number)
        groups.setdefault((cell.check.name, cell.asked.platform, alone), []).append(cell)
    return [_row(cells) for cells in groups.values()]


def _row(cells: list[JudgedCell]) -> tuple[str, str, str, str, str]:
    first = cells[0]
    if not first.asked.litmus:
        remark = _SHOWN.get(first.mark, first.mark.value)
        return first.check.name, first.platform, first.barriers, first.told.status, remark
    good = sum(cell.mark is Mark.OK for cell in cells)
    marks = {cell.mark: None for cell in cells if cell.mark is not Mark.OK}
    remark = ", ".join(_SHOWN.get(mark, mark.value) for mark in marks)
    return first.check.name, first.platform, "", f"{good} of {len(cells)} as expected", remark


def lines(summary: Summary, folder: str, base: str) -> Iterator[str]:
    """What is not as expected. Paths are as seen from the folder `base`; `folder` is the configuration's."""
    for cell in summary.cells:
        if cell.mark is Mark.ERROR:
            yield cell.why
        elif cell.mark is Mark.INCONCLUSIVE:
            yield f"{cell.check.name}: {cell.name}: inconclusive: {cell.why}"
        elif cell.mark is Mark.FAILED and not cell.is_finding:
            yield f"{cell.check.where}: {cell.check.name}: {cell.name}: {cell.why}"
    for finding in summary.findings:
        if not finding.known:
            yield from _finding(finding, os.path.relpath(folder, base), base)


def _finding(finding: Finding, folder: str, base: str) -> Iterator[str]:
    found = finding.found
    where = f"{relative(found.path, base)}:{found.line}: " if found.path else ""
    what = "violation " if found.part else ""
    yield f"{where}{finding.check.name}: {what}{finding.text}"
    if found.part and finding.check.expect != "verified":
        yield f"  {finding.cells[0].why}"
    yield from (f"  {line}" for line in found.story)
    yield from (f"  {what}: {command}" for what, command in again(found, folder))
