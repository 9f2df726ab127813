"""The driver's half of an rpmsg link: how the buffers are laid out and who is interrupted when."""

from __future__ import annotations

import struct

import pytest
from rpmsg_machine import RpmsgMachine

from amp.errors import BadRing, UsageError
from amp.port.port import REMOTE
from amp.rpmsg import Buffer, Sent
from amp.virtio.split import AVAIL_F_NO_INTERRUPT, DESC_F_WRITE
from hostside.rpmsg import DriverLink, buffers_needed

EVENT_IDX = pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event-idx"])


@pytest.mark.parametrize(("ring_size", "buffers"), [(2, 4), (128, 256), (256, 512), (512, 512), (1024, 512)])
def test_two_rings_get_twice_as_many_buffers_as_one_holds_and_at_most_512(ring_size: int, buffers: int) -> None:
    assert buffers_needed(ring_size) == buffers


def test_the_first_half_of_the_buffers_receives_and_the_second_half_sends() -> None:
    """rpmsg_probe: rbufs = bufs_va, sbufs = bufs_va + total_buf_space / 2; every receive buffer is posted at once."""
    with RpmsgMachine(4) as machine:
        memory, base = machine.region.memory, machine.memory[0]
        for index in range(4):
            at = machine.input.desc + 16 * index
            addr, length, flags, _ = struct.unpack("<QIHH", memory[at : at + 16])
            assert (addr, length, flags) == (base + 512 * index, 512, DESC_F_WRITE)
        assert memory[machine.input.avail_idx] == 4
        assert memory[machine.output.avail_idx] == 0
        taken = [machine.host_link.claim() for _ in range(5)]
        assert taken == [*(Buffer(n, base + 512 * n, 512) for n in range(4, 8)), None]


def test_a_message_is_one_readable_descriptor_as_long_as_the_message() -> None:
    with RpmsgMachine(4) as machine:
        machine.host.create_endpoint(dest=1).send(b"12345")
        at = machine.output.desc
        addr, length, flags, _ = struct.unpack("<QIHH", machine.region.memory[at : at + 16])
        assert (addr, length, flags) == (machine.memory[0] + 4 * 512, 16 + 5, 0)


@EVENT_IDX
def test_the_host_is_interrupted_for_its_own_buffers_only_while_it_waits_for_one(event_idx: bool) -> None:
    with RpmsgMachine(2, event_idx=event_idx) as machine:
        sender = machine.host.create_endpoint(dest=1)
        machine.settle()
        for waits in (None, False, True, False):
            for _ in range(2):
                sender.send(b"x")
            if waits:
                assert machine.host_link.await_buffer()
            assert machine.remote_port.wait(0)
            assert machine.remote.process() == 2
            machine.remote_link.await_message()
            rung = machine.host_port.wait(0)
            assert waits is None or rung is waits, "the first round passes the event index that a new ring has, 0"
            assert machine.buffers_at(0) == 2


def test_interrupts_for_sent_buffers_are_off_from_the_start() -> None:
    with RpmsgMachine(2) as machine:
        assert machine.region.memory[machine.output.avail_flags] == AVAIL_F_NO_INTERRUPT
        assert machine.region.memory[machine.input.avail_flags] == 0


@EVENT_IDX
def test_a_message_that_came_before_the_wish_to_be_told_is_noticed(event_idx: bool) -> None:
    with RpmsgMachine(2, event_idx=event_idx) as machine:
        end = machine.remote.create_endpoint(dest=1)
        end.send(b"x")
        assert machine.host_link.await_message() is not event_idx, "with flags interrupts were never off"
        assert machine.host_port.wait(0)


def test_recycled_buffers_are_announced_once_by_flush() -> None:
    with RpmsgMachine(4) as machine:
        end = machine.remote.create_endpoint(dest=1)
        machine.settle()
        for _ in range(4):
            end.send(b"x")
        assert machine.remote_link.await_buffer()
        kicks = machine.host_link.rx.kicks
        assert machine.host.process() == 4
        assert machine.host_link.rx.kicks == kicks + 1
        machine.host_link.flush()
        assert machine.host_link.rx.kicks == kicks + 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"count": 1}, "number is 1, expected an even one from 2 to 512"),
        ({"count": 3}, "number is 3"),
        ({"count": 514}, "number is 514"),
        ({"count": 18}, "9 in each direction, the rings hold 8"),
        ({"buffer_bytes": 16}, "size is 16 bytes, expected a multiple of 8 from 24 to 65536"),
        ({"buffer_bytes": 500}, "size is 500 bytes"),
        ({"buffer_bytes": 65544}, "size is 65544 bytes"),
    ],
)
def test_sizes_that_cannot_be_are_refused(options: dict[str, int], says: str) -> None:
    with RpmsgMachine(8) as machine, pytest.raises(UsageError, match=says):
        DriverLink(machine.host_port, machine.input, machine.output, machine.memory[0], **{"count": 16, **options})


def test_what_a_dying_remote_wrote_into_the_ring_is_no_acknowledgement() -> None:
    with RpmsgMachine(4) as machine:
        sender = machine.host.create_endpoint(addr=5, dest=1)
        for data in (b"a", b"b", b"c"):
            sender.send(data)
        assert machine.remote.process() == 3
        machine.remote_port.store_u32(machine.output.used_ring + 8, 0xDEAD)  # of the second entry, the id
        assert machine.host_link.unacknowledged() == (Sent(5, 1, b"b"), Sent(5, 1, b"c"))


def test_after_the_ports_death_another_port_has_the_last_look() -> None:
    with RpmsgMachine(4) as machine:
        looks: list[int] = []

        def last_look() -> object:
            looks.append(1)
            return machine.open_port(0)

        link = machine.driver_link(last_look=last_look)
        link.submit(link.claim(), 16, Sent(1, 2, b""))
        assert link.unacknowledged() == (Sent(1, 2, b""),)
        assert looks == [1]


@pytest.mark.parametrize(
    ("entry", "says"),
    [((7, 16), "used.ring id is 7"), ((0, 513), "used.ring len is 513, allowed is at most 512")],
)
def test_a_used_entry_that_lies_is_a_broken_ring(entry: tuple[int, int], says: str) -> None:
    with RpmsgMachine(4) as machine:
        machine.remote_port.write(machine.input.used_ring, struct.pack("<II", *entry))
        machine.remote_port.store_u16(machine.input.used_idx, 1)
        with pytest.raises(BadRing, match=says) as caught:
            machine.host.process()
        assert caught.value.writer == ["host", "remote"][REMOTE]
