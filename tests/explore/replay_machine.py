"""Real processes in lockstep, one a part, that follow the schedule of a small program (`replay_side.py`). For tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from side_processes import SideProcesses
from small_programs import MEMORY_BYTES, crowd

from amp._core import _bridge
from amp.machine.model_room import place_model
from amp.machine.schedule import Schedule
from amp.ordering.placement import Placement
from amp.ordering.platforms import PLATFORMS, Platform
from amp.report.trace import Trace

SIDE = Path(__file__).parent / "replay_side.py"


@dataclass(frozen=True)
class Replayed:
    """`values` as CPU 0 reports them; what ended each CPU's program, or None; the goal that was refused, and why."""

    values: tuple[int, ...]
    errors: tuple[str | None, ...]
    misfit: tuple[int, str] | None


class ReplayMachine(SideProcesses):
    """A process for each CPU, on one memory. Use it by `replay_machine()`."""

    def __init__(self, cpus: int) -> None:
        self.cpus = cpus
        self._sizes = (cpus, _bridge.LOCKSTEP, 0, MEMORY_BYTES, 64, 1 << 14, 1 << 12, 1)
        self._start("replay-machine", SIDE, MEMORY_BYTES + _bridge.model_room(self._sizes), cpus)

    def run(
        self, programs: Sequence[str], platform: Platform | str, schedule: Schedule, placement: Placement | None = None
    ) -> Replayed:
        machine = PLATFORMS[platform] if isinstance(platform, str) else platform
        self.memory[:MEMORY_BYTES] = bytes(MEMORY_BYTES)
        place_model(self.memory, MEMORY_BYTES, self._sizes, machine, placement or crowd(self.cpus))
        _bridge.model_set_schedule(self.memory, MEMORY_BYTES, schedule.pack(self.cpus))
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps(list(programs)).encode() + b"\n")
            process.stdin.flush()
        answers = [self._answer(process) for process in self.processes]
        misfit = _bridge.model_misfit(self.memory, MEMORY_BYTES)
        return Replayed(tuple(answers[0]["values"]), tuple(answer["error"] for answer in answers), misfit)

    def trace(self) -> Trace:
        return Trace.from_region(memoryview(self.memory), MEMORY_BYTES)


@contextmanager
def replay_machine(cpus: int = 2) -> Iterator[ReplayMachine]:
    """A machine; its processes end with the block, each by its own pid."""
    machine = ReplayMachine(cpus)
    try:
        yield machine
    finally:
        machine.close()
