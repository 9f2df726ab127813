"""The ring between two processes: every sample proves its work, what is counted is what must be, mistakes are refused.

No figure is asserted: whether a sample is kept depends on who else uses the machine, what it proves does not.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from amp.bench.cpus import two_cpus
from amp.bench.pairs import Pair, PairFailed
from amp.bench.ring import Dispatch, Measured, RingPair, RingSetup, Wait, WorkWrong, keep_ring, measure, prove
from amp.bench.stats import Sample
from amp.errors import UsageError
from amp.ordering.barriers import BarrierClass
from amp.region import Layout

CPUS = sorted(os.sched_getaffinity(0))
pytestmark = pytest.mark.skipif(len(CPUS) < 2, reason="a pair runs on two CPUs")

LARGEST = RingSetup(payload=200)
SETUPS = {
    "plain": LARGEST,
    "one at a time": replace(LARGEST, outstanding=1),
    "a small ring": replace(LARGEST, ring_size=2),
    "nothing in it": RingSetup(),
    "an odd payload": replace(LARGEST, payload=13),
    "indirect": replace(LARGEST, indirect=True),
    "asleep": replace(LARGEST, wait=Wait.SLEEP),
    "asleep, by index": replace(LARGEST, wait=Wait.SLEEP, event_idx=True),
    "filled": replace(LARGEST, wait=Wait.FILL, event_idx=True, outstanding=102),
    "stored again": replace(LARGEST, rewrite=True),
    "unchecked": replace(LARGEST, checks=False),
    "a branch": replace(LARGEST, dispatch=Dispatch.BRANCH, barriers=BarrierClass.MANDATORY),
    **{cls.value: replace(LARGEST, barriers=cls) for cls in BarrierClass},
}


@pytest.fixture(scope="module")
def pair() -> Iterator[RingPair]:
    with RingPair(LARGEST, two_cpus(())) as pair:
        yield pair


@pytest.mark.parametrize("name", SETUPS)
def test_every_setup_moves_the_buffers_and_proves_it(pair: RingPair, name: str) -> None:
    run = pair.run(SETUPS[name], 3000)
    for side in (run.driver, run.device):
        assert side["messages"] == 3000
        assert side["announcements"] <= 3000
        assert side["looks"] >= side["empty_looks"]
    assert run.sample.value == run.driver["wall_ns"] / 3000


def test_an_announcement_stands_for_a_batch(pair: RingPair) -> None:
    for batch in (1, 16, 64):
        run = pair.run(RingSetup(batch=batch), 6400)
        assert run.driver["announcements"] == 6400 // batch


@pytest.mark.parametrize(("outstanding", "calls"), [(102, 99), (256, 40), (1, 10_000)])
def test_filling_the_ring_gives_one_call_for_each_filling(pair: RingPair, outstanding: int, calls: int) -> None:
    """Linux's vringh_test has 98,040 notifications in 10 million: it has 102 chains in its ring of 256."""
    setup = RingSetup(wait=Wait.FILL, event_idx=True, outstanding=outstanding)
    assert {pair.run(setup, 10_000).device["notifications"] for _ in range(3)} == {calls}


def test_polling_with_the_event_index_left_behind_notifies_once_in_65536_buffers(pair: RingPair) -> None:
    for messages, times in ((65_536, 1), (65_537, 2), (200_000, 4)):
        run = pair.run(RingSetup(event_idx=True), messages)
        assert (run.driver["notifications"], run.device["notifications"]) == (times, times)


def test_polling_without_it_notifies_nobody(pair: RingPair) -> None:
    run = pair.run(RingSetup(), 100_000)
    assert (run.driver["notifications"], run.device["notifications"], run.driver["waits"]) == (0, 0, 0)


def test_a_sleeper_is_notified_at_least_as_often_as_it_wakes(pair: RingPair) -> None:
    run = pair.run(RingSetup(wait=Wait.SLEEP, event_idx=True, outstanding=1), 2000)
    assert 0 < run.driver["waits"] <= run.device["notifications"]
    assert run.driver["spurious"] <= run.driver["waits"]


FIGURES = {"messages": 9, "delivered": 5, "returned": 6, "corrupted": 0, "wall_ns": 1, "cpu_ns": 1}


