"""The necessity matrix: for every barrier site and class, does the program still hold; and the least that does at once.

Records that `amp.lab.necessity` fills, and the same as data; `matrix_text` has the words, `matrix_page` the page.
Nothing here explores. A verdict is what an exploration came to: one that reached a bound is "unknown", never
"holds".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import Site
from amp.report.repair import Repair, repair_data


class Verdict(StrEnum):
    """What one exploration says."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNKNOWN = "unknown"  # a bound was reached first


@dataclass(frozen=True, slots=True)
class Explored:
    """One exploration. `runs` include those cut short; `text` is the violation's; `bound` names the limit reached."""

    verdict: Verdict
    runs: int
    executions: int
    states: int
    text: str | None = None
    bound: str | None = None


@dataclass(frozen=True, slots=True)
class Counterexample:
    """The smallest violation found. `command` repeats it.

    `schedule` is None if processes cannot show it, `replayed` is whether they did; then `blamed` and `paragraphs`
    (heading, text) explain it.
    """

    side: str
    kind: str
    text: str
    messages: int
    schedule: str | None
    command: str
    replayed: bool = False
    blamed: str | None = None
    paragraphs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One site with the barrier of one class, all others as coded.

    `barrier` is what stands there, with its instruction. `same_as` is the weakest class that gives the same orders
    there, if that is another one: then both are one exploration.
    """

    barrier_class: BarrierClass
    barrier: str
    explored: Explored
    same_as: BarrierClass | None
    counterexample: Counterexample | None


@dataclass(frozen=True, slots=True)
class Row:
    """A site, what is coded there, and a cell for every class, weakest first.

    `judged` is False where the bounds are too small for what the site prevents to happen at all. `note` says why, or
    why the site needs nothing. `least` is what the code's language asks for in any case: where only the hardware keeps
    the order, the compiler must be told to.
    """

    site: Site
    coded: str
    cells: tuple[MatrixCell, ...]
    note: str | None
    judged: bool = True
    least: BarrierClass = BarrierClass.NONE

    @property
    def weakest(self) -> MatrixCell | None:
        """The cell of the weakest class that holds, of `least` and those above it."""
        return next((cell for cell in self._sensible() if cell.explored.verdict is Verdict.HOLDS), None)

    def _sensible(self) -> tuple[MatrixCell, ...]:
        return self.cells[list(BarrierClass).index(self.least) :]

    @property
    def certain(self) -> bool:
        """Is the weakest class that holds known to be needed: is every one below it broken?"""
        return (
            self.judged
            and self.weakest is not None
            and all(cell.explored.verdict is Verdict.BROKEN for cell in self._below())
        )

    @property
    def decisive(self) -> MatrixCell | None:
        """The strongest broken one below the weakest that holds: it shows that this class is needed."""
        return next((cell for cell in reversed(self._below()) if cell.explored.verdict is Verdict.BROKEN), None)

    def _below(self) -> tuple[MatrixCell, ...]:
        cells = self._sensible()
        return cells if self.weakest is None else cells[: cells.index(self.weakest)]

    @property
    def needs(self) -> str:
        """For a reader: "dma"; "dma?" if a bound was reached below it; "?" if no class is known to hold; "-"."""
        if not self.judged:
            return "-"
        if self.weakest is None:
            return "?" if any(cell.explored.verdict is Verdict.UNKNOWN for cell in self.cells) else "no class"
        return self.weakest.barrier_class.value + "?" * (not self.certain)

    def cell(self, barrier_class: BarrierClass) -> MatrixCell:
        return self.cells[list(BarrierClass).index(barrier_class)]

    def inversions(self) -> Iterator[tuple[BarrierClass, BarrierClass]]:
        """(weaker, stronger) classes of which the weaker holds and the stronger does not: there should be none."""
        for number, weaker in enumerate(self.cells):
            for stronger in self.cells[number + 1 :]:
                if (weaker.explored.verdict, stronger.explored.verdict) == (Verdict.HOLDS, Verdict.BROKEN):
                    yield weaker.barrier_class, stronger.barrier_class


class Worth(StrEnum):
    """What a barrier that the compiler put somewhere is there for."""

    NEEDED = "needed"
    STRONG = "too strong"
    IDLE = "shows nothing when removed"
    FIXED = "not judged"
    UNKNOWN = "unknown"  # a bound was reached first


@dataclass(frozen=True, slots=True)
class Built:
    """A site of compiled code, with what stands there, all others as built.

    `text` is what stands there. Where something weaker holds `weakest` names it: an instruction, "plain" for an access
    that orders, "none". `weaken` is the option that shows it, or what is seen without. `why` is the reason in words.
    """

    site: Site
    text: str
    worth: Worth
    weakest: str
    weaken: str
    why: str


@dataclass(frozen=True, slots=True)
class Trial:
    """The assignment with one site weaker still."""

    site: Site
    barrier_class: BarrierClass
    explored: Explored


@dataclass(frozen=True, slots=True)
class Assignment:
    """A class for every site that is weaker than coded, all at once. `command` verifies it.

    `weaker` are all assignments with a single site weaker still: locally minimal means that every one is broken.
    """

    classes: Mapping[Site, BarrierClass]
    explored: Explored
    weaker: tuple[Trial, ...]
    command: str

    @property
    def weaken(self) -> tuple[str, ...]:
        return tuple(f"{site.name}={barrier_class.value}" for site, barrier_class in self.classes.items())

    @property
    def minimal(self) -> bool:
        return all(trial.explored.verdict is Verdict.BROKEN for trial in self.weaker)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The whole answer. `title` says what was explored, with its bounds; `caution`, what these bounds cannot show.

    The totals count each exploration once. `assignment` is None where the program as coded is not known to hold; then
    `repair` is what was found to mend compiled code. `built` judges what the compiler put at each site, if that holds.
    """

    program: str
    platform: str
    barriers: str
    weaken: tuple[str, ...]
    messages: int
    ring_size: int
    title: str
    caution: str | None
    coded: Explored
    coded_counterexample: Counterexample | None
    rows: tuple[Row, ...]
    assignment: Assignment | None
    explorations: int
    runs: int
    executions: int
    states: int
    seconds: float
    built: tuple[Built, ...] = ()
    repair: Repair | None = None

    @property
    def status(self) -> str:
        """ "violation" as coded; else "inconclusive" if anything was left undecided; else "verified"."""
        if self.coded.verdict is Verdict.BROKEN:
            return "violation"
        decided = [self.coded, *(cell.explored for row in self.rows for cell in row.cells)]
        if self.assignment is not None:
            decided += [self.assignment.explored, *(trial.explored for trial in self.assignment.weaker)]
        unknown = any(each.verdict is Verdict.UNKNOWN for each in decided)
        return "inconclusive" if unknown or self.assignment is None else "verified"

    @property
    def exit_status(self) -> int:
        return {"verified": 0, "violation": 1, "inconclusive": 3}[self.status]

    def as_dict(self) -> dict[str, Any]:
        """As `amp sites --json` has it."""
        return matrix_data(self)

    def __str__(self) -> str:
        lines = [f"{self.title}: as coded {self.coded.verdict.value}"]
        for row in self.rows:
            cells = ", ".join(f"{cell.barrier_class.value} {cell.explored.verdict.value}" for cell in row.cells)
            lines.append(f"  {row.site.name} ({row.site.orders}) needs {row.needs}: {cells}")
        return "\n".join(lines)

    @property
    def command(self) -> str:
        """The command that verifies what is enough, "" if nothing is known to be."""
        if self.assignment is not None:
            return self.assignment.command
        return "" if self.repair is None else self.repair.command

    @property
    def inversions(self) -> tuple[tuple[Site, BarrierClass, BarrierClass], ...]:
        return tuple((row.site, *pair) for row in self.rows for pair in row.inversions())


