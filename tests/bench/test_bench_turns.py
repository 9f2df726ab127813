"""Parts are measured in turn and compared turn by turn; a disturbed sample takes its pair along, whatever it shows."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from amp.bench.stats import PAIRS_MIN, Sample
from amp.bench.turns import Part, Turns, involuntary_switches, take_turns, timed


def calm(value: float) -> Sample:
    return Sample(value, 1.0, 1.0, 0)


def switched_out(value: float) -> Sample:
    return Sample(value, 1.0, 1.0, 1)


def asleep(value: float) -> Sample:
    return Sample(value, 0.1, 1.0, 0)


def turns_of(**samples: list[Sample]) -> Turns:
    return Turns({name: Part(lambda: calm(0)) for name in samples}, samples, 1.0)


def test_every_part_is_measured_once_a_turn_and_every_other_turn_backwards() -> None:
    order: list[str] = []

    def take(name: str) -> Sample:
        order.append(name)
        return calm(1.0)

    found = take_turns({name: Part(lambda name=name: take(name)) for name in "abc"}, 0, turns_min=3)
    assert "".join(order) == "abccbaabc"
    assert found.taken == 9
    assert {len(samples) for samples in found.samples.values()} == {3}


def test_a_ratio_is_of_the_turns_that_kept_both() -> None:
    slow = [calm(4.0), switched_out(400.0), calm(8.0)]
    fast = [calm(2.0), calm(2.0), switched_out(0.001)]
    found = turns_of(slow=slow, fast=fast)
    ratio = found.ratio("slow", "fast")
    assert ratio is not None
    assert (ratio.median, ratio.n) == (2.0, 1)
    assert found.values("slow") == [4.0, 8.0]
    assert found.counts() == {"taken": 6, "kept": 4, "discarded_share": pytest.approx(1 / 3)}


def test_where_nothing_was_kept_there_is_no_figure() -> None:
    found = turns_of(slow=[switched_out(1.0)], fast=[calm(1.0)])
    assert found.interval("slow") is None
    assert found.ratio("slow", "fast") is None


def test_a_part_that_sleeps_is_disturbed_only_by_being_switched_out() -> None:
    awake, sleeper = Part(lambda: calm(0)), Part(lambda: calm(0), sleeps=True)
    assert not awake.undisturbed(asleep(1.0))
    assert sleeper.undisturbed(asleep(1.0))
    assert not sleeper.undisturbed(switched_out(1.0))


def test_what_differs_by_a_factor_is_told_through_drift() -> None:
    drift = [1 + 0.1 * number for number in range(PAIRS_MIN)]
    found = turns_of(slow=[calm(3 * each) for each in drift], fast=[calm(each) for each in drift]).ratio("slow", "fast")
    assert found is not None
    assert found.shown
    assert (found.low, found.high) == pytest.approx((3.0, 3.0))


def test_a_timed_piece_of_work_has_its_clocks_and_is_divided_by_its_units() -> None:
    one = timed(lambda: sum(range(100_000)), 1)
    assert one.value == pytest.approx(1e9 * one.wall_s)
    assert 0 < one.cpu_s <= one.wall_s * 1.01
    many = timed(lambda: sum(range(100_000)), 1000)
    assert many.value == pytest.approx(1e6 * many.wall_s)


def test_switches_of_another_process_count_as_ours() -> None:
    cpu = max(os.sched_getaffinity(0))
    rivals = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        for rival in rivals:
            os.sched_setaffinity(rival.pid, {cpu})
        first = involuntary_switches([rivals[0].pid])
        while involuntary_switches([rivals[0].pid]) - involuntary_switches() <= first - involuntary_switches():
            pass  # two that want one CPU take turns on it: this ends, or the test's time does
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()


def test_turns_go_on_for_samples_that_count_but_not_for_ever() -> None:
    taken: list[Sample] = []

    def take(calm_from: float) -> Sample:
        time.sleep(0.001)
        taken.append(calm(1.0) if len(taken) >= calm_from else switched_out(1.0))
        return taken[-1]

    patient = take_turns({"part": Part(lambda: take(5))}, 0.004, kept_min=2)
    assert patient.taken <= 17, "PATIENCE times four turns, and the one that had begun"
    taken.clear()
    hopeless = take_turns({"part": Part(lambda: take(1000))}, 0.004, kept_min=2)
    assert 1 <= hopeless.taken <= 17
    assert not hopeless.values("part")
