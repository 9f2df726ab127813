"""The site that is named is the cause: repaired alone it ends the violation, or the explanation says it does not."""

from collections import Counter

import msgspec
import pytest
from repairs import Repair, repaired

from amp.lab.machine import Machine
from amp.lab.plan import Plan, make_plan
from amp.lab.run import as_data, by_symptom, finding_data, progress, run, verdict, witness
from amp.machine.config import Mode
from amp.programs import EXPLORABLE
from amp.report.shapes import Shape
from amp.virtio.sites import S1

PROGRAMS = ("echo", *EXPLORABLE)
POLLING = ("spsc-vring", "vring", "vring-indirect")
MESSAGES = 6
WEAK = (
    ("paranoid", "none"),
    ("omap4-2011", "smp"),
    ("arm64-domains", "smp"),
    ("armv7-up", "smp"),
    ("armv7-smp", "smp"),
    ("x86-wb", "none"),
    ("x86-wc", "none"),
    ("riscv", "none"),
    ("arm64", "none"),
)
NOT_FOUND_LIMIT = 0.05  # of all witnesses
UNDECIDED_LIMIT = 0.15  # schedules that the repaired program leaves early


def planned(program: str, platform: str, barriers: str, mode: Mode = Mode.LOCKSTEP) -> Plan:
    messages = MESSAGES if program in EXPLORABLE else 1000
    return make_plan(program, mode=mode, platform=platform, barriers=barriers, messages=messages)


def judged(plan: Plan, seeds: range) -> Counter[str]:
    """What becomes of every witness among the seeds: "not found", "gone", "stays", "stays, as said", "undecided"."""
    counts: Counter[str] = Counter()
    lockstep = msgspec.structs.replace(plan.config, mode=Mode.LOCKSTEP)
    with Machine(plan.config) as machine, Machine(lockstep) as again:
        for seed in seeds:
            outcome = machine.run(plan.at_seed(seed), plan.platform, plan.sites)
            if outcome.finding is None:
                continue
            found = witness(machine, plan, outcome, explained=True)
            explanation = found.explanation
            assert explanation is not None
            if explanation.site is None:
                counts["not found"] += 1
                continue
            assert explanation.tried, seed
            repair = repaired(again, plan, found)
            said = " as said" * (repair is Repair.STAYS and explanation.also is not None)
            counts[repair.name.lower() + said] += 1
    return counts


def check(counts: Counter[str]) -> None:
    total = counts.total()
    assert counts["stays"] == 0, counts
    assert counts["gone"] > total / 2, counts
    assert counts["not found"] <= NOT_FOUND_LIMIT * total, counts
    assert counts["undecided"] <= UNDECIDED_LIMIT * total, counts


def test_the_repaired_site_ends_the_violation_or_the_explanation_says_that_it_does_not() -> None:
    """Some witnesses of every program; few of those that poll, whose runs are long."""
    counts: Counter[str] = Counter()
    for number, program in enumerate(PROGRAMS):
        seeds = range(1, 2) if program in POLLING else range(1, 3)
        for platform, barriers in (WEAK[number % 2], WEAK[2 + number % 2]):
            counts += judged(planned(program, platform, barriers), seeds)
    assert counts.total() >= 16, counts
    check(counts)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_witnesses_of_all_programs_and_platforms_are_explained_by_what_repairs_them() -> None:
    counts: Counter[str] = Counter()
    for program in PROGRAMS:
        for platform, barriers in WEAK:
            counts += judged(planned(program, platform, barriers), range(1, 22))
    assert counts.total() >= 1000, counts
    check(counts)


@pytest.mark.parametrize("seed", [13, 23, 26, 43, 68, 119])
def test_what_is_blamed_is_of_the_ring_that_the_bad_value_came_from(seed: int) -> None:
    """Of many accesses out of order the two that sent the message's descriptor, or its entry, too late."""
    plan = planned("echo", "omap4-2011", "smp")
    with Machine(plan.config) as machine:
        outcome = machine.run(plan.at_seed(seed), plan.platform, plan.sites)
        found = witness(machine, plan, outcome, explained=True)
        explanation = found.explanation
        assert explanation is not None
        assert (explanation.shape, explanation.site) == (Shape.STORES, S1)
        assert explanation.bad == explanation.deciding
        names = [machine.memory.name_of(event.address) for event in explanation.accesses]
    assert all(name.startswith("to_remote ") for name in names), names


def test_a_free_run_is_judged_as_one_in_lockstep_is() -> None:
    plan = planned("doorbell", "paranoid", "none", Mode.FREE)
    counts = judged(plan, range(1, 9))
    assert counts.total() >= 2, counts
    check(counts)


def test_how_far_a_run_came_is_one_number_and_one_wording_everywhere() -> None:
    """The host may have a message back before the remote, which had it first, finds it wrong."""
    plan = planned("vring-flags", "paranoid", "none")
    early = 0
    with Machine(plan.config) as machine:
        for seed in range(1, 25):
            outcome = machine.run(plan.at_seed(seed), plan.platform, plan.sites)
            report = outcome.finding
            if report is None or report.number is None:
                continue
            assert outcome.messages <= report.number, (seed, report.text)
            early += outcome.reports[0].messages > report.number
            found = witness(machine, plan, outcome, explained=False)
            assert progress(plan, found) in verdict(plan, found)
            assert finding_data(plan, found)["after_messages"] == outcome.messages
    assert early > 0, "never was the wrong message back first"


def test_a_witness_that_was_not_examined_is_told_as_such() -> None:
    plan = planned("doorbell", "paranoid", "none")
    result = run(plan, range(1, 9), explained=2)
    lines = by_symptom(result.witnesses)
    assert any(line.endswith("WrongMessage") and "x not examined: " in line for line in lines), lines
    assert not any("determined" in line for line in lines)
    told = [finding["examined"] for finding in as_data(result)["findings"]]
    assert told == [True, True, *[False] * (len(told) - 2)]
