"""Blame names the planted fault, names the other one when that is planted, and names nothing when nothing is wrong."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amp.errors import BadRing, Stall, WrongMessage
from amp.ordering import platform as platform_named
from amp.ordering.barriers import PROMISES, BarrierClass, Kind, Orders, Primitive, primitive_for
from amp.ordering.platforms import PLATFORMS, Side
from amp.ordering.sites import Site, Sites, parse_weaken
from amp.programs import spsc_vring
from amp.report.blame import Finding, blame
from amp.report.cure import cure_for
from amp.report.history import History
from amp.report.shapes import Shape
from amp.report.trace import EventKind, Trace
from amp.report.words import Words
from amp.virtio.sites import B1, K1, S1, S2, S5, S6, SITES

NONE, COMPILER, SMP, DMA, MANDATORY = BarrierClass
HOST, REMOTE = Side.HOST, Side.REMOTE

PLANTED = [
    ("message passing", "paranoid", {S1: NONE}, Shape.STORES, HOST, S1),
    ("message passing", "paranoid", {S2: NONE}, Shape.LOADS, REMOTE, S2),
    ("message passing", "omap4-2011", {S1: SMP, S2: SMP}, Shape.STORES, HOST, S1),
    ("message passing", "armv7-up", {S1: SMP}, Shape.STORES, HOST, S1),
    ("message passing", "arm64-domains", {S1: SMP}, Shape.STORES, HOST, S1),
    ("message passing", "arm64-domains", {S2: SMP}, Shape.LOADS, REMOTE, S2),
    ("message passing", "x86-wc", {S1: DMA}, Shape.STORES, HOST, S1),
    ("bulk passing", "paranoid", {S1: NONE}, Shape.STORES, HOST, S1),
    ("bulk passing", "paranoid", {S2: NONE}, Shape.LOADS, REMOTE, S2),
    ("store buffering", "paranoid", {S5: NONE}, Shape.BUFFERED, HOST, S5),
    ("store buffering", "paranoid", {S6: NONE}, Shape.BUFFERED, REMOTE, S6),
    ("store buffering", "x86-wb", {S5: COMPILER}, Shape.BUFFERED, HOST, S5),
    ("store buffering", "x86-wb", {S6: COMPILER}, Shape.BUFFERED, REMOTE, S6),
    ("doorbell", "paranoid", {K1: NONE}, Shape.DOORBELL, HOST, K1),
    ("doorbell", "armv7-smp", {K1: DMA}, Shape.DOORBELL, HOST, K1),
    ("late read", "paranoid", {B1: NONE}, Shape.LATE_LOAD, REMOTE, B1),
]


def named(case: tuple[Any, ...]) -> str:
    return f"{case[0]}, {case[1]}, {' '.join(f'{site.name}={cls}' for site, cls in case[2].items())}"


HARMLESS = [
    ("message passing", "armv7-up", {S1: DMA, S2: DMA}),
    ("message passing", "arm64", dict.fromkeys(SITES, SMP)),
    ("bulk passing", "x86-wb", dict.fromkeys(SITES, SMP)),
    ("store buffering", "x86-wb", dict.fromkeys(SITES, SMP)),
    ("doorbell", "arm64", dict.fromkeys(SITES, SMP)),
    *(
        (program, platform, {})
        for program in ("message passing", "bulk passing", "store buffering", "doorbell", "late read")
        for platform in ("paranoid", "omap4-2011", "x86-wc")
    ),
    ("message passing", "sc", dict.fromkeys(SITES, NONE)),
    ("store buffering", "sc", dict.fromkeys(SITES, NONE)),
]


@pytest.mark.a_few(6)
@pytest.mark.parametrize("case", PLANTED, ids=named)
def test_the_planted_site_is_blamed_in_every_seed_that_shows_it(bench: Any, case: tuple[Any, ...]) -> None:
    program, platform, weak, shape, side, site = case
    found = 0
    for machine, finding in bench.each(program, platform, weak, seeds=200):
        explanation = machine.explain(finding)
        assert (explanation.shape, explanation.side, explanation.site) == (shape, side, site), finding
        assert explanation.needs == site.needs
        found += 1
    assert found > 0


@pytest.mark.parametrize("case", PLANTED, ids=named)
def test_blame_is_true_of_the_trace(bench: Any, case: tuple[Any, ...]) -> None:
    """Checked from the events alone, not with blame's own index."""
    for machine, finding in bench.each(*case[:3], seeds=60):
        explanation, events = machine.explain(finding), machine.trace().events
        first, second = explanation.pair
        assert first.cpu == second.cpu != explanation.other[0].cpu
        assert explanation.barrier.cpu == first.cpu
        assert not explanation.barrier.orders & explanation.needs
        if explanation.shape is not Shape.LATE_LOAD:
            assert first.number < explanation.barrier.number < second.number
            between = [
                event
                for event in events[first.number : second.number - 1]
                if event.kind is EventKind.BARRIER and event.cpu == first.cpu
            ]
            assert not any(event.orders & explanation.needs for event in between)
        if explanation.shape is Shape.STORES:
            arrived = [
                event.store
                for event in events
                if event.kind is EventKind.VISIBLE
                and event.number <= explanation.bad.number
                and (event.store != first.number or event.address == explanation.byte // 8 * 8)
            ]
            assert second.number in arrived
            assert first.number not in arrived or arrived.index(second.number) < arrived.index(first.number)


@pytest.mark.a_few(4)
@pytest.mark.parametrize("seeds", [2, pytest.param(8, marks=pytest.mark.slow)])  # 12 explanations of each
@pytest.mark.parametrize(("program", "platform", "weak"), HARMLESS)
def test_with_enough_barriers_nothing_is_found_and_nobody_is_blamed(
    bench: Any, program: str, platform: str, weak: dict[Site, BarrierClass], seeds: int
) -> None:
    for seed in range(seeds):
        machine = bench.machine(platform, weak, seed)
        assert bench.programs[program](machine) is None
        accused = [Finding(cpu, "made up", address) for cpu in (0, 1) for address in (0x00, 0x08, 0x18, 0x20, 0x44)]
        accused += [Finding(cpu, "made up", stall=True) for cpu in (0, 1)]
        for finding in accused:
            explanation = machine.explain(finding)
            assert explanation.shape in (Shape.NOTHING, Shape.INTERLEAVED), (seed, finding)
            assert (explanation.pair, explanation.site, explanation.cure) == (None, None, None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 64),
    weak=st.dictionaries(st.sampled_from(list(SITES)), st.sampled_from(BarrierClass)),
    platform=st.sampled_from(["paranoid", "omap4-2011", "arm64-domains", "x86-wc", "riscv"]),
    program=st.sampled_from(["message passing", "bulk passing", "store buffering", "doorbell", "late read"]),
)
def test_only_a_site_whose_barrier_does_not_order_is_ever_blamed(
    bench: Any, seed: int, weak: dict[Site, BarrierClass], platform: str, program: str
) -> None:
    machine = bench.machine(platform, weak, seed % (1 << 64))
    finding = bench.programs[program](machine)
    if finding is None:
        return
    explanation = machine.explain(finding)
    assert explanation.shape is not Shape.NOTHING
    assert explanation.site in weak
    assert explanation.needs not in machine.platform.orders(explanation.side, explanation.primitive)
    assert explanation.needs in machine.platform.orders(explanation.side, explanation.cure)


