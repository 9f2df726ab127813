"""What the running machine shows, the explorer finds: seeded runs of the ordering model against all executions.

The model (`amp/_core/model/model.c`) makes stores late and loads stale, step by step; the explorer builds graphs and
has no clock. They share the platforms' tables and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from port_strategies import platforms, programs
from slow_sizes import size
from small_programs import Model, explored

MOST_RUNS = 3000
SEEDS = 150


def assert_all_found(program: Sequence[str], platform: str, runs: int, seed: int) -> None:
    exploration = explored(program, platform, most_runs=MOST_RUNS)
    assume(exploration is not None)
    assert exploration is not None
    shown = set(Model(len(program), platform).outcomes(program, runs, seed))
    assert shown <= exploration.found


@settings(max_examples=80, deadline=None)
@given(programs(most=6), platforms, st.integers(0, 1 << 20))
def test_every_outcome_of_the_running_model_is_found(program: tuple[str, ...], platform: str, seed: int) -> None:
    assert_all_found(program, platform, SEEDS, seed)


@settings(max_examples=25, deadline=None)
@given(programs(most=3, cpus=3), platforms, st.integers(0, 1 << 20))
def test_so_it_is_with_three_cpus(program: tuple[str, ...], platform: str, seed: int) -> None:
    assert_all_found(program, platform, SEEDS, seed)


# Found by the tests above, once.
REGRESSIONS = [
    (("r0=add:x,1", "r0=add:x,2"), "sc", "either atomic may be the first"),
    (("xx=1 xh=1", "x=1"), "sc", "a cell from whose middle another was split"),
    (("r0=add:xb,1 r1=xchg:x,2", "r0=add:xb,1 x=1 r4=xchg:x,2"), "arm64-domains", "an atomic is never late"),
    (("x=2 r0=poll:x", "x=1"), "sc", "a poll that sleeps wakes at the very next write"),
    (("x=1 r0=poll:x", "x=2 xh=1"), "sc", "a poll of two cells, of which one is written"),
    (("r0=wait mb x=1", "r0=bulk:x,2 kick0 mb"), "armv7-up", "a late load of a part of what is written"),
    (("r0=bulk:xl,4 y=1 use:r0", "r0=y xl=r0 xh=r0"), "paranoid", "a late load of two writes"),
]


@pytest.mark.parametrize(("program", "platform", "why"), REGRESSIONS, ids=[why for *_, why in REGRESSIONS])
def test_what_was_missed_once_is_found(program: tuple[str, ...], platform: str, why: str) -> None:
    exploration = explored(program, platform)
    assert exploration is not None, why
    assert set(Model(2, platform).outcomes(program, 4000)) == exploration.found


def test_a_promise_does_not_live_on_what_comes_of_it() -> None:
    """The late load could be promised 1, then 2, which comes of its having read 1, and so on without end."""
    assert explored(("r50=wait r0=add:x,1", "r0=x kick0 mb x=r0"), "armv7-up") is not None


# Where the model can show everything, chance shows it, so the inclusion above is not for want of trying.
SHAPES = [
    ("x=1 y=1", "r0=y r1=x"),
    ("x=1 r0=y", "y=1 r0=x"),
    ("r0=bulk:x,4 y=1", "r0=bulk:y,4 x=1"),
    ("x=1 y=2", "y=1 x=2"),
    ("x=1 kick1", "r0=wait r1=x"),
    ("x=1 y=1", "r0=poll:y r1=x"),
    ("bulk:x,12=3", "r0=bulk:x,12"),
    ("x=1 smp_wmb y=1", "r0=y r1=x@r0"),
]


@pytest.mark.parametrize("platform", ["sc", "x86-wb", "arm64", "omap4-2011", "paranoid"])
@pytest.mark.parametrize("program", SHAPES)
def test_of_the_classic_shapes_each_shows_what_the_other_finds(program: tuple[str, ...], platform: str) -> None:
    exploration = explored(program, platform)
    assert exploration is not None
    assert set(Model(2, platform).outcomes(program, 3000)) == exploration.found


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=size(1000, 10_000), deadline=None)
@given(programs(most=9), platforms, st.integers(0, 1 << 20))
def test_many_programs_by_many_seeds(program: tuple[str, ...], platform: str, seed: int) -> None:
    assert_all_found(program, platform, 4 * SEEDS, seed)
