"""What is kept depends on how it was measured, intervals cover what was planted, noise makes a ratio refuse."""

import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amp.bench.stats import (
    CPU_SHARE,
    PAIRS_MIN,
    Interval,
    Kept,
    Sample,
    difference,
    keep,
    keep_turns,
    percent,
    percentiles,
    ratio,
)

# A machine that others use, too: no example is late.
BUSY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAMPLES = st.builds(
    Sample,
    value=st.floats(0.1, 1e6),
    cpu_s=st.floats(0, 1),
    wall_s=st.floats(0, 1),
    involuntary_switches=st.integers(0, 2),
)
PLANTED = st.floats(0.2, 5)
NOISE = st.lists(st.floats(0, 0.3), min_size=PAIRS_MIN, max_size=40)


def with_values(samples: list[Sample], values: list[float]) -> list[Sample]:
    return [
        Sample(value, each.cpu_s, each.wall_s, each.involuntary_switches)
        for each, value in zip(samples, values, strict=True)
    ]


@BUSY
@given(st.lists(SAMPLES, max_size=20), st.data())
def test_the_filter_never_looks_at_the_value(samples: list[Sample], data: st.DataObject) -> None:
    numbers = list(map(float, range(len(samples))))
    shuffled = data.draw(st.permutations(numbers))
    positions = [int(sample.value) for sample in keep(with_values(samples, numbers)).kept]
    kept = keep(with_values(samples, shuffled)).kept
    assert [sample.value for sample in kept] == [shuffled[position] for position in positions]


@BUSY
@given(st.lists(SAMPLES, max_size=20))
def test_kept_is_what_was_neither_switched_out_nor_starved(samples: list[Sample]) -> None:
    found = keep(samples)
    for sample in found.kept:
        assert sample.involuntary_switches == 0
        assert sample.cpu_s >= CPU_SHARE * sample.wall_s
    dropped = [sample for sample in samples if sample not in found.kept]
    assert all(each.involuntary_switches or each.cpu_s < CPU_SHARE * each.wall_s or not each.wall_s for each in dropped)
    assert found.discarded == pytest.approx(len(dropped) / len(samples) if samples else 0)


def test_a_sample_of_two_sides_is_as_disturbed_as_the_worse_one() -> None:
    calm, starved, switched = Sample(1, 1, 1, 0), Sample(1, 0.9, 1, 0), Sample(1, 1, 1, 3)
    assert Sample.of_sides(7, [calm, calm]).undisturbed
    assert Sample.of_sides(7, [calm, calm]).value == 7
    assert not Sample.of_sides(7, [calm, starved]).undisturbed
    assert not Sample.of_sides(7, [switched, calm]).undisturbed


def test_a_turn_with_one_disturbed_half_is_discarded_whole() -> None:
    calm, switched = Sample(1, 1, 1, 0), Sample(1, 1, 1, 1)
    assert keep_turns([(calm, calm), (calm, switched), (switched, calm)]) == Kept(((calm, calm),), 3)


@BUSY
@given(PLANTED, NOISE)
def test_the_interval_covers_a_planted_ratio_under_noise_that_favours_neither(
    planted: float, noise: list[float]
) -> None:
    pairs = [(planted * math.exp(sign * each), 1.0) for each in noise for sign in (1, -1)]
    found = ratio(pairs)
    assert found.low <= planted * (1 + 1e-9)
    assert found.high >= planted * (1 - 1e-9)
    assert found.n == len(pairs)


def test_the_interval_covers_the_planted_ratio_about_as_often_as_it_says() -> None:
    chance, planted, runs = np.random.default_rng(7), 0.86, 300
    covered = 0
    for _ in range(runs):
        drift = np.exp(chance.normal(0, 0.5, 25))  # common to both of a pair: a ratio does not see it
        noise = np.exp(chance.normal(0, 0.05, (2, 25)))
        found = ratio(zip(planted * drift * noise[0], drift * noise[1], strict=True))
        covered += found.low <= planted <= found.high
    assert 0.9 * runs <= covered < runs


@BUSY
@given(st.floats(0.001, 0.05), NOISE)
def test_noise_larger_than_the_difference_makes_the_ratio_refuse(planted: float, noise: list[float]) -> None:
    pairs = [(1 + planted + sign * (planted + 0.1 + each), 1.0) for each in noise for sign in (1, -1)]
    found = ratio([(max(first, 0.01), second) for first, second in pairs])
    assert not found.shown
    assert found.text.startswith("the noise is larger than the difference: -")


@BUSY
@given(st.floats(0.2, 0.9), st.lists(st.floats(-0.02, 0.02), min_size=PAIRS_MIN, max_size=30))
def test_a_difference_larger_than_the_noise_is_told_with_its_interval(planted: float, noise: list[float]) -> None:
    found = ratio([(planted * (1 + each), 1.0) for each in noise])
    assert found.shown
    assert " to " in found.text
    assert found.low <= found.median <= found.high


def test_too_few_pairs_say_nothing_however_alike_they_are() -> None:
    assert "too few" in ratio([(0.5, 1.0)] * (PAIRS_MIN - 1)).text
    assert ratio([(0.5, 1.0)] * PAIRS_MIN).shown
    assert not difference([(5.0, 1.0)] * (PAIRS_MIN - 1)).shown


def test_a_text_has_the_digits_that_its_interval_needs() -> None:
    assert re.fullmatch(
        r"0\.5\d\d \(0\.5\d\d to 0\.6\d\d\)", ratio([(0.5 + each / 100, 1.0) for each in range(20)]).text
    )
    near_one = ratio([(1.001 + each / 1e5, 1.0) for each in range(20)])
    assert re.fullmatch(r"1\.0010\d \(1\.0010\d to 1\.0011\d\)", near_one.text)
    assert percent(0.86) == "-14.0 %"
    assert percent(1.0004) == "+0.04 %"


@BUSY
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_the_same_values_give_the_same_interval(values: list[float]) -> None:
    found = Interval.of(values)
    assert found == Interval.of(values)
    assert min(values) <= found.low <= found.high <= max(values)


@pytest.mark.parametrize("pairs", [[], [(0.0, 1.0)], [(1.0, -1.0)], [(math.nan, 1.0)]])
def test_no_ratio_is_made_of_nothing_of_zero_or_of_nan(pairs: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match=r"values|positive"):
        ratio(pairs)


@BUSY
@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.sampled_from([1, 50, 90, 99, 99.9, 100]))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[int], rank: float) -> None:
    found = percentiles(values, [rank])[rank]
    share = sum(value <= found for value in values) / len(values)
    assert found in values
    assert share >= rank / 100 - 1e-12
    below = [value for value in values if value < found]
    assert len(below) / len(values) < rank / 100
