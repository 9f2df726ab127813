"""What the tests of the command line share: plans, traces, `amp` as a user starts it, processes by pid. Not a test."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from commands import AMP, LIMIT_S

from amp.lab.machine import MODULE, Machine, Outcome
from amp.lab.plan import Plan, make_plan
from amp.lab.run import trace_of
from amp.machine.config import Mode, Report

WAIT_LIMIT_S = LIMIT_S
LOOK_AGAIN_S = 0.002  # who looks without a pause takes the CPU of who is waited for


def planned(
    platform: str | None,
    barriers: str = "mandatory",
    *,
    messages: int,
    weaken: tuple[str, ...] = (),
    mode: Mode = Mode.LOCKSTEP,
    ring_size: int | None = None,
    **options: Any,
) -> Plan:
    """An echo as `amp run` would be asked for it."""
    return make_plan(
        "echo",
        mode=mode,
        platform=platform,
        barriers=barriers,
        weaken=weaken,
        messages=messages,
        ring_size=ring_size,
        options=options,
    )


def run_seed(machine: Machine, plan: Plan, seed: int) -> Outcome:
    return machine.run(plan.at_seed(seed), plan.platform, plan.sites)


def in_a_fresh_machine(plan: Plan, seed: int) -> tuple[Outcome, bytes]:
    """A seed's outcome and its trace, from two processes that have run nothing before."""
    with Machine(plan.at_seed(seed)) as machine:
        outcome = run_seed(machine, plan, seed)
        return outcome, trace_of(machine).to_bytes()


def repeatable(outcome: Outcome) -> tuple[int, int, int | None, list[Report]]:
    """All of an outcome but what the clock had a part in."""
    reports = [msgspec.structs.replace(report, elapsed_ns=0) for report in outcome.reports]
    return outcome.events, outcome.digest, outcome.finder, reports


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`amp`, running, in a process group of its own; killed at the end if the test has not seen to it."""
    command = [*AMP, *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(true: Callable[[], Any], what: str) -> Any:
    """The first true value of `true()`. Fails after WAIT_LIMIT_S."""
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not (value := true()):
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_LIMIT_S:g} s"
        time.sleep(LOOK_AGAIN_S)
    return value


def sides_of(pid: int) -> tuple[int, ...]:
    """The pids of the two sides that the `amp` process `pid` has started, once both serve; empty before."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            stat = Path("/proc", entry, "stat").read_bytes() if entry.isdigit() else b""
            if stat and int(stat.rpartition(b")")[2].split()[1]) == pid:
                command = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
                found += [int(entry)] if MODULE.encode() in command else []
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return tuple(sorted(found)) if len(found) == 2 else ()


@contextmanager
def watched(*pids: int) -> Iterator[Callable[[], None]]:
    """Gives a check that these very processes have ended, or do so within WAIT_LIMIT_S: a pid may be used again."""
    handles = [os.pidfd_open(pid) for pid in pids]

    def all_ended() -> None:
        deadline = time.monotonic() + WAIT_LIMIT_S
        for pid, handle in zip(pids, handles, strict=True):
            ready, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"process {pid} is left"

    try:
        yield all_ended
    finally:
        for handle in handles:
            os.close(handle)
