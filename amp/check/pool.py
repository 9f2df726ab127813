"""The workers of the gate: so many at a time, each bounded in time, whatever the program does.

Cells are given out in their order; one that is of a program which an idle worker has loaded goes to that one. A worker
has one program only (amp.check.worker). The order in which cells end decides nothing.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from amp.check.records import Answer, Asked, CellOutcome, Record
from amp.lab import itself
from amp.lab.stopping import Stop
from amp.machine.children import ctrl_c_waits, environment

MODULE: Final = "amp.check.worker"
LOOK_S: Final = 0.2  # between two looks at Ctrl-C
GRACE_S: Final = 120.0  # for all else: to load the program, to make a finding small, to show it, to repair it
MESSAGES: Final = 2  # of a program that is not told how many
END_S: Final = 10.0  # for a process that has been told to end

Done = Callable[[int, Answer], None]


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    control: socket.socket
    runs: str  # the program that it has loaded
    number: int | None = None  # of the cell that it is at
    deadline: float = 0.0
    received: bytearray = field(default_factory=bytearray)


def run_all(cells: Sequence[Asked], jobs: int, folder: str, stop: Stop, done: Done) -> None:
    """Have every cell explored; `done(number, answer)` as each ends, until `stop` is asked for. Raises OSError."""
    pool = _Pool(cells, folder, done)
    try:
        while pool.waiting or pool.busy:
            if stop.asked:
                return
            pool.give_out(jobs)
            pool.listen()
    finally:
        pool.close()


class _Pool:
    def __init__(self, cells: Sequence[Asked], folder: str, done: Done) -> None:
        self.cells, self.folder, self.done = cells, folder, done
        self.waiting = list(range(len(cells)))
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    @property
    def busy(self) -> bool:
        return any(each.number is not None for each in self._workers)

    def give_out(self, jobs: int) -> None:
        """A cell to every worker that has none, and to new ones as long as there are fewer than `jobs`."""
        for worker in [each for each in self._workers if each.number is None]:
            number = next((each for each in self.waiting if self.cells[each].runs == worker.runs), None)
            if number is None:
                self._end(worker)
            else:
                self._give(worker, number)
        while self.waiting and len(self._workers) < jobs:
            number = self.waiting[0]
            self._give(self._started(self.cells[number].runs), number)

    def _started(self, runs: str) -> _Worker:
        ours, theirs = socket.socketpair()
        try:
            with theirs, ctrl_c_waits():
                own = (str(theirs.fileno()), str(os.getpid()), self.folder, itself.folders()[0])
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", MODULE, *own],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=environment(),
                )
                worker = _Worker(process, ours, runs)
                self._workers.append(worker)
        except BaseException:
            ours.close()
            raise
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return worker

    def _give(self, worker: _Worker, number: int) -> None:
        asked = self.cells[number]
        self.waiting.remove(number)
        worker.number = number
        # A violation is looked for again with fewer messages, within the same bound each time.
        worker.deadline = time.monotonic() + (2 + (asked.messages or MESSAGES)) * asked.max_seconds + GRACE_S
        with suppress(BrokenPipeError, ConnectionResetError):  # it has ended: that is heard below
            worker.control.sendall(msgspec.json.encode(asked) + b"\n")

    def listen(self) -> None:
        """Take what the workers say within a moment; end those whose time is over."""
        for key, _ in self._selector.select(LOOK_S):
            self._heard(key.data)
        for worker in list(self._workers):
            if worker.number is not None and time.monotonic() > worker.deadline:
                limit = self.cells[worker.number].max_seconds
                self._give_up(worker, f"stopped: it went on long after its {limit:g} s")

    def _heard(self, worker: _Worker) -> None:
        try:
            part = worker.control.recv(1 << 20)
        except ConnectionResetError:
            part = b""
        if not part:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(END_S)
            code = worker.process.returncode or 0
            ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
            self._give_up(worker, f"the process that explored it ended with {ended}")
            return
        worker.received += part
        if not part.endswith(b"\n") or worker.number is None:
            return
        number, worker.number = worker.number, None
        answer = msgspec.json.decode(bytes(worker.received), type=Answer)
        worker.received.clear()
        self.done(number, answer)

    def _give_up(self, worker: _Worker, why: str) -> None:
        number, worker.number = worker.number, None
        self._end(worker)
        if number is not None:
            self.done(number, Answer(told=CellOutcome(status="inconclusive", why=why), record=Record(doubt=why)))

    def _end(self, worker: _Worker) -> None:
        self._selector.unregister(worker.control)
        self._workers.remove(worker)
        worker.control.close()
        worker.process.kill()
        worker.process.wait()

    def close(self) -> None:
        for worker in list(self._workers):
            self._end(worker)
        self._selector.close()