@pytest.mark.parametrize(
    ("platform", "cls", "cure", "cure_class", "why"),
    [
        ("omap4-2011", SMP, Primitive.DMA_WMB, DMA, "PL310 write buffer needs SYSTEM"),
        ("arm64-domains", SMP, Primitive.DMA_WMB, DMA, "interconnect needs OUTER"),
        ("x86-wc", DMA, Primitive.WMB, MANDATORY, "compiler only"),
        ("paranoid", NONE, Primitive.WMB, MANDATORY, "compiler only, and the hardware does not keep WW"),
    ],
)
def test_the_cure_is_the_weakest_class_that_orders_the_pair_there(
    bench: Any, *, platform: str, cls: BarrierClass, cure: Primitive, cure_class: BarrierClass, why: str
) -> None:
    machine, finding = bench.first("message passing", platform, {S1: cls})
    explanation = machine.explain(finding)
    assert (explanation.site, explanation.cure, explanation.cure_class) == (S1, cure, cure_class)
    assert why in explanation.why
    assert Orders.WW not in machine.platform.orders(HOST, explanation.primitive)


@pytest.mark.parametrize(
    ("program", "platform", "site", "weak", "cure", "cure_class"),
    [
        ("doorbell", "armv7-smp", K1, DMA, Primitive.WMB, MANDATORY),
        ("doorbell", "omap4-2011", K1, SMP, Primitive.DMA_WMB, DMA),
        ("store buffering", "omap4-2011", S5, SMP, Primitive.DMA_MB, DMA),
        ("store buffering", "x86-wb", S5, COMPILER, Primitive.SMP_MB, SMP),
    ],
)
def test_the_cure_is_what_a_stronger_class_puts_at_that_site(
    bench: Any,
    *,
    program: str,
    platform: str,
    site: Site,
    weak: BarrierClass,
    cure: Primitive,
    cure_class: BarrierClass,
) -> None:
    machine, finding = bench.first(program, platform, {site: weak})
    explanation = machine.explain(finding)
    assert (explanation.site, explanation.cure, explanation.cure_class) == (site, cure, cure_class)


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_a_cure_orders_the_pair_there_and_says_so_in_its_contract(platform: str) -> None:
    """On every platform, for each site and pair: the class that is named gives that barrier, and no weaker one does."""
    classes = list(BarrierClass)
    on = PLATFORMS[platform]
    for side, site in product(Side, (*SITES, *spsc_vring.PROGRAM.sites)):
        needs, kind = site.needs, site.kind
        found = cure_for(on, side, needs, kind)
        assert found is not None, (side, site)
        primitive, named = found
        assert needs in on.orders(side, primitive)
        assert needs in PROMISES[primitive]
        enough = [
            cls
            for cls in classes
            if needs in PROMISES[primitive_for(cls, kind)] and needs in on.orders(side, primitive_for(cls, kind))
        ]
        assert named == next(iter(enough), None), (side, site)
        assert named is None or primitive == primitive_for(named, kind)


