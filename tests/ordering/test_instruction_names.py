"""Barrier instructions by name, the cheapest first; and what C11's fences may be relied on for."""

from __future__ import annotations

import pytest

from amp.errors import UsageError
from amp.ordering.barriers import ALL_ORDERS, Orders, Primitive, Reach
from amp.ordering.c11 import fences
from amp.ordering.instructions import (
    A64,
    ARMV7_A,
    ARMV7_M,
    BY_NAME,
    INSTRUCTIONS,
    RISCV,
    RISCV32,
    X86,
    barrier_of,
    cost,
    number_of,
    rows_of,
)
from amp.ordering.sites import Site, Sites, barriers_at, parse_weaken

SETS = (A64, ARMV7_A, ARMV7_M, X86, RISCV)


def site(*isas: str, of_access: bool = False, fixed: str = "") -> Site:
    built = [BY_NAME[A64, "dmb ish"].number]
    return Site("ring.c:7", "", needs="WW", kind="wmb", built=built, isas=isas, of_access=of_access, fixed=fixed)


@pytest.mark.parametrize("isa", SETS)
def test_each_instruction_has_a_name_of_its_own_that_an_option_takes(isa: str) -> None:
    labels = [row.label for row in rows_of(isa)]
    assert len(set(labels)) == len(labels) > 1
    assert not any(set(label) & set("=, ") for label in labels)
    for row in rows_of(isa):
        assert parse_weaken(f"ring.c:7={row.label}", Sites([site(isa)]))[1] is row
        assert barriers_at(site(isa))[row.label] is row
        assert barrier_of(number_of(row)) is row


def test_what_belongs_to_an_access_stands_nowhere_by_itself() -> None:
    alone = {row.name for isa in SETS for row in rows_of(isa)}
    assert {row.name for row in INSTRUCTIONS if row.of_access} == {
        *("ldar", "ldapr", "stlr", "acquire-release", "lock", "aq", "rl", "aq.rl")
    }
    assert not alone & {"ldar", "stlr", "lock", "aq"}
    with pytest.raises(UsageError, match=r"barrier for ring\.c:7 'stlr' is unknown"):
        parse_weaken("ring.c:7=stlr", Sites([site(A64)]))


def test_the_cheapest_comes_first() -> None:
    for isa in SETS:
        costs = [cost(row) for row in rows_of(isa)]
        assert costs == sorted(costs)
    names = [row.name for row in rows_of(A64)]
    assert names.index("dmb ishst") < names.index("dmb oshst") < names.index("dmb ish") < names.index("dsb nshst")
    assert rows_of(RISCV32) == rows_of(RISCV)


def test_two_instruction_sets_at_one_line_have_what_both_know() -> None:
    known = barriers_at(site(ARMV7_A, ARMV7_M))
    assert "dmb-sy" in known
    assert "dmb-ish" not in known


def test_an_access_may_be_made_plain_unless_it_is_fixed() -> None:
    assert barriers_at(site(of_access=True))["plain"] is Primitive.NONE
    assert "dmb-ish" not in barriers_at(site(A64, of_access=True))
    with pytest.raises(UsageError, match=r"weaken: ring.c:7: because"):
        parse_weaken("ring.c:7=plain", Sites([site(of_access=True, fixed="because")]))


@pytest.mark.parametrize("isa", [*SETS, RISCV32])
def test_a_c11_fence_is_worth_what_it_promises_as_far_as_its_instruction_reaches(isa: str) -> None:
    found = {each.order: each for each in fences(isa)}
    assert list(found) == ["acquire", "release", "acq_rel", "seq_cst"]
    assert found["release"].orders in Orders.RW | Orders.WW
    assert found["acquire"].orders in Orders.RR | Orders.RW
    assert found["seq_cst"].orders == ALL_ORDERS & ~Orders.WD  # C11 knows no doorbell
    for each in found.values():
        assert (each.instruction == "") == (each.orders == Orders(0))


def test_c11_s_fences_of_aarch64_stay_in_the_inner_domain_and_those_of_x86_are_the_compiler_s() -> None:
    assert {each.reach for each in fences(A64)} == {Reach.INNER}
    assert [each.instruction for each in fences(X86)] == ["", "", "", "mfence"]
    assert fences(A64)[1].name == "atomic_thread_fence(memory_order_release)"
