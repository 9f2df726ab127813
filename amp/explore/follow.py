"""Go the way of a schedule in the explorer: the choices that make every load return what the schedule says.

A schedule is in terms of the program's own loads and stores (`amp.machine.schedule`), so it fits any way of running it.
A list of choices is in terms of one exploration. Only reads are matched: where several CPUs write one location, the
last write is the newest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from amp.errors import UsageError
from amp.explore.execution import is_wait
from amp.explore.explorer import Choice, Explorer, Finding, side_name
from amp.explore.schedule import DOORBELL, READ, Event, Execution
from amp.machine.schedule import Near, Read, Schedule, Taken, Visible

RUNS_LIMIT: Final = 20_000
OPTION, POSTPONE = 0, 1  # the core's enum xp_branch


def follow(explorer: Explorer, schedule: Schedule) -> tuple[tuple[Choice, ...], Finding | None]:
    """The choices, and what the run found. Raises UsageError if the program cannot go that way."""
    schedule.pack(len(explorer.programs))  # names the goal of a CPU that is not there
    wanted = _Wanted(schedule, explorer.machine.placement.names)
    choices: tuple[Choice, ...] = ()
    for _ in range(RUNS_LIMIT):
        finding = explorer.replay(choices)
        made = tuple(explorer.core.choices())
        execution = Execution.of(explorer.core.events())
        at = wanted.first_mismatch(execution)
        if at is None:
            wanted.check_reached(execution)
            return made, finding
        choices = _mended(explorer, wanted, made[:at], explorer.core.ways()[at][2])
    raise UsageError(f"schedule: the program does not come along it in {RUNS_LIMIT} runs")


def _mended(explorer: Explorer, wanted: _Wanted, before: tuple[Choice, ...], options: int) -> tuple[Choice, ...]:
    """The choice behind `before` that fits; where no write that is there does, a later one must."""
    for option in range(options):
        explorer.replay((*before, (OPTION, option)))
        at = wanted.first_mismatch(Execution.of(explorer.core.events()))
        if at is None or at > len(before):
            return (*before, (OPTION, option))
    return (*before, (POSTPONE, 0))


class _Wanted:
    """What each load shall return."""

    def __init__(self, schedule: Schedule, names: Sequence[str]) -> None:
        self._names = names
        self._reads: dict[tuple[int, int, int], tuple[int, int] | None] = {}
        self._taken: dict[int, list[frozenset[tuple[int, int]]]] = defaultdict(list)
        visible: set[tuple[int, int]] = set()
        for goal in schedule.goals:
            match goal:
                case Near():
                    pass  # whoever reads it says so
                case Visible():
                    visible.add((goal.cpu, goal.store))
                case Read():
                    self._reads[goal.cpu, goal.load, goal.part] = goal.source
                case Taken():
                    self._taken[goal.cpu].append(frozenset(visible))

    def first_mismatch(self, execution: Execution) -> int | None:
        """The first choice whose load returned something else."""
        taken: dict[int, int] = defaultdict(int)
        wrong = [
            event.choice
            for event in execution.events
            if event.kind == READ and event.choice >= 0 and not self._fits(execution, event, taken)
        ]
        return min(wrong, default=None)

    def check_reached(self, execution: Execution) -> None:
        """Raises UsageError if a load of the schedule was not performed: it cannot return what it should."""
        performed = {(e.cpu, e.call, e.part) for n in execution.performed_reads() for e in [execution.events[n - 1]]}
        for cpu, load, part in self._reads:
            if (cpu, load, part) not in performed:
                raise UsageError(
                    f"schedule: load {load} of the {side_name(cpu, self._names)} never returned what the schedule "
                    "says: it is of another program, machine or barriers"
                )

    def _fits(self, execution: Execution, event: Event, taken: dict[int, int]) -> bool:
        sources = [execution.events[n - 1] for n in event.sources if n > 0]
        if is_wait(execution, event):
            number = taken[event.cpu]
            taken[event.cpu] += 1
            due = self._taken[event.cpu]
            if number >= len(due):
                return True  # behind the schedule's end
            rung = [
                e for e in execution.events if e.kind == DOORBELL and (e.address, e.mailbox) == (sources[0].address, 0)
            ]
            heard = [(e.cpu, e.call) for e in rung if e.cpu != event.cpu and (e.cpu, e.call) in due[number]]
            return bool(heard) and heard[-1] == (sources[0].cpu, sources[0].call)
        key = event.cpu, event.call, event.part
        if key not in self._reads:
            return True
        source = self._reads[key]
        found = {(e.cpu, e.call) for e in sources}
        return source in found if source is not None else not found