def test_an_instruction_that_has_just_failed_is_no_cure_by_another_name(tmp_path: Path) -> None:
    """A table that contradicts itself: its dmb does not keep a doorbell as smp_wmb, and does as dma_wmb."""
    row = ['primitive = "smp_wmb"', 'instruction = "dmb"', 'orders = ["RR", "RW", "WR", "WW"]', 'reach = "system"']
    head = ['name = "odd"', 'summary = "odd"', 'source = "none"', 'base = "omap4-2011"']
    path = tmp_path / "odd.toml"
    path.write_text("\n".join([*head, "[[remote.rows]]", *row, 'source = "none"', ""]))
    odd = platform_named(str(path))
    assert Orders.WD in odd.orders(REMOTE, Primitive.DMA_WMB)
    cure = cure_for(odd, REMOTE, Orders.WD, Kind.WMB, Primitive.SMP_WMB)
    assert cure == (Primitive.WMB, MANDATORY)


def test_a_barrier_without_an_instruction_is_called_that_and_only_what_is_needed_is_named(bench: Any) -> None:
    machine, finding = bench.first("message passing", "armv7-up", {S1: SMP})
    explanation = machine.explain(finding)
    assert explanation.why == "compiler only, and the hardware does not keep WW"
    said = dict(Words(History(machine.trace()), explanation, str).paragraphs())
    assert said["Barrier"].startswith("smp_wmb (a compiler barrier only) on armv7-up: ")
    assert said["Why"] == explanation.why


def test_a_site_that_is_not_to_blame_alone_is_told_in_plain_grammar(bench: Any) -> None:
    for machine, finding in bench.each("message passing", "paranoid", {S1: COMPILER, S2: COMPILER}):
        explanation = machine.explain(finding)
        if explanation.also is not None and explanation.site is S1:
            break
    said = dict(Words(History(machine.trace()), explanation, str).paragraphs())
    assert said["Also"].startswith("S2, a compiler barrier at the remote, does not keep ")
    assert said["Also"].endswith(" either: with S1 mended alone the same may still be read")


