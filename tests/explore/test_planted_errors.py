"""A model with an error in it turns a check red: one check at least for every error that is planted.

Errors of the order tables are planted in the platform, as data. The rules of the graph that are no data are left out by
`Explorer.plant`. A check is a claim of this suite, made of a machine: litmus shapes as Port programs, and programs that
are shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from explored_programs import explore
from small_programs import explored

from amp.ordering.barriers import BarrierClass, Orders, Reach
from amp.ordering.platforms import PLATFORMS, Platform, Processor


@dataclass(frozen=True)
class Machine:
    """A platform, perhaps one that errs, and the rule that the graph leaves out."""

    platform: Platform
    plant: str = ""

    def shows(self, first: str, second: str, outcome: tuple[int, ...]) -> bool:
        """Can the program end in this outcome? The last values are not part of it."""
        found = explored((first, second), self.platform, plant=self.plant)
        assert found is not None
        return any(each[: len(outcome)] == outcome for each in found.found)

    def holds(self, program: str, barriers: BarrierClass) -> bool:
        return explore(program, self.platform, plant=self.plant, messages=3, barriers=barriers).verified


# --- checks -----------------------------------------------------------------------------------------------------------


def a_store_does_not_pass_a_write_barrier(machine: Machine) -> None:
    assert not machine.shows("x=1 wmb y=1", "r0=y rmb r1=x", (1, 0))


def a_load_does_not_pass_a_read_barrier(machine: Machine) -> None:
    assert not machine.shows("x=1 mb y=1", "r0=y rmb r1=x", (1, 0))


def an_smp_barrier_stops_at_the_edge_of_its_domain(machine: Machine) -> None:
    assert machine.shows("x=1 smp_wmb y=1", "r0=y smp_rmb r1=x", (1, 0))


def loads_of_one_location_are_coherent(machine: Machine) -> None:
    assert not machine.shows("x=1", "r0=x r1=x", (1, 0))


def a_load_does_not_read_what_was_written_before_its_own_store(machine: Machine) -> None:
    assert not machine.shows("x=1 r0=x", "none", (0,))


def a_load_waits_for_the_value_its_address_comes_from(machine: Machine) -> None:
    assert not machine.shows("x=1 wmb y=1", "r0=y r1=x@r0", (1, 0))


def a_store_waits_for_the_value_it_writes(machine: Machine) -> None:
    assert not machine.shows("r0=x y=r0", "r0=y x=r0^", (1, 1))


def a_store_waits_for_the_branch_before_it(machine: Machine) -> None:
    assert not machine.shows("r0=x r0=7?z=1 y=1", "r0=y x=r0^", (1, 1))


def a_store_behind_a_branch_is_not_before_what_the_branch_read(machine: Machine) -> None:
    found = explored(("x=2 wmb y=1", "r0=y r0=1?x=1"), machine.platform, plant=machine.plant)
    assert found is not None
    assert (1, 2, 1, 0) not in found.found, "r0=1, and x ends as 2"


def the_ring_holds_with_mandatory_barriers(machine: Machine) -> None:
    assert machine.holds("spsc-vring", BarrierClass.MANDATORY)


def the_ring_fails_with_barriers_that_stop_short(machine: Machine) -> None:
    assert not machine.holds("spsc-vring", BarrierClass.SMP)


def the_real_ring_holds_with_mandatory_barriers(machine: Machine) -> None:
    assert machine.holds("vring", BarrierClass.MANDATORY)


Check = Callable[[Machine], None]
CHECKS: tuple[Check, ...] = (
    a_store_does_not_pass_a_write_barrier,
    a_load_does_not_pass_a_read_barrier,
    an_smp_barrier_stops_at_the_edge_of_its_domain,
    loads_of_one_location_are_coherent,
    a_load_does_not_read_what_was_written_before_its_own_store,
    a_load_waits_for_the_value_its_address_comes_from,
    a_store_waits_for_the_value_it_writes,
    a_store_waits_for_the_branch_before_it,
    a_store_behind_a_branch_is_not_before_what_the_branch_read,
    the_ring_holds_with_mandatory_barriers,
    the_ring_fails_with_barriers_that_stop_short,
    the_real_ring_holds_with_mandatory_barriers,
)

# --- errors -----------------------------------------------------------------------------------------------------------

RIGHT = PLATFORMS["arm64-domains"]


def _each_side(platform: Platform, change: Callable[[Processor], Processor]) -> Platform:
    return replace(platform, host=change(platform.host), remote=change(platform.remote))


def without(orders: Orders) -> Platform:
    """Barriers that do not keep these pairs."""

    def change(processor: Processor) -> Processor:
        rows = processor.architecture.rows
        kept = {name: replace(row, orders=row.orders & ~orders) for name, row in rows.items()}
        return replace(processor, architecture=replace(processor.architecture, rows=kept))

    return _each_side(RIGHT, change)


def inner_counted_as_outer() -> Platform:
    """Every stage, and every load, is content with a barrier that reaches the inner domain only."""

    def change(processor: Processor) -> Processor:
        stages = tuple(replace(stage, memory=Reach.INNER, doorbell=Reach.INNER) for stage in processor.stages)
        return replace(processor, stages=stages, load_reach=Reach.INNER)

    return _each_side(RIGHT, change)


ERRORS: dict[str, tuple[Machine, tuple[Check, ...]]] = {
    "a mark between stores is ignored": (
        Machine(without(Orders.WW)),
        (
            a_store_does_not_pass_a_write_barrier,
            the_ring_holds_with_mandatory_barriers,
            the_real_ring_holds_with_mandatory_barriers,
        ),
    ),
    "the floor of loads is not raised": (
        Machine(without(Orders.RR)),
        (
            a_load_does_not_pass_a_read_barrier,
            the_ring_holds_with_mandatory_barriers,
            the_real_ring_holds_with_mandatory_barriers,
        ),
    ),
    "reach is mixed up": (
        Machine(inner_counted_as_outer()),
        (an_smp_barrier_stops_at_the_edge_of_its_domain, the_ring_fails_with_barriers_that_stop_short),
    ),
    "coherence is dropped": (
        Machine(RIGHT, "coherence"),
        (loads_of_one_location_are_coherent, a_load_does_not_read_what_was_written_before_its_own_store),
    ),
    "dependencies are dropped": (
        Machine(RIGHT, "dependency"),
        (a_load_waits_for_the_value_its_address_comes_from, a_store_waits_for_the_value_it_writes),
    ),
    "control dependencies are dropped": (
        Machine(RIGHT, "control"),
        (a_store_waits_for_the_branch_before_it, a_store_behind_a_branch_is_not_before_what_the_branch_read),
    ),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_model_as_it_is_passes(check: Check) -> None:
    check(Machine(RIGHT))


@pytest.mark.parametrize(
    ("error", "check"),
    [(error, check) for error, (_, checks) in ERRORS.items() for check in checks],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_with_this_error_planted_this_check_fails(error: str, check: Check) -> None:
    machine, _ = ERRORS[error]
    with pytest.raises(AssertionError):
        check(machine)


def test_every_check_is_turned_red_by_some_error() -> None:
    assert {check for _, checks in ERRORS.values() for check in checks} == set(CHECKS)


def test_a_rule_that_is_not_there_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="'gravity' is no rule that can be left out"):
        explored(("x=1", "r0=x"), RIGHT, plant="gravity")
