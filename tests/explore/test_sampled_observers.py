"""Stores that reach one observer before another, in the running machine: what the explorer allows, and no more.

Random programs end as the explorer finds them, and of the classic shapes chance shows the outcome that such a machine
alone has wherever the explorer does. Where a shape begins with a load, that polls: chance seldom follows a chain of
three to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from random import Random

import pytest
from cycle_programs import cycle
from placed_shapes import placed
from planted_stages import polling
from slow_sizes import size, slow_unless
from small_programs import Model, as_if_multi_copy_atomic, crowd, explored
from test_observers import APART, COPIED, HERD, TOGETHER, at_one_distance, at_two, is_seen, siblings

from amp.ordering.placement import Placement
from amp.ordering.platforms import PLATFORMS

RUNS, ROUNDS = 1000, 30
ROUNDS_IN_VAIN = 3  # for what is not to be seen
Program = tuple[str, ...]


def runs_of(
    program: Program, platform: str, placement: Placement, rounds: int = ROUNDS
) -> Iterator[set[tuple[int, ...]]]:
    """What more and more runs of the machine, by other seeds, end in."""
    seen, model = set[tuple[int, ...]](), Model(len(program), platform, placement)
    for seed in range(1, rounds + 1):
        seen.update(model.outcomes(program, RUNS, seed))
        yield seen


def assert_all_are_seen(program: Program, platform: str, placement: Placement) -> None:
    """The same outcomes as the explorer's, each of them."""
    exploration = explored(program, platform, placement=placement)
    assert exploration is not None
    seen = set[tuple[int, ...]]()
    for seen in runs_of(program, platform, placement):
        assert seen <= exploration.found, (program, platform, placement)
        if seen == exploration.found:
            return
    assert seen == exploration.found, (program, platform, placement)


# --- the classic shapes -----------------------------------------------------------------------------------------------

PLACED: list[tuple[str, str, Callable[[int], Placement]]] = [
    *((*each, siblings) for each in TOGETHER),
    *((*each, crowd) for each in APART),
]


def is_quick(shape: str, on: tuple[str, str, Callable[[int], Placement]]) -> bool:
    return on == PLACED[0] or (shape == "WRC+addrs" and on == PLACED[-1])


@pytest.mark.parametrize(("shape", "on"), slow_unless(is_quick, product(HERD, PLACED)))
def test_the_classic_shapes_show_herd_s_outcome_where_it_is_allowed_and_nowhere_else(
    shape: str, on: tuple[str, str, Callable[[int], Placement]]
) -> None:
    texts, outcome, allowed = HERD[shape]
    platform, barrier, placed_as = on
    program = tuple(text.format(b=barrier) for text in texts)
    if shape.startswith(("WRC", "ISA2", "IRIW", "Z6.2", "Z6.3")):
        program = polling(program)
    placement = placed_as(len(program))
    exploration = explored(program, platform, placement=placement)
    assert exploration is not None
    for seen in runs_of(program, platform, placement, ROUNDS if allowed else ROUNDS_IN_VAIN):
        assert seen <= exploration.found
        if is_seen(seen, outcome):
            break
    assert is_seen(seen, outcome) is allowed is is_seen(exploration.found, outcome)


THREE = ("WRC", "WRC by data", "ISA2", "RWC")
FOUR = ("IRIW",)


@pytest.mark.parametrize(
    ("shape", "platform"),
    slow_unless(lambda shape, platform: (shape, platform) == ("WRC by data", "omap4-2011"), product(THREE, COPIED)),
)
def test_three_processors_show_the_same_outcomes_in_every_placement(shape: str, platform: str) -> None:
    for names, program in placed(shape):
        assert_all_are_seen(program if shape == "RWC" else polling(program), platform, Placement.of(names))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("shape", "platform"), list(product(FOUR, COPIED)))
def test_so_do_four(shape: str, platform: str) -> None:
    for names, program in placed(shape):
        assert_all_are_seen(polling(program), platform, Placement.of(names))


@pytest.mark.parametrize("platform", ["arm64-domains", "omap4-2011"])
@pytest.mark.parametrize("passes_on", ["y=1", "kick2"])
def test_what_a_doorbell_was_ordered_behind_a_barrier_carries_along(passes_on: str, platform: str) -> None:
    hears = "r0=wait" if passes_on == "kick2" else "r0=poll:y"
    program = ("x=1 mb kick1", f"r0=wait mb {passes_on}", f"{hears} mb r1=x")
    placement = Placement.of(("host", "host2", "remote"))
    exploration = explored(program, platform, placement=placement)
    assert exploration is not None
    assert set(Model(3, platform, placement).outcomes(program, 4000)) == exploration.found


# --- random programs --------------------------------------------------------------------------------------------------


def ending_otherwise(seed: int, programs: int, runs: int) -> list[object]:
    """The programs of which the machine shows what the explorer does not find."""
    print(f"seed {seed}")
    random, found, more = Random(seed), list[object](), 0
    for number in range(programs):
        cpus = random.choice((3, 3, 4))
        program, platform = cycle(random, cpus, atomics=True), random.choice(COPIED)
        placement = random.choice((at_one_distance, at_two))(random, cpus)
        if random.random() < 0.4:
            program = polling(program)
        exploration = explored(program, platform, most_runs=20_000, placement=placement)
        if exploration is None:
            continue
        seen = set(Model(cpus, platform, placement).outcomes(program, runs, number + 1))
        if not seen <= exploration.found:
            found.append((program, platform, placement.names, sorted(seen - exploration.found)[:3]))
        at_once = explored(program, as_if_multi_copy_atomic(PLATFORMS[platform]), placement=placement)
        more += at_once is not None and not seen <= at_once.found
    assert more, "no program has shown what only such a machine does"
    return found


def test_random_programs_end_as_the_explorer_finds() -> None:
    assert not ending_otherwise(1, 40, 300)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_so_do_thousands() -> None:
    assert not ending_otherwise(2, size(2000, 20_000), 1000)
