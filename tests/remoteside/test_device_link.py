"""The device's half of an rpmsg link: which chains it takes, whom it tells, and what it refuses."""

from __future__ import annotations

import struct

import pytest
from rpmsg_machine import RpmsgMachine

from amp.errors import BadRing, MessageTooLong
from amp.rpmsg import Sent
from amp.virtio.split import DESC_F_NEXT, DESC_F_WRITE, USED_F_NO_NOTIFY

EVENT_IDX = pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event-idx"])


def test_a_message_says_in_the_used_ring_how_long_it_is() -> None:
    with RpmsgMachine(4) as machine:
        machine.remote.create_endpoint(dest=1).send(b"12345")
        at = machine.input.used_ring
        assert struct.unpack("<II", machine.region.memory[at : at + 8]) == (0, 16 + 5)


def test_a_message_that_was_read_goes_back_with_length_0() -> None:
    with RpmsgMachine(4) as machine:
        machine.host.create_endpoint(dest=1).send(b"12345")
        machine.remote.process()
        at = machine.output.used_ring
        assert struct.unpack("<II", machine.region.memory[at : at + 8]) == (0, 0)


@EVENT_IDX
def test_the_remote_is_kicked_for_empty_buffers_only_while_it_waits_for_one(event_idx: bool) -> None:
    with RpmsgMachine(2, event_idx=event_idx) as machine:
        sender = machine.remote.create_endpoint(dest=1)
        machine.settle()
        for waits in (False, True, False):
            for _ in range(2):
                sender.send(b"x")
            if waits:
                assert machine.remote_link.await_buffer()
            assert machine.host_port.wait(0)
            assert machine.host.process() == 2
            assert machine.remote_port.wait(0) is waits
            assert machine.buffers_at(1) == 2


def test_kicks_for_empty_buffers_are_off_from_the_start() -> None:
    with RpmsgMachine(2) as machine:
        assert machine.region.memory[machine.input.used_flags] == USED_F_NO_NOTIFY
        assert machine.region.memory[machine.output.used_flags] == 0


def test_a_buffer_that_was_given_up_is_the_next_one_claimed() -> None:
    with RpmsgMachine(2) as machine:
        first, second = machine.remote_link.claim(), machine.remote_link.claim()
        assert first is not None
        assert second is not None
        assert machine.remote_link.claim() is None
        machine.remote_link.give_up(first)
        assert machine.remote_link.claim() == first
        assert first.address != second.address


def test_a_device_sends_as_much_as_the_driver_has_given_room_for() -> None:
    with RpmsgMachine(2) as machine:
        at = machine.input.desc + 8
        machine.host_port.store_u64(at, 64 | DESC_F_WRITE << 32)  # len 64, no longer 512
        sender = machine.remote.create_endpoint(dest=1)
        with pytest.raises(MessageTooLong, match="message is 49 bytes, at most 48 fit"):
            sender.send(bytes(49))
        sender.send(bytes(48))
        assert machine.host.process() == 1


def test_a_device_knows_of_nothing_that_was_not_acknowledged() -> None:
    with RpmsgMachine(2) as machine:
        machine.remote.create_endpoint(dest=1).send(b"x")
        assert machine.remote.down("gone") == ()
        assert machine.host_link.unacknowledged() == ()
        assert Sent(1, 2, b"") == (1, 2, b"")


# (ring, flags of descriptor 0, its addr offset, its len, what is said); offset is from the buffers' start
REFUSED = (
    ("output", DESC_F_WRITE, 1024, 512, "segments of an rpmsg buffer, readable ones is 0"),
    ("output", DESC_F_NEXT, 1024, 512, "segments of an rpmsg buffer, readable ones is 2"),
    ("output", 0, 1028, 100, "desc.addr is .*, allowed is a multiple of 8"),
    ("output", 0, -8, 512, "desc.addr"),
    ("output", 0, 0, 1 << 31, "desc.len"),
    ("input", 0, 0, 512, "segments of an rpmsg buffer, writable ones is 0"),
    ("input", DESC_F_WRITE | DESC_F_NEXT, 0, 512, "segments of an rpmsg buffer, writable ones is 2"),
    ("input", DESC_F_WRITE, 0, 1 << 31, "desc.len"),
)


@pytest.mark.parametrize(("ring", "flags", "offset", "length", "says"), REFUSED)
def test_a_chain_that_is_no_rpmsg_buffer_is_refused(ring: str, flags: int, offset: int, length: int, says: str) -> None:
    with RpmsgMachine(2) as machine:
        machine.host.create_endpoint(dest=1).send(b"x")
        layout = getattr(machine, ring)
        descriptor = struct.pack("<QIHH", machine.memory[0] + offset, length, flags, 1)
        second = struct.pack("<QIHH", machine.memory[0] + 512, 16, flags & DESC_F_WRITE, 0)
        machine.host_port.write(layout.desc, descriptor + second)
        take = machine.remote_link.receive if ring == "output" else machine.remote_link.claim
        with pytest.raises(BadRing, match=says) as caught:
            take()
        assert caught.value.writer == "host"
