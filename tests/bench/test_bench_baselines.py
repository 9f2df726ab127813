"""The comparison with saved baselines goes red on a regression and on nothing else: planted figures, no measurement."""

from __future__ import annotations

import json
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.bench.facts import facts
from amp.bench.stats import PAIRS_MIN, Interval
from amp.errors import UsageError

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from saved import (
    MACHINE_KEYS,
    MARGIN,
    Baseline,
    Reading,
    Span,
    Verdict,
    compare,
    confirmed,
    made_of,
    read,
    widened,
    write,
)

HERE = facts()
COST, KICKS = "a buffer / a line", "kicks"


def interval(median: float, half: float = 0.01, n: int = 30) -> Interval:
    return Interval(median, median - half, median + half, n)


def reading(cost: Interval | None, kicks: int = 1526) -> Reading:
    return Reading({COST: cost}, {KICKS: kicks})


def baseline_of(*costs: Interval) -> Baseline:
    first, *others = map(reading, costs)
    return reduce(lambda saved, each: widened(saved, each, HERE), others, made_of("ring", first, HERE))


SAVED = baseline_of(*map(interval, (2.0, 2.1, 1.9, 2.02, 1.98)))


def verdicts(found: Reading, baseline: Baseline = SAVED) -> dict[str, Verdict]:
    return {each.name: each.verdict for each in compare(baseline, found, HERE)}


def test_a_baseline_spans_all_its_runs() -> None:
    assert SAVED.ratios == {COST: Span([2.0, 2.1, 1.9, 2.02, 1.98], 1.89, 2.11)}
    assert SAVED.ratios[COST].median == 2.0
    assert SAVED.counts == {KICKS: 1526}


def test_a_planted_regression_is_found_and_told_with_its_figures() -> None:
    found = compare(SAVED, reading(interval(2.6)), HERE)
    assert [each.verdict for each in found] == [Verdict.REGRESSED, Verdict.HOLDS]
    assert str(found[0]) == ("a buffer / a line: regressed: 2.6 (2.59 to 2.61), baseline 2 (1.89 to 2.11), limit 2.22")


def test_what_varies_as_the_baseline_did_is_none() -> None:
    for cost in (1.9, 2.0, 2.1, 2.2):
        assert verdicts(reading(interval(cost)))[COST] is Verdict.HOLDS


def test_an_interval_that_reaches_into_the_noise_is_none() -> None:
    assert verdicts(reading(interval(2.6, half=0.45)))[COST] is Verdict.HOLDS


def test_a_gain_does_not_fail_and_is_told() -> None:
    found = verdicts(reading(interval(1.2)))[COST]
    assert found is Verdict.BETTER
    assert not found.fails


def test_a_regression_counts_only_if_it_shows_again() -> None:
    slow, calm = reading(interval(2.6)), reading(interval(2.0))
    assert confirmed(SAVED, slow, lambda: slow, HERE)[0].verdict is Verdict.REGRESSED
    assert confirmed(SAVED, slow, lambda: calm, HERE)[0].verdict is Verdict.HOLDS


def test_what_holds_is_not_measured_again() -> None:
    def never() -> Reading:
        raise AssertionError("measured again")

    assert confirmed(SAVED, reading(interval(2.0)), never, HERE)[0].verdict is Verdict.HOLDS


@pytest.mark.parametrize("kicks", [1525, 1527])
def test_any_other_count_fails(kicks: int) -> None:
    found = verdicts(reading(interval(2.0), kicks))[KICKS]
    assert found is Verdict.CHANGED
    assert found.fails


def test_a_figure_without_a_baseline_and_a_baseline_without_a_figure_fail() -> None:
    other = Reading({"another": interval(1)}, {"other kicks": 1})
    found = verdicts(other)
    assert found == {
        "another": Verdict.NEW,
        "other kicks": Verdict.NEW,
        COST: Verdict.GONE,
        KICKS: Verdict.GONE,
    }
    assert all(each.fails for each in found.values())