def test_a_cure_that_no_class_gives_goes_by_its_name(bench: Any) -> None:
    """C11's release fence does not promise what a doorbell needs."""
    fenced = Site("K1", K1.orders, needs=K1.needs, kind=Kind.RELEASE)
    sites = Sites(fenced if site is K1 else site for site in SITES)
    machine, finding = bench.first("doorbell", "armv7-smp", {K1: DMA})
    explanation = blame(Trace.from_bytes(machine.trace().to_bytes(), sites), finding, machine.platform)
    assert explanation is not None
    assert (explanation.cure, explanation.cure_class) == (Primitive.WMB, None)
    words = Words(History(machine.trace()), explanation, str)
    assert "--weaken K1=wmb" in dict(words.paragraphs())["Cure"]
    assert parse_weaken("K1=wmb", sites) == (fenced, Primitive.WMB)


def test_a_wrong_head_leads_back_from_the_wrong_buffer_to_the_stale_load(bench: Any) -> None:
    machine, finding = bench.first("message passing", "paranoid", {S1: NONE})
    machine.remote.load_u32(0x400)  # the buffer that the stale head leads to: itself not stale
    explanation = machine.explain(Finding(1, "message 1: wrong bytes", 0x400))
    assert explanation.site is S1
    assert explanation.bad == machine.explain(finding).bad


def test_a_trace_that_lost_the_stores_in_question_gives_no_blame(bench: Any) -> None:
    machine, finding = bench.first("message passing", "paranoid", {S1: NONE})
    for _ in range(4200):
        machine.remote.note(0, 0)
    trace = machine.trace()
    assert not trace.complete
    explanation = machine.explain(finding)
    assert explanation.shape is Shape.NOTHING


def test_a_missing_barrier_is_blamed_without_a_site(bench: Any) -> None:
    for seed in range(200):
        machine = bench.machine("paranoid", seed=seed)
        machine.host.store_u16(0x08, 1)
        machine.host.store_u16(0x00, 1)
        if machine.remote.load_u16(0x00) and not machine.remote.load_u16(0x08):
            explanation = machine.explain(Finding(1, "avail.ring head", 0x08))
            break
    else:
        pytest.fail("never reordered")
    assert explanation.pair is not None
    assert (explanation.site, explanation.barrier, explanation.primitive) == (None, None, None)


def test_a_load_that_a_barrier_performed_late_was_issued_before_that_barrier(bench: Any) -> None:
    """S2 is missing; the B1 behind the load orders loads, but stands behind it and cures nothing."""
    for seed in range(400):
        machine = bench.machine("paranoid", {S2: NONE}, seed)
        machine.host.write(0x40, b"a" * 16)
        machine.host.barrier(S1)
        machine.host.store_u16(0x00, 1)
        machine.host.barrier(S5)
        if not machine.remote.load_u16(0x00):
            continue
        machine.remote.barrier(S2)
        payload = machine.remote.read(0x40, 16)
        late = not payload.performed
        machine.remote.barrier(B1)
        wrong = bytes(payload).find(b"\0")
        if late and wrong >= 0:
            break
    else:
        pytest.fail("never late and stale")
    explanation = machine.explain(Finding(1, "wrong bytes", 0x40 + wrong))
    assert (explanation.shape, explanation.site) == (Shape.LOADS, S2)


def test_an_empty_trace_has_nothing_to_explain(bench: Any) -> None:
    machine = bench.machine("sc")
    assert blame(Trace(b"", first=1, digest=0), Finding(0, "?"), machine.platform) is None


def test_findings_are_made_of_the_errors_that_sides_raise() -> None:
    ring = BadRing("avail.ring head", 9, limit=4, writer="host", address=0x1234)
    assert Finding.from_error(ring, 1) == Finding(1, str(ring), 0x1234)
    wrong = WrongMessage("stale", number=3, writer="host", address=0x40)
    assert Finding.from_error(wrong, 0) == Finding(0, str(wrong), 0x40)
    assert Finding.from_error(Stall("asleep"), 0).stall
