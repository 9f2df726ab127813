"""The driver's half alone: what it writes, byte for byte, and how it accounts for descriptors."""

import struct

import pytest
from ring_machine import RingMachine

from amp.errors import UsageError
from amp.virtio.split import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE


def table(machine: RingMachine, start: int, count: int) -> list[tuple[int, int, int, int]]:
    return [struct.unpack_from("<QIHH", machine.region.memory, start + 16 * n) for n in range(count)]


def test_a_chain_is_readable_then_writable_descriptors_linked_by_next() -> None:
    with RingMachine(8) as machine:
        driver, (a, b, c) = machine.driver(), machine.segments([5, 6, 7])
        assert driver.add((a, b), (c,), 1) == 0
        assert table(machine, machine.layout.desc, 3) == [
            (*a, DESC_F_NEXT, 1),
            (*b, DESC_F_NEXT, 2),
            (*c, DESC_F_WRITE, 0),
        ]
        assert machine.peek(machine.layout.avail_ring) == 0
        assert machine.peek(machine.layout.avail_idx) == 1
        assert driver.add((), (a,), 2) == 3, "the next free descriptor"
        assert machine.peek(machine.layout.avail_ring + 2) == 3
        assert (driver.free, driver.in_flight) == (4, 2)


def test_an_indirect_buffer_takes_one_descriptor_and_its_table_is_a_chain_of_its_own() -> None:
    with RingMachine(2, indirect=True, entries=4) as machine:
        driver, (a, b, c) = machine.driver(), machine.segments([5, 6, 7])
        assert machine.tables is not None
        assert [driver.add((c,), (), 1), driver.add((), (a, b), 2)] == [0, 1]
        at = machine.tables.base + 1 * 4 * 16
        assert table(machine, machine.layout.desc, 2) == [(*c, 0, 0), (at, 32, DESC_F_INDIRECT, 0)]
        assert table(machine, at, 2) == [(*a, DESC_F_WRITE | DESC_F_NEXT, 1), (*b, DESC_F_WRITE, 0)]
        assert driver.free == 0


def test_an_indirect_table_is_no_longer_than_the_ring() -> None:
    """virtio 1.2, 2.7.5.3.1: a driver must not create a chain longer than the queue size."""
    with RingMachine(2, indirect=True, entries=4) as machine:
        driver = machine.driver()
        with pytest.raises(UsageError, match="a chain of 3 segments, at most 2 fit into an indirect table"):
            driver.add(machine.segments([1, 1, 1]), (), 1)
        driver.add(machine.segments([1, 1]), (), 1)


def test_freed_descriptors_are_used_again_in_whatever_order_they_come_back() -> None:
    with RingMachine(8) as machine:
        driver = machine.driver()
        heads = [driver.add(machine.segments([1] * count), (), count) for count in (1, 2, 3, 2)]
        assert driver.free == 0
        machine.give_back(*((heads[n], 0) for n in (2, 0, 3, 1)))
        assert [driver.get_used() for _ in range(5)] == [(3, 0), (1, 0), (2, 0), (2, 0), None]
        assert driver.free == 8
        driver.add(machine.segments([1] * 8), (), 9)
        links = {following for *_, flags, following in table(machine, machine.layout.desc, 8) if flags & DESC_F_NEXT}
        assert len(links) == 7, "one chain through every descriptor"


@pytest.mark.parametrize("added", [65535, 65536, 65537, 65536 + 8])
def test_a_driver_that_never_kicked_while_the_index_went_round_still_kicks(added: int) -> None:
    with RingMachine(8, event_idx=True) as machine:
        driver, segment = machine.driver(), machine.segments([1])
        machine.poke(machine.remote, machine.layout.avail_event, struct.pack("<H", 8))  # passed long ago
        for number in range(added):
            head = driver.add((), segment, number)
            slot = machine.layout.used_ring + 8 * (number % 8)
            machine.remote.store_u32(slot, head)
            machine.remote.store_u16(machine.layout.used_idx, (number + 1) & 0xFFFF)
            assert driver.get_used() == (number, 0)
        assert driver.kick_prepare() is True
        assert driver.kick_prepare() is False


def test_interrupts_are_asked_for_and_forgone_by_flag_or_by_leaving_the_event_behind() -> None:
    for event_idx in (False, True):
        with RingMachine(8, event_idx=event_idx) as machine:
            driver, layout = machine.driver(), machine.layout
            driver.disable_interrupts()
            assert machine.peek(layout.avail_flags) == (0 if event_idx else 1)
            driver.add((), machine.segments([1]), 1)
            machine.give_back((0, 0))
            assert driver.enable_interrupts() is False, "something came meanwhile"
            assert driver.get_used() == (1, 0)
            assert machine.peek(layout.used_event) == (1 if event_idx else 0), "moves along while interrupts are on"
            assert driver.enable_interrupts() is True
            assert machine.peek(layout.avail_flags) == 0
