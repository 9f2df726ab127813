"""The conclusion is never stronger than the intervals; disturbed batches never count; a real loop answers for real."""

import itertools
import mmap
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from amp._core import _bridge
from amp.bench import charts, drawn, ring_question
from amp.bench.cpus import bound_to
from amp.bench.facts import facts
from amp.bench.question import Answer, Build, Measure, ask, conclusion, says
from amp.bench.stats import PAIRS_MIN, Sample
from amp.cli import bench_question as command
from amp.errors import UsageError
from amp.ordering.barriers import Primitive

# A machine that others use, too: no example is late.
BUSY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RING = "a planted ring"


def calm(value: float) -> Sample:
    return Sample(value, 1, 1, 0)


def planted(ns: dict[Build, float], noise: Sequence[float]) -> Measure:
    """Builds that take so long, each turn's times off by the next of `noise`, turn by turn and build by build."""
    off: Iterator[float] = itertools.cycle(noise)
    return lambda build: [calm(ns.get(build, 10.0) * (1 + next(off)))]


def answer(ns: dict[Build, float], noise: Sequence[float] = (0.0,), turns: int = 24) -> Answer:
    return ask(planted(ns, noise), 0, turns_min=turns)


def used(**answers: Answer) -> dict[str, Answer]:
    counted = dict.fromkeys(Build, 1.5)
    return {use: replace(each, looks=counted, sleeps=counted) for use, each in answers.items()}


def test_a_cost_beyond_the_noise_is_told_with_its_interval() -> None:
    found = answer({Build.MANDATORY: 12.5}, noise=(0.001, -0.002, 0.003, 0.0, -0.001))
    text = says(found)
    assert found.differs(Build.MANDATORY)
    assert not found.differs(Build.BRANCH)
    assert "mandatory barriers everywhere changed the throughput by -20.0 % (95 %: -20." in text
    assert "the run-time branch changed the throughput by nothing beyond the noise" in text


def test_the_conclusion_is_one_sentence_over_all_uses_of_the_ring() -> None:
    text = conclusion({"polling": answer({Build.MANDATORY: 12.5}), "sleeping": answer({})})
    assert text.startswith("polling: mandatory barriers everywhere changed the throughput by -20.0 %")
    assert "; sleeping: mandatory barriers everywhere changed the throughput by nothing" in text
    assert text.endswith(").")


def test_sides_that_slept_more_or_less_often_are_named_with_the_difference() -> None:
    found = replace(answer({Build.MANDATORY: 8.0}), sleeps={Build.SMP: 0.16, Build.MANDATORY: 0.002})
    assert "; the sides slept 0.00 times per buffer, not 0.16)" in says(found)
    assert "slept" not in says(answer({Build.MANDATORY: 8.0}))


def test_a_gain_is_told_as_one() -> None:
    assert "everywhere changed the throughput by +25.0 %" in says(answer({Build.MANDATORY: 8.0}))


NS = st.floats(5, 20)


@BUSY
@given(NS, NS, NS, st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=50))
def test_the_sentence_claims_only_what_lies_beyond_noise_and_control(
    mandatory: float, branch: float, control: float, noise: list[float]
) -> None:
    found = answer({Build.MANDATORY: mandatory, Build.BRANCH: branch, Build.CONTROL: control}, noise)
    text = says(found)
    own = found.ratios[Build.CONTROL]
    error = max(abs(own.low - 1), abs(own.high - 1))
    for build, name in ((Build.MANDATORY, "everywhere"), (Build.BRANCH, "branch")):
        interval = found.ratios[build]
        claimed = f"{name} changed the throughput by nothing" not in text
        covers_one = interval.low <= 1 <= interval.high
        within_error = interval.high >= 1 - error and interval.low <= 1 + error
        assert claimed == (not covers_one and not within_error)


def test_a_run_whose_control_is_off_claims_nothing_smaller() -> None:
    found = answer({Build.MANDATORY: 10.5, Build.BRANCH: 10.5, Build.CONTROL: 10.5})
    assert found.ratios[Build.MANDATORY].shown
    assert says(found).count("nothing beyond what the control shows") == 2
    assert not found.differs(Build.MANDATORY)
    assert "no further from 1 than the control" in table(used(polling=found))


