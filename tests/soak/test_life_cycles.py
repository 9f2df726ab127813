"""Cores that are started, stopped, killed and recovered over and over: nothing is left behind, and it is quick."""

from __future__ import annotations

import gc
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from slow_sizes import size

from amp.errors import LinkDown, PeerDied
from amp.lab.board import Board
from amp.machine.config import Mode
from amp.ordering import platform
from amp.region.names import SHM_DIRECTORY
from amp.remoteproc.build import build, declaration, find_module
from amp.remoteproc.image import Image, read_image
from amp.virtio.sites import linux_choice
from hostside.remoteproc.states import RprocState

SITES = linux_choice(weak_barriers=False)
SERVICE = "rpmsg-echo"
LIMIT_S = 240.0
RECOVERY_LIMIT_MS = 300.0  # the median's, from the core's death until its service answers again, on an idle machine
STARTS = 12  # the same as so many starts of a bare interpreter, on a busy one


@pytest.fixture(scope="module")
def echo() -> Image:
    module = find_module("remoteside.services.echo")
    return read_image(build(module, declaration(module)))


@dataclass(frozen=True)
class Held:
    """What this process holds of the machine it runs on."""

    descriptors: int
    threads: int
    children: int
    shared_memory: int
    resident_kib: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        resident = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
        return cls(
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            len(children),
            sum(entry.startswith(f"amp.{os.getpid()}.") for entry in os.listdir(SHM_DIRECTORY)),
            int(resident.split()[1]),
        )

    def no_more_than(self, before: Held) -> bool:
        return (
            self.descriptors <= before.descriptors
            and self.threads <= before.threads
            and self.children <= before.children
            and self.shared_memory <= before.shared_memory
            and self.resident_kib <= before.resident_kib + 4096
        )


def answers(board: Board, data: bytes) -> None:
    """The service is announced, and echoes."""
    channel = board.bus.wait_for_channel(SERVICE, LIMIT_S)
    with board.bus.open_channel(channel) as endpoint:
        endpoint.send(data)
        assert endpoint.recv(LIMIT_S).data == data


def kill(board: Board) -> None:
    """SIGKILL; returns when the crash was noticed and a new core has been booted."""
    assert board.core.pid is not None
    os.kill(board.core.pid, signal.SIGKILL)
    with pytest.raises((LinkDown, PeerDied)):
        board.bus.wait_until(lambda: False, LIMIT_S)
    report = board.rproc.check()
    assert report is not None
    assert report.recovered, report


def bare_start_ms() -> float:
    """What an interpreter takes to start and end at this moment: the median of a few."""
    times_ms = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-c", ""], check=True)
        times_ms.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times_ms)


def board_for(image: Image, mode: Mode) -> Board:
    chosen = platform("arm64-domains") if mode is Mode.FREE else None
    return Board(image, mode=mode, sites=SITES, platform=chosen)


def cycles(count: int) -> object:
    return pytest.param(count, marks=[pytest.mark.slow, pytest.mark.timeout(3600)] if count > 100 else [])


BOTH = pytest.mark.parametrize("mode", [Mode.DIRECT, Mode.FREE])


@pytest.mark.a_few(1)
@BOTH
@pytest.mark.parametrize("count", [cycles(10), cycles(size(200, 1000))])
def test_starting_and_stopping_leaves_nothing_behind(echo: Image, mode: Mode, count: int) -> None:
    with board_for(echo, mode) as board:
        answers(board, b"first")
        board.rproc.stop()
        before = Held.now()
        for number in range(count):
            board.rproc.start()
            answers(board, number.to_bytes(4, "little"))
            board.rproc.stop()
            assert board.rproc.state is RprocState.OFFLINE
            # The last one may be: an echo is sent before the buffer that it answers is given back.
            assert len(board.rproc.unacknowledged) <= 1
        after = Held.now()
    print(f"{count} starts and stops, {mode}: {before} -> {after}")
    assert after.no_more_than(before)


@pytest.mark.a_few(1)
@BOTH
@pytest.mark.parametrize("count", [cycles(10), cycles(size(200, 1000))])
def test_killing_and_recovering_leaves_nothing_behind_and_takes_no_time(echo: Image, mode: Mode, count: int) -> None:
    times_ms = []
    with board_for(echo, mode) as board:
        answers(board, b"first")
        kill(board)
        answers(board, b"second")
        before = Held.now()
        for number in range(count):
            start = time.perf_counter()
            kill(board)
            answers(board, number.to_bytes(4, "little"))
            times_ms.append((time.perf_counter() - start) * 1e3)
        after = Held.now()
        assert board.rproc.crash_count == count + 1
        board.rproc.stop()
    median = statistics.median(times_ms)
    print(f"{count} recoveries, {mode}: median {median:.0f} ms, worst {max(times_ms):.0f} ms; {before} -> {after}")
    assert after.no_more_than(before)
    assert median <= max(RECOVERY_LIMIT_MS, STARTS * bare_start_ms())


def test_a_leak_would_show() -> None:
    before = Held.now()
    with open("/dev/null", "rb"):
        assert not Held.now().no_more_than(before)
    assert Held.now().no_more_than(before)
