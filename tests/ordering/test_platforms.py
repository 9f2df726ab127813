"""What each barrier is worth to the other side, in both directions: what orders, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amp.errors import UsageError
from amp.ordering import platform
from amp.ordering.barriers import ALL_ORDERS, NO_ORDERS, Orders, Primitive
from amp.ordering.platforms import PLATFORMS, Platform, Side, Verdict
from amp.ordering.sites import SiteMap
from amp.virtio.sites import POLICIES, SITES

P = Primitive
HOST, REMOTE = Side.HOST, Side.REMOTE
RR, RW, WR, WW, WD = Orders.RR, Orders.RW, Orders.WR, Orders.WW, Orders.WD

# platform, side, primitives, what they order of what is asked, what they do not.
Row = tuple[str, Side, tuple[Primitive, ...], Orders, Orders]
SMP = (P.SMP_MB, P.SMP_RMB, P.SMP_WMB)
VIRT = (P.VIRT_MB, P.VIRT_RMB, P.VIRT_WMB, P.VIRT_STORE_MB)
FULL = (P.MB, P.DMA_MB, P.SMP_MB, P.VIRT_MB)
LOADS, STORES, NOTHING, ALL = RR | RW, WW | WD, NO_ORDERS, ALL_ORDERS
TABLE: list[Row] = [
    ("sc", HOST, (P.NONE,), ALL, NOTHING),
    ("sc", REMOTE, (P.NONE,), ALL, NOTHING),
    ("x86-wb", HOST, (P.NONE, P.SMP_RMB, P.SMP_WMB), LOADS | STORES, WR),
    ("x86-wb", HOST, FULL, ALL, NOTHING),
    ("x86-wb", REMOTE, (P.SMP_MB,), ALL, NOTHING),
    ("x86-wc", HOST, (P.NONE, P.SMP_WMB, P.DMA_WMB, P.VIRT_WMB, P.STORE_RELEASE), LOADS | WD, WW | WR),
    ("x86-wc", HOST, (P.WMB,), STORES, WR),
    ("x86-wc", HOST, (P.RMB,), LOADS, WW | WR),
    ("x86-wc", HOST, FULL, ALL, NOTHING),
    ("x86-wc", REMOTE, (P.DMA_WMB,), STORES, WR),
    ("armv7-up", HOST, (P.NONE, P.COMPILER, *SMP, *VIRT, P.STORE_RELEASE, P.LOAD_ACQUIRE), NOTHING, ALL),
    ("armv7-up", HOST, (P.DMA_WMB,), STORES, WR),
    ("armv7-up", HOST, (P.DMA_RMB, P.RMB), LOADS, NOTHING),
    ("armv7-up", HOST, (P.MB, P.DMA_MB), ALL, NOTHING),
    ("armv7-smp", HOST, (P.NONE, *SMP, *VIRT, P.STORE_RELEASE, P.LOAD_ACQUIRE), NOTHING, ALL),
    ("armv7-smp", HOST, (P.DMA_WMB,), WW, WD),
    ("armv7-smp", HOST, (P.DMA_RMB,), LOADS, WD),
    ("armv7-smp", HOST, (P.WMB, P.WRITEL), STORES, LOADS),
    ("armv7-smp", HOST, (P.MB, P.DMA_MB), ALL, NOTHING),
    ("omap4-2011", HOST, (P.SMP_MB, P.SMP_RMB, P.SMP_WMB), LOADS, WR | WW | WD),
    ("omap4-2011", HOST, (P.RMB, P.DMA_RMB), LOADS, WR | WW | WD),
    ("omap4-2011", HOST, (P.MB, P.WMB, P.DMA_WMB, P.WRITEL), ALL, NOTHING),
    ("omap4-2011", REMOTE, (P.NONE, P.COMPILER), NOTHING, ALL),
    ("omap4-2011", REMOTE, (P.MB, P.RMB, P.WMB, P.DMA_MB, P.DMA_RMB, P.DMA_WMB, *SMP, *VIRT), ALL, NOTHING),
    ("arm64", HOST, (P.NONE,), NOTHING, ALL),
    ("arm64", HOST, FULL, ALL, NOTHING),
    ("arm64", HOST, (P.SMP_WMB, P.DMA_WMB, P.VIRT_WMB), STORES, LOADS | WR),
    ("arm64", HOST, (P.SMP_RMB, P.DMA_RMB, P.RMB), LOADS, STORES | WR),
    ("arm64", REMOTE, (P.SMP_MB, P.SMP_WMB), ALL, NOTHING),
    ("arm64-domains", HOST, (*SMP, *VIRT), NOTHING, ALL),
    ("arm64-domains", REMOTE, SMP, NOTHING, ALL),
    ("arm64-domains", HOST, (P.DMA_WMB, P.WMB, P.WRITEL), STORES, LOADS),
    ("arm64-domains", HOST, (P.DMA_MB, P.MB), ALL, NOTHING),
    ("arm64-domains", REMOTE, (P.DMA_MB, P.MB), ALL, NOTHING),
    ("arm64-domains", HOST, (P.STORE_RELEASE,), RW | WW, RR | WD),
    ("riscv", HOST, (P.SMP_WMB,), WW, WD),
    ("riscv", HOST, (P.SMP_MB,), LOADS | WR | WW, WD),
    ("riscv", HOST, (P.DMA_WMB, P.WMB), STORES, LOADS),
    ("riscv", HOST, (P.WRITEL,), WD, WW),
    ("riscv", HOST, (P.RMB, P.SMP_RMB), RR, RW),
    ("riscv", REMOTE, (P.SMP_WMB,), RW | WW, WD),
    ("paranoid", HOST, (P.NONE, *SMP, *VIRT, P.DMA_MB, P.DMA_RMB, P.DMA_WMB, P.STORE_RELEASE), NOTHING, ALL),
    ("paranoid", REMOTE, (P.MB,), ALL, NOTHING),
    ("paranoid", HOST, (P.RMB,), LOADS, STORES | WR),
    ("paranoid", HOST, (P.WMB,), STORES, LOADS | WR),
]


@pytest.mark.parametrize(
    ("name", "side", "primitive", "ordered", "not_ordered"),
    [(name, side, p, yes, no) for name, side, primitives, yes, no in TABLE for p in primitives],
)
def test_a_barrier_orders_what_it_must_and_nothing_that_it_cannot(
    name: str, side: Side, primitive: Primitive, ordered: Orders, not_ordered: Orders
) -> None:
    orders = PLATFORMS[name].orders(side, primitive)
    assert orders & ordered == ordered
    assert orders & not_ordered == NO_ORDERS


def unmet(machine: Platform, sites: SiteMap) -> set[str]:
    """The sites whose need is not met, with the side that stands there."""
    return {
        f"{side}:{site.name}"
        for site in SITES
        for side in ([site.side] if site.side else list(Side))
        if site.needs & ~machine.orders(side, sites[site])
    }


# platform, policy, whether every site of both sides gets what it needs.
SUFFICES = [
    ("sc", "none", True),
    ("x86-wb", "smp", True),
    ("x86-wb", "compiler", False),
    ("x86-wc", "dma", False),
    ("x86-wc", "virtio-strong", False),
    ("armv7-up", "smp", False),
    ("armv7-up", "virtio-weak", False),
    ("armv7-up", "dma", True),
    ("armv7-smp", "smp", False),
    ("armv7-smp", "dma", False),
    ("armv7-smp", "virtio-strong", True),
    ("omap4-2011", "smp", False),
    ("omap4-2011", "virtio-weak", False),
    ("omap4-2011", "virtio-strong", True),
    ("arm64", "smp", True),
    ("arm64", "none", False),
    ("arm64-domains", "smp", False),
    ("arm64-domains", "dma", True),
    ("riscv", "smp", False),
    ("riscv", "virtio-weak", True),
    ("riscv", "dma", True),
    ("paranoid", "dma", False),
    *((name, "mandatory", True) for name in PLATFORMS),
]


@pytest.mark.parametrize(("name", "policy", "suffices"), SUFFICES)
def test_a_policy_meets_every_site_of_both_sides_or_it_does_not(name: str, policy: str, suffices: bool) -> None:
    missing = unmet(PLATFORMS[name], POLICIES[policy])
    assert (not missing) == suffices, missing


def test_the_bug_of_2011_is_the_stores_of_the_host_and_nothing_of_the_remote() -> None:
    missing = unmet(PLATFORMS["omap4-2011"], POLICIES["smp"])
    assert missing == {"host:S1", "host:S5", "host:S8", "host:K1"}


def test_without_the_pl310_the_same_kernel_has_no_bug() -> None:
    machine = PLATFORMS["omap4-2011"]
    stages = tuple(stage for stage in machine.host.stages if "PL310" not in stage.name)
    assert len(stages) == len(machine.host.stages) - 1
    assert unmet(replace(machine, host=replace(machine.host, stages=stages)), POLICIES["smp"]) == set()


def test_armv7_smp_under_dma_fails_at_the_doorbell_alone() -> None:
    assert unmet(PLATFORMS["armv7-smp"], POLICIES["dma"]) == {"host:K1"}


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("side", list(Side))
def test_the_table_for_the_core_has_every_primitive_with_the_implicit_orders_in_it(name: str, side: Side) -> None:
    machine = PLATFORMS[name]
    table = machine.table(side)
    assert len(table) == len(Primitive)
    assert all(table[p] == machine.orders(side, p) for p in Primitive)
    assert all(orders & machine.implicit(side) == machine.implicit(side) for orders in table)
    assert table[P.NONE] == table[P.COMPILER] == machine.implicit(side)


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_and_stage_names_its_source(name: str) -> None:
    machine = PLATFORMS[name]
    assert machine.name == name
    assert machine.source
    assert machine.region_memory
    assert all(stage.source for side in Side for stage in machine.processor(side).stages)


def test_an_explanation_says_what_stands_in_the_way() -> None:
    explanation = PLATFORMS["omap4-2011"].explain(HOST, P.SMP_WMB)
    assert explanation.verdict is Verdict.NO
    assert explanation.text == "dmb reaches OUTER; PL310 write buffer needs SYSTEM"
    assert explanation.orders == LOADS
    assert PLATFORMS["omap4-2011"].explain(HOST, P.SMP_MB).verdict is Verdict.READS_ONLY
    doorbell = PLATFORMS["armv7-smp"].explain(HOST, P.DMA_WMB)
    assert doorbell.verdict is Verdict.MEMORY_ONLY
    assert doorbell.reasons == ("PL310 write buffer needs SYSTEM for the doorbell",)
    assert PLATFORMS["x86-wc"].explain(HOST, P.DMA_WMB).reasons == ("compiler only, and the hardware does not keep WW",)
    assert PLATFORMS["riscv"].explain(HOST, P.SMP_WMB).reasons == ("does not order WD",)
    assert "need OUTER" in PLATFORMS["arm64-domains"].explain(REMOTE, P.SMP_RMB).text


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("primitive", list(Primitive))
def test_an_explanation_gives_reasons_exactly_when_the_promise_is_not_kept(
    name: str, side: Side, primitive: Primitive
) -> None:
    explanation = PLATFORMS[name].explain(side, primitive)
    assert bool(explanation.reasons) == (explanation.verdict not in (Verdict.YES, Verdict.NOTHING))


def test_a_platform_is_found_by_name_and_an_unknown_one_is_refused_with_the_nearest() -> None:
    assert platform("riscv") is PLATFORMS["riscv"]
    with pytest.raises(UsageError, match="did you mean omap4-2011") as caught:
        platform("omap4")
    assert all(name in str(caught.value) for name in PLATFORMS)
    with pytest.raises(UsageError, match="'' is unknown"):
        platform("")
