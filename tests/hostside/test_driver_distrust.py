"""The driver never trusts the device: each field that the device writes, with each value it must not have."""

import dataclasses
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_machine import DIRECT, RingMachine

from amp.errors import BadRing, UsageError
from amp.port.doors import RecordingPort

NUM = 8


@dataclasses.dataclass(frozen=True)
class Lie:
    """What the device writes, and what the driver must say of it. In flight: head 0 (10 bytes), 1 (chain 1-2-3)."""

    entries: tuple[tuple[int, int], ...]
    idx: int
    field: str
    value: int
    limit: str
    at: str  # the layout's name of the address
    offset: int = 0


LIES = {
    "the index jumps past what is in flight": Lie((), 3, "used.idx", 3, "0 to 2", "used_idx"),
    "the index runs backwards": Lie((), 0xFFFF, "used.idx", 0xFFFF, "0 to 2", "used_idx"),
    "the index jumps half way round": Lie((), 0x8000, "used.idx", 0x8000, "0 to 2", "used_idx"),
    "the id is the ring size": Lie(((NUM, 0),), 1, "used.ring id", NUM, "a head in flight", "used_ring"),
    "the id is 32 bits wide": Lie(((0xFFFF_FFFF, 0),), 1, "used.ring id", 0xFFFF_FFFF, "a head in flight", "used_ring"),
    "the id is right in its low 16 bits": Lie(
        ((0x1_0000, 0),), 1, "used.ring id", 0x1_0000, "a head in flight", "used_ring"
    ),
    "the id is free": Lie(((5, 0),), 1, "used.ring id", 5, "a head in flight", "used_ring"),
    "the id is the middle of a chain": Lie(((2, 0),), 1, "used.ring id", 2, "a head in flight", "used_ring"),
    "the length is one too many": Lie(((0, 11),), 1, "used.ring len", 11, "at most 10", "used_ring", 4),
    "bytes were written where none may be": Lie(((1, 1),), 1, "used.ring len", 1, "at most 0", "used_ring", 4),
    "the length is 32 bits wide": Lie(
        ((0, 0xFFFF_FFFF),), 1, "used.ring len", 0xFFFF_FFFF, "at most 10", "used_ring", 4
    ),
}


@pytest.mark.parametrize("door", [DIRECT, "sc", "paranoid"])
@pytest.mark.parametrize("name", LIES)
def test_a_lie_names_field_value_limit_writer_and_address_and_the_truth_is_taken_afterwards(
    name: str, door: str
) -> None:
    lie = LIES[name]
    with RingMachine(NUM, door=door) as machine:
        driver = machine.driver()
        driver.add((), machine.segments([10]), 100)
        driver.add(machine.segments([4, 4, 4], start=64), (), 101)
        before = driver.free, driver.in_flight
        machine.give_back(*lie.entries, idx=lie.idx)
        for _ in range(2):  # it stays refused
            with pytest.raises(BadRing) as caught:
                driver.get_used()
            error = caught.value
            assert (error.field, error.value, error.writer) == (lie.field, lie.value, "remote")
            assert error.limit == lie.limit
            assert error.address == getattr(machine.layout, lie.at) + lie.offset
            assert str(error) == f"{lie.field} is {lie.value}, allowed is {lie.limit}; written by the remote"
        assert (driver.free, driver.in_flight) == before, "a refused entry changes nothing"
        machine.give_back((1, 0), (0, 10))
        assert [driver.get_used(), driver.get_used(), driver.get_used()] == [(101, 0), (100, 10), None]
        assert (driver.free, driver.in_flight) == (NUM, 0)


def test_a_head_given_back_twice_is_refused_the_second_time() -> None:
    with RingMachine(NUM) as machine:
        driver = machine.driver()
        for token in range(3):
            driver.add((), machine.segments([10]), token)
        machine.give_back((1, 0), (1, 0))
        assert driver.get_used() == (1, 0)
        with pytest.raises(BadRing, match=r"used\.ring id is 1, allowed is a head in flight; written by the remote"):
            driver.get_used()