@pytest.mark.parametrize("wrong", [{"corrupted": 1}, {"delivered": 4}, {"returned": 7}, {"messages": 8}])
def test_work_that_is_not_the_same_on_both_sides_is_no_figure(wrong: dict[str, int]) -> None:
    prove(9, FIGURES, FIGURES)
    with pytest.raises(WorkWrong):
        prove(9, FIGURES, FIGURES | wrong)


def test_work_that_falls_short_on_both_sides_is_no_figure() -> None:
    with pytest.raises(WorkWrong, match="not 10"):
        prove(10, FIGURES, FIGURES)


def test_a_killed_half_is_told_in_one_line() -> None:
    with RingPair(RingSetup(), two_cpus(())) as pair:
        pair.run(RingSetup(), 10)
        os.kill(pair.pids[1], signal.SIGKILL)
        with pytest.raises(PairFailed, match="ended"):
            pair.run(RingSetup(), 1 << 30)


def test_no_process_is_left_when_a_pair_is_closed() -> None:
    layout = Layout.plan(vrings=1, buffers=1, resources=1, model=1)
    with Pair(layout, two_cpus(())) as pair:
        pids = pair.pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_sleeping_side_is_not_discarded_for_leaving_its_cpu() -> None:
    idle, switched = Sample(5.0, 0.1, 1.0, 0), Sample(5.0, 1.0, 1.0, 1)
    assert keep_ring(RingSetup(), [idle, switched]).kept == ()
    assert keep_ring(RingSetup(wait=Wait.SLEEP), [idle, switched]).kept == (idle,)


def test_counts_are_over_kept_samples_and_their_buffers(pair: RingPair) -> None:
    measured = measure(pair, RingSetup(event_idx=True), 0.05, count=65_536)
    undisturbed = [replace(run, sample=Sample(7.0, 1.0, 1.0, 0)) for run in measured.runs]
    data = Measured(measured.setup, tuple(undisturbed), 1.0).as_dict()
    assert data["per_buffer"]["kicks"] == pytest.approx(1 / 65_536)
    assert data["samples"]["discarded_share"] == 0
    assert data["million_per_s"] == pytest.approx(1e3 / 7)
    disturbed = [replace(run, sample=Sample(7.0, 1.0, 1.0, 3)) for run in measured.runs]
    assert Measured(measured.setup, tuple(disturbed), 1.0).as_dict()["ns_per_buffer"] is None


MISTAKES = [
    ({"ring_size": 3}, "ring size is 3"),
    ({"outstanding": 257}, "outstanding is 257"),
    ({"batch": 0}, "batch is 0"),
    ({"payload": 1 << 20}, "payload is 1048576"),
    ({"dispatch": Dispatch.BRANCH, "barriers": BarrierClass.DMA}, "between smp and mandatory"),
    ({"wait": Wait.FILL}, "needs --event-idx"),
]


@pytest.mark.parametrize(("asked", "words"), MISTAKES, ids=lambda each: str(each)[:30])
def test_a_setup_that_makes_no_sense_is_refused(asked: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RingSetup(**asked)  # type: ignore[arg-type]


def test_cpus_that_are_not_there_are_refused() -> None:
    for asked in ((0,), (0, 1, 2), (0, 99_999)):
        with pytest.raises(UsageError, match="--cpus"):
            two_cpus(asked)


def amp(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "amp.cli", "bench", "ring", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_one_object() -> None:
    ended = amp("--time", "0.1", "--payload", "16", "--json", "--fill", "--event-idx", "--count", "2000")
    data = json.loads(ended.stdout)
    assert ended.returncode == {"holds": 0, "inconclusive": 3}[data["status"]], ended.stderr
    assert data["ring"]["outstanding"] == 256
    assert data["figures"]["notifications_each"]["calls"] == [8]
    assert data["figures"]["delivered"]["payload_bytes"] == 16 * data["figures"]["delivered"]["messages"]
    assert data["machine"]["pinned_to"] == CPUS[-2:]


def test_a_mistake_on_the_command_line_is_one_line_and_status_2() -> None:
    ended = amp("--ring-size", "3")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


RINGTEST = Path(__file__).parents[2] / "bench" / "peers" / "ringtest.py"


@pytest.mark.parametrize("words", [(), ("--tree", "/nowhere/at/all")])
def test_ringtest_without_a_tree_says_so_in_one_line(words: tuple[str, ...]) -> None:
    command = [sys.executable, str(RINGTEST), *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stdout.startswith("skipped: "), ended.stdout.count("\n")) == (0, True, 1)
