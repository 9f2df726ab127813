"""The device never trusts the driver: each field that the driver writes, with each value it must not have."""

import dataclasses
import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_machine import DIRECT, RingMachine

from amp.errors import BadRing
from amp.port.doors import RecordingPort
from amp.virtio.split import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE

NUM = 8
NEXT, WRITE, INDIRECT = DESC_F_NEXT, DESC_F_WRITE, DESC_F_INDIRECT


@dataclasses.dataclass(frozen=True)
class Lie:
    """What the driver writes (`plant`), and what the device must say of it. `at` is an offset in desc, or a field."""

    plant: Callable[[RingMachine], None]
    field: str
    value: Callable[[RingMachine], int]
    limit: Callable[[RingMachine], str]
    at: Callable[[RingMachine], int]
    indirect: bool = True


def chain(*descriptors: tuple[int, int, int, int]) -> Callable[[RingMachine], None]:
    """Descriptors from index 0 on: offset in the buffers, length, flags, next; head 0 exposed."""

    def plant(machine: RingMachine) -> None:
        for index, (offset, *rest) in enumerate(descriptors):
            machine.descriptor(index, machine.memory[0] + offset, *rest)
        machine.expose(0)

    return plant


def indirect(
    *descriptors: tuple[int, int, int, int], size: int | None = None, flags: int = INDIRECT, at: int = 0
) -> Callable[[RingMachine], None]:
    """An indirect table `at` bytes into the buffers; its descriptors point behind it."""

    def plant(machine: RingMachine) -> None:
        start = machine.memory[0] + at
        for index, (offset, *rest) in enumerate(descriptors):
            machine.descriptor(index, machine.buffers + offset, *rest, table=start)
        machine.descriptor(0, start, 16 * len(descriptors) if size is None else size, flags, 1)
        machine.expose(0)

    return plant


def absolute(address: int, length: int) -> Callable[[RingMachine], None]:
    def plant(machine: RingMachine) -> None:
        machine.descriptor(0, address, length)
        machine.expose(0)

    return plant


def beyond(by: int, length: int) -> Callable[[RingMachine], None]:
    def plant(machine: RingMachine) -> None:
        absolute(machine.memory[1] + by, length)(machine)

    return plant


def constant(value: Any) -> Callable[[RingMachine], Any]:
    return lambda _: value


def desc(index: int, offset: int) -> Callable[[RingMachine], int]:
    return lambda machine: machine.layout.desc + 16 * index + offset


def entry(index: int, offset: int) -> Callable[[RingMachine], int]:
    return lambda machine: machine.memory[0] + 16 * index + offset


def memory_limit(machine: RingMachine) -> str:
    return f"{machine.memory[0]:#x} to {machine.memory[1]:#x}"


