"""Patience counts the time that a process had: who stands in line for a processor is waited for, who sleeps is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from amp.machine.patience import MOST, Patience, in_line_s

SPINS = "print(flush=True)\nwhile True:\n    pass\n"
SLEEPS = "print(flush=True)\ninput()\n"
ITS_THREAD_SPINS = """
import os, threading
def spin():
    while True:
        pass
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
threading.Thread(target=spin, daemon=True).start()
print(flush=True)
input()
"""
needs_count = pytest.mark.skipif(
    not os.path.exists("/proc/self/schedstat"), reason="a kernel that does not count who stands in line"
)


@contextmanager
def child(program: str) -> Iterator[int]:
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def starved() -> Iterator[int]:
    """A process that could run, on a CPU that another one of its own keeps from it."""
    cpu = min(os.sched_getaffinity(0))
    with child(SPINS) as pid, child(SPINS) as keeper:  # which ends first: a starved process takes long to die
        for each in (keeper, pid):
            os.sched_setaffinity(each, {cpu})
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        yield pid


@needs_count
def test_who_stands_in_line_has_not_had_its_time(starved: int) -> None:
    limit_s, patience, began, line_s = 0.5, Patience(starved, 0.5), time.monotonic(), in_line_s(starved)
    while in_line_s(starved) - line_s < limit_s:
        os.sched_yield()
    passed_s = time.monotonic() - began
    assert passed_s >= limit_s * 0.9
    assert patience.left_s > limit_s - passed_s + 0.3, "of which it stood in line for most"


@needs_count
def test_who_waits_for_a_thread_of_its_own_that_stands_in_line_has_not_had_it_either() -> None:
    with child(ITS_THREAD_SPINS) as pid, child(SPINS) as keeper:
        os.sched_setaffinity(keeper, {min(os.sched_getaffinity(0))})
        patience, began, line_s = Patience(pid, 0.5), time.monotonic(), in_line_s(pid)
        while in_line_s(pid) - line_s < 0.5:
            os.sched_yield()
            assert time.monotonic() - began < 100
        assert patience.left_s > 0.5 - (time.monotonic() - began) + 0.3


def test_who_goes_in_the_middle_of_a_look_has_stood_in_no_line() -> None:
    """Time and again, for between two looks at it a process is there and then is not."""
    looks = 0
    for _ in range(100):
        with subprocess.Popen(["true"]) as process:
            reaper = Thread(target=process.wait)
            reaper.start()
            while reaper.is_alive():
                looks += in_line_s(process.pid) >= 0
        assert in_line_s(process.pid) == 0
    assert looks > 0


@needs_count
def test_however_long_the_line_all_patience_ends(starved: int) -> None:
    looks: list[float] = []
    patience = Patience(starved, 0.02)
    assert not patience.until(lambda seconds: looks.append(seconds) or bool(time.sleep(min(seconds, 0.01))))
    assert patience.left_s <= 0
    assert max(looks) <= 0.02 * MOST


def test_who_sleeps_has_had_its_time_when_that_is_up() -> None:
    with child(SLEEPS) as pid:
        began, patience = time.monotonic(), Patience(pid, 0.2)
        assert not patience.until(lambda seconds: bool(time.sleep(seconds)))
        assert time.monotonic() - began >= 0.2
        assert patience.left_s <= 0


def test_what_is_done_is_done_even_after_its_time() -> None:
    with child(SLEEPS) as pid:
        patience = Patience(pid, 0.0)
        assert patience.until(lambda _: True)
        assert not patience.until(lambda _: False)


def test_a_process_that_is_gone_stands_in_no_line() -> None:
    with child(SLEEPS) as pid:
        pass
    assert in_line_s(pid) == 0
