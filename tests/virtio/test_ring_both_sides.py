"""Driver and device on one ring: what goes in comes out, once, in order, however it is cut and given back."""

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ring_machine import DIRECT, RingMachine

from amp.virtio.split import Segment
from hostside.virtqueue import DriverQueue
from remoteside.virtqueue import Chain, DeviceQueue

SIZES = [1, 2, 4, 8, 64, 256, 4096, 32768]


class Traffic:
    """Both queues, and what a right ring must do with them: `exposed` in order, `held` by the device, `given` back."""

    def __init__(self, machine: RingMachine, seed: int) -> None:
        self.machine, self.random = machine, random.Random(seed)
        self.driver, self.device = machine.driver(), machine.device()
        self.exposed: list[tuple[int, tuple[Segment, ...], tuple[Segment, ...]]] = []
        self.held: list[tuple[int, Chain]] = []
        self.given: list[tuple[int, int]] = []
        self.added = 0

    @property
    def most(self) -> int:
        """How many segments a buffer may have now."""
        if self.machine.tables is None:
            return self.driver.free
        return min(self.machine.entries, self.machine.layout.num) if self.driver.free else 0

    def add(self, readable: int, writable: int) -> None:
        lengths = [self.random.randrange(1, 50) for _ in range(readable + writable)]
        segments = self.machine.segments(lengths, start=self.random.randrange(1 << 12))
        self.driver.add(segments[:readable], segments[readable:], self.added)
        self.exposed.append((self.added, segments[:readable], segments[readable:]))
        self.added += 1

    def take(self) -> bool:
        chain = self.device.next_chain()
        if chain is None:
            return False
        token, readable, writable = self.exposed.pop(0)
        assert (chain.readable, chain.writable) == (readable, writable)
        assert chain.head not in [other.head for _, other in self.held]
        self.held.append((token, chain))
        return True

    def give_back(self, which: int) -> None:
        token, chain = self.held.pop(which)
        written = self.random.randint(0, sum(length for _, length in chain.writable))
        self.device.push_used(chain.head, written)
        self.given.append((token, written))

    def collect(self) -> bool:
        used = self.driver.get_used()
        if used is None:
            return False
        assert used == self.given.pop(0)
        return True

    def step(self) -> None:
        most = self.most
        if most and self.random.random() < 0.4:
            segments = self.random.randint(1, min(most, 6))
            readable = self.random.randint(0, segments)
            self.add(readable, segments - readable)
        if self.random.random() < 0.6:
            self.take()
        if self.held and self.random.random() < 0.5:
            self.give_back(self.random.randrange(len(self.held)))
        if self.random.random() < 0.6:
            self.collect()

    def finish(self) -> None:
        """Nothing is left behind, and every descriptor is free again."""
        for _ in range(1000 * (len(self.exposed) + len(self.held) + len(self.given)) + 1):
            if not (self.exposed or self.held or self.given):
                break
            self.take()
            if self.held:
                self.give_back(0)
            self.collect()
        assert (self.exposed, self.held, self.given) == ([], [], [])
        assert (self.driver.free, self.driver.in_flight) == (self.machine.layout.num, 0)


@pytest.mark.parametrize("event_idx", [False, True])
@pytest.mark.parametrize("indirect", [False, True])
@pytest.mark.parametrize("num", SIZES)
@pytest.mark.parametrize("door", [DIRECT, "paranoid"])
def test_buffers_of_any_cut_given_back_in_any_order_arrive_once_and_in_order(
    door: str, num: int, indirect: bool, event_idx: bool
) -> None:
    with RingMachine(num, door=door, indirect=indirect, event_idx=event_idx) as machine:
        traffic = Traffic(machine, seed=num)
        for _ in range(20_000):
            if traffic.added == 120:
                break
            traffic.step()
        assert traffic.added == 120
        traffic.finish()


