"""`pytest bench`: each suite's ratios and counts against its saved baseline, bench/baselines/SUITE.json.

A regression has to show twice: what looks like one is measured again. `--baselines renew` saves what this run shows
instead of comparing; `--baselines widen` adds it to what is saved. `make baselines` does one after the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import saved
from saved import Compared, Reading, Verdict

from amp.bench.facts import facts

FOLDER = Path(__file__).parent / "baselines"
LINES = pytest.StashKey[list[str]]()

Measure = Callable[[], Reading]
Hold = Callable[[str, Measure], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    choices = ["compare", "renew", "widen"]
    help_text = "compare with the saved baselines, save new ones, or add this run to them"
    parser.addoption("--baselines", choices=choices, default="compare", help=help_text)


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
        what = request.config.getoption("--baselines")
        baseline = None if what == "renew" else saved.read(FOLDER, suite)
        if what == "renew":
            saved.write(FOLDER, saved.made_of(suite, reading, facts()))
            lines.append(f"{suite}: a new baseline, of this run")
            return
        if baseline is None:
            pytest.fail(f"{suite} has no baseline: make baselines")
        if what == "widen":
            saved.write(FOLDER, saved.widened(baseline, reading, facts()))
            lines.append(f"{suite}: this run is in the baseline")
            return
        found = saved.confirmed(baseline, reading, measure, facts())
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
