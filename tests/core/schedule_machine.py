"""Two processes in lockstep that run programs in words (`schedule_side.py`), by chance or by a schedule. Not a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_machine import ROOM, SHARED, config
from side_processes import SideProcesses

from amp._core import _bridge
from amp.machine.schedule import Goal, Schedule
from amp.ordering import platform
from amp.ordering.platforms import Side
from amp.report.trace import EventFlag, EventKind, Trace

SIDE = Path(__file__).parent / "schedule_side.py"
SIZES = config(mode=_bridge.LOCKSTEP, events=1 << 14)


@dataclass(frozen=True)
class Run:
    """How a run ended: both programs' registers, each one's error (or None), the trace, and what the core refused."""

    registers: dict[str, int]
    errors: tuple[str | None, str | None]
    texts: tuple[str, str]
    numbers: tuple[int | None, int | None]
    trace: Trace
    state: dict[str, int]
    misfit: tuple[int, str] | None

    def visible(self) -> list[tuple[int, ...]]:
        """What became visible, in order."""
        wanted = (EventKind.VISIBLE, EventKind.RUNG)
        return [(e.cpu, e.kind, e.address, e.size, e.value) for e in self.trace.events if e.kind in wanted]

    def loaded(self) -> list[tuple[int, ...]]:
        """Every load of any bytes, by CPU and number: where, and what it read."""
        loads = [e for e in self.trace.events if e.kind is EventKind.LOAD and e.size and not e.flags & EventFlag.PART]
        return sorted((e.cpu, e.load, e.address, e.size, e.value) for e in loads)


class ScheduleMachine(SideProcesses):
    """Two processes on one memory. Use it by `schedule_machine()`."""

    def __init__(self) -> None:
        self._start("schedule-machine", SIDE, ROOM + _bridge.model_room(SIZES), 2)

    def run(
        self,
        programs: Sequence[str],
        goals: Sequence[Goal] | Schedule | None = None,
        name: str = "paranoid",
        seed: int = 1,
    ) -> Run:
        """By a schedule if there are `goals`, else by chance."""
        self.memory[:SHARED] = bytes(SHARED)
        _bridge.model_init(self.memory, ROOM, (*SIZES[:-1], seed))
        for cpu, side in enumerate(Side):
            table = bytes(platform(name).table(side))
            _bridge.model_set_orders(self.memory, ROOM, cpu, int(platform(name).implicit(side)), table)
        if goals is not None:
            schedule = goals if isinstance(goals, Schedule) else Schedule(tuple(goals))
            _bridge.model_set_schedule(self.memory, ROOM, schedule.pack(2))
        for process, program in zip(self.processes, programs, strict=True):
            assert process.stdin is not None
            process.stdin.write(program.encode() + b"\n")
            process.stdin.flush()
        answers = [self._answer(process) for process in self.processes]
        return Run(
            registers={**answers[0]["registers"], **answers[1]["registers"]},
            errors=(answers[0].get("error"), answers[1].get("error")),
            texts=(answers[0].get("text", ""), answers[1].get("text", "")),
            numbers=(answers[0].get("number"), answers[1].get("number")),
            trace=Trace.from_region(memoryview(self.memory), ROOM),
            state=_bridge.model_state(self.memory, ROOM),
            misfit=_bridge.model_misfit(self.memory, ROOM),
        )


@contextmanager
def schedule_machine() -> Iterator[ScheduleMachine]:
    """A machine; its processes end with the block, each by its own pid."""
    machine = ScheduleMachine()
    try:
        yield machine
    finally:
        machine.close()