@pytest.mark.parametrize("num", [1, 2, 256, 32768])
def test_a_ring_filled_to_the_brim_is_emptied_in_order(num: int) -> None:
    with RingMachine(num) as machine:
        driver, device, segment = machine.driver(), machine.device(), machine.segments([8])
        for lap in range(1 + 65536 // num if num > 2 else 3):
            for token in range(num):
                driver.add((), segment, token + lap)
            assert (driver.free, driver.in_flight) == (0, num)
            heads = [chain.head for chain in iter(device.next_chain, None)]
            assert sorted(heads) == list(range(num))
            assert device.held == num
            for head in heads:
                device.push_used(head, 8)
            assert [driver.get_used() for _ in range(num)] == [(token + lap, 8) for token in range(num)]
            assert driver.get_used() is None


@pytest.mark.parametrize("event_idx", [False, True])
def test_the_16_bit_indexes_wrap_twice_and_nothing_is_noticed(event_idx: bool) -> None:
    with RingMachine(4, event_idx=event_idx) as machine:
        driver, device, segment = machine.driver(), machine.device(), machine.segments([8])
        rounds, kicks, calls = 141_000, 0, 0
        driver.disable_interrupts()
        for number in range(rounds):
            if number % 3 == 0:  # the others find a device that is awake
                assert device.enable_notifications()
            driver.add((), segment, number)
            kicks += driver.kick()
            device.disable_notifications()
            if number % 5 == 0:
                assert driver.enable_interrupts()
            chain = device.next_chain()
            assert chain is not None
            device.push_used(chain.head, 8)
            calls += device.call()
            driver.disable_interrupts()
            assert driver.get_used() == (number, 8)
        assert machine.peek(machine.layout.used_idx) == rounds & 0xFFFF
        wanted = rounds // 3, rounds // 5
        stale = 2 * (rounds >> 16) if event_idx else 0  # an event index left behind comes round again
        assert wanted[0] <= kicks <= wanted[0] + stale
        assert wanted[1] <= calls <= wanted[1] + stale
        assert (driver.kicks, device.calls) == (kicks, calls)


class Ring(RuleBasedStateMachine):
    """Any order of calls on both sides. Who asked to be woken, and saw nothing to do, is woken by the next work."""

    machine: RingMachine

    @initialize(
        num=st.sampled_from([1, 2, 4, 8]),
        event_idx=st.booleans(),
        indirect=st.booleans(),
        start=st.sampled_from([0, 0x7FFE, 0xFFF8, 0xFFFF]),
    )
    def power_on(self, num: int, event_idx: bool, indirect: bool, start: int) -> None:
        self.machine = RingMachine(num, event_idx=event_idx, indirect=indirect, entries=3)
        self.traffic = Traffic(self.machine, seed=start)
        self.driver: DriverQueue[int] = self.traffic.driver
        self.device: DeviceQueue = self.traffic.device
        self.machine.start_at(self.driver, self.device, start)
        self.device_sleeps = self.driver_sleeps = False
        self.kick_is_owed = self.call_is_owed = False  # work has come since the other side fell asleep

    @precondition(lambda self: self.traffic.most)
    @rule(data=st.data())
    def add(self, data: st.DataObject) -> None:
        total = data.draw(st.integers(1, self.traffic.most), "segments")
        readable = data.draw(st.integers(0, total), "of them readable")
        self.traffic.add(readable, total - readable)
        self.kick_is_owed = self.device_sleeps

    @rule()
    def kick(self) -> None:
        kicked = self.driver.kick()
        assert kicked or not self.kick_is_owed, "the device was promised a kick"
        self.device_sleeps = self.device_sleeps and not kicked
        self.kick_is_owed = False

    @rule()
    def take(self) -> None:
        self.device_sleeps = self.kick_is_owed = False
        due = bool(self.traffic.exposed)
        assert self.traffic.take() is due

    @precondition(lambda self: self.traffic.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        self.traffic.give_back(data.draw(st.integers(0, len(self.traffic.held) - 1), "which"))
        self.call_is_owed = self.driver_sleeps

    @rule()
    def call(self) -> None:
        called = self.device.call()
        assert called or not self.call_is_owed, "the driver was promised an interrupt"
        self.driver_sleeps = self.driver_sleeps and not called
        self.call_is_owed = False

    @rule()
    def collect(self) -> None:
        self.driver_sleeps = self.call_is_owed = False
        due = bool(self.traffic.given)
        assert self.traffic.collect() is due

    @rule()
    def device_goes_to_sleep(self) -> None:
        self.device_sleeps = self.device.enable_notifications()
        self.kick_is_owed = False
        assert self.device_sleeps is not bool(self.traffic.exposed)

    @rule()
    def device_wakes(self) -> None:
        self.device.disable_notifications()
        self.device_sleeps = self.kick_is_owed = False

    @rule()
    def driver_goes_to_sleep(self) -> None:
        self.driver_sleeps = self.driver.enable_interrupts()
        self.call_is_owed = False
        assert self.driver_sleeps is not bool(self.traffic.given)

    @rule()
    def driver_wakes(self) -> None:
        self.driver.disable_interrupts()
        self.driver_sleeps = self.call_is_owed = False

    @invariant()
    def every_descriptor_is_free_or_in_flight(self) -> None:
        if not hasattr(self, "driver"):
            return
        out = [*self.traffic.exposed, *((token, c.readable, c.writable) for token, c in self.traffic.held)]
        taken = sum(self.driver._descriptors)
        assert self.driver.free + taken == self.machine.layout.num
        assert self.driver.in_flight == len(out) + len(self.traffic.given)
        assert self.device.held == len(self.traffic.held)
        links, at = set[int](), self.driver._free_head
        while len(links) < self.driver.free:
            assert at not in links, "the free list loops"
            links.add(at)
            at = self.driver._next[at]
        assert not any(self.driver._descriptors[free] for free in links)

    def teardown(self) -> None:
        if hasattr(self, "machine"):
            self.traffic.finish()
            self.machine.region.close()


Ring.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrderOfCalls = Ring.TestCase


@pytest.mark.parametrize("broken", ["twice", "lost", "swapped", "cut"])
def test_a_ring_that_is_broken_goes_red(broken: str) -> None:
    with RingMachine(8) as machine:
        traffic = Traffic(machine, seed=1)
        for readable, writable in ((1, 1), (2, 0), (1, 0)):
            traffic.add(readable, writable)
        if broken == "cut":
            machine.region.memory[machine.layout.desc + 8] ^= 1
        if broken == "lost":
            traffic.device._avail_idx += 1
        if broken == "swapped":
            first, second = (machine.layout.avail_ring + 2 * slot for slot in (0, 1))
            a, b = machine.peek(first), machine.peek(second)
            machine.host.store_u16(first, b)
            machine.host.store_u16(second, a)
        if broken == "twice":
            machine.host.store_u16(machine.layout.avail_ring + 2, 0)
        with pytest.raises(AssertionError):
            traffic.finish()