BELOW_NUM = constant(f"below {NUM}")
AVAIL_IDX: Callable[[RingMachine], int] = lambda machine: machine.layout.avail_idx  # noqa: E731
AVAIL_RING: Callable[[RingMachine], int] = lambda machine: machine.layout.avail_ring  # noqa: E731
LIES = {
    "the index jumps by more than the ring holds": Lie(
        lambda m: m.expose(idx=NUM + 1), "avail.idx", constant(9), constant("at most 8 beyond 0"), AVAIL_IDX
    ),
    "the index runs backwards": Lie(
        lambda m: m.expose(idx=0xFFFF), "avail.idx", constant(0xFFFF), constant("at most 8 beyond 0"), AVAIL_IDX
    ),
    "the head is the ring size": Lie(lambda m: m.expose(NUM), "avail.ring head", constant(NUM), BELOW_NUM, AVAIL_RING),
    "the head is 0xffff": Lie(lambda m: m.expose(0xFFFF), "avail.ring head", constant(0xFFFF), BELOW_NUM, AVAIL_RING),
    "the address is null": Lie(absolute(0, 4), "desc.addr", constant(0), memory_limit, desc(0, 0)),
    "the address is in the rings": Lie(absolute(0x1000, 4), "desc.addr", constant(0x1000), memory_limit, desc(0, 0)),
    "the address is behind the memory": Lie(
        beyond(1, 0), "desc.addr", lambda m: m.memory[1] + 1, memory_limit, desc(0, 0)
    ),
    "the address is the last there is": Lie(
        absolute((1 << 64) - 1, 1), "desc.addr", constant((1 << 64) - 1), memory_limit, desc(0, 0)
    ),
    "the length ends one byte behind the memory": Lie(
        beyond(-4, 5), "desc.len", constant(5), lambda m: f"at most 4 at {m.memory[1] - 4:#x}", desc(0, 8)
    ),
    "the length is 32 bits wide": Lie(
        beyond(-16, 0xFFFF_FFFF),
        "desc.len",
        constant(0xFFFF_FFFF),
        lambda m: f"at most 16 at {m.memory[1] - 16:#x}",
        desc(0, 8),
    ),
    "the second descriptor's length is": Lie(
        chain((0, 4, NEXT, 1), (0, 0xFFFF_FFFF, 0, 0)),
        "desc.len",
        constant(0xFFFF_FFFF),
        lambda m: f"at most {m.memory[1] - m.memory[0]} at {m.memory[0]:#x}",
        desc(1, 8),
    ),
    "next is the ring size": Lie(chain((0, 4, NEXT, NUM)), "desc.next", constant(NUM), BELOW_NUM, desc(0, 14)),
    "next is 0xffff": Lie(
        chain((0, 4, NEXT, 1), (4, 4, NEXT, 0xFFFF)), "desc.next", constant(0xFFFF), BELOW_NUM, desc(1, 14)
    ),
    "a descriptor is its own next": Lie(
        chain((0, 4, NEXT, 0)),
        "desc chain length",
        constant(NUM + 1),
        constant("at most 8: it loops, or is too long"),
        desc(0, 0),
    ),
    "two descriptors are each other's next": Lie(
        chain((0, 4, NEXT, 1), (4, 4, NEXT, 0)),
        "desc chain length",
        constant(NUM + 1),
        constant("at most 8: it loops, or is too long"),
        desc(0, 0),
    ),
    "a readable segment stands behind a writable one": Lie(
        chain((0, 4, NEXT | WRITE, 1), (4, 4, 0, 0)),
        "desc.flags",
        constant(0),
        constant("device-readable before device-writable"),
        desc(1, 12),
    ),
    "INDIRECT was not negotiated": Lie(
        indirect((0, 4, 0, 0)),
        "desc.flags",
        constant(INDIRECT),
        constant("no INDIRECT: it was not negotiated"),
        desc(0, 12),
        indirect=False,
    ),
    "INDIRECT stands in the middle of a chain": Lie(
        chain((0, 4, NEXT, 1), (0, 16, INDIRECT, 0)),
        "desc.flags",
        constant(INDIRECT),
        constant("INDIRECT only as the whole chain"),
        desc(1, 12),
    ),
    "an indirect table names another": Lie(
        indirect((0, 16, INDIRECT, 0)),
        "desc.flags",
        constant(INDIRECT),
        constant("INDIRECT only as the whole chain"),
        entry(0, 12),
    ),
    "INDIRECT has a next": Lie(
        indirect((0, 4, 0, 0), flags=INDIRECT | NEXT),
        "desc.flags",
        constant(INDIRECT | NEXT),
        constant("not both INDIRECT and NEXT"),
        desc(0, 12),
    ),
    "an indirect table is empty": Lie(
        indirect(size=0), "desc.len", constant(0), constant("a multiple of 16 above 0 (indirect table)"), desc(0, 8)
    ),
    "an indirect table ends in the middle of a descriptor": Lie(
        indirect((0, 4, 0, 0), size=24),
        "desc.len",
        constant(24),
        constant("a multiple of 16 above 0 (indirect table)"),
        desc(0, 8),
    ),
    "an indirect table is not aligned": Lie(
        indirect((0, 4, 0, 0), at=8),
        "desc.addr",
        lambda m: m.memory[0] + 8,
        constant("a multiple of 16 (indirect table)"),
        desc(0, 0),
    ),
    "next leaves the indirect table": Lie(
        indirect((0, 4, NEXT, 1), (4, 4, NEXT, 2)), "desc.next", constant(2), constant("below 2"), entry(1, 14)
    ),
    "an indirect table loops": Lie(
        indirect((0, 4, NEXT, 1), (4, 4, NEXT, 0)),
        "desc chain length",
        constant(NUM + 1),
        constant("at most 8: it loops, or is too long"),
        entry(0, 0),
    ),
    "an indirect table's buffer is outside": Lie(
        indirect((1 << 40, 4, 0, 0)), "desc.addr", lambda m: m.buffers + (1 << 40), memory_limit, entry(0, 0)
    ),
}


