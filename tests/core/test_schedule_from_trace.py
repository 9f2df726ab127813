"""A seeded run's trace as a schedule: replayed in two processes, it reads the same, in the same order of visibility."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schedule_machine import Run, ScheduleMachine, schedule_machine

from amp.errors import ScheduleMismatch, UsageError
from amp.lab.machine import Machine
from amp.lab.plan import make_plan
from amp.lab.run import trace_of
from amp.machine.config import Mode, RunConfig
from amp.machine.schedule import Read, Schedule, Visible
from amp.report.schedule import schedule_of
from amp.report.trace import Trace

PLATFORMS = ("sc", "x86-wb", "x86-wc", "arm64", "arm64-domains", "armv7-smp", "omap4-2011", "riscv", "paranoid")
PLACES = ("x", "y", "xl", "xh", "xb", "xx", "yl", "yx", "yh")

place = st.sampled_from(PLACES)
value = st.integers(1, 255)
spans = st.tuples(st.sampled_from([0x40, 0x41, 0x44, 0x7C, 0x80]), st.integers(0, 40))
access = st.one_of(
    st.builds("{}={}".format, place, value),
    st.builds("rel:{}={}".format, place, value),
    st.builds("r?={}".format, place),
    st.builds("r?=acq:{}".format, place),
    st.builds("r?=lazy:{}".format, place),
    st.builds("r?=add:{},{}".format, place, value),
    st.builds("r?=cas:{},{},{}".format, place, st.integers(0, 2), value),
    st.builds(lambda span: f"r?=bulk:{span[0]},{span[1]}", spans),
    st.builds(lambda span, first: f"bulk:{span[0]},{span[1]}={first}", spans, value),
    st.sampled_from(["mb", "rmb", "wmb", "smp_mb", "smp_rmb", "smp_wmb", "dma_wmb", "dma_rmb"]),
)
words = st.lists(st.one_of(access, access, access, st.just("use"), st.just("drop")), min_size=1, max_size=14)


@st.composite
def threads(draw: st.DrawFn, *, cpu: int) -> str:
    """A program; registers are numbered, and bulk loads used or dropped somewhere behind them."""
    program, lazy = [], []
    for i, word in enumerate(draw(words)):
        register = f"r{100 * cpu + i}"
        if word in ("use", "drop"):
            if lazy:
                program.append(f"{word}:{lazy.pop(draw(st.integers(0, len(lazy) - 1)))}")
            continue
        if word.startswith(("r?=lazy", "r?=bulk")):
            lazy.append(register)
        program.append(word.replace("r?", register))
    if draw(st.booleans()):
        ring = "kick" if cpu == 0 else "r199=woken"
        program.insert(draw(st.integers(0, len(program))), ring)
    return " ".join(program) or "none"


@pytest.fixture(scope="module")
def machine() -> Iterator[ScheduleMachine]:
    with schedule_machine() as made:
        yield made


def assert_same(first: Run, again: Run) -> None:
    assert again.misfit is None
    assert again.errors == first.errors
    assert again.registers == first.registers
    made = {
        load[:2] for load in first.loaded()
    }  # what was never made, nobody used: finishing in order, it is made at last
    assert [load for load in again.loaded() if load[:2] in made] == first.loaded()
    assert again.visible() == first.visible()


@pytest.mark.parametrize("name", PLATFORMS)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=threads(cpu=0), second=threads(cpu=1), seed=st.integers(0, 1 << 32))
def test_any_seeded_run_replays_from_its_trace(
    machine: ScheduleMachine, name: str, first: str, second: str, seed: int
) -> None:
    by_chance = machine.run([first, second], name=name, seed=seed)
    schedule = Schedule.from_token(schedule_of(by_chance.trace).token())
    assert_same(by_chance, machine.run([first, second], schedule, name))


def test_the_replay_s_own_trace_gives_a_schedule_that_replays_it(machine: ScheduleMachine) -> None:
    programs = ["bulk:0x41,30=1 kick x=1 r0=y", "r1=bulk:0x44,20 y=2 r2=woken r3=x use:r1"]
    for seed in range(20):
        first = machine.run(programs, seed=seed)
        again = machine.run(programs, schedule_of(first.trace))
        assert_same(again, machine.run(programs, schedule_of(again.trace)))


def test_a_schedule_of_another_order_is_another_run(machine: ScheduleMachine) -> None:
    """The comparison above can fail."""
    programs = ["x=1 y=2", "r0=x r1=y"]
    first = machine.run(programs, [Visible(0, 0), Visible(0, 1), Read(1, 0), Read(1, 1)])
    other = machine.run(programs, [Visible(0, 1), Visible(0, 0), Read(1, 0), Read(1, 1, source=(0, 1))])
    assert first.visible() != other.visible()
    assert first.loaded() != other.loaded()


def test_a_trace_without_its_beginning_is_refused() -> None:
    with pytest.raises(UsageError, match="begins at event 2"):
        schedule_of(Trace(bytes(40), first=2, digest=0))


# --- the product's own programs ---------------------------------------------------------------------------------------


def plan_of(seed: int, schedule: str = "", mode: Mode = Mode.LOCKSTEP) -> RunConfig:
    return RunConfig(program="echo", mode=mode, messages=20, seed=seed, schedule=schedule)


@pytest.mark.parametrize(("platform", "barriers"), [("omap4-2011", "smp"), ("arm64", "mandatory")])
def test_a_seeded_echo_replays_by_its_schedule_s_token(platform: str, barriers: str) -> None:
    plan = make_plan("echo", platform=platform, barriers=barriers, messages=20)
    with Machine(plan.config) as machine:
        for seed in range(1, 5):
            outcome = machine.run(plan.at_seed(seed), plan.platform, plan.sites)
            token = schedule_of(trace_of(machine)).token()
            again = machine.run(plan_of(99, token), plan.platform, plan.sites)
            assert (again.finder, again.messages) == (outcome.finder, outcome.messages)
            assert [report.text for report in again.reports] == [report.text for report in outcome.reports]
            assert machine.run(plan_of(7, token), plan.platform, plan.sites).digest == again.digest


def test_a_schedule_that_does_not_fit_is_one_clear_line() -> None:
    plan = make_plan("echo", platform="arm64", messages=20)
    with Machine(plan.config) as machine:
        with pytest.raises(ScheduleMismatch) as refused:
            machine.run(
                plan_of(1, Schedule((Visible(0, 0), Read(1, 0, source=(1, 5)))).token()), plan.platform, plan.sites
            )
        assert refused.value.number == 2
        assert refused.value.exit_status == 2
        text = str(refused.value)
        assert text.startswith(
            "the schedule does not fit: goal 2 of 2 (CPU 1's load 0, part 0, reads CPU 1's store 5): "
        )
        assert "\n" not in text
        assert machine.run(plan.at_seed(1), plan.platform, plan.sites).events > 0


def test_a_schedule_needs_lockstep_and_cpus_that_are_there() -> None:
    token = Schedule((Visible(2, 0),)).token()
    with pytest.raises(UsageError, match="schedule has no meaning in mode free"):
        plan_of(1, token, Mode.FREE).check()
    plan = make_plan("echo", platform="arm64", messages=20)
    with Machine(plan.config) as machine, pytest.raises(UsageError, match="goal 1: cpu is 2, expected 0 to 1"):
        machine.run(plan_of(1, token), plan.platform, plan.sites)
