"""The ring in C against the ring in Python: the same operations give the same bytes, the same answers, the same errors.

Every program of operations runs on four machines, with driver and device in C or in Python each; after every operation
all four have the same ring, byte by byte. The Python queues are the rules; the C ones must not differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ring_machine import RingMachine

from amp._core import _bridge
from amp.errors import BadRing, UsageError
from amp.port.doors import ring_layout
from amp.port.port import CPU_NAMES, HOST, REMOTE
from amp.virtio.sites import SITES
from amp.virtio.split import DESC_BYTES, Segment
from hostside.virtqueue import DriverQueue
from remoteside.virtqueue import Chain

NUM = 4
ENTRIES = 3
ROOM = 512


class FifoDriver(DriverQueue[int]):
    """The Python driver with the one private choice that the C driver offers besides: heads first in, first out."""

    def _release(self, head: int) -> None:
        if self.free:
            last = self._free_head
            for _ in range(self.free - 1):
                last = self._next[last]
            self._next[last] = head
            self._tokens[head] = None
            self.free += self._descriptors[head]
            self._descriptors[head] = 0
        else:
            super()._release(head)


def c_driver(machine: RingMachine, **asked: bool) -> Any:
    at = machine.layout, bytes(len(SITES) + 1), machine.region.layout["mailbox"].offset
    return _bridge.DriverRing(machine.region.memory, numbers(machine, **asked), *at, REMOTE, CPU_NAMES[REMOTE])


def c_device(machine: RingMachine) -> Any:
    at = machine.layout, bytes(len(SITES) + 1), machine.region.layout["mailbox"].offset
    return _bridge.DeviceRing(Chain, Segment, machine.region.memory, numbers(machine), *at, HOST, CPU_NAMES[HOST])


def numbers(machine: RingMachine, *, fifo: bool = False, rewrite: bool = False) -> tuple[Any, ...]:
    tables = (machine.tables.base, machine.tables.entries) if machine.tables else (0, 0)
    bounds = (*machine.region.layout.shared, *machine.memory)
    indirect, how = machine.tables is not None, _bridge.RING_MANDATORY
    return (ring_layout(machine.layout), bounds, tables, how, False, machine.event_idx, indirect, fifo, rewrite)


class Four:
    """The four machines, and what they have in common. `held` are the heads the device has, with their room."""

    def __init__(self, stack: ExitStack, *, event_idx: bool, indirect: bool, fifo: bool) -> None:
        def machine() -> RingMachine:
            asked = RingMachine(NUM, event_idx=event_idx, indirect=indirect, entries=ENTRIES, buffers_bytes=ROOM)
            return stack.enter_context(asked)

        def python_driver(each: RingMachine) -> Any:
            kind = FifoDriver if fifo else DriverQueue
            return kind(each.host, each.layout, event_idx=event_idx, indirect=each.tables)

        self.machines = [machine() for _ in range(4)]
        first, second, third, fourth = self.machines
        self.drivers = [
            python_driver(first),
            c_driver(second, fifo=fifo),
            c_driver(third, fifo=fifo),
            python_driver(fourth),
        ]
        self.devices = [first.device(), c_device(second), third.device(), c_device(fourth)]
        self.held: list[tuple[int, int]] = []
        self.tokens = 0

    def all_do(self, queues: list[Any], act: Callable[[Any], Any]) -> Any:
        """What all four answer; they must agree, in the answer and in every byte."""
        answers = [outcome(act, queue) for queue in queues]
        assert answers == answers[:1] * 4
        images = [image(machine) for machine in self.machines]
        assert images == images[:1] * 4
        return answers[0]


def outcome(act: Callable[[Any], Any], queue: Any) -> Any:
    try:
        return act(queue)
    except BadRing as error:
        return str(error), error.address
    except UsageError:
        return UsageError


def image(machine: RingMachine) -> bytes:
    """The ring and the indirect tables."""
    start, end = machine.region.layout.shared
    return bytes(machine.region.memory[start:end])


@contextmanager
def four(**asked: bool) -> Iterator[Four]:
    with ExitStack() as stack:
        yield Four(stack, **asked)


lengths = st.lists(st.integers(0, 64), max_size=3)
operations = st.one_of(
    st.tuples(st.just("add"), lengths, lengths),
    st.tuples(st.just("next"), st.none(), st.none()),
    st.tuples(st.just("push"), st.integers(0, NUM), st.integers(0, 1)),
    st.tuples(st.just("used"), st.none(), st.none()),
    st.tuples(
        st.just("driver"),
        st.sampled_from(["kick_prepare", "disable_interrupts", "enable_interrupts"]),
        st.none(),
    ),
    st.tuples(
        st.just("device"),
        st.sampled_from(["call_prepare", "disable_notifications", "enable_notifications"]),
        st.none(),
    ),
)


def do(machines: Four, operation: tuple[str, Any, Any]) -> Any:
    name, x, y = operation
    if name == "add":
        if machines.machines[0].tables is None and len(x) + len(y) > 1:
            x, y = x[:1], y[: 1 - len(x[:1])]  # the C driver writes longer chains as indirect tables only
        readable = machines.machines[0].segments(x)
        writable = machines.machines[0].segments(y, start=ROOM // 2)
        machines.tokens += 1
        return machines.all_do(machines.drivers, lambda queue: queue.add(readable, writable, machines.tokens))
    if name == "next":
        chain = machines.all_do(machines.devices, lambda queue: plain(queue.next_chain()))
        if chain is not None:
            machines.held.append((chain[0], sum(length for _, length in chain[2])))
        return chain
    if name == "push":
        if not machines.held:
            return None
        head, room = machines.held.pop(x % len(machines.held))
        return machines.all_do(machines.devices, lambda queue: queue.push_used(head, room * y))
    if name == "used":
        return machines.all_do(machines.drivers, lambda queue: queue.get_used())
    return machines.all_do(machines.drivers if name == "driver" else machines.devices, lambda each: getattr(each, x)())


def plain(chain: Any) -> Any:
    return None if chain is None else tuple(chain)


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("fifo", [False, True], ids=["stack", "fifo"])
@pytest.mark.parametrize("indirect", [False, True], ids=["direct", "indirect"])
@pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event-idx"])
@QUICK
@given(program=st.lists(operations, min_size=1, max_size=60))
def test_c_and_python_write_the_same_bytes_in_every_combination(
    program: list[tuple[str, Any, Any]], event_idx: bool, indirect: bool, fifo: bool
) -> None:
    with four(event_idx=event_idx, indirect=indirect, fifo=fifo) as machines:
        for operation in program:
            do(machines, operation)


def test_a_driver_that_picks_other_heads_is_noticed() -> None:
    with four(event_idx=False, indirect=False, fifo=False) as machines:
        machines.drivers[1] = c_driver(machines.machines[1], fifo=True)
        for operation in [("add", [8], []), ("next", None, None), ("push", 0, 0), ("used", None, None)]:
            do(machines, operation)
        with pytest.raises(AssertionError):
            do(machines, ("add", [8], []))


@pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event-idx"])
def test_they_agree_past_the_end_of_the_index(event_idx: bool) -> None:
    """The Python queues start where the C ones have come to, shortly before the index wraps."""
    start, told = 0xFFF0, []
    with RingMachine(NUM, event_idx=event_idx) as python, RingMachine(NUM, event_idx=event_idx) as c:
        sides: list[tuple[RingMachine, Any, Any]] = [
            (python, FifoDriver(python.host, python.layout, event_idx=event_idx), python.device()),
            (c, c_driver(c, fifo=True), c_device(c)),
        ]
        for number in range(start):
            one_round(*sides[1], number)
        sides[1][1].kick_prepare()
        sides[1][2].call_prepare()
        python.start_at(sides[0][1], sides[0][2], start)
        for field in (c.layout.used_event, c.layout.avail_event):
            c.host.store_u16(field, start)
        for number in range(start, start + 40):
            for side in sides:
                one_round(*side, number)
            asked = [(driver.kick_prepare(), device.call_prepare()) for _, driver, device in sides]
            assert asked[0] == asked[1]
            told.append(asked[0])
            if number >= start + NUM:  # by now both have written all of the ring
                assert image(python) == image(c)
    assert {wanted for both in told for wanted in both} == ({False, True} if event_idx else {True})


def one_round(machine: RingMachine, driver: Any, device: Any, number: int) -> None:
    driver.add(machine.segments([8]), (), number)
    head, readable, writable = device.next_chain()
    assert (tuple(map(tuple, readable)), writable) == (tuple(map(tuple, machine.segments([8]))), ())
    device.push_used(head, 0)
    assert driver.get_used() == (number, 0)


# --- distrust ---------------------------------------------------------------------------------------------------------

START = [("add", [8], []), ("add", [], [16]), ("next", None, None), ("push", 0, 0), ("next", None, None)]


def fields(machine: RingMachine) -> dict[str, tuple[int, int]]:
    """What one side can write for the other to read: name -> (address, bytes)."""
    ring = machine.layout
    found = {"avail.idx": (ring.avail_idx, 2), "used.idx": (ring.used_idx, 2)}
    for i in range(NUM):
        found[f"avail.ring[{i}]"] = (ring.avail_ring + 2 * i, 2)
        found[f"used.id[{i}]"] = (ring.used_ring + 8 * i, 4)
        found[f"used.len[{i}]"] = (ring.used_ring + 8 * i + 4, 4)
        for name, offset, size in (("addr", 0, 8), ("len", 8, 4), ("flags", 12, 2), ("next", 14, 2)):
            found[f"desc[{i}].{name}"] = (ring.desc + DESC_BYTES * i + offset, size)
            if machine.tables is not None:
                table = machine.tables.base + DESC_BYTES * (ENTRIES + i)
                found[f"table[{i}].{name}"] = (table + offset, size)
    return found


NAMES = st.sampled_from(
    [f"{field}[{i}]" for i in range(NUM) for field in ("avail.ring", "used.id", "used.len")]
    + [
        f"{table}[{i}].{part}"
        for i in range(NUM)
        for table in ("desc", "table")
        for part in ("addr", "len", "flags", "next")
    ]
    + ["avail.idx", "used.idx"]
)
VALUES = st.one_of(
    st.integers(0, 20),
    st.sampled_from([0x7FFF, 0xFFFE, 0xFFFF, 0xFFFF_FFFF, 1 << 63, (1 << 64) - 1, 48, 4096, 4112, 8192, 8208, 8200]),
)


@pytest.mark.parametrize("indirect", [False, True], ids=["direct", "indirect"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pokes=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4), more=st.booleans())
def test_whatever_the_other_side_wrote_c_and_python_refuse_the_same_in_the_same_words(
    pokes: list[tuple[str, int]], indirect: bool, more: bool
) -> None:
    with four(event_idx=False, indirect=indirect, fifo=False) as machines:
        for operation in START:
            do(machines, operation)
        do(machines, ("add", [8, 16] if indirect else [8], []))
        for name, value in pokes:
            for machine in machines.machines:
                if name in (known := fields(machine)):
                    address, size = known[name]
                    machine.region.memory[address : address + size] = (value & ((1 << 8 * size) - 1)).to_bytes(
                        size, "little"
                    )
        for _ in range(1 + more):
            machines.all_do(machines.devices, lambda queue: plain(queue.next_chain()))
            machines.all_do(machines.drivers, lambda queue: queue.get_used())


def chained(machine: RingMachine, *descriptors: tuple[int, int, int, int]) -> None:
    for index, (offset, length, flags, following) in enumerate(descriptors):
        machine.descriptor(index, machine.buffers + offset, length, flags, following)
    machine.expose(0)


CHAINS = [
    [(0, 8, 1, 1), (8, 8, 1, 2), (16, 8, 2, 0)],
    [(0, 8, 1, 1), (8, 8, 1, 0)],  # loops
    [(0, 8, 3, 1), (8, 8, 0, 0)],  # readable after writable
    [(0, 8, 1, NUM)],
    [(0, 8, 5, 1)],
    [(0, 8, 1, 1), (0, 16, 4, 0)],
    [(0, 0, 4, 0)],
    [(0, 24, 4, 0)],
    [(8, 16, 4, 0)],
    [(0, 16, 4, 0)],
    [(0, 1 << 20, 0, 0)],
]


@pytest.mark.parametrize("indirect", [False, True], ids=["not negotiated", "indirect"])
@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_the_rules_of_chains_are_the_same(chain: list[tuple[int, int, int, int]], indirect: bool) -> None:
    with four(event_idx=False, indirect=indirect, fifo=False) as machines:
        for machine in machines.machines:
            chained(machine, *chain)
        machines.all_do(machines.devices, lambda queue: plain(queue.next_chain()))


def test_a_ring_outside_the_shared_memory_is_refused() -> None:
    with RingMachine(NUM) as machine:
        layout, bounds, *rest = numbers(machine)
        at = machine.layout, bytes(len(SITES) + 1), machine.region.layout["mailbox"].offset
        for wrong in (bounds[1], bounds[1] - 8, 8, (1 << 64) - 16):
            ring = ((layout[0], wrong, *layout[2:]), bounds, *rest)
            with pytest.raises(OSError, match="Bad address"):
                _bridge.DriverRing(machine.region.memory, ring, *at, REMOTE, CPU_NAMES[REMOTE])
        three = ((3, *layout[1:]), bounds, *rest)
        with pytest.raises(OSError, match="Invalid argument"):
            _bridge.DriverRing(machine.region.memory, three, *at, REMOTE, CPU_NAMES[REMOTE])
        beyond = (layout, (0, 1 << 40, 0, 0), *rest)
        with pytest.raises(ValueError, match="behind the buffer's end"):
            _bridge.DriverRing(machine.region.memory, beyond, *at, REMOTE, CPU_NAMES[REMOTE])


@pytest.mark.parametrize("rewrite", [False, True])
def test_a_field_that_is_right_already_is_stored_again_only_if_asked(rewrite: bool) -> None:
    with RingMachine(NUM) as machine:
        ring = c_driver(machine, rewrite=rewrite)
        device, marked = machine.device(), machine.layout.desc + 15  # of `next`, which has no meaning here
        for mark in (0, 0xEE):
            machine.region.memory[marked] = mark
            head = ring.add(machine.segments([8]), (), "token")
            assert device.next_chain() is not None
            device.push_used(head, 0)
            assert ring.get_used() == ("token", 0)
        assert machine.region.memory[marked] == (0 if rewrite else 0xEE)
