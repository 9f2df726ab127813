"""Trials: a violation's run again, as far as some step as it was, and from there on in order. What decided it?

A schedule that ends early is finished fairly (amp/_core/model/schedule.c): stores become visible in program order,
loads return the newest value, nothing is late. So of two schedules that differ in their last step only, the one that
ends well and the one that does not say that this step decided the run: everything before it is the same, and after it
nothing is out of order. That is a fact about the program and its machine, not about how the trace is read.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from types import TracebackType
from typing import Final, Self

import msgspec

from amp.errors import ScheduleMismatch, UsageError
from amp.lab.machine import Machine
from amp.lab.plan import Plan
from amp.machine.config import Mode
from amp.machine.schedule import GOAL_BYTES, GOALS_LIMIT, Goal, Schedule
from amp.port.notes import Note
from amp.report.blame import Finding
from amp.report.schedule import goals_of, with_load_at
from amp.report.trace import Event, EventKind, Trace

_OWN: Final = (
    *(EventKind.STORE, EventKind.LOAD, EventKind.BARRIER, EventKind.KICK, EventKind.TAKEN, EventKind.WAIT),
    *(EventKind.STATUS, EventKind.ACKNOWLEDGE),
)
SPARE_MESSAGES: Final = 8  # a stream's trial goes on for so many messages more than had been sent


@dataclass(slots=True)
class Trials:
    """The trials of one violation's trace, on `machine` if there is one of the same sizes, else on one of their own.

    `runs` counts them.
    """

    plan: Plan
    trace: Trace
    finding: Finding
    machine: Machine | None = None
    runs: int = 0
    _steps: list[tuple[Event, Goal]] = field(default_factory=list)
    _own: Machine | None = None
    _packed: bytes = b""
    _messages: int = 0

    def __post_init__(self) -> None:
        # What was found was found by the finder's last access; what the other did later is no part of it.
        last = self.trace.last
        if not self.finding.stall:
            own = (e.number for e in reversed(self.trace.events) if e.cpu == self.finding.cpu and e.kind in _OWN)
            last = next(own, last)
        with suppress(UsageError):
            self._steps = list(takewhile(lambda step: step[0].number <= last, goals_of(self.trace)))
        config = self.plan.config
        sent = sum(event.kind is EventKind.NOTE and event.primitive == Note.SEND for event in self.trace.events)
        endless = self.plan.program.exchange
        self._messages = min(config.messages, sent + SPARE_MESSAGES) if endless else config.messages

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None

    @property
    def possible(self) -> bool:
        """Can the run be repeated at all? Not if its trace has lost its beginning, or has what no schedule can say."""
        return 0 < len(self._steps) <= GOALS_LIMIT

    # --- questions

    def deciding(self) -> Event | None:
        """The step that decided the run: as far as it, it ends badly, as far as the one before it, well.

        Looked for from the end backwards. None: the run ends badly even if all of it is in order, or the schedule does
        not repeat it.
        """
        good, bad, back = 0, len(self._steps), 1
        if not self._ends_badly(bad) or self._ends_badly(good):
            return None
        while bad - back > good:  # most violations are found soon after what decided them
            if self._ends_badly(bad - back):
                bad, back = bad - back, 2 * back
            else:
                good = bad - back
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (good, middle) if self._ends_badly(middle) else (middle, bad)
        return self._steps[bad - 1][0]

    def fails_in_order(self) -> bool:
        """Does the program end badly even if nothing at all is out of order?"""
        return self._ends_badly(0)

    def holds_if_performed(self, load: Event, before: Event) -> bool:
        """Does the run end well if all is as it was, but the deferred `load` is performed before the store arrives?"""
        arrival = next((event.number for event, _ in self._steps if event.store == before.number), None)
        cpus = len(self.plan.program.parts)
        return arrival is not None and not self._fails(with_load_at(self.trace, load, arrival).pack(cpus))

    # --- trials

    def _ends_badly(self, steps: int) -> bool:
        """Is there any violation if the first `steps` steps are as they were, and all is in order from then on?"""
        if not self._packed:
            goals = tuple(goal for _, goal in self._steps)
            self._packed = Schedule(goals).pack(len(self.plan.program.parts))
        return self._fails(self._packed[: steps * GOAL_BYTES])

    def _fails(self, goals: bytes) -> bool:
        config = msgspec.structs.replace(self.plan.config, mode=Mode.LOCKSTEP, messages=self._messages)
        if self.machine is None:
            self.machine = self._own = Machine(config).__enter__()
        self.runs += 1
        try:
            outcome = self.machine.run(config, self.plan.platform, self.plan.sites, until_violation=True, goals=goals)
        except ScheduleMismatch:
            return False
        return any(report.outcome in ("violation", "error") for report in outcome.reports)
