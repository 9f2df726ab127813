"""`amp sites`: what each barrier is needed for, on machines where the answer can be reasoned out; and honest bounds."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from slow_sizes import slow_unless

from amp.explore.explorer import Bounds, Exploration
from amp.lab.necessity import necessity, plan_of
from amp.lab.plan import Plan
from amp.lab.search import Search
from amp.lab.verify import explorer_of
from amp.ordering import platform
from amp.ordering.barriers import ALL_ORDERS, BarrierClass, Orders
from amp.ordering.platforms import PLATFORMS, Platform, Side
from amp.ordering.sites import Site
from amp.programs import EXPLORABLE
from amp.report.matrix import Matrix, Verdict
from amp.report.matrix_text import together_text
from amp.virtio.sites import B1, S1, S2, S3, S4

pytestmark = pytest.mark.xdist_group("matrices")  # one worker computes each once

BOUNDS = Bounds(executions=100_000, seconds=60)
NONE, COMPILER, SMP, DMA, MANDATORY = BarrierClass
SLEEPING = ("vring-flags", "vring-event-idx")
RING = ("S1", "S2", "S3", "S4", "B1")
WAKING = ("S5", "S6", "S7", "S8")


def planned(scenario: str, on: str, barriers: str = "mandatory", *weaken: str, messages: int | None = None) -> Plan:
    return plan_of(scenario, platform=on, barriers=barriers, weaken=weaken, messages=messages, ring_size=None)


@cache
def matrix_of(scenario: str, on: str, barriers: str = "mandatory", *weaken: str) -> Matrix:
    return necessity(planned(scenario, on, barriers, *weaken), BOUNDS, replayed=False)


def needs(matrix: Matrix) -> dict[str, str]:
    return {row.site.name: row.needs for row in matrix.rows}


def each(sites: tuple[str, ...], needed: str) -> dict[str, str]:
    return dict.fromkeys(sites, needed)


# vring is explored for seconds on each: in the default suite on these. vring-indirect is left to the slow ones.
OF_A_KIND = ("x86-wc", "omap4-2011")


def slow_but_for(scenario: str, platforms: tuple[str, ...]) -> list[Any]:
    """The scenario on every platform; in the default suite, on these."""
    return slow_unless(lambda _, on: on in platforms, itertools.product((scenario,), PLATFORMS))


@dataclass(frozen=True)
class Reasoned:
    """What each site of a scenario needs on a platform, and why. `together` where that is another class than alone."""

    scenario: str
    on: str
    needs: Mapping[str, str]
    why: str
    together: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.scenario}-{self.on}"


# K1 stands behind the full barrier of S5 or S7, K2 behind the interrupt. B1 needs more messages than these scenarios
# can take in seconds.
_ASLEEP = {"K1": "none", "K2": "none", "B1": "-"}
REASONED = (
    Reasoned("vring", "sc", each(RING, "compiler"), "every access is in program order"),
    Reasoned("vring", "x86-wb", each(RING, "compiler"), "all but store->load is kept, and who polls has no W->R site"),
    Reasoned(
        "vring",
        "x86-wc",
        {**each(RING, "compiler"), "S1": "mandatory"},
        "only the host's stores wait in write-combining buffers: wmb is sfence, smp_wmb and dma_wmb are no instruction",
    ),
    Reasoned(
        "vring",
        "armv7-up",
        {"S1": "dma", "S2": "smp", "S3": "smp", "S4": "dma", "B1": "dma"},
        "smp_* of the host are nothing without CONFIG_SMP; the Cortex-M's smp_* are a dmb",
    ),
    Reasoned(
        "vring",
        "omap4-2011",
        {"S1": "dma", "S2": "smp", "S3": "smp", "S4": "smp", "B1": "none"},
        "the PL310 lies behind the host's stores alone: dma_wmb drained it in 2011, dmb did not; every wmb is a full "
        "dsb or dmb here, so B1's reads are before the index all the same",
    ),
    Reasoned("vring", "arm64", each(RING, "smp"), "today's text: ish orders for every observer"),
    Reasoned("vring", "arm64-domains", each(RING, "dma"), "ish does not reach the other side, osh does"),
    Reasoned("vring", "riscv", each(RING, "smp"), "fence knows no domains"),
    Reasoned("vring", "paranoid", each(RING, "mandatory"), "nothing else orders anything"),
    Reasoned("vring-indirect", "arm64-domains", each(RING, "dma"), "as vring: a table changes nothing"),
    Reasoned(
        "vring-flags",
        "x86-wb",
        {**each(RING, "compiler"), **each(WAKING, "smp"), **_ASLEEP},
        "store buffering is what x86 allows: the four W->R sites, and no other",
    ),
    Reasoned(
        "vring-event-idx",
        "x86-wb",
        {**each(RING, "compiler"), **each(WAKING, "smp"), **_ASLEEP},
        "an event index is looked at as a flag is",
    ),
    Reasoned(
        "vring-event-idx",
        "omap4-2011",
        {"S1": "dma", "S2": "smp", "S3": "smp", "S4": "smp", "S5": "dma", "S6": "smp", "S7": "smp", "S8": "dma"}
        | _ASLEEP,
        "of the W->R sites those of the host have the PL310 to drain",
    ),
    Reasoned(
        "doorbell",
        "armv7-smp",
        {"K1": "mandatory", "K2": "none", "B1": "none"},
        "today's PL310 reading: memory stays in order, a doorbell passes it until it is drained; the Cortex-M's dmb at "
        "K1 holds the reads back too",
    ),
    Reasoned(
        "doorbell",
        "riscv",
        {"K1": "dma", "K2": "none", "B1": "smp"},
        "the mailbox is I/O: fence w,w does not order it, fence ow,ow does",
    ),
    Reasoned(
        "doorbell",
        "arm64",
        {"K1": "smp", "K2": "none", "B1": "smp"},
        "the firmware's wmb is dsb st, which lets reads pass; its smp_wmb is dmb ish, which does not",
        together={"B1": "none"},
    ),
    Reasoned(
        "spsc-vring", "arm64-domains", each(RING[:4], "dma"), "a C11 fence is dmb ish, and short of the other side"
    ),
)


@pytest.mark.parametrize(
    "row",
    slow_unless(lambda row: row.on in OF_A_KIND or row.scenario not in ("vring", "vring-indirect"), REASONED),
    ids=str,
)
def test_every_site_needs_what_the_machine_leaves_undone(row: Reasoned) -> None:
    matrix = matrix_of(row.scenario, row.on)
    assert needs(matrix) == row.needs, row.why
    assert matrix.status == "verified"
    assert matrix.assignment is not None
    together = {site.name: chosen.value for site, chosen in matrix.assignment.classes.items()}
    kept = {"-": "as coded", "mandatory": "as coded"}
    wanted = {site: kept.get(need, need) for site, need in row.needs.items()} | row.together
    assert {site: together.get(site, "as coded") for site in row.needs} == wanted
    assert matrix.assignment.minimal


# A table changes nothing in what is needed, and is explored for seconds on each.
@pytest.mark.a_few(8)
@pytest.mark.parametrize(
    ("scenario", "on"),
    [
        *itertools.product(("spsc-vring", "doorbell"), PLATFORMS),
        *slow_but_for("vring", OF_A_KIND),
        *slow_but_for("vring-indirect", ()),
    ],
)
def test_a_stronger_class_never_breaks_what_a_weaker_one_holds(scenario: str, on: str) -> None:
    assert matrix_of(scenario, on).inversions == ()


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SLEEPING)
@pytest.mark.parametrize("on", PLATFORMS)
def test_nor_where_the_sides_sleep(scenario: str, on: str) -> None:
    assert matrix_of(scenario, on).inversions == ()


def test_an_inversion_would_be_seen() -> None:
    row = matrix_of("spsc-vring", "arm64").rows[0]
    broken = replace(row.cell(NONE).explored)
    turned = replace(
        row, cells=tuple(replace(c, explored=broken) if c.barrier_class is MANDATORY else c for c in row.cells)
    )
    assert list(turned.inversions()) == [(SMP, MANDATORY), (DMA, MANDATORY)]


DOCS = Path(__file__).parents[2] / "docs" / "necessity.md"


def table_of(scenario: str) -> dict[str, dict[str, str]]:
    """What the docs print: by platform, what each site needs."""
    lines = [[word.strip(" `") for word in line.strip("|").split("|")] for line in DOCS.read_text().splitlines()]
    start = next(number for number, words in enumerate(lines) if words[0] == scenario)
    rows = itertools.takewhile(lambda words: len(words) > 1, lines[start + 2 :])
    return {on: dict(zip(lines[start][1:], needed, strict=True)) for on, *needed in rows}


@pytest.mark.parametrize(
    ("scenario", "on"),
    [
        *itertools.product(("doorbell",), PLATFORMS),
        *slow_but_for("vring", OF_A_KIND),
        *slow_but_for("vring-event-idx", ("x86-wb", "omap4-2011")),
    ],
)
def test_the_docs_print_what_comes_of_it(scenario: str, on: str) -> None:
    row, found = table_of(scenario)[on], needs(matrix_of(scenario, on))
    assert row == {site: found[site] for site in row}


@pytest.mark.parametrize("scenario", ["vring", "doorbell", "vring-event-idx"])
def test_the_docs_print_every_platform(scenario: str) -> None:
    assert list(table_of(scenario)) == list(PLATFORMS)


@pytest.mark.slow
@pytest.mark.parametrize("on", PLATFORMS)
def test_flags_need_what_event_indices_need(on: str) -> None:
    flags, events = (needs(matrix_of(scenario, on)) for scenario in SLEEPING)
    assert flags == events
    polling = needs(matrix_of("vring", on))
    assert {site: flags[site] for site in RING[:4]} == {site: polling[site] for site in RING[:4]}


# --- each cell is what an exploration of its own says


def disagreements(plan: Plan, matrix: Matrix) -> list[str]:
    """Cells and assignments that an exploration without their bounds and without sharing says otherwise of."""
    search = Search(plan, BOUNDS, None)

    def differs(classes: Mapping[Site, BarrierClass], said: Verdict) -> bool:
        verified = explorer_of(search.changed(classes)).explore(BOUNDS).verified
        return said is not (Verdict.HOLDS if verified else Verdict.BROKEN)

    wrong = [
        f"{row.site.name}={cell.barrier_class.value}"
        for row in matrix.rows
        for cell in row.cells
        if differs({row.site: cell.barrier_class}, cell.explored.verdict)
    ]
    assert matrix.assignment is not None
    chosen = matrix.assignment.classes
    wrong += ["together"] * differs(chosen, matrix.assignment.explored.verdict)
    wrong += [
        f"together, {trial.site.name}={trial.barrier_class.value}"
        for trial in matrix.assignment.weaker
        if differs({**chosen, trial.site: trial.barrier_class}, trial.explored.verdict)
    ]
    return wrong


@pytest.mark.a_few(8)
@pytest.mark.parametrize(
    ("scenario", "on"),
    [*itertools.product(("spsc-vring", "doorbell"), PLATFORMS), *slow_but_for("vring", ())],
)
def test_shared_cells_are_what_they_would_be_alone(scenario: str, on: str) -> None:
    assert disagreements(planned(scenario, on), matrix_of(scenario, on)) == []


def test_a_broken_cell_that_says_it_holds_is_found_out() -> None:
    plan = planned("spsc-vring", "omap4-2011")
    matrix = matrix_of("spsc-vring", "omap4-2011")
    first = matrix.rows[0]
    lied = tuple(
        replace(cell, explored=replace(cell.explored, verdict=Verdict.HOLDS)) if cell.barrier_class is SMP else cell
        for cell in first.cells
    )
    planted = replace(matrix, rows=(replace(first, cells=lied), *matrix.rows[1:]))
    assert disagreements(plan, planted) == ["S1=smp"]


@pytest.mark.parametrize("limit", slow_unless((12).__eq__, (1, 12, 46)))
def test_a_cell_whose_bound_is_hit_is_unknown_and_never_holds(limit: int) -> None:
    plan = planned("vring", "omap4-2011")
    whole = matrix_of("vring", "omap4-2011")
    cut = necessity(plan, Bounds(limit, 60), replayed=False)
    assert cut.status == "inconclusive"
    assert cut.exit_status == 3
    assert cut.assignment is None
    seen = set()
    for before, after in zip(whole.rows, cut.rows, strict=True):
        for truth, said in zip(before.cells, after.cells, strict=True):
            seen.add(said.explored.verdict)
            assert said.explored.verdict in (truth.explored.verdict, Verdict.UNKNOWN)
            if said.explored.verdict is Verdict.UNKNOWN:
                assert said.explored.bound == f"{limit} run{'s' * (limit != 1)}"
                assert said.counterexample is None
    assert Verdict.UNKNOWN in seen


@pytest.mark.slow
def test_a_bound_that_only_the_longest_cells_reach_leaves_the_others_decided() -> None:
    cut = necessity(planned("vring", "arm64"), Bounds(60, 60), replayed=False)
    assert (cut.coded.verdict, cut.exit_status) == (Verdict.HOLDS, 0), "47 runs are the most that any cell takes"
    cut = necessity(planned("vring", "omap4-2011"), Bounds(60, 60), replayed=False)
    assert cut.coded.verdict is Verdict.HOLDS
    assert cut.exit_status == 3, "B1=none takes 101"
    assert needs(cut)["B1"] == "smp?"


# --- bounds that B1 takes


def one_sided(weak: Side) -> Platform:
    """Only `weak` ever reorders."""
    mixed = replace(platform("paranoid"), name="mixed", host=platform("sc").host, remote=platform("sc").remote)
    processor = platform("paranoid").processor(weak)
    return replace(mixed, host=processor) if weak is Side.HOST else replace(mixed, remote=processor)


@pytest.mark.parametrize(
    "scenario", ["doorbell", *(pytest.param(each, marks=pytest.mark.slow) for each in ("vring", "vring-indirect"))]
)
def test_by_default_b1_shows_on_both_sides_and_with_fewer_messages_it_is_not_judged(scenario: str) -> None:
    plan = planned(scenario, "paranoid")
    sides = [Side.REMOTE] if scenario == "doorbell" else list(Side)  # doorbell's host has no B1
    for messages in range(1, plan.config.messages + 1):
        changed = planned(scenario, "paranoid", "mandatory", "B1=none", messages=messages)
        shown = [explore(replace(changed, platform=one_sided(side))).finding is not None for side in sides]
        judged = next(row for row in matrix_rows(scenario, messages) if row.site is B1).judged
        assert judged == all(shown)
        assert judged == (messages == plan.config.messages)


def explore(plan: Plan) -> Exploration:
    return explorer_of(plan).explore(BOUNDS)


def matrix_rows(scenario: str, messages: int) -> Any:
    return necessity(planned(scenario, "paranoid", messages=messages), BOUNDS, replayed=False).rows


@pytest.mark.slow
def test_in_a_ring_of_one_b1_is_not_judged_however_many_messages_there_are() -> None:
    plan = plan_of("vring", platform="paranoid", barriers="mandatory", weaken=(), messages=6, ring_size=1)
    matrix = necessity(plan, BOUNDS, replayed=False)
    assert needs(matrix)["B1"] == "-"
    assert "--ring-size 2" in str(matrix.caution)
    assert matrix.assignment is not None
    assert B1 not in matrix.assignment.classes, "it stays as coded"


# --- all at once


def test_sites_that_cover_for_each_other_are_not_all_weakened() -> None:
    """On a machine whose hardware keeps all but load->store, and whose every barrier is a full one.

    B1 is what holds the reads of a buffer back, but S1 and S3, before the index, do that too. So each can go alone.
    """
    plan = planned("vring", "omap4-2011")
    remote = platform("omap4-2011").remote
    processor = replace(remote, architecture=replace(remote.architecture, implicit=ALL_ORDERS & ~Orders.RW))
    plan = replace(plan, platform=replace(platform("omap4-2011"), name="late loads", host=processor, remote=processor))
    matrix = necessity(plan, BOUNDS, replayed=False)
    assert needs(matrix) == {**each(RING, "compiler"), "B1": "none"}
    assert explore(Search(plan, BOUNDS, None).changed({row.site: NONE for row in matrix.rows})).finding is not None
    assert matrix.assignment is not None
    expected = {B1: NONE, S1: SMP, S2: COMPILER, S3: SMP, S4: COMPILER}
    assert matrix.assignment.classes == expected, "B1, a full barrier, goes first; then S1 and S3 have to stay"
    weaker = {(trial.site, trial.barrier_class, trial.explored.verdict) for trial in matrix.assignment.weaker}
    assert weaker == {(S1, COMPILER, Verdict.BROKEN), (S3, COMPILER, Verdict.BROKEN)}
    assert matrix.assignment.minimal
    assert "Stronger than is needed alone" in together_text(matrix)


# --- as coded


def test_what_is_broken_as_coded_is_said_first_and_what_repairs_it() -> None:
    matrix = matrix_of("vring", "omap4-2011", "virtio-weak")
    assert (matrix.status, matrix.exit_status, matrix.assignment) == ("violation", 1, None)
    assert matrix.coded_counterexample is not None
    assert needs(matrix) == {"S1": "dma", **each(("S2", "S3", "S4", "B1"), "no class")}, "7b21e34fd1c2, seen from 2011"


def test_a_policy_of_linux_is_weakened_from_what_it_has() -> None:
    matrix = matrix_of("doorbell", "arm64-domains", "virtio-strong")
    assert needs(matrix) == {"K1": "dma", "K2": "none", "B1": "none"}, "the firmware's writel() is a full barrier"
    assert matrix.rows[0].coded == "writel: host dmb oshst; str, remote dmb sy; str"


def test_a_site_that_is_weakened_on_the_command_line_is_weakened_as_coded() -> None:
    matrix = matrix_of("spsc-vring", "arm64-domains", "mandatory", "S1=dma")
    assert needs(matrix)["S1"] == "dma"
    assert matrix.assignment is not None
    command = shlex.split(matrix.assignment.command)
    assert command.count("S1=dma") == 1
    assert matrix_of("spsc-vring", "arm64-domains", "mandatory", "S1=smp").status == "violation"


@pytest.mark.parametrize("name", EXPLORABLE)
def test_every_scenario_has_a_row_for_each_of_its_sites(name: str) -> None:
    matrix = matrix_of(name, "sc")
    assert {row.site for row in matrix.rows} == set(EXPLORABLE[name].stood_at)
    assert all(row.note for row in matrix.rows), "who needs nothing is told why"
