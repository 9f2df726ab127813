"""The status of a mailbox is loaded, and acknowledged by a store: neither orders anything, and both may be late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from port_strategies import PLATFORMS, platforms, programs
from replay_machine import ReplayMachine, replay_machine
from slow_sizes import size
from small_programs import Model, explored
from test_schedule_replay import assert_random_programs_replay, assert_replays, told_executions

from amp.ordering import platform as platform_named
from amp.ordering.barriers import Orders
from amp.ordering.placement import Placement
from amp.ordering.platforms import Platform, Processor

MOST_RUNS = 3000


def found(*program: str, platform: str = "arm64") -> set[tuple[int, ...]]:
    exploration = explored(program, platform)
    assert exploration is not None
    return exploration.found


def registers(*program: str, platform: str = "arm64", n: int = 2) -> set[tuple[int, ...]]:
    """The first `n` values of each outcome."""
    return {values[:n] for values in found(*program, platform=platform)}


# --- what it returns --------------------------------------------------------------------------------------------------


def test_both_are_explored_not_rung_yet_and_rung() -> None:
    assert registers("r0=rung", "kick0", n=1) == {(0,), (1,)}


def test_it_is_loaded_as_often_as_one_likes_and_stays_until_it_is_taken() -> None:
    assert registers("r0=rung r1=rung", "kick0") == {(0, 0), (0, 1), (1, 1)}


def test_whoever_has_taken_the_interrupt_finds_it_gone() -> None:
    assert registers("r0=wait r1=rung", "kick0") == {(1, 0)}


def test_one_that_was_found_is_still_there_to_be_taken() -> None:
    assert registers("r0=rung r0=1?r1=wait", "kick0", n=1) == {(0,), (1,)}
    assert not any(explorer.stalls for explorer in [explored(("r0=rung r1=wait", "kick0"), "arm64")] if explorer)


def test_kicks_that_are_not_taken_are_one() -> None:
    """The second may come before the interrupt is taken, behind it, or between."""
    assert registers("r0=wait r1=rung", "kick0 kick0") == {(1, 0), (1, 1)}
    assert registers("r0=wait r1=rung r2=rung", "kick0", n=3) == {(1, 0, 0)}


def test_an_acknowledgement_takes_what_had_come_by_then_and_no_more() -> None:
    assert registers("r0=rung ack r1=rung", "kick0") == {(0, 0), (0, 1), (1, 0)}
    assert registers("ack r0=rung r0=1?ack r1=rung", "kick0") == {(0, 0), (0, 1), (1, 0)}


def test_a_doorbell_of_its_own_has_to_arrive_first() -> None:
    assert registers("kick0 r0=rung", "none", n=1) == {(0,), (1,)}


# --- what it orders: nothing ------------------------------------------------------------------------------------------

ANNOUNCED = "x=1 mb kick0"


@pytest.mark.parametrize("platform", [each for each in PLATFORMS if each not in ("sc", "x86-wb", "x86-wc")])
def test_what_was_stored_before_the_kick_is_there_behind_a_barrier_only(platform: str) -> None:
    assert (1, 0) in registers("r0=rung r1=x", ANNOUNCED, platform=platform)
    assert (1, 0) not in registers("r0=rung mb r1=x", ANNOUNCED, platform=platform)
    assert (1, 0) not in registers("r0=rung rmb r1=x", ANNOUNCED, platform=platform)
    assert (1, 0) not in registers("r0=wait r1=x", ANNOUNCED, platform=platform)


@pytest.mark.parametrize("platform", ["sc", "x86-wb", "x86-wc"])
def test_x86_keeps_its_loads_in_order(platform: str) -> None:
    assert (1, 0) not in registers("r0=rung r1=x", ANNOUNCED, platform=platform)


def test_a_fence_of_riscv_orders_it_only_if_it_names_a_device_s_input() -> None:
    """RISC-V unprivileged ISA, FENCE: `fence r,r` is of memory."""
    assert (1, 0) in registers("r0=rung smp_rmb r1=x", ANNOUNCED, platform="riscv")
    assert (1, 0) in registers("r0=rung smp_mb r1=x", ANNOUNCED, platform="riscv")
    assert (1, 0) not in registers("r0=rung readl r1=x", ANNOUNCED, platform="riscv")
    assert (1, 0) not in registers("r0=rung smp_rmb r1=x", ANNOUNCED, platform="arm64")
    behind = "kick0 mb x=1"
    assert (1, 0) in registers("r0=x smp_mb r1=rung", behind, platform="riscv")
    assert (1, 0) not in registers("r0=x mb r1=rung", behind, platform="riscv")


def test_so_does_one_of_the_remote_s_and_of_a_user_s_platform(tmp_path: Path) -> None:
    """Their architectures have other names; the fences are the same."""
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\nsummary = "a machine"\nsource = "a manual"\nbase = "riscv"\n'
        '[[host.rows]]\nprimitive = "smp_rmb"\ninstruction = "fence r,rw"\norders = ["RR", "RW"]\nreach = "system"\n'
        'source = "a manual"\n'
    )
    mine = platform_named(str(file))
    for name, machine in (("riscv", platform_named("riscv")), ("mine", mine)):
        remote = outcomes_on(machine, "x=1 mb kick1", "r0=rung smp_rmb r1=x")
        host = outcomes_on(machine, "r0=rung smp_rmb r1=x", "x=1 mb kick0")
        assert (1, 0) in remote, name
        assert (1, 0) in host, name
        assert (1, 0) not in outcomes_on(machine, "x=1 mb kick1", "r0=rung rmb r1=x"), name


def outcomes_on(machine: Platform, *program: str) -> set[tuple[int, ...]]:
    exploration = explored(program, machine)
    assert exploration is not None
    return {values[:2] for values in exploration.found}


def one_by_one(processor: Processor) -> Processor:
    """Its stores reach one observer before another; what keeps stores is a full fence, as the explorer asks there."""
    architecture = processor.architecture
    rows = {
        primitive: replace(row, orders=row.orders | Orders.WR) if Orders.WW in row.orders else row
        for primitive, row in architecture.rows.items()
    }
    return replace(processor, architecture=replace(architecture, rows=rows, multi_copy_atomic=False))


def test_it_is_so_of_three_cpus_whose_stores_reach_one_before_another() -> None:
    """There each access has several nodes."""
    riscv = platform_named("riscv")
    mine = replace(riscv, name="mine", host=one_by_one(riscv.host), remote=one_by_one(riscv.remote))
    places = Placement.of(["host", "host2", "remote"])
    for barrier, is_late in (("smp_mb", True), ("mb", False)):
        found = explored((f"r0=rung {barrier} r1=x", "none", "x=1 mb kick0"), mine, placement=places)
        assert found is not None
        assert ((1, 0) in {values[:2] for values in found.found}) is is_late
        found = explored((f"r0=x {barrier} r1=rung", "none", "kick0 mb x=1"), mine, placement=places)
        assert found is not None
        assert ((1, 0) in {values[:2] for values in found.found}) is is_late


@pytest.mark.parametrize(
    ("program", "late"),
    [
        (("kick1 {} x=1", "r0=x mb r1=rung"), (1, 0)),  # W->W: o is before the comma
        (("r0=x {} kick1", "r0=wait x=1"), (1,)),  # R->W: o is behind it
    ],
    ids=["doorbell before a store", "load before a doorbell"],
)
@pytest.mark.parametrize(
    ("barrier", "is_kept"), [("smp_mb", False), ("smp_wmb", False), ("mb", True)], ids=["smp_mb", "smp_wmb", "mb"]
)
def test_only_a_fence_that_names_output_keeps_a_doorbell_in_its_place(
    program: tuple[str, str], late: tuple[int, ...], barrier: str, is_kept: bool
) -> None:
    """RISC-V unprivileged ISA, FENCE: r and w are accesses of memory, and a doorbell is none."""
    shown = registers(*(part.format(barrier) for part in program), platform="riscv", n=len(late))
    assert (late in shown) is not is_kept
    on_arm = registers(*(part.format("smp_mb") for part in program), platform="arm64", n=len(late))
    assert late not in on_arm


def is_lost(*program: str, platform: str) -> bool:
    """Does somebody wait for ever?"""
    exploration = explored(program, platform)
    assert exploration is not None
    return exploration.stalls


@pytest.mark.parametrize("barrier", ["smp_wmb", "smp_mb"])
def test_an_acknowledgement_that_a_fence_of_memory_lets_a_store_pass_loses_the_doorbell(barrier: str) -> None:
    """The other part rings when it sees the store; the acknowledgement, behind that, takes what rang."""
    assert is_lost(f"ack {barrier} x=1 r1=wait", "r0=poll:x kick0", platform="riscv")
    assert is_lost("ack rel:x=1 r1=wait", "r0=poll:x kick0", platform="riscv")
    assert not is_lost("ack mb x=1 r1=wait", "r0=poll:x kick0", platform="riscv")


def test_a_branch_on_it_keeps_later_stores_behind_it() -> None:
    """Else the kick would come of the store that only it leads to."""
    answers = "r0=poll:x kick0"
    assert (1, 1) not in registers("r0=rung r0=1?x=1", answers, platform="arm64")
    assert any(values[:2] == (1, 1) for values in found("r0=rung x=1", answers, platform="arm64"))


@pytest.mark.parametrize("platform", ["arm64", "armv7-up", "x86-wb", "riscv", "paranoid"])
def test_a_doorbell_is_lost_if_the_look_comes_before_the_acknowledgement(platform: str) -> None:
    """Acknowledge, look, sleep: the store is late, the look finds nothing, the kick between them is wiped out."""
    rings = "x=1 mb kick0"
    assert (0, 0) in registers("ack r0=x r1=rung", rings, platform=platform)
    lost = explored(("ack r0=x r0=0?r1=wait", rings), platform)
    kept = explored(("ack mb r0=x r0=0?r1=wait", rings), platform)
    assert lost is not None
    assert kept is not None
    assert (lost.stalls, kept.stalls) == (True, False)


@pytest.mark.parametrize("barrier", ["rmb", "dma_wmb"])
def test_and_no_half_of_a_barrier_keeps_it(barrier: str) -> None:
    lost = explored((f"ack {barrier} r0=x r0=0?r1=wait", "x=1 mb kick0"), "arm64")
    assert lost is not None
    assert lost.stalls


@pytest.mark.parametrize(
    ("barrier", "platform", "is_lost"),
    [
        ("smp_mb", "riscv", True),  # fence rw,rw names no output
        ("mb", "riscv", False),
        ("rmb", "armv7-smp", True),  # a dsb that does not reach a doorbell's last stage
        ("mb", "armv7-smp", False),
        ("smp_mb", "arm64", False),
    ],
)
def test_a_barrier_of_memory_alone_does_not_keep_it_either(barrier: str, platform: str, is_lost: bool) -> None:
    program = (f"ack {barrier} r0=x r0=0?r1=wait", "x=1 mb kick0")
    found = explored(program, platform)
    assert found is not None
    assert found.stalls is is_lost


# --- both engines say the same ----------------------------------------------------------------------------------------

SHAPES = [
    ("r0=rung r1=x", "x=1 kick0"),
    ("r0=rung r1=rung r2=x", "x=1 mb kick0"),
    ("r0=x r1=rung", "kick0 mb x=1"),
    ("ack r0=x r1=rung", "x=1 mb kick0"),
    ("r0=rung ack r1=rung", "kick0 kick0"),
    ("r0=rung r0=1?r1=wait r2=rung", "kick0 kick0"),
    ("kick0 r0=rung ack r1=rung", "none"),
    ("ack smp_mb r0=x r1=rung", "x=1 mb kick0"),
    ("ack mb r0=x r1=rung", "x=1 mb kick0"),
    ("y=1 ack smp_mb r0=x r1=rung", "x=1 mb kick0 mb r0=y"),
    # A status that passes a fence of memory alone: the loads before it, and the stores.
    ("r0=x smp_mb r1=rung", "kick0 mb x=1"),
    ("r0=acq:x r1=rung", "kick0 mb x=1"),
    ("x=1 smp_mb r0=rung", "kick0 mb r0=x"),
    ("x=1 smp_mb r1=y r0=rung", "kick0 mb r0=x"),
    ("x=1 smp_mb mb r0=rung", "kick0 mb r0=x"),
    ("r0=x smp_mb mb r1=rung", "kick0 mb x=1"),
    ("r0=add:y,1 r1=rung", "kick0 mb r0=xchg:y,2"),
]


@pytest.mark.parametrize("platform", ["sc", "x86-wb", "arm64", "omap4-2011", "riscv"])
@pytest.mark.parametrize("program", SHAPES)
def test_each_shows_what_the_other_finds(program: tuple[str, ...], platform: str) -> None:
    assert set(Model(2, platform).outcomes(program, 1500)) == found(*program, platform=platform)


@settings(max_examples=30, deadline=None)
@given(programs(most=4, mailbox=True), platforms)
def test_with_and_without_merging_the_same_outcomes_are_met(program: tuple[str, ...], platform: str) -> None:
    assert_merging_changes_nothing(program, platform)


def assert_merging_changes_nothing(program: tuple[str, ...], platform: str) -> None:
    every = explored(program, platform, merging=False, most_runs=MOST_RUNS)
    assume(every is not None)
    merged = explored(program, platform)
    assert every is not None
    assert merged is not None
    assert (merged.found, merged.stalls) == (every.found, every.stalls)


@settings(max_examples=15, deadline=None)
@given(programs(most=4, mailbox=True), platforms, st.integers(0, 1 << 20))
def test_every_outcome_of_the_running_model_is_found(program: tuple[str, ...], platform: str, seed: int) -> None:
    assert_all_found(program, platform, 80, seed)


def assert_all_found(program: tuple[str, ...], platform: str, runs: int, seed: int) -> None:
    exploration = explored(program, platform, most_runs=MOST_RUNS)
    assume(exploration is not None)
    assert exploration is not None
    assert set(Model(2, platform).outcomes(program, runs, seed)) <= exploration.found


@pytest.fixture(scope="module")
def machine() -> Iterator[ReplayMachine]:
    with replay_machine() as two:
        yield two


@pytest.mark.parametrize(
    ("program", "early"),
    [
        (("r0=x smp_mb r1=rung", "kick0 mb x=1"), (1, 0)),
        (("r0=acq:x r1=rung", "kick0 mb x=1"), (1, 0)),
        (("x=1 smp_mb r0=rung", "kick0 mb r0=x"), (0, 0)),
        (("r0=add:y,1 r1=rung", "kick0 mb r0=xchg:y,2"), (2, 0)),
    ],
    ids=["behind a load", "behind an acquire", "behind a store", "behind an atomic"],
)
def test_two_processes_repeat_a_status_that_passes_a_fence_of_memory_alone(
    machine: ReplayMachine, program: tuple[str, str], early: tuple[int, int]
) -> None:
    executions = told_executions(program, "riscv", runs=500, most=40, pick=1)
    assert early in {told[:2] for told in executions if told is not None}
    for told, execution in executions.items():
        assert assert_replays(machine, program, "riscv", told, execution), (program, told)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(programs(most=4, mailbox=True), platforms, st.integers(0, 1 << 20))
def test_two_processes_come_along_or_it_is_of_a_kind_that_they_cannot_show(
    machine: ReplayMachine, program: tuple[str, ...], platform: str, pick: int
) -> None:
    assert_random_programs_replay(machine, program, platform, pick, runs=60, most=2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=size(1000, 10_000), deadline=None)
@given(programs(most=7, mailbox=True), platforms, st.integers(0, 1 << 20))
def test_many_programs_of_mailboxes(machine: ReplayMachine, program: tuple[str, ...], platform: str, seed: int) -> None:
    assert_merging_changes_nothing(program, platform)
    assert_all_found(program, platform, 300, seed)
    assert_random_programs_replay(machine, program, platform, seed, runs=400, most=8)
