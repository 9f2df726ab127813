"""Many messages in one call: the same messages in the same order, and the other side told once."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from rpmsg_machine import DIRECT, RpmsgMachine

from amp.errors import LinkDown, MessageTooLong, SendTimeout, UsageError
from amp.rpmsg import Message
from amp.rpmsg.wire import HEADER_BYTES

DOORS = pytest.mark.parametrize("door", [DIRECT, "arm64"])
EVENT_IDX = pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event-idx"])
SIDES = pytest.mark.parametrize("sender", ["host", "remote"])


def pair(machine: RpmsgMachine, sender: str) -> tuple[Any, Any]:
    buses = (machine.host, machine.remote) if sender == "host" else (machine.remote, machine.host)
    return buses[0].create_endpoint(dest=9), buses[1].create_endpoint(addr=9)


@DOORS
@EVENT_IDX
@SIDES
def test_more_messages_than_buffers_arrive_in_order(door: str, event_idx: bool, sender: str) -> None:
    payloads = [bytes([number]) * (number % 40) for number in range(50)]
    with RpmsgMachine(8, door=door, event_idx=event_idx) as machine:
        ours, theirs = pair(machine, sender)
        machine.settle()
        for _ in range(2):  # the second time with buffers that came back
            ours.send_many(payloads)
            machine.settle()
            assert [message.data for message in theirs.recv_many()] == payloads
        assert ours.bus.counts.sent == theirs.bus.counts.received == 100


@SIDES
def test_the_frames_are_those_of_messages_sent_one_by_one(sender: str) -> None:
    payloads, found = [b"", b"a", b"\0" * 3, bytes(range(200)) + bytes(100)], []
    for many in (False, True):
        with RpmsgMachine(4, buffer_bytes=512) as machine:
            ours, _ = pair(machine, sender)
            if many:
                ours.send_many(payloads)
            else:
                for payload in payloads:
                    ours.send(payload)
            start, end = machine.region.layout.shared
            found.append(bytes(machine.region.memory[start:end]))
    assert found[0] == found[1], "rings and buffers, byte by byte"


@EVENT_IDX
@SIDES
def test_the_other_side_is_told_once(event_idx: bool, sender: str) -> None:
    with RpmsgMachine(8, event_idx=event_idx) as machine:
        ours, _ = pair(machine, sender)
        machine.settle()
        queue: Any = ours.bus.link.tx
        count = "kicks" if sender == "host" else "calls"
        before = getattr(queue, count)
        ours.send_many([b"x"] * 8)
        assert getattr(queue, count) == before + 1


def test_rows_are_messages_of_their_own_lengths() -> None:
    rows = np.arange(24, dtype=np.uint8).reshape(3, 8)
    with RpmsgMachine(8) as machine:
        ours, theirs = pair(machine, "host")
        ours.send_many(rows, np.array([8, 0, 3], np.uint32))
        machine.settle()
        assert theirs.recv_many() == [Message(data, ours.addr) for data in (bytes(range(8)), b"", bytes([16, 17, 18]))]
        with pytest.raises(UsageError, match="9 is the largest, a row has 8 bytes"):
            ours.send_many(rows, np.array([8, 9, 3], np.uint32))
        with pytest.raises(UsageError, match="lengths: uint64"):
            ours.send_many(rows, np.array([8, 0, 3], np.uint64))


def test_one_message_that_is_too_long_stops_all_of_them() -> None:
    with RpmsgMachine(8) as machine:
        ours, _ = pair(machine, "host")
        with pytest.raises(MessageTooLong):
            ours.send_many([b"fits", bytes(512)])
        assert ours.bus.counts.sent == 0


def test_a_host_with_small_buffers_is_told_as_by_send() -> None:
    with RpmsgMachine(4, buffer_bytes=64) as machine:
        ours, theirs = pair(machine, "remote")
        with pytest.raises(MessageTooLong, match=f"at most {64 - HEADER_BYTES} fit"):
            ours.send_many([b"fits", bytes(64), b"never"])
        ours.send_many([b"next"])
        machine.settle()
        assert [message.data for message in theirs.recv_many()] == [b"fits", b"next"]


def test_what_finds_no_buffer_in_time_says_so_and_the_rest_was_sent() -> None:
    with RpmsgMachine(2) as machine:
        ours, theirs = pair(machine, "host")
        machine.host.sleeper = lambda _: False
        with pytest.raises(SendTimeout):
            ours.send_many([b"1", b"2", b"3"], timeout_s=0.5)
        machine.remote.process()
        assert [message.data for message in theirs.recv_many()] == [b"1", b"2"]


def test_what_was_sent_together_is_unacknowledged_together() -> None:
    with RpmsgMachine(4) as machine:
        ours, _ = pair(machine, "host")
        ours.send_many([b"read", b"lost", b"lost too"])
        machine.remote.process(1)
        machine.host.down("the core died")
        assert [sent.data for sent in ours.unacknowledged] == [b"lost", b"lost too"]
        with pytest.raises(LinkDown):
            ours.send_many([b"x"])


def test_recv_many_takes_at_most_so_many_and_waits_for_one() -> None:
    with RpmsgMachine(8) as machine:
        ours, theirs = pair(machine, "host")
        ours.send_many([struct.pack("<I", number) for number in range(5)])
        taken = [[struct.unpack("<I", message.data)[0] for message in theirs.recv_many(most)] for most in (1, 2, None)]
        assert taken == [[0], [1, 2], [3, 4]]
        with pytest.raises(TimeoutError):
            theirs.recv_many(timeout_s=0.1)
        with pytest.raises(UsageError, match="at least 1"):
            theirs.recv_many(0)
