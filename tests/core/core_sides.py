"""A region with a model and a doorbell board, and real processes on it, for the tests of the core."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType

from amp._core import _bridge
from amp._core._bridge import DirectPort, ModelledPort
from amp.ordering import platform
from amp.ordering.platforms import Side
from amp.region import Layout, Region

SCRIPT = Path(__file__).parent / "port_side.py"
LIMIT_S = 240
ASLEEP = [1 << 6, 1 << 7]  # bell.h, AMP_ASLEEP of CPUs 0 and 1


class TwoSides:
    """Leaving the `with` block ends every process that still runs, by its own pid."""

    def __init__(self, *, mode: int = _bridge.FREE, seed: int = 1, name: str = "paranoid", events: int = 4096) -> None:
        def sizes(start: int, end: int) -> tuple[int, int, int, int, int, int, int, int]:
            return (2, mode, start, end, 64, 1024, events, seed)

        room = _bridge.model_room(sizes(0, 3 * 4096))
        self.region = Region.create(Layout.plan(vrings=4096, buffers=4096, resources=4096, model=room))
        self.room = self.region.layout["model"].offset
        self.board = self.region.layout["mailbox"].offset
        self.base, self.end = self.region.layout.shared
        _bridge.model_init(self.region.memory, self.room, sizes(self.base, self.end))
        machine = platform(name)
        for cpu, side in enumerate((Side.HOST, Side.REMOTE)):
            _bridge.model_set_orders(
                self.region.memory, self.room, cpu, machine.implicit(side), bytes(machine.table(side))
            )
        self.processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> TwoSides:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()
        self.region.close()

    def port(self, cpu: int, door: str) -> ModelledPort | DirectPort:
        if door == "modelled":
            return ModelledPort(self.region.memory, self.room, cpu, bytes(32))
        return DirectPort(self.region.memory, self.base, self.end, self.board, cpu, 2, bytes(32))

    def start(self, cpu: int, door: str, role: str, number: int = 0) -> subprocess.Popen[str]:
        """A process that plays `role` as `cpu`; returns once it is about to begin."""
        command = [sys.executable, str(SCRIPT), str(self.region.fd), str(cpu), door, role, str(number)]
        process = subprocess.Popen(
            command, pass_fds=[self.region.fd], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def asleep(self, cpu: int) -> bool:
        """Does that CPU sleep, by the board of a machine without a model?"""
        word = self.region.memory[self.board : self.board + 4]
        return bool(int.from_bytes(word, "little") & ASLEEP[cpu])

    def lost(self, cpu: int, door: str) -> None:
        if door == "modelled":
            _bridge.model_lost(self.region.memory, self.room, cpu)
        else:
            _bridge.board_lost(self.region.memory, self.board)

    def state(self) -> dict[str, int]:
        return _bridge.model_state(self.region.memory, self.room)

    def trace(self) -> bytes:
        """The events that are still kept, as they lie in memory."""
        state = self.state()
        at = self.room + state["trace_offset"]
        return self.region.memory[at : at + 40 * min(state["events"], state["trace_events"])]


def outcome(process: subprocess.Popen[str]) -> str:
    """What the process printed after `ready`."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    text = process.stdout.read()  # not communicate(): some may lie in the file's buffer, behind `ready`
    assert process.wait(LIMIT_S) == 0
    return text.strip()