@pytest.mark.parametrize("event_idx", [False, True])
@given(planted=st.integers(0, 0xFFFF))
@settings(max_examples=60, deadline=None)
def test_any_flags_and_any_event_index_are_only_an_opinion_on_kicks(event_idx: bool, planted: int) -> None:
    with RingMachine(NUM, event_idx=event_idx) as machine:
        driver = machine.driver()
        for address in (machine.layout.used_flags, machine.layout.avail_event):
            machine.poke(machine.remote, address, struct.pack("<H", planted))
        driver.add((), machine.segments([4]), 1)
        assert driver.kick() is (planted == 0 if event_idx else not planted & 1)
        assert driver.kick() is (not event_idx and not planted & 1), "nothing new: an event index is not passed again"


def test_what_does_not_fit_is_refused_before_anything_is_written() -> None:
    with RingMachine(4, indirect=True, entries=3) as machine:
        recording = RecordingPort(machine.host)
        driver = machine.driver(recording)
        with pytest.raises(UsageError, match="a buffer needs at least one segment"):
            driver.add((), (), 1)
        with pytest.raises(UsageError, match="a chain of 4 segments, at most 3 fit into an indirect table"):
            driver.add(machine.segments([1, 1]), machine.segments([1, 1]), 1)
        assert recording.calls == []
        for token in range(4):
            driver.add(machine.segments([1, 1]), (), token)
        recording.calls.clear()
        with pytest.raises(UsageError, match="a chain of 1 descriptors, 0 are free"):
            driver.add(machine.segments([1]), (), 9)
        assert recording.calls == []
        assert (driver.free, driver.in_flight) == (0, 4)


VALUES = st.integers(0, 0xFFFF_FFFF) | st.integers(0, NUM) | st.sampled_from([0xFFFF, 0x8000, 0x1_0000])


@given(data=st.data(), event_idx=st.booleans(), indirect=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_garbage_in_the_used_ring_does_worse_than_bad_ring(
    data: st.DataObject, event_idx: bool, indirect: bool
) -> None:
    with RingMachine(NUM, event_idx=event_idx, indirect=indirect) as machine:
        recording = RecordingPort(machine.host)
        driver = machine.driver(recording)
        layout, held = machine.layout, set[int]()
        own = range(layout.desc, layout.used_event + 2), range(layout.used, layout.end), range(*machine.memory)
        for step in range(data.draw(st.integers(1, 25))):
            garbage(data, machine)
            recording.calls.clear()
            complaint = None
            try:
                match data.draw(st.sampled_from(["add", "get", "get", "kick", "enable", "disable"])):
                    case "add" if driver.free >= 3:
                        readable = machine.segments([8] * data.draw(st.integers(0, 2)))
                        driver.add(readable, machine.segments([16], start=64), step)
                        held.add(step)
                    case "get":
                        used = driver.get_used()
                        if used is not None:
                            assert used[0] in held, "a buffer came back that was not out"
                            assert used[1] <= 16
                            held.remove(used[0])
                    case "kick":
                        driver.kick()
                    case "enable":
                        driver.enable_interrupts()
                    case "disable":
                        driver.disable_interrupts()
            except BadRing as error:
                complaint = error
            if complaint is not None:
                assert complaint.writer == "remote"
                assert complaint.address is not None
                assert str(layout.field_at(complaint.address)).startswith("used.")
            assert driver.in_flight == len(held)
            assert len(recording.calls) <= 16
            assert all(any(call.arguments[0] in part for part in own) for call in accesses(recording)), recording.calls


def garbage(data: st.DataObject, machine: RingMachine) -> None:
    """The device writes anything anywhere in what is its to write."""
    layout = machine.layout
    for _ in range(data.draw(st.integers(0, 3))):
        if data.draw(st.booleans()):
            machine.poke(machine.remote, layout.used_idx, struct.pack("<H", data.draw(VALUES) & 0xFFFF))
        else:
            at = data.draw(st.integers(0, (layout.end - layout.used - 4) // 4)) * 4 + layout.used
            machine.poke(machine.remote, at, struct.pack("<I", data.draw(VALUES)))


def accesses(recording: RecordingPort) -> list[Any]:
    return [call for call in recording.calls if call.method.startswith(("load", "store", "read", "write"))]
