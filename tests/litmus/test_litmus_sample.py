"""The sample of 607 tests with herd7's verdicts: the core and the oracle agree with it, and the checks can go red."""

from __future__ import annotations

from dataclasses import replace

import oracle
import pytest
from litmus_runs import DATA, LIMITS, Sample, compiled, outcomes, sample

from amp.litmus.compile import Compiled
from amp.litmus.enumerate import enumerate_outcomes
from amp.litmus.outcomes import judge
from amp.litmus.program import Ordering, Program
from amp.ordering.barriers import ALL_ORDERS, Orders, Reach
from amp.ordering.platforms import PLATFORMS, Platform, Side

ASSEMBLY = [each for each in sample() if each.arch != "LKMM"]
LKMM = [each for each in sample() if each.arch == "LKMM"]
# Their hosts have no SMP build, no ordinary memory, or nothing but mandatory barriers.
NO_SMP = {"armv7-up", "x86-wc", "paranoid"}

Raw = frozenset[tuple[int, ...]]


def core(program: Program, platform: Platform, *, apart: bool = False) -> Raw:
    groups = tuple(range(len(program.threads))) if apart else (0,) * len(program.threads)
    found = enumerate_outcomes(program, platform, groups, LIMITS)
    assert found.complete
    return frozenset(found.counts)


def differs(entry: Sample, test: Compiled, found: Raw) -> str:
    """How `found` is not what herd7 says; empty if it is."""
    judged = judge(test, dict.fromkeys(found, 1))
    said = (judged.verdict.value, judged.observation, len(judged.states))
    expected = (entry.verdict, entry.observation, entry.outcomes)
    return "" if said == expected else f"{entry.file}: {said}, herd7: {expected}"


def too_strong(entry: Sample, test: Compiled, found: Raw) -> str:
    """The kernel's model is an upper bound: what it forbids is never seen."""
    judged = judge(test, dict.fromkeys(found, 1))
    return f"{entry.file}: {judged.verdict}" if (judged.verdict, entry.verdict) == ("Allowed", "Forbidden") else ""


def test_the_sample_is_whole() -> None:
    assert (len(ASSEMBLY), len(LKMM)) == (418, 189)
    assert all(each.outcomes for each in ASSEMBLY)


def test_assembly_tests_have_herd7_s_verdicts_and_outcomes() -> None:
    wrong = []
    for entry in ASSEMBLY:
        test = compiled(entry.test)
        platform = PLATFORMS["arm64" if entry.arch == "AArch64" else "x86-wb"]
        wrong.append(differs(entry, test, core(test.program, platform)))
    assert not list(filter(None, wrong))


@pytest.mark.parametrize("arch", ["AArch64", "X86", "LKMM"])
def test_the_oracle_finds_the_same_outcomes_from_the_text_alone(arch: str) -> None:
    wrong = []
    for entry in sample():
        if entry.arch == arch:
            text, platform = (DATA / entry.file).read_text(), "x86-wb" if arch == "X86" else "arm64"
            due = oracle.outcomes(text, platform)
            if outcomes(text, platform) != due or entry.outcomes not in (None, len(due)):
                wrong.append(entry.file)
    assert not wrong


def test_the_oracle_agrees_about_barriers_that_do_not_reach() -> None:
    wrong = []
    for entry in ASSEMBLY:
        text = (DATA / entry.file).read_text()
        if entry.arch == "AArch64" and "ish" in entry.file.lower():
            due = oracle.outcomes(text, "arm64-domains", apart=True)
            if outcomes(text, "arm64-domains", "apart") != due:
                wrong.append(entry.file)
    assert not wrong


@pytest.mark.parametrize("name", sorted(set(PLATFORMS) - NO_SMP))
def test_what_the_kernel_s_model_forbids_is_not_seen_among_siblings(name: str) -> None:
    platform = PLATFORMS[name]
    tests = [(entry, compiled(entry.test, name)) for entry in LKMM]
    assert not [why for entry, test in tests if (why := too_strong(entry, test, core(test.program, platform)))]


@pytest.mark.parametrize("name", sorted(NO_SMP - {"x86-wc"}))
def test_a_host_without_smp_barriers_shows_what_the_kernel_s_model_forbids(name: str) -> None:
    platform = PLATFORMS[name]
    tests = [(entry, compiled(entry.test, name)) for entry in LKMM]
    assert [why for entry, test in tests if (why := too_strong(entry, test, core(test.program, platform)))]


def erased(program: Program, platform: Platform) -> Program:
    """Every barrier as far as it reaches, and no further: what is left of it is taken to reach everybody."""
    implicit = platform.implicit(Side.HOST)
    left = [platform.towards_others(Side.HOST, each.orders, each.reach) & ~implicit for each in program.orderings]
    return replace(program, orderings=tuple(Ordering(orders, Reach.SYSTEM) for orders in left))


@pytest.mark.a_few(4)
@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_apart_is_the_test_with_the_barriers_that_do_not_reach_erased(name: str) -> None:
    platform = PLATFORMS[name]
    wrong = []
    for entry in sample():
        program = compiled(entry.test, name).program
        found = core(program, platform, apart=True)
        if found != core(erased(program, platform), platform):
            wrong.append(entry.file)
    assert not wrong


def test_apart_on_arm64_domains_only_what_reaches_outside_orders() -> None:
    """So the test above compares different programs."""
    platform, changed = PLATFORMS["arm64-domains"], {}
    for entry in ASSEMBLY:
        if entry.arch == "AArch64":
            program = compiled(entry.test).program
            changed[entry.file] = core(program, platform, apart=True) != core(program, platform)
    inner = {file for file in changed if "ish" in file}
    assert sum(changed[file] for file in inner) > 50
    assert not any(different for file, different in changed.items() if file not in inner)


def weakened(program: Program, lost: Orders) -> Program:
    return replace(program, orderings=tuple(replace(each, orders=each.orders & ~lost) for each in program.orderings))


@pytest.mark.parametrize("lost", [Orders.RR, Orders.RW, Orders.WR, Orders.WW], ids=lambda order: order.name)
def test_a_barrier_that_forgets_a_pair_goes_red(lost: Orders) -> None:
    wrong = 0
    for entry in ASSEMBLY:
        if entry.arch == "AArch64" and entry.verdict == "Forbidden":
            test = compiled(entry.test)
            wrong += bool(differs(entry, test, core(weakened(test.program, lost), PLATFORMS["arm64"])))
    assert wrong


def test_a_barrier_too_much_goes_red() -> None:
    everything = Ordering(ALL_ORDERS, Reach.SYSTEM)
    wrong = 0
    for entry in ASSEMBLY:
        test = compiled(entry.test)
        nothing, *orderings = test.program.orderings
        program = replace(test.program, orderings=(nothing, *(everything for _ in orderings)))
        wrong += bool(differs(entry, test, core(program, PLATFORMS["arm64" if entry.arch == "AArch64" else "x86-wb"])))
    assert wrong
