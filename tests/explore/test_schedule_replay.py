"""A finding of the explorer as a schedule: two real processes in lockstep follow it, and end in the same violation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from types import MappingProxyType

import msgspec
import pytest
from explored_programs import BOUNDS, program_explorer
from hypothesis import given, settings
from hypothesis import strategies as st
from port_strategies import platforms, programs
from replay_machine import ReplayMachine, replay_machine
from slow_sizes import size
from small_programs import explorer_of

from amp.errors import Stall, UsageError
from amp.explore.explorer import Ending
from amp.explore.schedule import (
    Execution,
    NotALine,
    mixes_own_bytes,
    needs_late_atomics,
    needs_late_loads,
    schedule_of,
)
from amp.lab.machine import Machine
from amp.machine.config import Mode
from amp.ordering.architectures import ARCHITECTURES, Architecture
from amp.ordering.barriers import BarrierClass, Orders, Primitive, Reach
from amp.ordering.placement import Placement
from amp.ordering.platforms import PLATFORMS, Platform
from amp.ordering.sites import SiteMap
from amp.programs import EXPLORABLE

MESSAGES = 3
REPEATS = 2


@pytest.fixture(scope="module", params=sorted(EXPLORABLE))
def shipped(request: pytest.FixtureRequest) -> Iterator[tuple[str, Machine]]:
    """A program, and two processes that run it."""
    config = EXPLORABLE[request.param].config(Mode.LOCKSTEP, messages=MESSAGES)
    with Machine(config) as machine:
        yield request.param, machine


def what_is_missed(text: str) -> str:
    """Of a stall, what was waited for. Why nobody comes is said differently: all sleep, or the others have retired."""
    return text.partition(": wait:")[0]


@pytest.mark.a_few(5)
@pytest.mark.parametrize("platform", ["paranoid", "arm64"])
def test_every_finding_is_repeated_by_two_processes(shipped: tuple[str, Machine], platform: str) -> None:
    name, machine = shipped
    repeated = 0
    for site in EXPLORABLE[name].needed:
        explorer = program_explorer(name, platform, messages=MESSAGES, weaken={site: BarrierClass.NONE})
        finding = explorer.explore(BOUNDS).finding
        if finding is None:
            continue
        explorer.replay(finding.choices)
        schedule = schedule_of(Execution.of(explorer.core.events()), whole=isinstance(finding.error, Stall))
        coded = SiteMap.for_class(BarrierClass.MANDATORY, EXPLORABLE[name].sites)
        sites = coded.weaken(site, BarrierClass.NONE)
        config = EXPLORABLE[name].config(Mode.LOCKSTEP, messages=MESSAGES)
        for _ in range(REPEATS):
            outcome = machine.run(
                msgspec.structs.replace(config, schedule=schedule.token()), PLATFORMS[platform], sites
            )
            assert outcome.finding is not None, site
            assert outcome.finder == finding.cpu, site
            assert what_is_missed(outcome.finding.text) == what_is_missed(str(finding.error)), site
        repeated += 1
    assert repeated >= 1


# --- small programs: every execution, not only a finding --------------------------------------------------------------

Told = tuple[int, ...] | None  # all registers; None: a stall


def told_executions(
    program: Sequence[str],
    platform: Platform | str,
    *,
    runs: int,
    most: int,
    pick: int,
    placement: Placement | None = None,
) -> dict[Told, Execution]:
    """Some executions, each of another outcome, of the first `runs` without merging."""
    reported: list[tuple[int, ...]] = []
    explorer = explorer_of(
        program,
        platform,
        lambda values: reported.append(tuple(map(int, values))),
        merging=False,
        placement=placement,
    )
    explorer.core.restart()
    met: dict[Told, Execution] = {}
    for _ in range(runs):
        reported.clear()
        ending = explorer.run()
        if ending in (Ending.COMPLETE, Ending.STALL):
            told = reported[0] if ending is Ending.COMPLETE else None
            if told not in met:
                met[told] = Execution.of(explorer.core.events())
        if explorer.core.advance():
            continue
        try:
            if not explorer._start_again():
                break
        except UsageError:  # its executions are too large
            break
        met.clear()  # a cell was split: numbers mean others
    chosen = Random(pick).sample(list(met), min(most, len(met)))
    return {told: met[told] for told in chosen}


def assert_replays(
    machine: ReplayMachine,
    program: Sequence[str],
    platform: Platform | str,
    told: Told,
    execution: Execution,
    *,
    placement: Placement | None = None,
) -> bool:
    """Two processes do the same; False: by its own relations the execution is of a kind that they cannot show."""
    try:
        schedule = schedule_of(execution, whole=told is None)
    except NotALine:
        several = execution.staged and any(len(set(event.sources)) > 1 for event in execution.events)
        kinds = (
            execution.one_by_one,
            needs_late_loads(execution),
            needs_late_atomics(execution),
            mixes_own_bytes(execution),
            several,
        )
        assert any(kinds), (program, platform)
        return False
    again = machine.run(program, platform, schedule, placement)
    assert again.misfit is None, (program, platform, schedule.text(), again.misfit)
    if told is None:
        assert any(error and error.startswith(("Stall", "PeerFinished")) for error in again.errors), again
    else:
        assert (again.values, again.errors) == (told, (None,) * len(program)), (program, platform, schedule.text())
    return True


@pytest.fixture(scope="module")
def pair() -> Iterator[ReplayMachine]:
    with replay_machine() as machine:
        yield machine


def assert_random_programs_replay(
    pair: ReplayMachine, program: Sequence[str], platform: Platform | str, pick: int, *, runs: int, most: int
) -> None:
    for told, execution in told_executions(program, platform, runs=runs, most=most, pick=pick).items():
        assert_replays(pair, program, platform, told, execution)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(programs(most=6), platforms, st.integers(0, 1 << 20))
def test_executions_of_random_programs_replay_or_need_what_no_process_can_show(
    pair: ReplayMachine, program: tuple[str, ...], platform: str, pick: int
) -> None:
    assert_random_programs_replay(pair, program, platform, pick, runs=60, most=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=size(2000, 30_000), deadline=None)
@given(programs(most=7), platforms, st.integers(0, 1 << 20))
def test_so_do_those_of_many_more(pair: ReplayMachine, program: tuple[str, ...], platform: str, pick: int) -> None:
    assert_random_programs_replay(pair, program, platform, pick, runs=400, most=8)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(programs(most=6), st.integers(0, 1 << 20))
def test_so_they_do_on_platforms_of_any_rows(pair: ReplayMachine, program: tuple[str, ...], pick: int) -> None:
    assert_random_programs_replay(pair, program, any_rows(pick), pick, runs=60, most=3)


def any_rows(seed: int) -> Platform:
    """Every barrier orders some pairs, whichever; what hardware keeps by itself every barrier keeps, too."""
    chance = Random(seed)
    host, remote = (
        replace(processor, architecture=_architecture_of_any_rows(chance), stages=(), load_reach=Reach.NONE)
        for processor in (PLATFORMS["paranoid"].host, PLATFORMS["paranoid"].remote)
    )
    return replace(PLATFORMS["paranoid"], name=f"rows of seed {seed}", host=host, remote=remote)


def _architecture_of_any_rows(chance: Random) -> Architecture:
    implicit = Orders(chance.choice((0, 0, 0, chance.randrange(32))))
    rows = {}
    for primitive, row in ARCHITECTURES["paranoid"].rows.items():
        orders = Orders(chance.randrange(32))
        if primitive is Primitive.SMP_MB and orders & Orders.RW:
            orders |= Orders.RR  # a cmpxchg that fails has no store that only R->W would put behind the loads before it
        rows[primitive] = replace(row, orders=orders)
    return replace(ARCHITECTURES["paranoid"], implicit=implicit, rows=MappingProxyType(rows))


# What a slow reader misses is over when it looks again: the schedule has to hold the reader back until then.
POLLS = [
    ("x=1 x=0 r0=poll:y", "r50=poll:x y=1"),
    ("x=1 r1=poll:y x=0 r0=until:y,0", "r50=poll:x y=1 r51=until:x,0 y=0"),
    ("x=1 x=0 x=1 r0=poll:y x=0", "r50=poll:x r51=until:x,0 r52=poll:x y=1 r53=until:x,0"),
    ("x=1 x=0 x=1 x=0", "r50=until:x,1 r51=until:x,0 r52=until:x,1 r53=until:x,0"),
    ("z=1 x=1 z=2 x=0 z=3 x=1", "r50=until:x,1 r1=z r51=until:x,0 r2=z r52=until:x,1 r3=z"),
    ("x=1 kick1 x=0 r0=wait", "r1=wait r2=poll:x kick0"),
    ("x=1 kick1 r0=wait x=0 kick1", "r2=poll:x kick0 r3=until:x,0 r1=wait"),
    ("x=1 y=1 x=0", "r50=poll:y r51=poll:x"),
]


@pytest.mark.parametrize("platform", ["sc", "x86-wb", "arm64", "paranoid"])
@pytest.mark.parametrize("program", POLLS)
def test_an_index_that_returns_to_an_old_value_is_missed_in_two_processes_too(
    pair: ReplayMachine, program: tuple[str, str], platform: str
) -> None:
    executions = told_executions(program, platform, runs=300, most=6, pick=1)
    assert executions
    for told, execution in executions.items():
        assert_replays(pair, program, platform, told, execution)


# (program, platform, what was at fault): executions that two processes could not repeat, once.
GAPS = [
    (("r0=cas:z,0,2 r1=add:yx,1", "r1=cas:z,0,1 x=1 r1=xl"), "x86-wc", "an atomic's load and store are one step"),
    (("x=1", "r0=xchg:x,2 r50=poll:xx"), "x86-wb", "of several sources the newest visible is named"),
    (("r0=x xb=r0 r12=bulk:xl,12", "xb=1 r11=bulk:y,4"), "x86-wc", "own pending bytes and initial ones"),
    (("yx=2", "r10=bulk:y,8 r1=z dma_mb bulk:xx,12=2"), "x86-wb", "parts of a load that hardware performs at once"),
    (("r2=y r11=bulk:xb,12 r50=poll:xb", "x=1 xb=1 z=1"), "arm64-domains", "a load that overlaps a late one"),
    (("bulk:y,12=1", "r11=bulk:yx,2 r12=bulk:y,12 r1=xchg:xb,2"), "omap4-2011", "an atomic behind a late load"),
    (("yx=1 r0=cas:xl,1,2 r1=y", "r0=y y=1 r1=x r2=cas:yx,0,1"), "paranoid", "a cmpxchg that fails is a load"),
    (("r1=add:xh,1 r14=bulk:xx,8", "r2=xchg:xb,1 r1=x"), "arm64-domains", "an own atomic's store is never pending"),
    (("y=1 bulk:yl,4=1", "yl=2 rmb r11=bulk:yl,12 r1=y rel:z=2"), "riscv", "own pending bytes, and a part read later"),
    (("x=1 smp_mb kick1 r0=y", "y=1 r1=wait r2=x"), "riscv", "a full barrier that does not hold a doorbell back"),
]


@pytest.mark.parametrize(("program", "platform", "why"), GAPS, ids=[why for *_, why in GAPS])
def test_what_did_not_replay_once_does(pair: ReplayMachine, program: tuple[str, str], platform: str, why: str) -> None:
    executions = told_executions(program, platform, runs=500, most=40, pick=1)
    assert sum(assert_replays(pair, program, platform, *each) for each in executions.items()) >= 2, why


def test_a_scalar_load_behind_a_later_store_is_beyond_two_processes_and_said_to_be(pair: ReplayMachine) -> None:
    program = ("r0=x y=1", "r1=y x=1")
    executions = told_executions(program, "arm64", runs=100, most=100, pick=1)
    beyond = [told for told, each in executions.items() if not assert_replays(pair, program, "arm64", told, each)]
    assert [told[:2] for told in beyond if told is not None] == [(1, 1)]
