"""Sites: which primitive stands where under each policy, and how one is weakened."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import UsageError
from amp.ordering.barriers import PROMISES, BarrierClass, Kind, Orders, Primitive
from amp.ordering.platforms import Side
from amp.ordering.sites import Role, Site, SiteMap, kind_at, parse_policy, parse_weaken
from amp.virtio.sites import B1, K1, POLICIES, S1, S2, S3, SITES

P = Primitive


def test_the_numbers_in_traces_are_these() -> None:
    assert [(site.name, site.value) for site in SITES] == [
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


def test_every_site_has_its_row_kind_and_need() -> None:
    assert set(SITES) == set(SITES)
    expected = {name: (kind, needs) for kind, sites in NEEDS.items() for name, needs in sites.items()}
    assert {site.name: (row.kind, row.needs) for site, row in SITES.items()} == expected
    for row in SITES.values():
        assert row.orders
        assert row.symptom
        assert row.source


def test_pairs_name_each_other_and_stand_on_opposite_sides() -> None:
    for site, row in SITES.items():
        for pair in row.pairs_with:
            assert site in pair.pairs_with
            if row.side is not None:
                assert pair.side not in (row.side, None)


def test_the_driver_is_the_host_and_the_device_the_remote() -> None:
    sides = {Role.DRIVER: Side.HOST, Role.DEVICE: Side.REMOTE, Role.BOTH: None}
    assert all(row.side is sides[row.role] for row in SITES.values())


def test_the_kind_of_a_site_promises_what_the_site_needs() -> None:
    for row in SITES.values():
        primitive = SiteMap.for_class(BarrierClass.MANDATORY, SITES)[row.site]
        assert PROMISES[primitive] & row.needs == row.needs


def test_policies_put_these_primitives_at_the_sites() -> None:
    def at(policy: str, *names: str) -> list[Primitive]:
        return [parse_policy(policy)[Site[name]] for name in names]

    names = ("S1", "S2", "S5", "K1", "K2", "B1")
    assert at("smp", *names) == [P.SMP_WMB, P.SMP_RMB, P.SMP_MB, P.SMP_WMB, P.SMP_RMB, P.SMP_MB]
    assert at("dma", *names) == [P.DMA_WMB, P.DMA_RMB, P.DMA_MB, P.DMA_WMB, P.DMA_RMB, P.DMA_MB]
    assert at("mandatory", *names) == [P.WMB, P.RMB, P.MB, P.WMB, P.RMB, P.MB]
    assert at("virtio-weak", *names) == [P.VIRT_WMB, P.VIRT_RMB, P.VIRT_MB, P.WRITEL, P.READL, P.VIRT_MB]
    assert at("virtio-strong", *names) == [P.DMA_WMB, P.DMA_RMB, P.MB, P.WRITEL, P.READL, P.MB]
    assert set(parse_policy("none").values()) == {P.NONE}
    assert set(parse_policy(" Compiler ").values()) == {P.COMPILER}


def test_a_site_map_is_a_mapping_of_exactly_the_sites_and_a_value() -> None:
    smp = SiteMap.for_class(BarrierClass.SMP, SITES)
    assert list(smp) == list(SITES)
    assert len(smp) == len(SITES)
    assert smp == SiteMap.for_class(BarrierClass.SMP, SITES)
    assert hash(smp) == hash(SiteMap.for_class(BarrierClass.SMP, SITES))
    with pytest.raises(KeyError):
        smp[0]  # type: ignore[index]


@pytest.mark.parametrize("site", list(SITES))
def test_weakening_changes_one_site_and_leaves_the_map_it_came_from(site: Site) -> None:
    before = SiteMap.for_class(BarrierClass.MANDATORY, SITES)
    after = before.weaken(site, BarrierClass.NONE)
    assert after[site] is P.NONE
    assert before[site] is not P.NONE
    assert all(after[other] is before[other] for other in SITES if other is not site)
    assert after.name == f"mandatory, {site.name}=none"


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
def test_weaken_options_are_understood(text: str, site: Site, primitive: Primitive) -> None:
    assert parse_weaken(text) == (site, primitive)
    assert SiteMap.for_class(BarrierClass.MANDATORY, SITES).weaken(*parse_weaken(text))[site] is primitive


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("S1", "not of the form SITE=CLASS"),
        ("", "not of the form"),
        ("S9=none", "site 'S9' is unknown"),
        ("=none", "site '' is unknown"),
        ("S1=", "barrier for S1 '' is unknown"),
        ("S1=mandatry", "did you mean mandatory"),
        ("S1=none=none", "'none=none' is unknown"),
        ("S1=writel", "'writel' is unknown"),
        ("K1=readl", "'readl' is unknown"),
    ],
)
def test_a_bad_weaken_option_is_refused_and_says_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        parse_weaken(text)
    assert "\n" not in str(caught.value)


def test_a_bad_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean mandatory") as caught:
        parse_policy("mandatroy")
    assert all(name in str(caught.value) for name in POLICIES)


@given(st.text())
def test_no_text_does_anything_but_parse_or_be_refused_in_one_short_line(text: str) -> None:
    for parse in (parse_policy, parse_weaken):
        said = "understood"
        try:
            parse(text)
        except UsageError as error:
            said = str(error)
        assert len(said.splitlines()) == 1
        assert len(said) < 600


FENCED = {S1: Kind.RELEASE, S2: Kind.ACQUIRE}


def test_a_program_of_its_own_kinds_has_those_at_its_sites_and_the_rows_everywhere_else() -> None:
    assert [kind_at(site, FENCED) for site in (S1, S2, S3)] == [Kind.RELEASE, Kind.ACQUIRE, Kind.WMB]
    fences = parse_policy(" DMA", FENCED)
    assert fences == SiteMap.for_class(BarrierClass.DMA, FENCED)
    assert [fences[site] for site in (S1, S2, S3)] == [
        P.FENCE_RELEASE_DMA,
        P.FENCE_ACQUIRE_DMA,
        P.DMA_WMB,
    ]
    assert parse_weaken("S1=smp", FENCED) == (S1, P.FENCE_RELEASE_SMP)
    assert parse_weaken("S3=smp", FENCED) == (S3, P.SMP_WMB)
    assert fences.weaken(S2, BarrierClass.MANDATORY, FENCED)[S2] is P.FENCE_ACQUIRE_MANDATORY
    assert fences.weaken(S2, BarrierClass.MANDATORY)[S2] is P.RMB


def test_virtios_choice_of_barriers_says_nothing_of_a_program_that_is_written_in_fences() -> None:
    with pytest.raises(UsageError, match="'virtio-weak' is unknown") as caught:
        parse_policy("virtio-weak", FENCED)
    assert "virtio" not in str(caught.value).partition("known:")[2]