@pytest.mark.parametrize("door", [DIRECT, "sc", "paranoid"])
@pytest.mark.parametrize("name", LIES)
def test_a_lie_names_field_value_limit_writer_and_address_and_the_truth_is_taken_afterwards(
    name: str, door: str
) -> None:
    lie = LIES[name]
    with RingMachine(NUM, door=door, indirect=lie.indirect) as machine:
        recording = RecordingPort(machine.remote)
        device = machine.device(recording)
        lie.plant(machine)
        for _ in range(2):  # it stays refused
            with pytest.raises(BadRing) as caught:
                device.next_chain()
            error = caught.value
            assert (error.field, error.value, error.limit) == (lie.field, lie.value(machine), lie.limit(machine))
            assert (error.writer, error.address) == ("host", lie.at(machine))
            assert str(error).endswith("; written by the host")
        assert device.held == 0, "a refused buffer is not taken"
        assert_inside(machine, recording)
        segment = machine.segments([4])[0]
        machine.descriptor(2, *segment, WRITE)
        machine.expose(2)
        taken = device.next_chain()
        assert taken == (2, (), (segment,))
        assert device.held == 1


@pytest.mark.parametrize("planted", [0, 1, 2, 0xFFFF, 3 + NUM - 3 + 1, 0x8000])
def test_an_index_that_falls_back_behind_what_is_held_or_overruns_the_rest_is_refused(planted: int) -> None:
    with RingMachine(NUM) as machine:
        driver, device = machine.driver(), machine.device()
        for token in range(3):
            driver.add(machine.segments([4]), (), token)
            device.next_chain()
        machine.expose(idx=planted)
        with pytest.raises(
            BadRing, match=f"avail.idx is {planted}, allowed is at most 5 beyond 3; written by the host"
        ):
            device.next_chain()
        machine.expose(idx=NUM)
        assert device.next_chain() is not None, "as many as the ring holds is right"


@pytest.mark.parametrize("length", [0, 4])
def test_a_buffer_may_end_where_the_memory_ends(length: int) -> None:
    for door in (DIRECT, "paranoid"):
        with RingMachine(NUM, door=door) as machine:
            machine.descriptor(0, machine.memory[1] - length, length)
            machine.expose(0)
            taken = machine.device().next_chain()
            assert taken is not None
            assert taken.readable == ((machine.memory[1] - length, length),)
            assert len(bytes(machine.remote.read(*taken.readable[0]))) == length


def test_a_chain_of_every_descriptor_of_the_ring_is_no_loop() -> None:
    with RingMachine(NUM) as machine:
        driver, device = machine.driver(), machine.device()
        driver.add(machine.segments([4] * 5), machine.segments([4] * 3), 1)
        taken = device.next_chain()
        assert taken is not None
        assert (len(taken.readable), len(taken.writable)) == (5, 3)


@pytest.mark.parametrize("event_idx", [False, True])
@given(planted=st.integers(0, 0xFFFF))
@settings(max_examples=60, deadline=None)
def test_any_flags_and_any_event_index_are_only_an_opinion_on_interrupts(event_idx: bool, planted: int) -> None:
    with RingMachine(NUM, event_idx=event_idx) as machine:
        driver, device = machine.driver(), machine.device()
        driver.add(machine.segments([4]), (), 1)
        device.next_chain()
        for address in (machine.layout.avail_flags, machine.layout.used_event):
            machine.poke(machine.host, address, struct.pack("<H", planted))
        device.push_used(0, 0)
        assert device.call() is (planted == 0 if event_idx else not planted & 1)
        assert device.call() is (not event_idx and not planted & 1), "nothing new: an event index is not passed again"


