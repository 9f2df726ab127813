"""Two real processes in lockstep that follow the schedule of a small program (`replay_side.py`). For tests."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from side_processes import SideProcesses
from small_programs import MEMORY_BYTES

from amp._core import _bridge
from amp.machine.script import Script
from amp.ordering.platforms import PLATFORMS, Platform, Side
from amp.report.trace import Trace

SIDE = Path(__file__).parent / "replay_side.py"
SIZES = (2, _bridge.LOCKSTEP, 0, MEMORY_BYTES, 64, 1 << 14, 1 << 12, 1)


@dataclass(frozen=True)
class Replayed:
    """`values` as CPU 0 reports them; what ended each CPU's program, or None; the goal that was refused, and why."""

    values: tuple[int, ...]
    errors: tuple[str | None, str | None]
    misfit: tuple[int, str] | None


class ReplayMachine(SideProcesses):
    """Two processes on one memory. Use it by `replay_machine()`."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("replay-machine")
        size = MEMORY_BYTES + _bridge.model_room(SIZES)
        os.ftruncate(self.fd, size)
        self.memory = mmap.mmap(self.fd, size)
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(SIDE), str(self.fd), str(cpu)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[self.fd],
            )
            for cpu in (0, 1)
        ]

    def run(self, programs: Sequence[str], platform: Platform | str, script: Script) -> Replayed:
        machine = PLATFORMS[platform] if isinstance(platform, str) else platform
        self.memory[:MEMORY_BYTES] = bytes(MEMORY_BYTES)
        _bridge.model_init(self.memory, MEMORY_BYTES, SIZES)
        for cpu, side in enumerate(Side):
            table = bytes(machine.table(side))
            _bridge.model_set_orders(self.memory, MEMORY_BYTES, cpu, int(machine.implicit(side)), table)
        _bridge.model_set_script(self.memory, MEMORY_BYTES, script.pack(2))
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps(list(programs)).encode() + b"\n")
            process.stdin.flush()
        answers = [self._answer(process) for process in self.processes]
        misfit = _bridge.model_misfit(self.memory, MEMORY_BYTES)
        return Replayed(tuple(answers[0]["values"]), (answers[0]["error"], answers[1]["error"]), misfit)

    def trace(self) -> Trace:
        return Trace.from_region(memoryview(self.memory), MEMORY_BYTES)


@contextmanager
def replay_machine() -> Iterator[ReplayMachine]:
    """A machine; its processes end with the block, each by its own pid."""
    machine = ReplayMachine()
    try:
        yield machine
    finally:
        machine.close()