@pytest.mark.parametrize("cost", [None, interval(9.0, n=PAIRS_MIN - 1)])
def test_too_few_samples_say_nothing(cost: Interval | None) -> None:
    assert verdicts(reading(cost))[COST] is Verdict.UNKNOWN
    assert not Verdict.UNKNOWN.fails


@pytest.mark.parametrize("key", MACHINE_KEYS)
def test_ratios_of_another_kind_of_machine_are_not_compared_but_counts_are(key: str) -> None:
    elsewhere = {**HERE, key: "another"}
    cost, kicks = compare(SAVED, reading(interval(9.0), kicks=1), elsewhere)
    assert cost.verdict is Verdict.ELSEWHERE
    assert "here 'another'" in cost.text
    assert kicks.verdict is Verdict.CHANGED


def test_ratios_of_cpus_at_another_distance_are_not_compared_either() -> None:
    saved = made_of("ring", Reading({COST: interval(2.0)}, {}, distance=30.0), HERE)
    near, far = (Reading({COST: interval(9.0)}, {}, distance) for distance in (31.0, 150.0))
    assert verdicts(near, saved)[COST] is Verdict.REGRESSED
    assert verdicts(far, saved)[COST] is Verdict.ELSEWHERE
    with pytest.raises(UsageError, match="CPUs 30 locked additions apart, here 150"):
        widened(saved, far, HERE)


POSITIVE = st.floats(0.01, 1000)


@given(st.lists(POSITIVE, min_size=1, max_size=7), st.floats(1.0, 10.0))
def test_no_run_of_the_baseline_regresses_against_it_and_enough_more_always_does(
    medians: list[float], more: float
) -> None:
    saved = baseline_of(*(interval(each, 0.001 * each) for each in medians))
    for median in medians:
        assert verdicts(reading(interval(median, 0.001 * median)), saved)[COST] is Verdict.HOLDS
    span = saved.ratios[COST]
    worse = more * span.limit / 0.998
    assert verdicts(reading(interval(worse, 0.001 * worse)), saved)[COST] is Verdict.REGRESSED
    assert span.limit == pytest.approx(span.high + max(MARGIN * span.high, (span.high - span.low) / 2))


UNFIT = [
    (reading(None), HERE, "a buffer / a line: too few undisturbed samples"),
    (reading(interval(2), kicks=7), HERE, "counts differ"),
    (Reading({"another": interval(2)}, {KICKS: 1526}), HERE, "has other ratios: a buffer / a line"),
    (reading(interval(2)), {**HERE, "cpu_model": "another"}, "is of another machine: cpu_model"),
]


@pytest.mark.parametrize(("found", "known", "said"), UNFIT, ids=[said for *_, said in UNFIT])
def test_no_run_that_does_not_fit_gets_into_a_baseline(found: Reading, known: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        widened(SAVED, found, known)


def test_no_baseline_is_made_of_a_run_that_says_nothing() -> None:
    with pytest.raises(UsageError, match="too few undisturbed samples"):
        made_of("ring", reading(None), HERE)


def test_a_file_holds_ratios_counts_and_the_machine_and_no_time(tmp_path: Path) -> None:
    path = write(tmp_path / "baselines", SAVED)
    data = json.loads(path.read_text())
    assert data.keys() == {"suite", "machine", "ratios", "counts", "distance"}
    assert data["machine"]["cpu_model"] == HERE["cpu_model"]
    assert read(path.parent, "ring") == SAVED
    assert read(path.parent, "another") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "ring.json: "), ('{"suite": 1}', "ring.json: "), ("other", "is of 'other', expected 'ring'")],
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, text: str, said: str) -> None:
    if text == "other":
        text = write(tmp_path, Baseline("other", {}, {}, {})).read_text()
    (tmp_path / "ring.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        read(tmp_path, "ring")


def test_every_saved_baseline_can_be_read_and_names_its_machine() -> None:
    folder = Path(__file__).parents[2] / "bench" / "baselines"
    files = sorted(folder.glob("*.json"))
    assert files, "there are baselines"
    for path in files:
        saved = read(folder, path.stem)
        assert saved is not None
        assert all(saved.machine.get(key) for key in MACHINE_KEYS)
        assert all(0 < span.low <= span.median <= span.high for span in saved.ratios.values())
