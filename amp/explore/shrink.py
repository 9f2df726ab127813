"""Make a counterexample small: fewer stale loads, fewer context switches, fewer accesses.

A counterexample is a list of choices. It is changed one choice at a time, and a change is kept if the run still ends in
a violation of the same kind and tells a shorter story. When no single change helps any more the counterexample is
locally minimal; `Shrunk.tried` says how many changes the last round refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from amp.errors import AmpError, Stall, UsageError
from amp.explore.explorer import Choice, Explorer, Finding
from amp.explore.schedule import Execution, NotALine, line_of, reorders_loads, schedule_along, stale_loads
from amp.machine.schedule import Goal, Schedule, Visible

OPTION, POSTPONE = 0, 1  # the core's enum xp_branch
NEWEST: Final[Choice] = (OPTION, 0)
ROUNDS_LIMIT: Final = 200  # each makes the story shorter, so this is never reached in earnest


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """How long a story is; the first figure that differs decides.

    A load is stale if it returns something else than the newest visible write.
    """

    one_by_one: bool  # it needs a store to reach one observer before another
    reordered: bool  # it needs a load to be performed after a later store
    stale_loads: int
    switches: int  # from one CPU to the other
    goals: int
    turns_aside: int  # choices other than the newest write


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A finding, its schedule, what it costs, and how many single changes were tried in vain in the end."""

    finding: Finding
    schedule: Schedule | None  # None: it cannot be one, see schedule.NotALine
    cost: Cost
    tried: int
    beyond: str = ""  # why it cannot


class NotAgain(AmpError):
    """A finding that its own choices do not lead to."""


def shrink(explorer: Explorer, finding: Finding) -> Shrunk:
    """The finding, locally minimal. `explorer` is the one that found it. Raises NotAgain if it does not again."""
    best = measured(explorer, finding.choices, type(finding.error))
    if best is None:
        raise NotAgain(
            "the explorer, with the same choices, did not find it again: the program keeps something between runs, "
            "or this is a defect of amp"
        )
    for _ in range(ROUNDS_LIMIT):
        candidates = list(simpler(best.finding.choices))
        cheaper = _first_cheaper(explorer, candidates, best)
        if cheaper is None:
            return replace(best, tried=len(candidates))
        best = cheaper
    return best


def _first_cheaper(explorer: Explorer, candidates: list[tuple[Choice, ...]], best: Shrunk) -> Shrunk | None:
    kind = type(best.finding.error)
    runs = (measured(explorer, choices, kind) for choices in candidates)
    return next((found for found in runs if found is not None and found.cost < best.cost), None)


def simpler(choices: tuple[Choice, ...]) -> Iterator[tuple[Choice, ...]]:
    """Every list that is one step simpler, the boldest steps first."""
    for at in range(len(choices)):
        yield choices[:at]
    for at, (branch, value) in enumerate(choices):
        yield choices[:at] + choices[at + 1 :]
        if (branch, value) != NEWEST:
            yield (*choices[:at], NEWEST)
            yield (*choices[:at], NEWEST, *choices[at + 1 :])
        if branch == OPTION:
            for smaller in range(1, value):
                yield (*choices[:at], (OPTION, smaller), *choices[at + 1 :])
        if branch != POSTPONE:
            yield (*choices[:at], (POSTPONE, 0), *choices[at:])


def measured(explorer: Explorer, choices: tuple[Choice, ...], kind: type[Exception]) -> Shrunk | None:
    """The run with these choices, if it ends in such a violation."""
    try:
        finding = explorer.replay(choices)
    except UsageError:  # the choices do not fit
        return None
    if finding is None or type(finding.error) is not kind:
        return None
    return told(finding, Execution.of(explorer.core.events()))


def told(finding: Finding, execution: Execution) -> Shrunk:
    """A finding of that execution, as it is: nothing was tried to make it smaller."""
    try:
        line = line_of(execution, whole=isinstance(finding.error, Stall))
        schedule, beyond = schedule_along(execution, line), ""
    except NotALine as error:
        line, schedule, beyond = [], None, str(error)
    goals = () if schedule is None else schedule.goals
    cost = Cost(
        execution.one_by_one,
        reorders_loads(execution),
        stale_loads(execution, line),
        _switches(goals),
        len(goals),
        sum(choice != NEWEST for choice in finding.choices),
    )
    return Shrunk(finding, schedule, cost, 0, beyond)


def _switches(goals: tuple[Goal, ...]) -> int:
    """Changes of CPU between loads (stores become visible by themselves)."""
    cpus = [goal.cpu for goal in goals if not isinstance(goal, Visible)]
    return sum(a != b for a, b in pairwise(cpus))
