"""`pytest bench`: each suite's ratios and counts against its saved baseline, bench/baselines/SUITE.json.

A regression has to show twice: what looks like one is measured again. `--renew-baselines` measures every suite RUNS
times and saves what came of it, instead of comparing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amp.bench import baselines
from amp.bench.baselines import Compared, Reading, Verdict
from amp.bench.facts import facts

FOLDER = Path(__file__).parent / "baselines"
RUNS = 5  # of a suite, for a baseline
LINES = pytest.StashKey[list[str]]()

Measure = Callable[[], Reading]
Hold = Callable[[str, Measure], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = f"save what {RUNS} runs of each suite show as its baseline, instead of comparing"
    parser.addoption("--renew-baselines", action="store_true", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LINES] = []


@pytest.fixture(scope="session")
def two_cpus() -> tuple[int, int]:
    """Where both sides run."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        pytest.skip("two sides need two CPUs")
    return usable[-2], usable[-1]


@pytest.fixture
def hold(request: pytest.FixtureRequest, benchmark: Any) -> Hold:
    """Call it with the suite's name and what measures it once. The test fails on a regression."""

    def hold_suite(suite: str, measure: Measure) -> None:
        reading = benchmark.pedantic(measure, rounds=1, iterations=1)
        benchmark.extra_info.update(reading.as_dict())
        lines = request.config.stash[LINES]
        if request.config.getoption("--renew-baselines"):
            readings = [reading, *(measure() for _ in range(RUNS - 1))]
            baselines.write(FOLDER, baselines.made_of(suite, readings, facts()))
            lines.append(f"{suite}: baseline of {RUNS} runs saved")
            return
        baseline = baselines.read(FOLDER, suite)
        if baseline is None:
            pytest.fail(f"{suite} has no baseline: pytest bench --renew-baselines")
        found = baselines.confirmed(baseline, reading, measure, facts())
        lines += [f"{suite}: {each}" for each in found if each.verdict is not Verdict.HOLDS]
        lines.append(f"{suite}: {sum(each.verdict is Verdict.HOLDS for each in found)} of {len(found)} figures hold")
        failed = [str(each) for each in found if each.verdict.fails]
        assert not failed, "\n".join(failed)
        _skip_if_nothing_was_said(found)

    return hold_suite


def _skip_if_nothing_was_said(found: list[Compared]) -> None:
    unsaid = {Verdict.UNKNOWN, Verdict.ELSEWHERE}
    if all(each.verdict in unsaid for each in found):
        pytest.skip("; ".join(map(str, found)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash[LINES]:
        terminalreporter.section("baselines (ratios: less is better)")
        for line in config.stash[LINES]:
            terminalreporter.write_line(line)
