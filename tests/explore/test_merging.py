"""Merging states loses no outcome: with and without it the same are met, and a violation at one of them is found."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from port_strategies import placements, platforms, programs
from slow_sizes import size
from small_programs import Outcome, explored, sought

from amp.errors import Violation
from amp.explore.explorer import Bounds, Exploration, Explorer, Machine
from amp.ordering.barriers import BarrierClass, Primitive
from amp.ordering.placement import Placement
from amp.ordering.platforms import PLATFORMS
from amp.ordering.sites import SiteMap
from amp.virtio.sites import SITES

MOST_RUNS = 3000  # of one exploration without merging; larger programs are left out

# Programs that forget what they have read: different ways lead to the same state.
FORGETFUL = (
    ("x=1 x=2 x=3 y=1 r0=poll:z", "r0=x r0=x r0=x z=1 r0=y"),
    ("x=1 y=1 x=2 y=2 r0=z r0=z r0=z", "r0=x r0=y r0=x r0=y z=1 z=2"),
    ("x=1 kick1 r0=y x=2 kick1 r0=y", "r0=wait r0=x y=1 r0=x r0=x y=2"),
    ("bulk:x,12=1 y=1 r0=poll:z r0=x", "r0=y r1=bulk:x,12 z=1 r1=bulk:x,4 r0=x r0=xb"),
    ("r0=add:x,1 r0=y r0=add:x,1 r0=y", "y=1 r0=x y=2 r0=x r0=add:x,2"),
)


# Found by the test below, once: a state is also what an open load may no longer return, because of a load behind it;
# and a load that is used late shows only then what the stores behind it come after.
MISSED_ONCE = (
    ("r0=x mb r0=x", "mb r0=x mb xl=1", "r0=cas:x,0,1"),
    ("r10=bulk:x,2 r0=x r0=x mb x=1 x=1", "mb x=1"),
    ("x=1 r0=x y=1", "r0=x mb r14=bulk:y,2 r0=add:x,1"),
)


def assert_merging_changes_nothing(
    program: tuple[str, ...], platform: str, placement: Placement | None = None, most_runs: int = MOST_RUNS
) -> None:
    every = explored(program, platform, merging=False, most_runs=most_runs, placement=placement)
    assume(every is not None)
    merged = explored(program, platform, placement=placement)
    assert every is not None
    assert merged is not None
    assert merged.found == every.found
    assert merged.stalls == every.stalls
    assert merged.executions <= every.executions


@settings(max_examples=60, deadline=None)
@given(programs(most=9), platforms)
def test_with_and_without_merging_the_same_outcomes_are_met(program: tuple[str, ...], platform: str) -> None:
    assert_merging_changes_nothing(program, platform)


@pytest.mark.parametrize("program", MISSED_ONCE)
def test_what_was_missed_once_is_met_with_and_without_merging(program: tuple[str, ...]) -> None:
    every, merged = explored(program, "armv7-up", merging=False), explored(program, "armv7-up")
    assert every is not None
    assert merged is not None
    assert merged.found == every.found


@settings(max_examples=30, deadline=None)
@given(programs(most=4, cpus=3), platforms)
def test_so_it_is_with_three_cpus(program: tuple[str, ...], platform: str) -> None:
    assert_merging_changes_nothing(program, platform)


@settings(max_examples=40, deadline=None)
@given(st.data(), placements, platforms)
def test_so_it_is_with_siblings_and_others(data: st.DataObject, names: tuple[str, ...], platform: str) -> None:
    program = data.draw(programs(most=4 if len(names) == 3 else 2, cpus=len(names)))
    assert_merging_changes_nothing(program, platform, Placement.of(names))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=size(1000, 10_000), deadline=None)
@given(st.data(), placements, platforms)
def test_so_it_is_with_many_more(data: st.DataObject, names: tuple[str, ...], platform: str) -> None:
    program = data.draw(programs(most=5 if len(names) == 3 else 3, cpus=len(names)))
    assert_merging_changes_nothing(program, platform, Placement.of(names), 10 * MOST_RUNS)


@pytest.mark.parametrize("platform", ["x86-wb", "arm64", "omap4-2011", "paranoid"])
@pytest.mark.parametrize("program", FORGETFUL)
def test_so_it_is_where_merging_has_much_to_do(program: tuple[str, ...], platform: str) -> None:
    every = explored(program, platform, merging=False)
    merged = explored(program, platform)
    assert every is not None
    assert merged is not None
    assert merged.found == every.found
    assert merged.executions < every.executions, "nothing was merged: this compares a thing with itself"


X, Y, Z, BAD = 0x40, 0x80, 0xC0, 0x100


def writes_x(port: Any) -> None:
    port.store_u32(X, 1)


def carries_what_it_looks_into_late(port: Any) -> None:
    """Of two stores to y, alike to the remote, only the second one carries along what is read of x."""
    late = port.read(X, 4)
    port.fence(Primitive.RMB)
    port.store_u32(Y, 1)
    port.fence(Primitive.MB)
    port.store_u32(Y, 1)
    port.fence(Primitive.MB)
    port.store_u32(Z, 1)
    bad = port.load_u32(BAD)
    if bad == 1 and bytes(late)[0] == 1:
        raise Violation("host2 has read x and stored y before the remote, which has y, missed x")


def tells_of_y_without_x(port: Any) -> None:
    if port.load_u32(Z) != 1:
        return
    y = port.load_u32(Y)
    x = port.load_u32(X + (y & 0))
    if y == 1:
        port.store_u32(BAD, int(x == 0))


@pytest.mark.parametrize("names", list(permutations(("host", "host2", "remote"))), ids="-".join)
@pytest.mark.parametrize("merging", [True, False])
def test_what_an_open_read_will_come_before_is_not_lost_with_the_write_that_carries_it(
    names: tuple[str, ...], merging: bool
) -> None:
    parts = {"host": writes_x, "host2": carries_what_it_looks_into_late, "remote": tells_of_y_without_x}
    sites = SiteMap.for_class(BarrierClass.NONE, SITES)
    machine = Machine(PLATFORMS["arm64-domains"], sites, (0, 4096), Placement.of(names))
    assert found_once(Explorer(machine, [parts[name] for name in names], merging).explore(Bounds(seconds=60)))


def never(found: set[Outcome]) -> Outcome:
    """An outcome with values that each was seen in its place, but not together; or one with a value never seen."""
    first, *_ = sorted(found)
    for other in sorted(found):
        for place in range(len(first)):
            mixed = (*first[:place], *other[place:])
            if mixed not in found:
                return mixed
    return (*first[:-1], 77)


def found_once(exploration: Exploration) -> bool:
    assert exploration.bound is None
    return exploration.finding is not None


@settings(max_examples=50, deadline=None)
@given(programs(most=6), platforms, st.randoms(use_true_random=False))
def test_a_violation_at_an_outcome_is_found_if_the_outcome_can_be_and_only_then(
    program: tuple[str, ...], platform: str, random: object
) -> None:
    every = explored(program, platform, merging=False, most_runs=1000)
    assume(every is not None)
    assert every is not None
    assume(every.found)
    assume(not every.stalls)  # that would be another finding
    for outcome in random.sample(sorted(every.found), min(4, len(every.found))):  # type: ignore[attr-defined]
        assert found_once(sought(program, platform, outcome))
    assert not found_once(sought(program, platform, never(every.found)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=size(1000, 10_000), deadline=None)
@given(programs(most=12), platforms)
def test_many_programs_with_and_without_merging(program: tuple[str, ...], platform: str) -> None:
    assert_merging_changes_nothing(program, platform)
