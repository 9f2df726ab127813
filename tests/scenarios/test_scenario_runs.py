"""The scenarios in two real processes: they hold with the barriers they are coded with, and not without."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
from slow_sizes import size

from amp.cli.machine import Machine, Outcome
from amp.cli.options import Plan, resolve, ring_size_for
from amp.cli.run import Result, run
from amp.machine.config import Mode, RunConfig
from amp.ordering.sites import Site
from amp.report.trace import EventKind, Trace
from amp.scenarios import SCENARIOS, Scenario

PLATFORMS = ("omap4-2011", "arm64-domains", "paranoid", "x86-wb")
ALL = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
WRONG = frozenset({"BadRing", "WrongMessage"})
MISLAID = WRONG | {"BadMessage", "Stall"}  # a stale header may name an endpoint that nobody has
STALL = frozenset({"Stall"})


def planned(
    scenario: Scenario,
    platform: str | None,
    *weaken: str,
    messages: int,
    ring_size: int | None = None,
    mode: Mode = Mode.LOCKSTEP,
    barriers: str = "mandatory",
) -> Plan:
    """A run as `amp run` would be asked for it."""
    config = RunConfig(program=scenario.name, mode=mode, ring_size=ring_size_for(scenario.name, ring_size))
    return resolve(config, platform=platform, barriers=barriers, weaken=weaken, messages=messages)


def assert_right(outcome: Outcome) -> None:
    """The run came to its end on both sides, with every message right on both."""
    assert [report.outcome for report in outcome.reports] == ["done", "done"], outcome
    assert [report.messages for report in outcome.reports] == [outcome.config.messages] * 2


def assert_holds(result: Result) -> None:
    assert result.holds, result.witnesses[0].outcome.finding
    for outcome in result.outcomes:
        assert_right(outcome)


def sizes(scenario: Scenario) -> list[int]:
    return [size for size in (1, 2, 4) if scenario.ring_size_limits[0] <= size <= scenario.ring_size_limits[1]]


def hold_everywhere(scenario: Scenario, mode: Mode, messages: int, seeds: range, ring_sizes: list[int]) -> None:
    """Every platform, ring size and seed; one pair of processes for each ring size."""
    for ring_size in ring_sizes:
        plans = [planned(scenario, name, messages=messages, ring_size=ring_size, mode=mode) for name in PLATFORMS]
        with Machine(plans[0].config) as machine:
            for plan, seed in product(plans, seeds):
                assert_right(machine.run(plan.at_seed(seed), plan.platform, plan.sites))


@ALL
@pytest.mark.parametrize("mode", [Mode.LOCKSTEP, Mode.FREE])
def test_with_mandatory_barriers_a_scenario_holds(scenario: Scenario, mode: Mode) -> None:
    every = sizes(scenario)
    hold_everywhere(scenario, mode, 6, range(1, 4), every if mode is Mode.LOCKSTEP else every[-1:])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@ALL
@pytest.mark.parametrize("mode", [Mode.LOCKSTEP, Mode.FREE])
@pytest.mark.parametrize("messages", [2, 8])
def test_with_mandatory_barriers_a_scenario_holds_over_many_seeds(
    scenario: Scenario, mode: Mode, messages: int
) -> None:
    hold_everywhere(scenario, mode, messages, range(1, size(50, 1000) + 1), sizes(scenario))


@ALL
def test_without_any_barrier_no_scenario_holds_where_nothing_is_ordered_by_itself(scenario: Scenario) -> None:
    """The other direction: what these tests call right can go wrong."""
    assert not run(planned(scenario, "paranoid", messages=6, barriers="none"), range(1, 31), explained=0).holds


@ALL
def test_on_the_bare_machine_a_scenario_comes_to_its_end(scenario: Scenario) -> None:
    assert_holds(run(planned(scenario, None, messages=2000, mode=Mode.DIRECT), range(1, 2)))


@dataclass(frozen=True)
class Row:
    """`site` of a scenario weakened to none, on paranoid: what kinds of violation may come of it, in so many seeds."""

    scenario: str
    site: Site
    kinds: frozenset[str]
    seeds: int
    ring_size: int | None = None

    def __str__(self) -> str:
        return f"{self.scenario}-{self.site.name}"

    def result(self) -> Result:
        scenario, weaken = SCENARIOS[self.scenario], f"{self.site.name}=none"
        plan = planned(scenario, "paranoid", weaken, messages=8, ring_size=self.ring_size)
        return run(plan, range(1, self.seeds + 1), explained=32 if self.kinds >= STALL else 4)


S1, S2, S3, S4, S5, S6, S7, S8 = (Site[f"S{number}"] for number in range(1, 9))
K1, B1 = Site.K1, Site.B1
NOTIFIED = ("vring-flags", "vring-event-idx")
FOUND = (
    *(Row("spsc-vring", site, WRONG, 20) for site in (S1, S2, S3, S4)),
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


def test_every_site_that_the_catalogue_says_is_needed_has_its_row() -> None:
    claimed = {(scenario.name, site) for scenario in SCENARIOS.values() for site in scenario.sites}
    assert {(row.scenario, row.site) for row in FOUND} == claimed


@pytest.mark.slow  # tests/explore finds the same without chance
@pytest.mark.parametrize("row", FOUND, ids=str)
def test_a_site_that_is_weakened_alone_is_found_and_nobody_else_is_blamed(row: Row) -> None:
    result = row.result()
    kinds = {found.outcome.finding.kind for found in result.witnesses if found.outcome.finding}
    blamed = {found.site for found in result.witnesses if found.explanation is not None}
    print(f"{row}: {len(result.witnesses)} violations in {row.seeds} seeds, blamed {blamed}")
    assert kinds, SCENARIOS[row.scenario].sites[row.site]
    assert kinds <= row.kinds
    assert row.site.name in blamed, "at least one is explained"
    assert blamed <= {row.site.name, None}


IDLE = [(scenario, site) for scenario in SCENARIOS.values() for site in scenario.idle_sites]


@pytest.mark.slow  # tests/explore finds the same without chance
@pytest.mark.parametrize(("scenario", "site"), IDLE, ids=[f"{scenario.name}-{site.name}" for scenario, site in IDLE])
def test_a_site_that_the_catalogue_calls_idle_shows_nothing_when_it_is_weakened(scenario: Scenario, site: Site) -> None:
    for name in ("paranoid", "omap4-2011"):
        assert_holds(run(planned(scenario, name, f"{site.name}=none", messages=8), range(1, 151)))


def test_a_fence_that_reaches_only_the_siblings_does_not_help_across_the_interconnect() -> None:
    """C11's fences are for threads of one program: dmb ish, which the older Armv8 text confines to the inner domain."""
    spsc = SCENARIOS["spsc-vring"]
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
        result = run(planned(spsc, name, barriers=barriers, messages=8), range(1, 61), explained=0)
        assert result.holds == holds, (name, barriers)


@ALL
def test_the_sites_of_a_run_are_those_of_the_catalogue(scenario: Scenario) -> None:
    plan = planned(scenario, "sc", messages=8)
    seen: set[int] = set()
    with Machine(plan.config) as machine:
        for seed in range(1, 11):
            machine.run(plan.at_seed(seed), plan.platform, plan.sites)
            trace = Trace.from_region(memoryview(machine.region.memory), machine.model_offset)
            seen |= {event.site for event in trace.events if event.kind is EventKind.BARRIER}
    assert seen == {*scenario.sites, *scenario.idle_sites}


@ALL
@pytest.mark.parametrize("barriers", ["none", pytest.param("mandatory", marks=pytest.mark.slow)])
def test_a_seed_is_a_run(scenario: Scenario, barriers: str) -> None:
    def digests() -> list[int]:
        result = run(planned(scenario, "paranoid", messages=8, barriers=barriers), range(1, 11), explained=0)
        return [outcome.digest for outcome in result.outcomes]

    first = digests()
    assert len(set(first)) > 5, "seeds differ"
    assert digests() == first
