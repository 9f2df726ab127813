"""More processors than two, siblings among them: the running machine and the explorer agree, in both directions.

What a seeded run shows, the explorer finds; and an execution that the explorer finds is followed, step by step, by a
real process for each part, and ends the same, or is by its own relations of a kind that no such run can show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from placed_shapes import SHAPES, placed
from port_strategies import PLATFORMS, SCALAR, WHOLE, placements, platforms, programs
from replay_machine import ReplayMachine, replay_machine
from slow_sizes import size, slow_unless
from small_programs import Model, explored
from test_schedule_replay import assert_replays, told_executions

from amp.ordering.placement import Placement

MOST_RUNS = 3000
SEEDS = 150
MOST_WORDS = {3: 4, 4: 2}
Programs = tuple[str, ...]


@pytest.fixture(scope="module")
def machines() -> Iterator[dict[int, ReplayMachine]]:
    with replay_machine(2) as two, replay_machine(3) as three, replay_machine(4) as four:
        yield {2: two, 3: three, 4: four}


def drawn(data: st.DataObject, names: Sequence[str], more: int = 0) -> Programs:
    return data.draw(programs(most=MOST_WORDS[len(names)] + more, cpus=len(names)))


def assert_all_found(program: Programs, platform: str, placement: Placement, seed: int, runs: int = SEEDS) -> None:
    exploration = explored(program, platform, most_runs=MOST_RUNS, placement=placement)
    assume(exploration is not None)
    assert exploration is not None
    assert set(Model(len(program), platform, placement).outcomes(program, runs, seed)) <= exploration.found


def assert_executions_replay(
    machine: ReplayMachine, program: Programs, platform: str, placement: Placement, *, pick: int, runs: int, most: int
) -> int:
    """How many did; the others no run of processes can show."""
    told = told_executions(program, platform, runs=runs, most=most, pick=pick, placement=placement)
    return sum(
        assert_replays(machine, program, platform, each, execution, placement=placement)
        for each, execution in told.items()
    )


# --- random programs --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data(), placements, platforms, st.integers(0, 1 << 20))
def test_every_outcome_of_the_running_model_is_found(
    data: st.DataObject, names: tuple[str, ...], platform: str, seed: int
) -> None:
    assert_all_found(drawn(data, names), platform, Placement.of(names), seed)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data(), placements, platforms, st.integers(0, 1 << 20))
def test_executions_replay_in_a_process_for_each_part_or_need_what_none_can_show(
    machines: dict[int, ReplayMachine], data: st.DataObject, names: tuple[str, ...], platform: str, pick: int
) -> None:
    program, placement = drawn(data, names), Placement.of(names)
    assert_executions_replay(machines[len(names)], program, platform, placement, pick=pick, runs=60, most=2)


def test_scalars_almost_all_replay(machines: dict[int, ReplayMachine]) -> None:
    """So the test above compares more than it excuses."""
    replayed = 0

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(programs(kinds=SCALAR, places=WHOLE, most=3, cpus=3, waking=False), platforms)
    def follow(program: Programs, platform: str) -> None:
        nonlocal replayed
        placement = Placement.of(("host", "host2", "remote"))
        replayed += assert_executions_replay(machines[3], program, platform, placement, pick=1, runs=60, most=2)

    follow()
    assert replayed > 80


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=size(1000, 30_000), deadline=None)
@given(st.data(), placements, platforms, st.integers(0, 1 << 20))
def test_every_outcome_of_many_more_is_found(
    data: st.DataObject, names: tuple[str, ...], platform: str, seed: int
) -> None:
    assert_all_found(drawn(data, names, more=1), platform, Placement.of(names), seed, 4 * SEEDS)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=size(1000, 30_000), deadline=None)
@given(st.data(), placements, platforms, st.integers(0, 1 << 20))
def test_so_do_executions_of_many_more(
    machines: dict[int, ReplayMachine], data: st.DataObject, names: tuple[str, ...], platform: str, pick: int
) -> None:
    program, placement = drawn(data, names, more=1), Placement.of(names)
    assert_executions_replay(machines[len(names)], program, platform, placement, pick=pick, runs=400, most=8)


# --- the classic shapes -----------------------------------------------------------------------------------------------


# Where distances and orders differ most comes first.
MACHINES = tuple(dict.fromkeys(("arm64-domains", "omap4-2011", "x86-wc", "paranoid", *PLATFORMS)))[
    : size(4, len(PLATFORMS))
]


def tells_most(shape: str, on: str) -> bool:
    """Where distances are told apart, and what is quick everywhere."""
    return shape in ("SB", "WRC by release") or (on == "arm64-domains" and shape != "CO4")


@pytest.mark.a_few(4)
@pytest.mark.parametrize(("shape", "platform"), slow_unless(tells_most, product(SHAPES, MACHINES)))
def test_of_the_classic_shapes_each_engine_shows_what_the_other_does(
    machines: dict[int, ReplayMachine], shape: str, platform: str
) -> None:
    for names, program in placed(shape):
        placement = Placement.of(names)
        found = explored(program, platform, placement=placement)
        assert found is not None
        assert set(Model(len(names), platform, placement).outcomes(program, SEEDS)) <= found.found
        assert_executions_replay(
            machines[len(names)], program, platform, placement, pick=1, runs=MOST_RUNS, most=len(found.found)
        )


# --- the comparison goes red ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "barrier", "truly", "as_the_model_has_it"),
    [
        ("WRC", "smp_mb", ("host", "host2", "host3"), ("host", "host2", "remote")),  # a sibling looks in after the last
        ("MP", "smp_mb", ("host", "host2"), ("host", "remote")),
    ],
)
def test_a_sibling_that_looks_in_after_the_last_stage_is_noticed(
    shape: str, barrier: str, truly: tuple[str, ...], as_the_model_has_it: tuple[str, ...]
) -> None:
    program = tuple(text.format(b=barrier) for text in SHAPES[shape])
    found = explored(program, "arm64-domains", placement=Placement.of(truly))
    assert found is not None
    wrong = Model(len(program), "arm64-domains", Placement.of(as_the_model_has_it))
    assert not set(wrong.outcomes(program, 4000)) <= found.found
