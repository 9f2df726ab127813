"""The small programs in two real processes: they hold with the barriers they are coded with, and not without."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
from slow_sizes import size

from amp.lab.machine import Machine, Outcome
from amp.lab.plan import Plan, make_plan
from amp.lab.run import Result, run
from amp.machine.config import Mode
from amp.ordering.sites import Site
from amp.programs import EXPLORABLE, spsc_vring
from amp.programs.program import Program
from amp.report.trace import EventKind, Trace
from amp.virtio.sites import B1, K1, S1, S2, S3, S4, S5, S6, S7, S8

PLATFORMS = ("omap4-2011", "arm64-domains", "paranoid", "x86-wb")
ALL = pytest.mark.parametrize("program", EXPLORABLE.values(), ids=lambda program: program.name)
WRONG = frozenset({"BadRing", "WrongMessage"})
MISLAID = WRONG | {"BadMessage", "Stall"}  # a stale header may name an endpoint that nobody has
STALL = frozenset({"Stall"})


def planned(
    program: Program,
    platform: str | None,
    *weaken: str,
    messages: int,
    ring_size: int | None = None,
    mode: Mode = Mode.LOCKSTEP,
    barriers: str = "mandatory",
) -> Plan:
    """A run as `amp run` would be asked for it."""
    sizes = {"messages": messages, "ring_size": ring_size}
    return make_plan(program.name, mode=mode, platform=platform, barriers=barriers, weaken=weaken, **sizes)


def assert_right(outcome: Outcome) -> None:
    """The run came to its end on both sides, with every message right on both."""
    assert [report.outcome for report in outcome.reports] == ["done", "done"], outcome
    assert [report.messages for report in outcome.reports] == [outcome.config.messages] * 2


def assert_holds(result: Result) -> None:
    assert result.holds, result.witnesses[0].outcome.finding
    for outcome in result.outcomes:
        assert_right(outcome)


def sizes(program: Program) -> list[int]:
    entries = program.sizes["ring_size"]
    return [size for size in (1, 2, 4) if entries.least <= size <= entries.most]


def hold_everywhere(program: Program, mode: Mode, messages: int, seeds: range, ring_sizes: list[int]) -> None:
    """Every platform, ring size and seed; one pair of processes for each ring size."""
    for ring_size in ring_sizes:
        plans = [planned(program, name, messages=messages, ring_size=ring_size, mode=mode) for name in PLATFORMS]
        with Machine(plans[0].config) as machine:
            for plan, seed in product(plans, seeds):
                assert_right(machine.run(plan.at_seed(seed), plan.platform, plan.sites))


@pytest.mark.a_few(5)
@ALL
@pytest.mark.parametrize("mode", [Mode.LOCKSTEP, Mode.FREE])
def test_with_mandatory_barriers_a_program_holds(program: Program, mode: Mode) -> None:
    every = sizes(program)
    hold_everywhere(program, mode, 6, range(1, 4), every if mode is Mode.LOCKSTEP else every[-1:])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@ALL
@pytest.mark.parametrize("mode", [Mode.LOCKSTEP, Mode.FREE])
@pytest.mark.parametrize("messages", [2, 8])
def test_with_mandatory_barriers_a_program_holds_over_many_seeds(program: Program, mode: Mode, messages: int) -> None:
    hold_everywhere(program, mode, messages, range(1, size(50, 1000) + 1), sizes(program))


@pytest.mark.a_few(3)
@ALL
def test_without_any_barrier_no_program_holds_where_nothing_is_ordered_by_itself(program: Program) -> None:
    """The other direction: what these tests call right can go wrong."""
    assert not run(planned(program, "paranoid", messages=6, barriers="none"), range(1, 31), explained=0).holds


@ALL
def test_on_the_bare_machine_a_program_comes_to_its_end(program: Program) -> None:
    assert_holds(run(planned(program, None, messages=2000, mode=Mode.DIRECT), range(1, 2)))


@dataclass(frozen=True)
class Row:
    """`site` of a program weakened to none, on paranoid: what kinds of violation may come of it, in so many seeds."""

    program: str
    site: Site
    kinds: frozenset[str]
    seeds: int
    ring_size: int | None = None

    def __str__(self) -> str:
        return f"{self.program}-{self.site.name}"

    def result(self) -> Result:
        program, weaken = EXPLORABLE[self.program], f"{self.site.name}=none"
        plan = planned(program, "paranoid", weaken, messages=8, ring_size=self.ring_size)
        return run(plan, range(1, self.seeds + 1), explained=32 if self.kinds >= STALL else 4)


NOTIFIED = ("vring-flags", "vring-event-idx")
FOUND = (
    *(Row("spsc-vring", site, WRONG, 20) for site in spsc_vring.PROGRAM.sites),
    *(Row(name, site, WRONG, 20) for name in ("vring", "vring-indirect") for site in (S1, S2, S3, S4)),
    *(Row(name, site, WRONG, 100) for name in NOTIFIED for site in (S1, S2, S3, S4)),
    *(Row(name, site, STALL, 100) for name in NOTIFIED for site in (S5, S6, S7, S8)),
    Row("vring", B1, WRONG, 150),
    Row("vring-indirect", B1, WRONG, 150),
    Row("vring-flags", B1, WRONG, 300),
    Row("vring-event-idx", B1, WRONG, 300, ring_size=4),
    Row("doorbell", K1, WRONG, 20),
    Row("doorbell", B1, WRONG, 500),
    *(Row("rpmsg-ping", site, MISLAID, 1500) for site in (S1, S2)),  # rare by chance
    *(Row("rpmsg-ping", site, MISLAID, 100) for site in (S3, S4)),
)


def test_every_site_that_a_program_says_is_needed_has_its_row() -> None:
    claimed = {(program.name, site) for program in EXPLORABLE.values() for site in program.needed}
    assert {(row.program, row.site) for row in FOUND} == claimed


@pytest.mark.slow  # tests/explore finds the same without chance
@pytest.mark.parametrize("row", FOUND, ids=str)
def test_a_site_that_is_weakened_alone_is_found_and_nobody_else_is_blamed(row: Row) -> None:
    result = row.result()
    kinds = {found.outcome.finding.kind for found in result.witnesses if found.outcome.finding}
    blamed = {found.site for found in result.witnesses if found.explanation is not None}
    print(f"{row}: {len(result.witnesses)} violations in {row.seeds} seeds, blamed {blamed}")
    assert kinds, EXPLORABLE[row.program].symptom(row.site)
    assert kinds <= row.kinds
    assert row.site.name in blamed, "at least one is explained"
    assert blamed <= {row.site.name, None}


IDLE = [(program, site) for program in EXPLORABLE.values() for site in program.idle]


@pytest.mark.slow  # tests/explore finds the same without chance
@pytest.mark.parametrize(("program", "site"), IDLE, ids=[f"{program.name}-{site.name}" for program, site in IDLE])
def test_a_site_that_a_program_calls_idle_shows_nothing_when_it_is_weakened(program: Program, site: Site) -> None:
    for name in ("paranoid", "omap4-2011"):
        assert_holds(run(planned(program, name, f"{site.name}=none", messages=8), range(1, 151)))


def test_a_fence_that_reaches_only_the_siblings_does_not_help_across_the_interconnect() -> None:
    """C11's fences are for threads of one program: dmb ish, which the older Armv8 text confines to the inner domain."""
    spsc = EXPLORABLE["spsc-vring"]
    for name, barriers, holds in (
        ("arm64", "smp", True),
        ("arm64-domains", "smp", False),
        ("arm64-domains", "dma", True),
        ("armv7-smp", "smp", False),
        ("x86-wb", "smp", True),
        ("x86-wb", "none", True),
        ("x86-wc", "smp", False),
        ("x86-wc", "mandatory", True),
    ):
        result = run(planned(spsc, name, barriers=barriers, messages=8), range(1, 13), explained=0)
        assert result.holds == holds, (name, barriers)


@pytest.mark.a_few(4)
@ALL
def test_the_sites_of_a_run_are_those_at_which_the_program_says_it_stands(program: Program) -> None:
    plan = planned(program, "sc", messages=8)
    seen: set[Site | None] = set()
    with Machine(plan.config) as machine:
        for seed in range(1, 11):
            machine.run(plan.at_seed(seed), plan.platform, plan.sites)
            trace = Trace.from_region(memoryview(machine.region.memory), machine.model_offset, program.sites)
            seen |= {trace.site(event) for event in trace.events if event.kind is EventKind.BARRIER}
    assert seen == set(program.stood_at)


@pytest.mark.a_few(3)
@ALL
@pytest.mark.parametrize("barriers", ["none", pytest.param("mandatory", marks=pytest.mark.slow)])
def test_a_seed_is_a_run(program: Program, barriers: str) -> None:
    def digests() -> list[int]:
        result = run(planned(program, "paranoid", messages=8, barriers=barriers), range(1, 11), explained=0)
        return [outcome.digest for outcome in result.outcomes]

    first = digests()
    assert len(set(first)) > 5, "seeds differ"
    assert digests() == first
