"""Which doorbell: doorbell.c for a moment, and only what holds on any machine: orders of magnitude within one run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

BENCH = Path(__file__).parent
CORE = BENCH.parent / "amp" / "_core"
CPUS = sorted(os.sched_getaffinity(0))
BELLS = ["semaphore", "eventfd", "pipe", "futex"]
ROUNDS, SPIN_POLLS = 1000, 1000


class Kick(msgspec.Struct, tag_field="what", tag="kick", forbid_unknown_fields=True):
    bell: str
    waiter_killed: bool
    kicks: int
    ns: float


class RoundTrip(msgspec.Struct, tag_field="what", tag="round_trip", forbid_unknown_fields=True):
    bell: str
    spin_polls: int
    cpus: int
    rounds: int
    slept: int
    p50_ns: int
    p99_ns: int


@pytest.fixture(scope="module")
def doorbell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("bench") / "doorbell"
    command = ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{CORE}"]
    subprocess.run([*command, str(BENCH / "doorbell.c"), "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="module")
def lines(doorbell: Path) -> list[Kick | RoundTrip]:
    command = [str(doorbell), str(ROUNDS), str(SPIN_POLLS), str(CPUS[0]), str(CPUS[-1])]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return [msgspec.json.decode(line, type=Kick | RoundTrip) for line in text.splitlines()]


@pytest.fixture(scope="module")
def kick_ns(lines: list[Kick | RoundTrip]) -> dict[tuple[str, bool], float]:
    """By bell, and whether a waiter was killed before."""
    return {(line.bell, line.waiter_killed): line.ns for line in lines if isinstance(line, Kick)}


@pytest.fixture(scope="module")
def trips(lines: list[Kick | RoundTrip]) -> dict[tuple[str, int, int], RoundTrip]:
    """By bell, polls before it sleeps, number of CPUs."""
    return {(line.bell, line.spin_polls, line.cpus): line for line in lines if isinstance(line, RoundTrip)}


def test_every_bell_is_measured_and_every_round_was_answered(
    kick_ns: dict[tuple[str, bool], float], trips: dict[tuple[str, int, int], RoundTrip]
) -> None:
    assert set(kick_ns) == {(bell, killed) for bell in BELLS for killed in (False, True)}
    assert len(trips) == len(BELLS) * 2 * min(len(CPUS), 2)
    assert {trip.rounds for trip in trips.values()} == {ROUNDS}


@pytest.mark.parametrize("bell", BELLS)
def test_a_blocking_waiter_really_sleeps(trips: dict[tuple[str, int, int], RoundTrip], bell: str) -> None:
    assert trips[bell, 0, 1].slept >= ROUNDS


@pytest.mark.parametrize("system_call", ["eventfd", "pipe"])
@pytest.mark.parametrize("waiter_killed", [False, True])
def test_a_kick_nobody_waits_for_costs_the_futex_word_no_system_call(
    kick_ns: dict[tuple[str, bool], float], system_call: str, waiter_killed: bool
) -> None:
    assert kick_ns["futex", waiter_killed] * 5 < kick_ns[system_call, False]


@pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("bell", ["semaphore", "futex"])
def test_across_cpus_it_pays_to_spin_before_sleeping(trips: dict[tuple[str, int, int], RoundTrip], bell: str) -> None:
    assert trips[bell, SPIN_POLLS, 2].p50_ns * 3 < trips[bell, 0, 2].p50_ns


@pytest.mark.parametrize("bell", ["semaphore", "futex"])
def test_on_one_cpu_it_does_not(trips: dict[tuple[str, int, int], RoundTrip], bell: str) -> None:
    assert trips[bell, 0, 1].p50_ns < trips[bell, SPIN_POLLS, 1].p50_ns


def test_bad_usage_is_refused(doorbell: Path) -> None:
    assert subprocess.run([str(doorbell)], capture_output=True, check=False).returncode == 2
