"""The device's half alone: what it writes, byte for byte, and whom it wakes."""

import struct

import pytest
from ring_machine import RingMachine


def test_used_entries_lie_in_the_order_they_were_given_back_in() -> None:
    with RingMachine(4) as machine:
        driver, device, layout = machine.driver(), machine.device(), machine.layout
        for token in range(3):
            driver.add((), machine.segments([50]), token)
        heads = [chain.head for chain in iter(device.next_chain, None)]
        for head, written in ((heads[2], 7), (heads[0], 0), (heads[1], 50)):
            device.push_used(head, written)
        ring = struct.unpack_from("<6I", machine.region.memory, layout.used_ring)
        assert ring == (heads[2], 7, heads[0], 0, heads[1], 50)
        assert machine.peek(layout.used_idx) == 3
        assert device.held == 0
        with pytest.raises(AssertionError, match="more buffers than were taken"):
            device.push_used(heads[0], 0)


@pytest.mark.parametrize("event_idx", [False, True])
def test_a_device_that_sleeps_while_it_holds_buffers_is_kicked_for_the_next_one(event_idx: bool) -> None:
    with RingMachine(8, event_idx=event_idx) as machine:
        driver, device, segment = machine.driver(), machine.device(), machine.segments([8])
        for token in range(3):
            driver.add((), segment, token)
            assert device.next_chain() is not None
        assert driver.kick() is True, "nobody had said otherwise"
        device.disable_notifications()
        assert device.enable_notifications() is True
        if event_idx:
            assert machine.peek(machine.layout.avail_event) == 3, "the next buffer, not the next to be given back"
        driver.add((), segment, 3)
        assert driver.kick() is True
        device.disable_notifications()
        driver.add((), segment, 4)
        assert driver.kick() is False
        assert device.enable_notifications() is False, "two came meanwhile"


@pytest.mark.parametrize("used", [65535, 65536, 65537, 65536 + 8])
def test_a_device_that_never_called_while_the_index_went_round_still_calls(used: int) -> None:
    with RingMachine(8, event_idx=True) as machine:
        driver, device, segment = machine.driver(), machine.device(), machine.segments([1])
        driver.disable_interrupts()
        machine.poke(machine.host, machine.layout.used_event, struct.pack("<H", 8))  # passed long ago
        for number in range(used):
            driver.add((), segment, number)
            chain = device.next_chain()
            assert chain is not None
            device.push_used(chain.head, 0)
            assert driver.get_used() == (number, 0)
        assert device.call_prepare() is True
        assert device.call_prepare() is False
