"""One program on many platforms, with many classes of barriers: every cell explored, the smallest finding shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from amp.errors import UsageError
from amp.explore.explorer import Bounds, Exploration, Explorer, Finding
from amp.explore.shrink import Cost, NotAgain, shrink
from amp.lab.descriptors import INTERRUPTED
from amp.lab.plan import BARRIERS, PLATFORM, Plan, check_fit, make_plan
from amp.lab.stopping import Progress, Stop, explore, stoppable
from amp.lab.verify import (
    UNFIT,
    Counterexample,
    Verdict,
    as_data,
    check_touched,
    counterexample_data,
    explorer_of,
    fewest_messages,
    shown,
)
from amp.ordering.barriers import BarrierClass
from amp.ordering.placement import check_observers
from amp.ordering.platforms import PLATFORMS, Platform
from amp.programs import load
from amp.programs.program import Program

ALL: Final = "all"
Platforms = str | Platform | Sequence[str | Platform] | None
CellDone = Callable[[int, int], None]  # (cells done, of how many)
Found = tuple[Plan, Explorer, Finding, str]


@dataclass(frozen=True, slots=True)
class Table:
    """`cells` in the order they were asked for, platform by platform; none has a counterexample but the smallest's."""

    cells: tuple[Verdict, ...]
    smallest: Counterexample | None
    seconds: float
    interrupted: bool = False

    @property
    def status(self) -> str:
        """The worst of the cells' that were explored."""
        found = {cell.status for cell in self.cells}
        return next(each for each in ("violation", "inconclusive", "verified") if each in found)

    @property
    def exit_status(self) -> int:
        if self.interrupted:
            return INTERRUPTED
        return {"verified": 0, "violation": 1, "inconclusive": 3}[self.status]


def choices(text: str | Sequence[str] | None, every: Sequence[str], default: str) -> tuple[str, ...]:
    """What an option that takes a list asks for: "all", or names with commas between, each once, in their order."""
    if text is None:
        return (default,)
    given = text.split(",") if isinstance(text, str) else text
    names = [name.strip() for name in given if name.strip()]
    if ALL in names:
        return tuple(every)
    if not names:
        raise UsageError("an empty list, expected names with commas between, or all")
    return tuple(dict.fromkeys(names))


def plans_of(
    program: str | Program,
    *,
    platforms: Platforms,
    barriers: str | Sequence[str] | None,
    **asked: Any,
) -> list[Plan]:
    """A plan for each platform and each class of barriers. `asked` as make_plan takes it. Raises UsageError.

    That compiled code does not fit one of several platforms is found when they are explored.
    """
    where: list[str | Platform] = []
    for each in [platforms] if platforms is None or isinstance(platforms, str | Platform) else platforms:
        where += [each] if isinstance(each, Platform) else choices(each, tuple(PLATFORMS), PLATFORM)
    known = load(program) if isinstance(program, str) and (barriers is None or barriers == "all") else program
    default = (known.barriers if isinstance(known, Program) else "") or BARRIERS
    classes = choices(barriers, tuple(each.value for each in BarrierClass), default)
    several = len(where) > 1
    return [
        make_plan(program, platform=name, barriers=each, fitted=not several, **asked)
        for name, each in product(where, classes)
    ]


def verify_table(
    plans: Sequence[Plan], bounds: Bounds, progress: CellDone | None = None, runs: Progress | None = None
) -> Table:
    """Explore every plan, `bounds` for each; make the smallest counterexample small and show it in processes.

    Of several, one whose platform cannot show so many processors is inconclusive, with the reason, and one that does
    not fit its platform says so; a single one, or if none fits, raises UsageError.
    """
    started, cells = time.monotonic(), list[Verdict]()
    if len(plans) == 1:
        check_observers(_platform(plans[0]), plans[0].program.placement.sides)
    best: tuple[tuple[bool, int, Cost], Found] | None = None
    with stoppable() as stop:
        for number, plan in enumerate(plans):
            if progress is not None:
                progress(number, len(plans))
            cell, found = _explored(plan, bounds, stop, runs)
            cells.append(cell)
            if found is not None:
                cost = _cost(found)
                if best is None or cost < best[0]:
                    best = cost, found
        smallest = None if best is None else shown(*best[1], stop)
    if all(cell.unfit for cell in cells):
        raise UsageError(cells[0].exploration.bound or UNFIT)
    return Table(tuple(cells), smallest, time.monotonic() - started, stop.asked)


def _cost(found: Found) -> tuple[bool, int, Cost]:
    """How large its smallest form is; one that its own choices do not lead to again comes last."""
    plan, explorer, finding, _ = found
    try:
        return False, plan.config.messages, shrink(explorer, finding).cost
    except NotAgain:
        return (
            True,
            plan.config.messages,
            Cost(one_by_one=True, reordered=True, stale_loads=0, switches=0, goals=0, turns_aside=0),
        )


def _explored(plan: Plan, bounds: Bounds, stop: Stop, runs: Progress | None) -> tuple[Verdict, Found | None]:
    started = time.monotonic()
    try:
        check_fit(plan)
    except UsageError as error:
        return Verdict(plan, Exploration(bound=str(error)), None, 0.0, unfit=True), None
    try:
        check_observers(_platform(plan), plan.program.placement.sides)
    except UsageError as error:
        return Verdict(plan, Exploration(bound=str(error)), None, 0.0), None
    explorer = explorer_of(plan)
    exploration = explore(explorer, bounds, stop, runs)
    check_touched(plan, explorer, exploration)
    found = None
    if exploration.finding is not None:
        found = fewest_messages(plan, explorer, exploration.finding, bounds, stop)
    return Verdict(plan, exploration, None, time.monotonic() - started), found


def _platform(plan: Plan) -> Platform:
    assert plan.platform is not None, plan
    return plan.platform


def table_data(table: Table) -> dict[str, Any]:
    """The table as one JSON object."""
    return {
        "command": "verify",
        "status": table.status,
        "violations": sum(cell.status == "violation" for cell in table.cells),
        "executions": sum(cell.exploration.executions for cell in table.cells),
        "states": sum(cell.exploration.states for cell in table.cells),
        "seconds": round(table.seconds, 3),
        "cells": [as_data(cell) for cell in table.cells],
        "counterexample": None if table.smallest is None else counterexample_data(table.smallest),
    }
