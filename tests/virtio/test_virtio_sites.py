"""The sites of virtio's rings and doorbells: their table, and what Linux puts there."""

from __future__ import annotations

import re

import pytest

from amp.errors import UsageError
from amp.ordering.barriers import PROMISES, BarrierClass, Kind, Orders, Primitive
from amp.ordering.platforms import Side
from amp.ordering.sites import Site, SiteMap, parse_policy, parse_weaken
from amp.programs import spsc_vring
from amp.virtio.sites import B1, BOTH, DEVICE, DRIVER, K1, LINUX, POLICIES, S1, S2, SITES, linux_choice

P = Primitive


def test_the_numbers_in_traces_are_these() -> None:
    assert [(site.name, SITES.number(site)) for site in SITES] == [
        ("S1", 1),
        ("S2", 2),
        ("S3", 3),
        ("S4", 4),
        ("S5", 5),
        ("S6", 6),
        ("S7", 7),
        ("S8", 8),
        ("K1", 9),
        ("K2", 10),
        ("B1", 11),
    ]


NEEDS = {
    Kind.WMB: {"S1": Orders.WW, "S3": Orders.WW, "K1": Orders.WD},
    Kind.RMB: {"S2": Orders.RR, "S4": Orders.RR, "K2": Orders.RR},
    Kind.MB: {"S5": Orders.WR, "S6": Orders.WR, "S7": Orders.WR, "S8": Orders.WR, "B1": Orders.RW},
}


def test_every_site_has_its_kind_and_need_and_says_why() -> None:
    expected = {name: (kind, needs) for kind, sites in NEEDS.items() for name, needs in sites.items()}
    assert {site.name: (site.kind, site.needs) for site in SITES} == expected
    for site in SITES:
        assert site.orders
        assert site.symptom
        assert site.source


def test_pairs_name_each_other_and_stand_on_opposite_sides() -> None:
    for site in SITES:
        assert site.pairs_with
        for pair in map(SITES.__getitem__, site.pairs_with):
            assert site.name in pair.pairs_with
            if site.side is not None:
                assert pair.side not in (site.side, None)


def test_the_driver_is_the_host_and_the_device_the_remote() -> None:
    sides = {DRIVER: Side.HOST, DEVICE: Side.REMOTE, BOTH: None}
    assert all(site.side is sides[site.role] for site in SITES)


def test_the_kind_of_a_site_promises_what_the_site_needs() -> None:
    for site in SITES:
        primitive = SiteMap.for_class(BarrierClass.MANDATORY, SITES)[site]
        assert PROMISES[primitive] & site.needs == site.needs


def test_policies_put_these_primitives_at_the_sites() -> None:
    def at(policy: str, *names: str) -> list[Primitive]:
        return [parse_policy(policy, SITES, LINUX)[SITES[name]] for name in names]

    names = ("S1", "S2", "S5", "K1", "K2", "B1")
    assert at("smp", *names) == [P.SMP_WMB, P.SMP_RMB, P.SMP_MB, P.SMP_WMB, P.SMP_RMB, P.SMP_MB]
    assert at("dma", *names) == [P.DMA_WMB, P.DMA_RMB, P.DMA_MB, P.DMA_WMB, P.DMA_RMB, P.DMA_MB]
    assert at("mandatory", *names) == [P.WMB, P.RMB, P.MB, P.WMB, P.RMB, P.MB]
    assert at("virtio-weak", *names) == [P.VIRT_WMB, P.VIRT_RMB, P.VIRT_MB, P.WRITEL, P.READL, P.VIRT_MB]
    assert at("virtio-strong", *names) == [P.DMA_WMB, P.DMA_RMB, P.MB, P.WRITEL, P.READL, P.MB]
    assert {policy: parse_policy(policy, SITES, LINUX) for policy in POLICIES} == POLICIES
    assert list(LINUX.values()) == [linux_choice(weak_barriers=weak) for weak in (True, False)]


@pytest.mark.parametrize(
    ("text", "site", "primitive"),
    [
        ("S1=none", S1, P.NONE),
        ("s2=SMP", S2, P.SMP_RMB),
        (" B1 = dma ", B1, P.DMA_MB),
        ("K1=mandatory", K1, P.WMB),
        ("S1=smp_rmb", S1, P.SMP_RMB),  # virtio_wmb() as 7b21e34fd1c2 first wrote it
        ("K1=writel", K1, P.WRITEL),
        ("B1=store_release", B1, P.STORE_RELEASE),
    ],
)
def test_weaken_options_name_them(text: str, site: Site, primitive: Primitive) -> None:
    assert parse_weaken(text, SITES) == (site, primitive)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("S9=none", "site 'S9' is unknown"),
        ("S1=writel", "'writel' is unknown"),
        ("K1=readl", "'readl' is unknown"),
    ],
)
def test_what_has_no_meaning_there_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        parse_weaken(text, SITES)


def test_linuxs_choice_of_barriers_says_nothing_of_a_program_that_is_written_in_fences() -> None:
    fenced = spsc_vring.PROGRAM
    with pytest.raises(UsageError, match="'virtio-weak' is unknown") as caught:
        parse_policy("virtio-weak", fenced.sites, fenced.policies)
    assert "virtio" not in str(caught.value).partition("known:")[2]
    assert parse_policy(" DMA", fenced.sites, fenced.policies).barriers == (
        P.FENCE_RELEASE_DMA,
        P.FENCE_ACQUIRE_DMA,
        P.FENCE_RELEASE_DMA,
        P.FENCE_ACQUIRE_DMA,
    )
    assert parse_weaken("S1=smp", fenced.sites) == (spsc_vring.S1, P.FENCE_RELEASE_SMP)