class RestlessDriver:
    """A port for the device, behind whose back the driver writes garbage before any of its loads."""

    def __init__(self, machine: RingMachine, seed: int, often: float) -> None:
        self.machine, self.often = machine, often
        self.taken = 0  # how many buffers the device took: what comes next is worth more than any index
        self.random = random.Random(seed)
        self.recording = RecordingPort(machine.remote)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("load") and self.random.random() < self.often:
            self.scribble()
        return getattr(self.recording, name)

    def scribble(self) -> None:
        machine, choose = self.machine, self.random
        layout, memory = machine.layout, machine.region.memory
        tables = machine.tables.base if machine.tables else machine.memory[0]
        match choose.randrange(5):
            case 0:
                index = self.taken + choose.choice([1] * 20 + [0, 2, NUM + 1, -1, 0x8000])
                struct.pack_into("<H", memory, layout.avail_idx, index & 0xFFFF)
            case 1:
                head = choose.choice([*range(NUM)] * 4 + [NUM, 0xFFFF])
                struct.pack_into("<H", memory, layout.avail_ring + 2 * choose.randrange(NUM), head)
            case 2 | 3:
                table = choose.choice([layout.desc, layout.desc, tables])
                start, end = machine.memory
                address = choose.choice([tables] * 6 + [start, end - 16, end, start + 8, choose.getrandbits(64)])
                length = choose.choice([0, 16, 16, 32, 32, 16 * (NUM + 4), choose.getrandbits(32)])
                flags = choose.choice([0, 0, NEXT, NEXT, WRITE, WRITE | NEXT, INDIRECT, choose.getrandbits(16)])
                following = choose.choice([*range(NUM), *range(NUM), NUM, choose.getrandbits(16)])
                struct.pack_into("<QIHH", memory, table + 16 * choose.randrange(NUM), address, length, flags, following)
            case 4:
                at = layout.desc + choose.randrange(layout.used_event + 2 - layout.desc)
                memory[at] = choose.getrandbits(8)


def assert_inside(machine: RingMachine, recording: RecordingPort) -> None:
    """Every access lies in the part of the memory that the device may touch, and it wrote only what is its own."""
    layout = machine.layout
    readable = range(layout.desc, layout.used_event + 2), range(*machine.memory)
    writable = (range(layout.used, layout.end),)
    for call in recording.calls:
        if call.method.startswith(("load", "store")):
            allowed = readable if call.method.startswith("load") else writable
            size = int(call.method.rpartition("u")[2]) // 8
            first = int(call.arguments[0])
            assert any(first in part and first + size - 1 in part for part in allowed), call


FIELDS = ("avail.idx", "avail.ring head", "desc.addr", "desc.len", "desc.next", "desc.flags", "desc chain length")


def restless_run(seed: int, often: float, steps: int, *, event_idx: bool, indirect: bool) -> set[tuple[str, str]]:
    """What the device complained of, and of whom, in `steps` calls with such a driver."""
    complaints, held = set[tuple[str, str]](), list[int]()
    with RingMachine(NUM, event_idx=event_idx, indirect=indirect, buffers_bytes=1 << 12) as machine:
        port = RestlessDriver(machine, seed, often)
        device = machine.device(port)
        for _ in range(steps):
            if port.random.random() < often:
                port.scribble()
            port.recording.calls.clear()
            before = device.held
            try:
                match port.random.randrange(6):
                    case 0 if held:
                        device.push_used(held.pop(port.random.randrange(len(held))), 0)
                    case 1:
                        device.call()
                    case 2:
                        device.enable_notifications()
                    case _:
                        taken = device.next_chain()
                        if taken is not None:
                            port.taken += 1
                            held.append(taken.head)
                            assert taken.head < NUM
                            start, end = machine.memory
                            for address, length in (*taken.readable, *taken.writable):
                                assert start <= address <= address + length <= end
            except BadRing as error:
                complaints.add((error.field, error.writer))
                before_is_kept = device.held == before
                assert before_is_kept, "a refused buffer is not taken"
            assert device.held == len(held) <= NUM
            assert len(port.recording.calls) <= 3 + 2 * (NUM + 2), "bounded, whatever the driver writes"
            assert_inside(machine, port.recording)
    return complaints


@given(
    seed=st.integers(0, 1 << 32),
    often=st.sampled_from([0.05, 0.3, 1.0]),
    event_idx=st.booleans(),
    indirect=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_no_garbage_at_any_moment_does_worse_than_bad_ring(
    seed: int, often: float, event_idx: bool, indirect: bool
) -> None:
    restless_run(seed, often, 60, event_idx=event_idx, indirect=indirect)


def test_the_garbage_reaches_every_complaint_there_is() -> None:
    seen = set().union(*(restless_run(seed, 0.3, 600, event_idx=False, indirect=bool(seed % 2)) for seed in range(6)))
    assert seen == {(field, "host") for field in FIELDS}


def test_an_access_outside_goes_red() -> None:
    with RingMachine(NUM) as machine:
        recording = RecordingPort(machine.remote)
        recording.load_u16(machine.layout.avail_idx)
        assert_inside(machine, recording)
        recording.store_u16(machine.layout.avail_idx, 1)
        with pytest.raises(AssertionError, match="store_u16"):
            assert_inside(machine, recording)