def test_too_few_undisturbed_turns_say_nothing_and_end_with_status_3() -> None:
    def disturbed(build: Build) -> list[Sample]:
        return [Sample(1.0 if build is Build.MANDATORY else 100.0, 1, 1, 1)]

    for measure, turns in ((disturbed, 10), (planted({Build.MANDATORY: 99.0}, (0.0,)), PAIRS_MIN - 1)):
        found = ask(measure, 0, turns_min=turns)
        assert says(found).startswith("nothing can be said")
        assert ring_question.exit_status(used(polling=found)) == 3
        assert ring_question.as_data(used(polling=found), {}, {})["status"] == "inconclusive"
        assert "?" in table(used(polling=ask(disturbed, 0)))


def test_a_disturbed_batch_does_not_count_and_its_share_is_told() -> None:
    def measure(_: Build) -> list[Sample]:
        return [calm(10.0), Sample(1e6, 0.5, 1, 0), Sample(1e6, 1, 1, 2), calm(12.0)]

    found = ask(measure, 0, turns_min=8)
    assert found.ns[Build.SMP].median == 11
    assert found.discarded == 0.5
    assert "50% of 128 batches were disturbed" in table(used(polling=found))


def test_no_build_always_runs_behind_the_same_one() -> None:
    order: list[Build] = []

    def measure(build: Build) -> list[Sample]:
        order.append(build)
        return [calm(1.0)]

    ask(measure, 0, turns_min=8)
    turns = [order[start : start + 4] for start in range(0, 32, 4)]
    assert all(sorted(turn) == sorted(Build) for turn in turns)
    assert {turn[0] for turn in turns} == set(Build)
    before = {(x, y) for turn in turns for x, y in itertools.pairwise(turn)}
    assert all(len({x for x, y in before if y is build}) >= 2 for build in Build)


BARRIER = {Build.MANDATORY: Primitive.MB}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="which barrier costs what is the CPU's")
@pytest.mark.alone
def test_a_real_loop_shows_what_its_full_barrier_costs_and_no_difference_where_there_is_none() -> None:
    room = mmap.mmap(-1, 1 << 16)

    def measure(build: Build) -> list[Sample]:
        """Eight batches of a store and the barrier: about 150 µs each."""
        rounds = 10_000 if build in BARRIER else 500_000
        what = (BARRIER.get(build, Primitive.SMP_WMB), _bridge.BENCH_NEAR, 1, rounds)
        taken = [_bridge.bench_barrier(room, what) for _ in range(8)]
        return [Sample(wall / rounds, cpu / 1e9, wall / 1e9, switches) for wall, cpu, switches in taken]

    with bound_to(max(os.sched_getaffinity(0))):
        found = ask(measure, 0.1, turns_min=20)
        for _ in range(5):  # on a busy machine until enough turns were left alone
            if len(found.turns.kept) >= 2 * PAIRS_MIN:
                break
            found = ask(measure, 1, turns_min=20)
    assert found.differs(Build.MANDATORY)
    assert found.ratios[Build.MANDATORY].high < 0.7
    assert abs(found.ratios[Build.BRANCH].median - 1) < 0.2


def table(answers: ring_question.Answers) -> str:
    with open(os.devnull, "w") as nowhere:
        console = Console(width=300, record=True, file=nowhere)
        command.render(console, answers, facts(), RING)
    return " ".join(console.export_text().split())


def test_the_table_sets_the_figures_beside_what_was_reported_in_2011() -> None:
    text = table(used(polling=answer({Build.MANDATORY: 12.5})))
    assert "up to -14 %" in text
    assert "7b21e34fd1c2" in text
    assert "“in the noise”" in text


def test_the_chart_comes_as_png_and_svg_with_units_machine_and_the_reported_figure(tmp_path: Path) -> None:
    answers = used(polling=answer({Build.MANDATORY: 12.5}, (0.01, -0.02, 0.005)), sleeping=answer({}))
    for path in charts.both_forms(str(tmp_path / "answer")):
        charts.write(drawn.question_chart(answers, facts((0, 1)), RING), path)
    text = " ".join(" ".join(ElementTree.parse(tmp_path / "answer.svg").getroot().itertext()).split())
    for part in ("ns per buffer", "2011", "mandatory barriers", "polling", "sleeping", facts()["kernel"], RING):
        assert part in text
    assert (tmp_path / "answer.png").read_bytes().startswith(b"\x89PNG")


def test_a_chart_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        charts.both_forms(str(tmp_path / "missing" / "answer"))
