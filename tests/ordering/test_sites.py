"""Sites of any program: what makes one, what a collection of them refuses, which primitive stands where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ring_machine import DIRECT, RingMachine

from amp.errors import UsageError
from amp.explore.explorer import Bounds, Explorer, Machine
from amp.ordering.barriers import BarrierClass, Kind, Orders, Primitive
from amp.ordering.platforms import PLATFORMS, Side
from amp.ordering.sites import (
    NO_SITES,
    SITES_LIMIT,
    Site,
    SiteMap,
    Sites,
    orders_names,
    parse_policy,
    parse_weaken,
    stands_at,
)
from amp.port.doors import open_direct, open_modelled, site_bytes, site_map
from amp.port.port import HOST, Port

P = Primitive
PUBLISH = Site("publish", "data before flag", needs="WW", kind="wmb", pairs_with="consume", side="host")
CONSUME = Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="publish", side="remote")
RING = Site("ring-bell", "data before doorbell", needs="WD", kind="wmb")
FENCE = Site("fence", "all before all", needs="RR RW, WW", kind="release")
OWN = Sites([PUBLISH, CONSUME, RING, FENCE])


# --- one site


def test_a_site_has_what_it_was_made_of_and_does_not_change() -> None:
    assert (PUBLISH.name, PUBLISH.orders, PUBLISH.pairs_with) == ("publish", "data before flag", ("consume",))
    assert (PUBLISH.needs, PUBLISH.kind, PUBLISH.side) == (Orders.WW, Kind.WMB, Side.HOST)
    assert FENCE.needs == Orders.RR | Orders.RW | Orders.WW
    assert orders_names(FENCE.needs) == "RR RW WW"
    assert (FENCE.side, FENCE.pairs_with, FENCE.symptom) == (None, (), "")
    with pytest.raises(AttributeError, match="does not change"):
        PUBLISH.name = "other"
    with pytest.raises(AttributeError, match="does not change"):
        del PUBLISH.kind


def test_two_sites_that_say_the_same_are_two() -> None:
    twin = Site("publish", "data before flag", needs=Orders.WW, kind=Kind.WMB, pairs_with=["consume"], side=Side.HOST)
    assert repr(twin) == repr(PUBLISH)
    assert twin != PUBLISH
    assert PUBLISH in OWN
    assert twin not in OWN


def test_a_doorbell_behind_a_store_has_a_mailbox_and_nothing_else_has_unless_it_says_so() -> None:
    assert RING.mailbox is P.WRITEL
    assert PUBLISH.mailbox is CONSUME.mailbox is None
    woken = Site("woken", "interrupt before data", needs="RR", kind="rmb", mailbox=P.READL)
    assert [stands_at(P.READL, site) for site in (woken, RING, CONSUME)] == [True, False, False]
    assert [stands_at(P.WRITEL, site) for site in (woken, RING, CONSUME)] == [False, True, False]
    assert all(stands_at(P.DMA_WMB, site) for site in OWN)


GOOD = {"name": "x", "orders": "a before b", "needs": "WW", "kind": "wmb"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        *(({"name": name}, f"site name is {name!r}, expected a word") for name in ("", "1st", "a b", "a=b", "ä", "-")),
        ({"name": "x" * 65}, "expected a word"),
        ({"name": 3}, "site name is 3, expected a word"),
        ({"needs": "XX"}, "site x: needs 'XX', expected pairs of RR, RW, WR, WW, WD"),
        ({"needs": "WW ww"}, "site x: needs 'ww', expected pairs"),
        ({"needs": ""}, "site x: needs nothing, expected at least one pair"),
        ({"needs": Orders(0)}, "site x: needs nothing"),
        ({"kind": "dmb"}, "site x: kind is 'dmb', expected mb, rmb, wmb, release, acquire"),
        ({"kind": "WMB"}, "site x: kind is 'WMB'"),
        ({"side": "both"}, "site x: side is 'both', expected host, remote"),
    ],
)
def test_a_site_of_a_bad_name_pair_kind_or_side_is_refused_and_says_what_is_allowed(
    wrong: Mapping[str, Any], says: str
) -> None:
    made = Site(**GOOD)
    assert made.needs == Orders.WW
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        Site(**{**GOOD, **wrong})
    assert len(str(caught.value).splitlines()) == 1


# --- a program's


def test_sites_are_numbered_from_one_in_their_order_and_found_by_name_and_number() -> None:
    assert len(OWN) == 4
    assert OWN.names == ("publish", "consume", "ring-bell", "fence")
    assert [OWN.number(site) for site in OWN] == [1, 2, 3, 4]
    assert [OWN.at(number) for number in range(6)] == [None, *OWN, None]
    assert OWN.at(-1) is None
    assert OWN["ring-bell"] is RING
    with pytest.raises(KeyError):
        OWN["nobody"]


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        ([PUBLISH, CONSUME, Site("publish", "other", needs="RR", kind="rmb")], "two sites are called publish"),
        ([PUBLISH], "site publish pairs with 'consume', which is no site of the program"),
        ([PUBLISH, "consume"], "sites has 'consume', expected amp.Site"),
        (
            [Site(f"s{n}", "a before b", needs="WW", kind="wmb") for n in range(SITES_LIMIT + 1)],
            f"{SITES_LIMIT + 1} sites, expected at most {SITES_LIMIT}",
        ),
    ],
)
def test_two_of_a_name_an_unknown_partner_and_what_is_no_site_are_refused(sites: list[Any], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        Sites(sites)


def test_there_may_be_as_many_sites_as_a_trace_has_numbers_for() -> None:
    most = Sites(Site(f"s{n}", "a before b", needs="WW", kind="wmb") for n in range(SITES_LIMIT))
    assert most.number(most["s254"]) == SITES_LIMIT == 255
    assert site_map(site_bytes(SiteMap.for_class(BarrierClass.DMA, most)), most).barriers == (P.DMA_WMB,) * 255


# --- at the ports


def barrier_explored(sites: SiteMap, site: Any) -> None:
    """A program of two parts, of which one stands at `site`, explored."""

    def stand(port: Port) -> None:
        port.barrier(site)

    machine = Machine(PLATFORMS["sc"], sites, (0, 64))
    assert Explorer(machine, [stand, lambda _: None]).explore(Bounds()).verified


@pytest.mark.parametrize("door", [DIRECT, "sc", "explored"])
@pytest.mark.parametrize(
    ("stranger", "named"),
    [(Site("publish", "data before flag", needs="WW", kind="wmb"), "publish"), ("publish", "'publish'")],
)
def test_a_barrier_at_a_site_that_is_not_the_programs_is_refused_and_names_it(
    door: str, stranger: object, named: str
) -> None:
    """A site is known by what it is, not by its name."""
    sites = SiteMap.for_class(BarrierClass.MANDATORY, OWN)
    says = f"barrier: {named} is no site of this program (it has publish, consume, ring-bell, fence)"
    if door == "explored":
        barrier_explored(sites, PUBLISH)
        with pytest.raises(UsageError, match=re.escape(says)):
            barrier_explored(sites, stranger)
        return
    with RingMachine(door=door) as machine:
        port: Any = (open_direct if door == DIRECT else open_modelled)(machine.region, HOST, sites)
        for site in OWN:
            port.barrier(site)
        with pytest.raises(UsageError, match=re.escape(says)):
            port.barrier(stranger)
        port.barrier(PUBLISH)


# --- which primitive stands where


def test_a_class_puts_the_primitive_of_its_kind_at_each_site() -> None:
    def at(policy: str) -> list[Primitive]:
        return list(parse_policy(policy, OWN).values())

    assert at("none") == [P.NONE] * 4
    assert at(" Compiler ") == [P.COMPILER] * 4
    assert at("smp") == [P.SMP_WMB, P.SMP_RMB, P.SMP_WMB, P.FENCE_RELEASE_SMP]
    assert at("dma") == [P.DMA_WMB, P.DMA_RMB, P.DMA_WMB, P.FENCE_RELEASE_DMA]
    assert at("mandatory") == [P.WMB, P.RMB, P.WMB, P.FENCE_RELEASE_MANDATORY]


def test_a_site_map_is_a_mapping_of_exactly_the_sites_and_a_value() -> None:
    smp = SiteMap.for_class(BarrierClass.SMP, OWN)
    assert list(smp) == list(OWN)
    assert len(smp) == len(OWN)
    assert smp == SiteMap.for_class(BarrierClass.SMP, OWN)
    assert hash(smp) == hash(SiteMap.for_class(BarrierClass.SMP, OWN))
    assert site_map(site_bytes(smp), OWN).barriers == smp.barriers
    with pytest.raises(UsageError, match="0 is no site of this program"):
        smp[0]  # type: ignore[index]


@pytest.mark.parametrize("site", list(OWN), ids=lambda site: site.name)
def test_weakening_changes_one_site_and_leaves_the_map_it_came_from(site: Site) -> None:
    before = SiteMap.for_class(BarrierClass.MANDATORY, OWN)
    after = before.weaken(site, BarrierClass.NONE)
    assert after[site] is P.NONE
    assert before[site] is not P.NONE
    assert all(after[other] is before[other] for other in OWN if other is not site)
    assert after.name == f"mandatory, {site.name}=none"


@pytest.mark.parametrize(
    ("text", "site", "primitive"),
    [
        ("publish=none", PUBLISH, P.NONE),
        ("CONSUME=SMP", CONSUME, P.SMP_RMB),
        (" ring-bell = dma ", RING, P.DMA_WMB),
        ("ring-bell=writel", RING, P.WRITEL),
        ("fence=smp", FENCE, P.FENCE_RELEASE_SMP),
        ("publish=smp_rmb", PUBLISH, P.SMP_RMB),
    ],
)
def test_weaken_options_are_understood(text: str, site: Site, primitive: Primitive) -> None:
    assert parse_weaken(text, OWN) == (site, primitive)
    assert SiteMap.for_class(BarrierClass.MANDATORY, OWN).weaken(*parse_weaken(text, OWN))[site] is primitive


def test_of_names_that_differ_in_case_alone_the_one_that_is_spelled_is_meant() -> None:
    lower, upper = (Site(name, "a before b", needs="WW", kind="wmb") for name in ("a", "A"))
    both = Sites([lower, upper])
    assert parse_weaken("a=none", both) == (lower, P.NONE)
    assert parse_weaken("A=none", both) == (upper, P.NONE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("publish", "not of the form SITE=CLASS, such as publish=none"),
        ("", "not of the form"),
        ("publsh=none", "site 'publsh' is unknown; did you mean publish?"),
        ("=none", "site '' is unknown"),
        ("publish=", "barrier for publish '' is unknown"),
        ("publish=mandatry", "did you mean mandatory"),
        ("publish=none=none", "'none=none' is unknown"),
        ("publish=writel", "'writel' is unknown"),
        ("ring-bell=readl", "'readl' is unknown"),
    ],
)
def test_a_bad_weaken_option_is_refused_and_says_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        parse_weaken(text, OWN)
    assert "\n" not in str(caught.value)


def test_a_program_without_sites_has_nothing_to_weaken() -> None:
    with pytest.raises(UsageError, match="the program has no site"):
        parse_weaken("S1=none", NO_SITES)
    assert parse_policy("mandatory", NO_SITES).barriers == ()


def test_a_bad_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean mandatory") as caught:
        parse_policy("mandatroy", OWN)
    assert str(caught.value).endswith("(known: none, compiler, smp, dma, mandatory)")


def test_a_policy_of_the_programs_own_is_known_by_its_name() -> None:
    mine = SiteMap("mine", OWN, (P.WMB, P.RMB, P.WRITEL, P.NONE))
    assert parse_policy("mine", OWN, {"mine": mine}) is mine
    with pytest.raises(UsageError, match=r"'mine' is unknown \(known: "):
        parse_policy("mine", OWN)


@given(st.text())
def test_no_text_does_anything_but_parse_or_be_refused_in_one_short_line(text: str) -> None:
    for parse in (parse_policy, parse_weaken):
        said = "understood"
        try:
            parse(text, OWN)
        except UsageError as error:
            said = str(error)
        assert len(said.splitlines()) == 1
        assert len(said) < 600
