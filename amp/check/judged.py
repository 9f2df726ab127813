"""What the cells came to, against what was expected of them: one verdict a cell, findings, and the exit status."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from amp.check.config import Check
from amp.check.records import Asked, CellFinding, CellOutcome
from amp.errors import UsageError
from amp.lab.descriptors import INTERRUPTED
from amp.report.counts import count_of


class Mark(StrEnum):
    """How a cell stands to what is expected of it."""

    OK = "ok"
    KNOWN = "known"  # a finding of the baseline
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """One cell, judged. `why` says what is wrong with it; "" of one that is as expected. `cached`: nothing was run."""

    check: Check
    asked: Asked
    told: CellOutcome
    mark: Mark
    why: str
    cached: bool

    @property
    def platform(self) -> str:
        return self.asked.platform or "the dialect's own"

    @property
    def barriers(self) -> str:
        return self.told.barriers or self.asked.barriers

    @property
    def name(self) -> str:
        """Its place in the check: "omap4-2011 smp", "MP.litmus arm64"."""
        words = (self.asked.litmus, self.asked.platform or "", self.barriers)
        return " ".join(filter(None, words))

    @property
    def fingerprint(self) -> str:
        """What a finding of this cell is known by from one day to the next: no line of it, no text."""
        found = self.told.found
        words = (self.check.name, self.asked.litmus, self.asked.platform, self.barriers)
        return _digest(*words, *((found.site, found.kind) if found is not None else ("", "")))

    @property
    def is_finding(self) -> bool:
        """Was something found that is not expected, whether it is known or not?"""
        return self.mark in (Mark.FAILED, Mark.KNOWN) and self.told.found is not None


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at one place, in one or several cells of a check; the first has its story."""

    cells: tuple[JudgedCell, ...]

    @property
    def found(self) -> CellFinding:
        found = self.cells[0].told.found
        assert found is not None, self
        return found

    @property
    def check(self) -> Check:
        return self.cells[0].check

    @property
    def known(self) -> bool:
        """Is it in the baseline, in every cell?"""
        return all(cell.mark is Mark.KNOWN for cell in self.cells)

    @property
    def where(self) -> str:
        """The cells in words: "omap4-2011 smp, arm64-domains smp"."""
        return ", ".join(cell.name for cell in self.cells)

    @property
    def fingerprint(self) -> str:
        """Of its site, wherever it is seen."""
        found = self.found
        return _digest(self.check.name, self.cells[0].asked.litmus, found.site or found.kind)

    @property
    def text(self) -> str:
        """In one line: who found what, where, and which site is to blame; of a litmus test what it can end in."""
        found = self.found
        if self.check.is_litmus:
            return f"{found.text}; {self.cells[0].why}"
        part = f"by the {found.part}: " if found.part else ""
        site = f"; site {found.site}" if found.site else ""
        return f"{part}{found.text}{site} ({self.where})"


