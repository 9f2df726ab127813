"""What the programs do, access for access, and that they do nothing that an explorer could not undo."""

from __future__ import annotations

from typing import Any

import pytest
from both_sides import config_of, recorded

from amp.machine.config import Tally
from amp.port.doors import Recorded
from amp.programs import EXPLORABLE
from amp.programs.program import Program

SLEEPERS = ("vring-flags", "vring-event-idx", "doorbell", "rpmsg-ping")
ALL = pytest.mark.parametrize("program", EXPLORABLE.values(), ids=lambda program: program.name)


def spoken(program: Program, calls: list[Recorded], messages: int, ring_size: int) -> list[str]:
    """The calls in words: "avail_idx = 1", "avail_idx?", "S1"."""
    name_of = program.memory(config_of(program, messages, ring_size)).name_of
    words = []
    for call in calls:
        if call.method == "barrier":
            words.append(call.arguments[0].name)
        elif call.method == "store_u32":
            words.append(f"{name_of(int(call.arguments[0]))} = {call.arguments[1]}")
        else:
            assert call.method == "load_u32", call
            words.append(f"{name_of(int(call.arguments[0]))}?")
    return words


# Three messages through a ring of two, by hand from the rules of the C program that others' counts are for.
DRIVER = """
buf[0] = 1; len[0] = 1; avail_ring[0] = 1; S1; avail_idx = 1;
buf[1] = 2; len[1] = 2; avail_ring[1] = 2; S1; avail_idx = 2;
used_idx?; S4; used_ring[0]?; buf[0] = 3; len[0] = 3; avail_ring[0] = 1; S1; avail_idx = 3;
used_idx?; S4; used_ring[1]?; used_idx?; S4; used_ring[0]?
"""
DEVICE = """
avail_idx?; S2; avail_ring[0]?; len[0]?; buf[0]?; used_ring[0] = 1; S3; used_idx = 1;
avail_idx?; S2; avail_ring[1]?; len[1]?; buf[1]?; used_ring[1] = 2; S3; used_idx = 2;
avail_idx?; S2; avail_ring[0]?; len[0]?; buf[0]?; used_ring[0] = 1; S3; used_idx = 3
"""


def test_spsc_vring_makes_exactly_these_accesses_in_this_order() -> None:
    spsc = EXPLORABLE["spsc-vring"]
    host, remote = recorded(spsc, 3, 2)
    assert spoken(spsc, host, 3, 2) == [word.strip() for word in DRIVER.split(";")]
    assert spoken(spsc, remote, 3, 2) == [word.strip() for word in DEVICE.split(";")]


def test_spsc_vring_takes_the_buffer_that_came_back_last_and_one_only_when_all_are_out() -> None:
    spsc = EXPLORABLE["spsc-vring"]
    host, _ = recorded(spsc, 6, 3)
    order = [word for word in spoken(spsc, host, 6, 3) if word.startswith(("buf", "used_ring"))]
    assert order == [
        *("buf[0] = 1", "buf[1] = 2", "buf[2] = 3"),
        *("used_ring[0]?", "buf[0] = 4", "used_ring[1]?", "buf[1] = 5", "used_ring[2]?", "buf[2] = 6"),
        *("used_ring[0]?", "used_ring[1]?", "used_ring[2]?"),
    ]


class Again:
    """A port that answers as another one did, and wants to be asked the very same."""

    def __init__(self, calls: list[Recorded]) -> None:
        self._calls = iter(calls)

    def __getattr__(self, name: str) -> Any:
        def asked(*arguments: Any) -> Any:
            call = next(self._calls)
            assert (call.method, call.arguments) == (name, arguments)
            return call.result

        return asked

    def poll(self, look: Any, /) -> Any:
        found = look()
        assert found is not None, "it found something the first time"
        return found

    def all_asked(self) -> bool:
        return next(self._calls, None) is None


@ALL
def test_what_a_program_does_follows_from_what_it_reads_alone(program: Program) -> None:
    """So an explorer may undo a look in vain, and may take two runs that have read the same for one."""
    config = config_of(program, 20)
    for part, calls in zip(program.parts, recorded(program, 20), strict=True):
        tally, again = Tally(), Again(calls)
        part.load()(again, config, tally)  # type: ignore[arg-type]
        assert again.all_asked()
        assert tally.messages == 20


@ALL
def test_a_program_that_is_told_something_else_asks_something_else(program: Program) -> None:
    """The other direction: the comparison would notice."""
    host, remote = recorded(program, 20)
    host_code = program.parts[0].load()
    with pytest.raises((AssertionError, StopIteration)):
        host_code(Again(remote), config_of(program, 20), Tally())  # type: ignore[arg-type]
    with pytest.raises((AssertionError, StopIteration)):
        host_code(Again(host[:-1]), config_of(program, 20), Tally())  # type: ignore[arg-type]


@ALL
def test_only_programs_that_sleep_kick_and_only_those(program: Program) -> None:
    for calls in recorded(program, 20):
        named = {call.method for call in calls}
        both = {"kick", "wait"} if program.name in SLEEPERS else set()
        assert named & {"kick", "wait"} == both
