"""Lockstep by a schedule, in two real processes: what the schedule says happens, or the run ends and says why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from schedule_machine import Run, ScheduleMachine, schedule_machine

from amp._core import _bridge
from amp.machine.schedule import Goal, Read, Taken, Visible
from amp.report.trace import EventKind

P0, P1 = 0, 1


@pytest.fixture(scope="module")
def machine() -> Iterator[ScheduleMachine]:
    with schedule_machine() as made:
        yield made


# name: program of P0, of P1, platform, goals, registers at the end
FOLLOWED: dict[str, tuple[str, str, str, list[Goal], dict[str, int]]] = {
    "MP, a stale read": (
        "x=1 y=1",
        "r0=y r1=x",
        "arm64",
        [Visible(P0, 0), Visible(P0, 1), Read(P1, 0, source=(P0, 1)), Read(P1, 1, source=None)],
        {"r0": 1, "r1": 0},
    ),
    "MP, the index becomes visible before the entry": (
        "x=1 y=1",
        "r0=y smp_mb r1=x",
        "arm64",
        [Visible(P0, 1), Read(P1, 0, source=(P0, 1)), Read(P1, 1), Visible(P0, 0)],
        {"r0": 1, "r1": 0},
    ),
    "MP, in order": (
        "x=1 y=1",
        "r0=y r1=x",
        "arm64",
        [Visible(P0, 0), Visible(P0, 1), Read(P1, 0, source=(P0, 1)), Read(P1, 1, source=(P0, 0))],
        {"r0": 1, "r1": 1},
    ),
    "MP, read before anything is there": (
        "x=1 y=1",
        "r0=y r1=x",
        "sc",
        [Read(P1, 0), Read(P1, 1), Visible(P0, 0), Visible(P0, 1)],
        {"r0": 0, "r1": 0},
    ),
    "SB": (
        "x=1 r0=y",
        "y=1 r1=x",
        "x86-wb",
        [Read(P0, 0), Read(P1, 0), Visible(P0, 0), Visible(P1, 0)],
        {"r0": 0, "r1": 0},
    ),
    "a load takes its own pending store": (
        "x=1 r0=x",
        "x=2 r1=x",
        "x86-wb",
        [Visible(P1, 0), Read(P0, 0, source=(P0, 0)), Visible(P0, 0), Read(P1, 0, source=(P0, 0))],
        {"r0": 1, "r1": 1},
    ),
    "the bytes that are not forwarded come from the source": (
        "xl=1 r0=x",
        "x=0x20002 mb x=0x30003",
        "paranoid",
        [Visible(P1, 0), Visible(P1, 1), Read(P0, 0, source=(P1, 0)), Visible(P0, 0)],
        {"r0": 0x20001},
    ),
    "a doorbell overtakes the store": (
        "x=1 kick",
        "r0=woken r1=x",
        "arm64",
        [Visible(P0, 1), Taken(P1), Read(P1, 0), Visible(P0, 0)],
        {"r0": 1, "r1": 0},
    ),
    "LB, a bulk load is performed after a later store became visible": (
        "r0=lazy:x y=1",
        "r1=y mb x=1",
        "arm64",
        [Visible(P0, 0), Read(P1, 0, source=(P0, 0)), Visible(P1, 0), Read(P0, 0, source=(P1, 0))],
        {"r0": 1, "r1": 1},
    ),
    "the parts of a bulk load read different moments, in any order": (
        "bulk:0x40,16=1 mb bulk:0x40,16=101",
        "r1=bulk:0x40,16",
        "arm64",
        [
            *(Visible(P0, store, part) for store in (0, 1) for part in (1, 0)),
            Read(P1, 0, 1, (P0, 1)),
            Read(P1, 0, 0, (P0, 0)),
        ],
        {"r1": int.from_bytes([*range(1, 9), *range(109, 117)], "little")},
    ),
    "several deferred loads at one barrier": (
        "x=1 y=1",
        "r0=lazy:x r1=lazy:y rmb",
        "arm64",
        [Visible(P0, 0), Visible(P0, 1), Read(P1, 1), Read(P1, 0, source=(P0, 0))],
        {"r0": 1, "r1": 0},
    ),
    "atomics": (
        "r0=add:x,1",
        "r1=add:x,1 r2=cas:x,7,9",
        "arm64",
        [
            Read(P1, 0),
            Visible(P1, 0),
            Read(P0, 0, source=(P1, 0)),
            Visible(P0, 0),
            Read(P1, 1, source=(P0, 0)),
        ],
        {"r0": 1, "r1": 0, "r2": 2},
    ),
    "more stores are pending than chance would leave": (
        "bulk:0x200,1600=1 y=1",
        "r1=y",
        "arm64",
        [Visible(P0, 1), Read(P1, 0, source=(P0, 1))],
        {"r1": 1},
    ),
    "a bulk store larger than the room for pending ones": (
        "bulk:0x200,3072=1 y=1",
        "r1=bulk:0xbf8,8 r2=y",
        "arm64",
        [
            *(Visible(P0, 0, part) for part in range(383, -1, -1)),
            Read(P1, 0, source=(P0, 0)),
            Read(P1, 1),
            Visible(P0, 1),
        ],
        {"r1": int.from_bytes(bytes((1 + i) & 255 for i in range(2552, 2560)), "little"), "r2": 0},
    ),
    "a doorbell overtakes a store and a full barrier that does not name it": (
        "x=1 smp_mb kick",
        "r1=woken r2=x",
        "riscv",
        [Visible(P0, 1), Taken(P1), Read(P1, 0), Visible(P0, 0)],
        {"r2": 0},
    ),
    "a load finds the stores before such a barrier visible, whatever went first": (
        "x=1 smp_mb kick r0=y",
        "y=1 r1=woken r2=x",
        "riscv",
        [Visible(P0, 1), Visible(P1, 0), Taken(P1), Read(P1, 0), Visible(P0, 0), Read(P0, 0, source=(P1, 0))],
        {"r0": 1, "r2": 0},
    ),
    "a cmpxchg that fails reads what is stale": (
        "x=1",
        "r0=cas:x,1,2 r1=x",
        "paranoid",
        [Visible(P0, 0), Read(P1, 0), Read(P1, 1, source=(P0, 0))],
        {"r0": 0, "r1": 1},
    ),
    "nothing": ("x=1 mb r0=x", "r1=y", "arm64", [], {"r0": 1, "r1": 0}),
}
# 3,072 bytes are 384 granules; 256 may be pending, so the last parts cannot come first.
BULK = "a bulk store larger than the room for pending ones"
_program, _other, _name, _goals, _registers = FOLLOWED[BULK]
FOLLOWED[BULK] = (
    _program,
    _other,
    _name,
    [*(Visible(P0, 0, part) for part in range(384)), *_goals[384:]],
    _registers,
)


@pytest.mark.parametrize("case", FOLLOWED)
def test_what_the_schedule_says_happens(machine: ScheduleMachine, case: str) -> None:
    first, second, name, goals, registers = FOLLOWED[case]
    run = machine.run([first, second], goals, name)
    assert run.misfit is None
    assert run.errors == (None, None)
    assert run.registers.items() >= registers.items()
    assert (run.state["goals"], run.state["reached"]) == (len(goals), len(goals))


def test_goals_that_want_nothing_of_a_cpu_leave_it_where_it_stands(machine: ScheduleMachine) -> None:
    """P1 makes no access before all goals of P0 are reached, however soon its process is ready."""
    run = machine.run(
        ["x=1 y=1 mb z=1", "r0=x"], [Visible(P0, 0), Visible(P0, 1), Visible(P0, 2), Read(P1, 0, source=(P0, 0))]
    )
    kinds = [(event.cpu, event.kind) for event in run.trace.events]
    assert kinds.index((P1, EventKind.LOAD)) > max(i for i, kind in enumerate(kinds) if kind == (P0, EventKind.VISIBLE))


def test_after_the_last_goal_a_stall_is_found_as_ever(machine: ScheduleMachine) -> None:
    run = machine.run(["x=1 r0=woken", "r1=woken r2=x"], [Visible(P0, 0)])
    assert run.errors == ("Stall", "Stall")
    assert run.state["stalls"] == 1


def test_after_the_last_goal_who_polls_sees_the_other_s_stores(machine: ScheduleMachine) -> None:
    run = machine.run(["x=1 spin:y=1", "spin:x=1 y=1"], [])
    assert run.errors == (None, None)


# --- schedules that do not fit ----------------------------------------------------------------------------------------

MP = ("x=1 y=1", "r0=y r1=x")
# name: program of P0, of P1, platform, goals, which of them is refused, what the reason says
REFUSED: dict[str, tuple[str, str, str, list[Goal], int, str]] = {
    "a barrier holds the store": (
        "x=1 smp_wmb y=1",
        "none",
        "arm64",
        [Visible(P0, 1)],
        1,
        "may not become visible yet",
    ),
    "an overlapping store is ahead": ("x=1 xl=2", "none", "arm64", [Visible(P0, 1)], 1, "may not become visible yet"),
    "hardware keeps the order": ("x=1 y=1", "none", "x86-wb", [Visible(P0, 1)], 1, "may not become visible yet"),
    "the store is visible already": (
        "x=1 y=1",
        "none",
        "arm64",
        [Visible(P0, 0), Visible(P0, 0)],
        2,
        "visible already",
    ),
    "the store has no such part": ("x=1 y=1", "none", "arm64", [Visible(P0, 0, 1), Visible(P0, 1)], 1, "no such part"),
    "a full barrier needs a store that comes later": (
        "x=1 mb r0=y",
        "none",
        "arm64",
        [Read(P0, 0), Visible(P0, 0)],
        2,
        "cannot go on before this store is visible",
    ),
    "a load behind a barrier that does not complete needs a store that comes later": (
        "x=1 smp_mb r0=y",
        "none",
        "riscv",
        [Read(P0, 0), Visible(P0, 0)],
        2,
        "cannot go on before this store is visible",
    ),
    "so does taking an interrupt": (
        "x=1 smp_mb r0=woken",
        "kick",
        "riscv",
        [Visible(P1, 0), Taken(P0), Visible(P0, 0)],
        3,
        "cannot go on before this store is visible",
    ),
    "an atomic needs a store that comes later": (
        "x=1 r0=add:y,1",
        "none",
        "arm64",
        [Read(P0, 0), Visible(P0, 0)],
        2,
        "cannot go on before this store is visible",
    ),
    "an atomic's own store comes later": (
        "r0=add:y,1",
        "x=1",
        "arm64",
        [Read(P0, 0), Visible(P1, 0), Visible(P0, 0)],
        3,
        "visible at once",
    ),
    "a load acquire needs a release that comes later": (
        "rel:x=1 r0=acq:y",
        "none",
        "arm64",
        [Read(P0, 0), Visible(P0, 0)],
        2,
        "cannot go on before this store is visible",
    ),
    "the list of pending stores is full": (
        "bulk:0x200,3072=1 x=1",
        "none",
        "arm64",
        [Visible(P0, 1), *(Visible(P0, 0, part) for part in range(384))],
        2,
        "cannot go on before this store is visible",
    ),
    "a load is performed on the way to a goal before its own": (
        "r0=x y=1",
        "none",
        "arm64",
        [Visible(P0, 0), Read(P0, 0)],
        2,
        "on its way to an earlier goal",
    ),
    "a barrier performs a deferred load before its goal": (
        "r0=lazy:x mb y=1",
        "none",
        "arm64",
        [Visible(P0, 0), Read(P0, 0)],
        2,
        "on its way to an earlier goal",
    ),
    "the same load twice": ("r0=x r1=y", "none", "arm64", [Read(P0, 0), Read(P0, 0)], 2, "performed already"),
    "a load's part that is not there": ("r0=lazy:x use:r0 r1=y", "none", "arm64", [Read(P0, 0, 1)], 1, "no such part"),
    "a load that was dropped": (
        "r0=lazy:x drop:r0 x=1 r1=y",
        "none",
        "arm64",
        [Visible(P0, 0), Read(P0, 0)],
        2,
        "dropped unread",
    ),
    "an own pending store covers it": ("x=1 r0=x", "none", "arm64", [Read(P0, 0)], 1, "takes its bytes from another"),
    "the source is not visible yet": (
        *MP,
        "arm64",
        [Visible(P0, 0), Read(P1, 0, source=(P0, 1))],
        2,
        "not become visible",
    ),
    "the source wrote elsewhere": (
        *MP,
        "arm64",
        [Visible(P0, 0), Read(P1, 0, source=(P0, 0))],
        2,
        "not become visible",
    ),
    "the floor forbids the source": (
        "x=1 wmb y=1",
        "r0=y rmb r1=x",
        "arm64",
        [Visible(P0, 0), Visible(P0, 1), Read(P1, 0, source=(P0, 1)), Read(P1, 1)],
        4,
        "older than",
    ),
    "the hardware's order forbids the source": (
        *MP,
        "x86-wb",
        [Visible(P0, 0), Visible(P0, 1), Read(P1, 0, source=(P0, 1)), Read(P1, 1)],
        4,
        "older than",
    ),
    "coherence forbids the source: read, read": (
        "x=1",
        "r0=x r1=x",
        "paranoid",
        [Visible(P0, 0), Read(P1, 0, source=(P0, 0)), Read(P1, 1)],
        3,
        "older than",
    ),
    "coherence forbids the source: written, read": (
        "x=1 r0=x",
        "none",
        "paranoid",
        [Visible(P0, 0), Read(P0, 0)],
        2,
        "older than",
    ),
    "the interrupt forbids the source": (
        "x=1 wmb kick",
        "r0=woken r1=x",
        "arm64",
        [Visible(P0, 0), Visible(P0, 1), Taken(P1), Read(P1, 0)],
        4,
        "older than",
    ),
    "a dependency forbids the source": (
        "x=1 wmb y=1",
        "r0=y r1=x@r0",
        "arm64",
        [Visible(P0, 0), Visible(P0, 1), Read(P1, 0, source=(P0, 1)), Read(P1, 1)],
        4,
        "older than",
    ),
    "an atomic reads the newest": (
        "x=1",
        "r0=add:x,1",
        "paranoid",
        [Visible(P0, 0), Read(P1, 0)],
        2,
        "older than",
    ),
    "the cpu retires before the goal": ("x=1", "r0=x", "arm64", [Read(P1, 0), Visible(P0, 1)], 2, "has retired"),
    "the cpu retires before it is rung": ("x=1", "r0=x", "arm64", [Read(P1, 0), Taken(P1)], 2, "has retired"),
    "the cpu waits before the goal": ("x=1", "r0=woken r1=x", "arm64", [Read(P1, 0)], 1, "waits for an interrupt"),
    "nobody has rung": ("x=1", "r0=woken", "arm64", [Visible(P0, 0), Taken(P1)], 2, "no doorbell"),
    "the cpu polls for what comes later": (
        "x=1",
        "spin:x=1 y=1",
        "arm64",
        [Visible(P1, 0), Visible(P0, 0)],
        1,
        "without reaching it",
    ),
}


def refusal(run: Run) -> tuple[int, str]:
    assert run.misfit is not None
    return run.misfit


@pytest.mark.parametrize("case", REFUSED)
def test_a_schedule_that_does_not_fit_ends_the_run_and_names_the_goal(machine: ScheduleMachine, case: str) -> None:
    first, second, name, goals, number, reason = REFUSED[case]
    run = machine.run([first, second], goals, name)
    refused, text = refusal(run)
    assert refused == number
    assert text.startswith(f"the schedule does not fit: goal {number} of {len(goals)} (CPU ")
    assert reason in text
    assert run.state["reached"] == number - 1


def test_every_cpu_that_still_runs_is_told_and_none_hangs(machine: ScheduleMachine) -> None:
    run = machine.run(["x=1 mb r0=y r2=woken", "r1=woken"], [Read(P0, 0), Visible(P0, 0)])
    assert run.errors == ("ScheduleMismatch", "ScheduleMismatch")
    assert run.numbers == (2, 2)
    assert all(refusal(run)[1] in text for text in run.texts)


def test_the_same_machine_runs_on_after_a_refusal(machine: ScheduleMachine) -> None:
    assert refusal(machine.run(MP, [Visible(P0, 2)]))[0] == 1
    assert machine.run(MP, [Visible(P0, 1)]).misfit is None
    assert machine.run(MP).errors == (None, None)


@pytest.mark.parametrize(
    ("goals", "error"),
    [
        (bytes(16), "EINVAL"),
        (b"\x01\x02" + bytes(14), "EINVAL"),  # a CPU that is not there
        (b"\x02\x00\x02" + bytes(13), "EINVAL"),  # a source that is not there
        (b"\x01\x00\x00\x01" + bytes(12), "EINVAL"),  # reached already
        (b"\x01" + bytes(16), "EINVAL"),  # a goal and a byte
        ((b"\x01" + bytes(15)) * (_bridge.GOALS + 1), "E2BIG"),
    ],
    ids=range(6),
)
def test_the_core_refuses_goals_that_make_no_sense(machine: ScheduleMachine, goals: bytes, error: str) -> None:
    import errno  # noqa: PLC0415

    machine.run(MP)
    with pytest.raises(OSError) as refused:  # noqa: PT011
        _bridge.model_set_schedule(machine.memory, 4096, goals)
    assert errno.errorcode[refused.value.errno or 0] == error


# --- the same schedule is the same run --------------------------------------------------------------------------------


def digests(runs: Sequence[Run]) -> set[tuple[int, bytes]]:
    return {(run.state["digest"], run.trace.to_bytes()) for run in runs}


def test_the_same_schedule_is_the_same_run_in_fresh_processes_and_by_any_seed() -> None:
    programs = ["bulk:0x40,40=1 y=1 kick r0=woken r1=bulk:0x40,40", "r2=woken r3=y r4=bulk:0x40,40 use:r4 x=3"]
    goals = [Visible(P0, 2), Taken(P1), Visible(P0, 0, 3), Read(P1, 0), Visible(P0, 0, 1), Read(P1, 1, 1, (P0, 0))]
    runs = []
    for seed in range(20):
        with schedule_machine() as fresh:
            runs.append(fresh.run(programs, goals, seed=seed))
    assert runs[0].misfit is None
    assert runs[0].state["events"] > 15
    assert len(digests(runs)) == 1
