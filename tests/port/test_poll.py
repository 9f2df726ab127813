"""Waiting for memory: a poll ends with what it looks for, or in words when nobody is left to write it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from ring_machine import DIRECT, RingMachine

from amp._core import _bridge
from amp.errors import PeerDied, PeerFinished, Stall
from amp.machine.config import Mode
from amp.ordering.barriers import Primitive
from amp.port import port as port_module
from amp.port.doors import RecordingPort
from amp.port.port import HOST, LOOKS_LIMIT, REMOTE, YIELD_EVERY

SCRIPT = Path(__file__).parent / "poll_side.py"
LIMIT_S = 240
DOORS = [DIRECT, "sc", "paranoid"]


class After:
    """A look that finds something at its n-th time."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def __call__(self) -> str | None:
        self.left -= 1
        return None if self.left else "found"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("looks", [1, 2, 1000, LOOKS_LIMIT + 1, 2 * LOOKS_LIMIT + 1])
def test_a_poll_looks_until_it_finds_something_and_returns_that(door: str, looks: int) -> None:
    with RingMachine(door=door) as machine:
        look = After(looks)
        assert machine.host.poll(look) == "found"
        assert look.left == 0, "and not once more"


def test_what_is_false_but_there_is_found() -> None:
    with RingMachine() as machine:
        assert machine.host.poll(lambda: 0) == 0
        assert machine.host.poll(lambda: False) is False


def test_a_recorded_poll_is_kept_with_what_it_found_after_the_loads_of_its_looks() -> None:
    with RingMachine() as machine:
        recording = RecordingPort(machine.host)
        recording.poll(lambda: True if recording.load_u32(machine.buffers) == 0 else None)
        assert [(call.method, call.result) for call in recording.calls] == [("load_u32", 0), ("poll", True)]


@pytest.mark.parametrize("door", DOORS)
def test_a_poll_ends_when_everybody_else_has_retired(door: str) -> None:
    with RingMachine(door=door) as machine:
        machine.remote.retire()
        with pytest.raises(PeerFinished):
            machine.host.poll(lambda: None)


@pytest.mark.parametrize("door", DOORS)
def test_what_the_other_wrote_last_between_the_last_look_and_its_end_is_found(door: str) -> None:
    with RingMachine(door=door) as machine:
        looks = count(1)

        def look() -> int | None:
            number = next(looks)
            found = machine.host.load_u32(machine.buffers) or None
            if number == LOOKS_LIMIT:  # the value is on its way only once this look has missed it
                machine.remote.store_u32(machine.buffers, 7)
                machine.remote.retire()
            return found

        assert machine.host.poll(look) == 7


def test_under_lockstep_a_poll_ends_when_everybody_else_has_retired() -> None:
    with RingMachine(door="paranoid", mode=Mode.LOCKSTEP) as machine:
        machine.host.retire()
        with pytest.raises(PeerFinished):
            machine.remote.poll(lambda: machine.remote.load_u32(machine.buffers) or None)


@pytest.mark.parametrize("door", DOORS)
def test_a_poll_ends_when_the_other_has_died(door: str) -> None:
    with RingMachine(door=door) as machine:
        layout = machine.region.layout
        if door == DIRECT:
            _bridge.board_lost(machine.region.memory, layout["mailbox"].offset)
        else:
            _bridge.model_lost(machine.region.memory, layout["model"].offset, REMOTE)
        with pytest.raises(PeerDied):
            machine.host.poll(lambda: machine.host.load_u32(machine.buffers) or None)


@pytest.mark.parametrize("door", DOORS)
def test_an_interrupt_that_comes_during_a_poll_is_there_for_the_next_wait_and_only_for_that(door: str) -> None:
    with RingMachine(door=door) as machine:
        machine.remote.kick(HOST)
        machine.remote.fence(Primitive.MB)  # the doorbell is a store, too: see to it that it has left
        machine.host.poll(After(LOOKS_LIMIT + 1))
        assert machine.host.wait(0.0) is True
        assert machine.host.wait(0.0) is False


def test_a_poll_that_nobody_will_ever_answer_is_a_stall_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_module, "ROUNDS_LIMIT", 2)
    with (
        RingMachine() as machine,
        pytest.raises(Stall, match=f"poll: {LOOKS_LIMIT + YIELD_EVERY} looks, and nothing came"),
    ):
        machine.host.poll(lambda: None)


@contextmanager
def two(machine: RingMachine, door: str, *roles: str) -> Iterator[list[subprocess.Popen[str]]]:
    """A process for each CPU; those that still run at the end are killed."""
    processes = []
    try:
        for cpu, role in enumerate(roles):
            command = [sys.executable, str(SCRIPT), str(machine.region.fd), door, str(cpu), role]
            processes.append(subprocess.Popen(command, pass_fds=[machine.region.fd], stdout=subprocess.PIPE, text=True))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def said(process: subprocess.Popen[str]) -> str:
    """What it printed after `ready`."""
    text, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    ready, _, result = text.partition("\n")
    assert ready == "ready"
    return result.strip()


MODES = [(DIRECT, Mode.FREE), ("paranoid", Mode.FREE), ("paranoid", Mode.LOCKSTEP)]


@pytest.mark.parametrize(("door", "mode"), MODES)
def test_two_processes_that_poll_for_each_other_by_turns_come_to_their_end(door: str, mode: Mode) -> None:
    with RingMachine(door=door, mode=mode) as machine, two(machine, door, "by_turns", "by_turns") as sides:
        assert [said(side) for side in sides] == ["100", "100"]


@pytest.mark.parametrize("seed", range(3))
def test_under_lockstep_two_that_poll_for_what_neither_writes_are_both_told_of_the_stall(seed: int) -> None:
    with (
        RingMachine(door="paranoid", mode=Mode.LOCKSTEP, seed=seed) as machine,
        two(machine, "paranoid", "in_vain", "in_vain") as sides,
    ):
        for side in sides:
            assert said(side).startswith("Stall: poll: ")


@pytest.mark.parametrize(("door", "mode"), MODES)
def test_who_polls_for_what_a_process_that_ended_did_not_write_is_told_so(door: str, mode: Mode) -> None:
    with RingMachine(door=door, mode=mode) as machine, two(machine, door, "in_vain", "retire") as sides:
        polling, retiring = (said(side) for side in sides)
        assert retiring == "None"
        assert polling.startswith("PeerFinished")


@pytest.mark.parametrize("seed", range(3))
def test_under_lockstep_a_poll_outlasts_the_long_work_of_one_who_then_sleeps(seed: int) -> None:
    with (
        RingMachine(door="paranoid", mode=Mode.LOCKSTEP, seed=seed) as machine,
        two(machine, "paranoid", "polls_then_rings", "works_then_sleeps") as sides,
    ):
        assert [said(side) for side in sides] == ["rang", "woken"]
