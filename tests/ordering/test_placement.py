"""Where processors stand: who is whose sibling, what that makes of barriers, and whose stores all see at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amp.errors import UsageError
from amp.ordering.architectures import ARCHITECTURES, Row
from amp.ordering.barriers import ALL_ORDERS, Orders, Primitive, Reach
from amp.ordering.instructions import ARMV7_A, ARMV7_M, FITS
from amp.ordering.placement import PAIR, Place, Placement, arrangement, check_observers
from amp.ordering.platforms import PLATFORMS, Platform, Side

FOUR = ("host", "host2", "remote", "remote2")
NOT_PROMISED = {"armv7-up", "armv7-smp", "omap4-2011", "paranoid"}


def test_processors_of_one_side_are_siblings_unless_they_are_placed_apart() -> None:
    assert Placement.of(FOUR).domains == (0, 0, 1, 1)
    assert Placement.of(FOUR, apart=("remote2",)).domains == (0, 0, 1, 2)
    assert Placement.of(("remote2", "host", "remote")).domains == (0, 1, 0)


def test_one_level_is_enough_where_all_see_a_store_at_once() -> None:
    assert PAIR.levels == 1
    assert Placement.of(("host", "host2", "host3")).levels == 1
    assert Placement.of(("host", "remote", "remote2"), apart=("remote", "remote2")).levels == 1
    assert Placement.of(("host", "host2", "remote")).levels == 2


def test_nobody_has_siblings_where_whoever_reaches_them_reaches_everybody() -> None:
    mixed = Placement.of(("host", "host2", "remote"))
    one = {name for name, platform in PLATFORMS.items() if mixed.on(platform).levels == 1}
    assert one == {"sc", "x86-wb", "arm64", "riscv"}


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_of_two_each_has_what_the_platform_s_tables_say(name: str) -> None:
    platform = PLATFORMS[name]
    for side, orders in zip(Side, arrangement(platform, PAIR), strict=True):
        assert orders.near == orders.far
        status = Orders.NO_STATUS_BEFORE | Orders.NO_STATUS_AFTER  # of the core's alone
        assert tuple(each & ~status for each in orders.far[: len(Primitive)]) == platform.table(side)
        assert orders.implicit == platform.implicit(side)


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_what_reaches_the_others_reaches_the_siblings(name: str) -> None:
    for orders in arrangement(PLATFORMS[name], Placement.of(FOUR)):
        assert all(far in near for near, far in zip(orders.near, orders.far, strict=True))


def test_siblings_alone_are_content_with_barriers_that_reach_them() -> None:
    platform = PLATFORMS["arm64-domains"]
    together, *_ = arrangement(platform, Placement.of(("host", "host2")))
    mixed, *_ = arrangement(platform, Placement.of(("host", "host2", "remote")))
    smp = platform.host.architecture.rows[Primitive.SMP_MB].orders
    assert together.far[Primitive.SMP_MB] == mixed.near[Primitive.SMP_MB] == smp
    assert not mixed.far[Primitive.SMP_MB]


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_whose_stores_reach_the_others_one_by_one_is_the_architecture_s(name: str) -> None:
    promised = name not in NOT_PROMISED
    assert [orders.multi_copy_atomic for orders in arrangement(PLATFORMS[name], Placement.of(FOUR))] == [promised] * 4


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_no_platform_of_amp_s_own_refuses_a_third_processor(name: str) -> None:
    check_observers(PLATFORMS[name], Placement.of(FOUR).sides)


def changed(rows: dict[Primitive, Row], **architecture: Any) -> Platform:
    platform = PLATFORMS["armv7-smp"]
    own = replace(platform.host.architecture, rows={**platform.host.architecture.rows, **rows}, **architecture)
    return replace(platform, host=replace(platform.host, architecture=own))


def test_a_barrier_that_may_be_weaker_than_arm_s_is_refused_where_a_third_processor_could_tell() -> None:
    light = Row(Primitive.SMP_WMB, "lwsync", Orders.RR | Orders.RW | Orders.WW, Reach.SYSTEM, "Power ISA")
    for power in (
        changed({Primitive.SMP_WMB: light}),
        changed({}, implicit=Orders.RR | Orders.RW | Orders.WW, implicit_source="TSO"),
    ):
        check_observers(power, PAIR.sides)
        check_observers(power, (Side.REMOTE,) * 3)
        with pytest.raises(UsageError, match=r"4 processors, expected at most 2: a store of its host may reach"):
            check_observers(power, Placement.of(FOUR).sides)
    full = changed({Primitive.SMP_WMB: replace(light, orders=ALL_ORDERS)})
    check_observers(full, Placement.of(FOUR).sides)
    check_observers(changed({Primitive.SMP_WMB: light}, multi_copy_atomic=True), Placement.of(FOUR).sides)


@pytest.mark.parametrize(
    ("architecture", "told"),
    [
        ("riscv", r"wmb \(fence ow,ow\)"),
        ("riscv-firmware", r"wmb \(fence ow,ow\)"),
        ("arm64", r"smp_wmb \(dmb ishst\)"),
        ("armv8-firmware", r"dma_wmb \(dmb oshst\)"),
        ("x86-wb", "what it keeps with no barrier"),
        ("x86-wc", r"wmb \(sfence\)"),
    ],
)
def test_what_is_a_barrier_where_all_see_a_store_at_once_is_not_armv7_s_where_they_need_not(
    architecture: str, told: str
) -> None:
    own = ARCHITECTURES[architecture]
    platform = PLATFORMS["omap4-2011"]
    promised = replace(platform, host=replace(platform.host, architecture=own))
    taken_back = replace(platform, host=replace(platform.host, architecture=replace(own, multi_copy_atomic=False)))
    check_observers(promised, Placement.of(FOUR).sides)
    check_observers(taken_back, PAIR.sides)
    with pytest.raises(UsageError, match=f"a store of its host may reach .*, and ({told})"):
        check_observers(taken_back, Placement.of(FOUR).sides)


def test_compiled_code_that_runs_where_they_need_not_is_arm_s() -> None:
    architectures = {name: ARCHITECTURES[name] for names in FITS.values() for name in names}
    for isa, names in FITS.items():
        copied = [name for name in names if not architectures[name].multi_copy_atomic]
        assert not copied or isa in (ARMV7_A, ARMV7_M), (isa, copied)


@pytest.mark.parametrize(
    ("names", "apart", "said"),
    [
        ((), (), "0 processors, expected 1 to 6"),
        (("host", "host2", "host3", "host4", "host5", "host6", "remote"), (), "7 processors, expected 1 to 6"),
        (("host", "driver"), (), "'driver' is no processor"),
        (("host", "host1"), (), "'host1' is no processor"),
        (("host", "host"), (), "a name stands twice among host, host"),
        (("host", "remote"), ("remote2",), "'remote2' is placed apart, and is not among"),
    ],
)
def test_what_is_no_placement_is_refused(names: tuple[str, ...], apart: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Placement.of(names, apart)


def test_a_domain_has_one_side() -> None:
    with pytest.raises(UsageError, match="remote shares a domain with a processor of the other side"):
        Placement((Place("host", Side.HOST, 0), Place("remote", Side.REMOTE, 0)))