@dataclass(frozen=True, slots=True)
class Summary:
    """All cells in the order of the configuration. `forgotten` are known findings that are not found any more."""

    cells: tuple[JudgedCell, ...]
    seconds: float
    interrupted: bool = False
    forgotten: int = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One for each place of each check."""
        at: dict[tuple[str, ...], list[JudgedCell]] = {}
        for cell in self.cells:
            found = cell.told.found
            if cell.is_finding and found is not None:
                place = (found.site,) if found.site else (found.kind, found.path, str(found.line))
                at.setdefault((cell.check.name, cell.asked.litmus, *place), []).append(cell)
        return tuple(Finding(tuple(cells)) for cells in at.values())

    def count(self, mark: Mark) -> int:
        return sum(cell.mark is mark for cell in self.cells)

    @property
    def exit_status(self) -> int:
        """2 (4 for an error of amp's own) before 1 before 3; 130 after Ctrl-C."""
        if self.interrupted:
            return INTERRUPTED
        if self.count(Mark.ERROR):
            return (
                max(cell.told.exit_status for cell in self.cells if cell.mark is Mark.ERROR) or UsageError.exit_status
            )
        return 1 if self.count(Mark.FAILED) else 3 if self.count(Mark.INCONCLUSIVE) else 0

    @property
    def status(self) -> str:
        return {0: "holds", 1: "violation", 3: "inconclusive", INTERRUPTED: "interrupted"}.get(
            self.exit_status, "error"
        )

    @property
    def text(self) -> str:
        """One line for all."""
        cached = sum(cell.cached for cell in self.cells)
        parts = [self.counts, *([f"{cached} unchanged"] if cached else [])]
        parts += [f"{count_of(self.forgotten, 'known finding')} not found any more"] if self.forgotten else []
        return f"{', '.join(parts)}; {self.seconds:.1f} s"

    @property
    def counts(self) -> str:
        """How many cells stand how: the same for what was explored and for what was kept."""
        counts = [f"{self.count(mark)} {mark.value}" for mark in Mark if mark is not Mark.OK and self.count(mark)]
        return ", ".join([f"{self.count(Mark.OK)} of {count_of(len(self.cells), 'cell')} as expected", *counts])


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


NOT_RUN: Final = CellOutcome(status="not run", why="not run")


def judge(
    check: Check, asked: Asked, told: CellOutcome, known: Collection[str] = (), *, cached: bool = False
) -> JudgedCell:
    """The cell against what its check expects; `known` are the fingerprints of the baseline."""
    mark, why = _judged(check, told)
    cell = JudgedCell(check, asked, told, mark, why, cached)
    if cell.is_finding and cell.fingerprint in known:
        return JudgedCell(check, asked, told, Mark.KNOWN, why, cached)
    return cell


def accepting(summary: Summary, known: Collection[str]) -> Summary:
    """The same run against another baseline."""
    cells = (judge(each.check, each.asked, each.told, known, cached=each.cached) for each in summary.cells)
    return replace(summary, cells=tuple(cells), forgotten=0)


def _judged(check: Check, told: CellOutcome) -> tuple[Mark, str]:
    key = f"{check.where}: checks.{check.name}"
    if told.status == "not run":
        return Mark.NOT_RUN, told.why
    if told.status == "error":
        return Mark.ERROR, f"{key}: {told.why}"
    if check.site and told.sites and check.site not in told.sites:
        return Mark.ERROR, f"{key}.site: no site {check.site!r} (it has {', '.join(told.sites)})"
    if told.status == "inconclusive" and check.expect != "inconclusive":
        return Mark.INCONCLUSIVE, told.why
    why = _unexpected(check, told)
    return (Mark.FAILED, why) if why else (Mark.OK, "")


def _unexpected(check: Check, told: CellOutcome) -> str:
    """How the verdict differs from what is expected; "" if it does not."""
    found = told.found
    if check.expect == "condition":
        return "" if told.holds else "its condition does not hold"
    if check.expect != told.status:
        if check.is_litmus:
            return f"expected {check.expect}"
        said = found.text if told.status == "violation" and found is not None else told.status
        return said if check.expect == "verified" else f"{said}, expected {check.expect}"
    blamed = found.site if found is not None else ""
    return f"a violation at {blamed or 'no site'}, expected at {check.site}" if check.site not in ("", blamed) else ""


def as_data(summary: Summary, base: str) -> dict[str, Any]:
    """The object of --json. Paths are relative to `base`, the configuration's folder, where they are below it."""
    return {
        "command": "check",
        "status": summary.status,
        "violations": len([each for each in summary.findings if not each.known]),
        "executions": sum(cell.told.executions for cell in summary.cells),
        "states": sum(cell.told.states for cell in summary.cells),
        "seconds": round(summary.seconds, 3),
        "cells": [_cell_data(cell) for cell in summary.cells],
        "findings": [_finding_data(each, base) for each in summary.findings],
    }


def _cell_data(cell: JudgedCell) -> dict[str, Any]:
    return {
        "check": cell.check.name,
        "program": cell.asked.program or None,
        "litmus": cell.asked.litmus or None,
        "platform": cell.asked.platform or None,
        "barriers": cell.barriers or None,
        "expected": cell.check.expect,
        "status": cell.told.status,
        "mark": cell.mark.value,
        "why": cell.why or None,
        "cached": cell.cached,
        "runs": cell.told.runs,
        "seconds": cell.told.seconds,
        "fingerprint": cell.fingerprint if cell.is_finding else None,
    }


def _finding_data(finding: Finding, base: str) -> dict[str, Any]:
    found = finding.found
    return {
        "check": finding.check.name,
        "known": finding.known,
        "kind": found.kind,
        "text": found.text,
        "site": found.site or None,
        "file": relative(found.path, base) or None,
        "line": found.line or None,
        "cells": [cell.name for cell in finding.cells],
        "story": list(found.story),
        "replay": found.command or None,
        "again": [command for _, command in again(found)],
        "witness": found.witness or None,
        "fingerprint": finding.fingerprint,
    }


def again(found: CellFinding, folder: str = "") -> list[tuple[str, str]]:
    """(what, command) by which a finding is seen again. `folder` is the configuration's, from where one types them."""
    if found.witness:
        path = shlex.quote(os.path.normpath(os.path.join(folder, found.witness)))
        repeats = [("Repeat", f"amp replay {path}")] if found.command else []  # processes did it before
        return [("Explain", f"amp explain {path}"), *repeats]
    return [("Repeat", found.command)] if found.command else []


def retold(found: CellFinding) -> tuple[str, ...]:
    """The story, and the commands by which it is seen again, as typed where the configuration is."""
    return (*found.story, *(f"{what}: {command}" for what, command in again(found)))


def relative(path: str, base: str) -> str:
    """As seen from the folder `base`; absolute if it is not below it."""
    below = os.path.relpath(path, base) if path else ""
    return os.path.normpath(path) if below.startswith(os.pardir) else below