def matrix_data(matrix: Matrix) -> dict[str, Any]:
    """The matrix as one JSON object."""
    return {
        "command": "sites",
        "status": matrix.status,
        "program": matrix.program,
        "platform": matrix.platform,
        "barriers": matrix.barriers,
        "weaken": list(matrix.weaken),
        "messages": matrix.messages,
        "ring_size": matrix.ring_size,
        "violations": int(matrix.coded.verdict is Verdict.BROKEN),
        "executions": matrix.executions,
        "runs": matrix.runs,
        "states": matrix.states,
        "explorations": matrix.explorations,
        "seconds": round(matrix.seconds, 3),
        "caution": matrix.caution,
        "as_coded": {**_explored(matrix.coded), "counterexample": _counterexample(matrix.coded_counterexample)},
        "matrix": [_row(row) for row in matrix.rows],
        "assignment": None if matrix.assignment is None else _assignment(matrix.assignment),
        "built": [_built(each) for each in matrix.built],
        "repair": None if matrix.repair is None else repair_data(matrix.repair),
        "inversions": [
            {"site": site.name, "holds": weaker.value, "broken": stronger.value}
            for site, weaker, stronger in matrix.inversions
        ],
    }


def _row(row: Row) -> dict[str, Any]:
    about = row.site
    return {
        "site": row.site.name,
        "side": "both" if about.side is None else about.side.value,
        "role": about.role,
        "orders": about.orders,
        "coded": row.coded,
        "weakest": row.weakest.barrier_class.value if row.judged and row.weakest else None,
        "certain": row.certain,
        "least": row.least.value,
        "judged": row.judged,
        "note": row.note,
        "cells": {cell.barrier_class.value: _cell(cell) for cell in row.cells},
    }


def _built(built: Built) -> dict[str, Any]:
    return {
        "site": built.site.name,
        "built": built.text,
        "worth": built.worth.value,
        "weakest": built.weakest or None,
        "weaken": built.weaken or None,
        "why": built.why,
    }


def _cell(cell: MatrixCell) -> dict[str, Any]:
    return {
        **_explored(cell.explored),
        "barrier": cell.barrier,
        "same_as": None if cell.same_as is None else cell.same_as.value,
        "counterexample": _counterexample(cell.counterexample),
    }


def _explored(explored: Explored) -> dict[str, Any]:
    return {
        "verdict": explored.verdict.value,
        "runs": explored.runs,
        "executions": explored.executions,
        "states": explored.states,
        "bound": explored.bound,
    }


def _counterexample(found: Counterexample | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "side": found.side,
        "kind": found.kind,
        "text": found.text,
        "messages": found.messages,
        "schedule": found.schedule,
        "replay": found.command,
        "replayed": found.replayed,
        "blamed": found.blamed,
    }


def _assignment(assignment: Assignment) -> dict[str, Any]:
    return {
        "weaken": list(assignment.weaken),
        **_explored(assignment.explored),
        "minimal": assignment.minimal,
        "replay": assignment.command,
        "weaker": [
            {
                "site": trial.site.name,
                "class": trial.barrier_class.value,
                "text": trial.explored.text,
                **_explored(trial.explored),
            }
            for trial in assignment.weaker
        ],
    }
