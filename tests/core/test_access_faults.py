"""No access outside the shared range, whatever the numbers; errors name the access, the address and the limit."""

from __future__ import annotations

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_machine import ROOM, SHARED, Machine, config

from amp._core import _bridge
from amp._core._bridge import DirectPort, LazyBytes, ModelledPort
from amp.errors import AccessFault
from amp.ordering.barriers import Primitive

START, END = 0x1000, 0x3000
SIZES = (1, 2, 4, 8)
PORTS = ["modelled", "direct"]
HUGE = [2**31, 2**32, 2**32 - 4, 2**63 - 8, 2**63, 2**64 - 8, 2**64 - 1]


class Fenced:
    """A port over [START, END), with guard bytes around it that must never change; behind them room and board."""

    def __init__(self, door: str) -> None:
        configuration = (2, _bridge.FREE, START, END, 16, 64, 64, 1)
        self.room = END + 0x1000
        self.memory = mmap.mmap(-1, self.room + max(_bridge.model_room(configuration), 4096))
        self.guards = [slice(0, START), slice(END, self.room)]
        for guard in self.guards:
            self.memory[guard] = b"\xa5" * (guard.stop - guard.start)
        _bridge.model_init(self.memory, self.room, configuration)
        _bridge.model_set_orders(self.memory, self.room, 0, 31, bytes([31] * 32))
        self.port = (
            ModelledPort(self.memory, self.room, 0, bytes(32))
            if door == "modelled"
            else DirectPort(self.memory, START, END, self.room, 0, 2, bytes(32))
        )

    def check(self) -> None:
        self.port.fence(Primitive.MB)
        for guard in self.guards:
            assert self.memory[guard].count(0xA5) == guard.stop - guard.start


FENCED = {door: Fenced(door) for door in PORTS}
doors = pytest.mark.parametrize("door", PORTS)
near = st.sampled_from([0, START, END, *HUGE]).flatmap(lambda at: st.integers(at - 24, at + 24))
addresses = st.one_of(near, st.integers(0, 2**64 - 1)).filter(lambda at: 0 <= at < 2**64)
lengths = st.one_of(st.integers(0, 64), st.integers(END - START - 8, END - START + 8), st.sampled_from(HUGE))


def verdict(address: int, size: int) -> str | None:
    if address % size:
        return "not aligned to its size"
    if not START <= address <= END - size:
        return "outside the shared memory, 0x1000 to 0x3000"
    return None


@doors
@given(address=addresses, size=st.sampled_from(SIZES), value=st.integers(0, 255))
def test_a_scalar_is_inside_and_aligned_or_a_fault(door: str, address: int, size: int, value: int) -> None:
    fenced, bits = FENCED[door], 8 * size
    wrong = verdict(address, size)
    calls = {
        f"store_u{bits}": (address, value),
        f"store_release_u{bits}": (address, value),
        f"load_u{bits}": (address,),
        f"load_acquire_u{bits}": (address,),
        f"xchg_u{bits}": (address, value),
        f"fetch_add_u{bits}": (address, value),
        f"cmpxchg_u{bits}": (address, value, value),
    }
    for name, arguments in calls.items():
        if wrong is None:
            getattr(fenced.port, name)(*arguments)
            continue
        with pytest.raises(AccessFault) as fault:
            getattr(fenced.port, name)(*arguments)
        assert str(fault.value) == f"{name} of {size} bytes at {address:#x}: {wrong}"
    fenced.check()


@doors
@given(address=addresses, length=lengths)
def test_a_bulk_access_is_inside_or_a_fault(door: str, address: int, length: int) -> None:
    fenced = FENCED[door]
    inside = START <= address <= END and length <= END - address
    outside = f"of {length} bytes at {address:#x}: outside the shared memory, 0x1000 to 0x3000"
    if inside:
        assert len(bytes(fenced.port.read(address, length))) == length
        fenced.port.write(address, b"\x5a" * length)
    else:
        with pytest.raises(AccessFault) as fault:
            fenced.port.read(address, length)
        assert str(fault.value) == f"read {outside}"
        if length < 1 << 20:
            with pytest.raises(AccessFault) as fault:
                fenced.port.write(address, bytes(length))
            assert str(fault.value) == f"write {outside}"
    fenced.check()


@doors
@pytest.mark.parametrize("size", SIZES)
def test_a_value_that_does_not_fit_is_refused_and_nothing_is_written(door: str, size: int) -> None:
    port, bits = Fenced(door).port, 8 * size
    for value in (-1, 1 << bits, 1 << 70):
        for name in ("store", "store_release", "xchg", "fetch_add"):
            with pytest.raises(OverflowError):
                getattr(port, f"{name}_u{bits}")(START, value)
        for old, new in ((value, 0), (0, value)):
            with pytest.raises(OverflowError):
                getattr(port, f"cmpxchg_u{bits}")(START, old, new)
    assert port.load_u64(START) == 0
    if size < 8:
        with pytest.raises(OverflowError, match=f"^store_u{bits}: {1 << bits} does not fit into {size} bytes$"):
            getattr(port, f"store_u{bits}")(START, 1 << bits)


@doors
def test_an_address_outside_u64_is_an_overflow_and_a_number_of_another_kind_a_type_error(door: str) -> None:
    port = Fenced(door).port
    for address in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            port.load_u32(address)
    for nonsense in ("0", 1.5, None):
        with pytest.raises(TypeError):
            port.load_u32(nonsense)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="load_u32 takes 1 arguments, 2 given"):
        port.load_u32(1, 2)  # type: ignore[call-arg]


@doors
def test_a_number_nobody_knows_is_refused_and_named(door: str) -> None:
    port = Fenced(door).port
    with pytest.raises(ValueError, match=r"^fence: a number the core does not know$"):
        port.fence(255)
    for number in (2, 1 << 63):
        with pytest.raises(ValueError, match=f"^kick: this program has no processor {number}$"):
            port.kick(number)
    for number in (0, 32, 256, 1 << 63):
        with pytest.raises(ValueError, match=f"^barrier: site {number}, this program has 31, from 1$"):
            port.barrier(number)
    for limit in (-1.0, 1e10, float("nan")):
        with pytest.raises(ValueError, match="timeout_s must be between 0 and 1e9"):
            port.wait(limit)


def test_a_site_map_of_nonsense_is_refused_where_it_stands_and_kills_nobody() -> None:
    for port in (
        ModelledPort(FENCED["modelled"].memory, FENCED["modelled"].room, 0, bytes([250] * 12)),
        DirectPort(FENCED["direct"].memory, START, END, FENCED["direct"].room, 0, 2, bytes([250] * 12)),
    ):
        with pytest.raises(ValueError, match="a number the core does not know"):
            port.barrier(3)


@pytest.mark.parametrize("door", PORTS)
@pytest.mark.parametrize("size", SIZES)
def test_scalars_are_little_endian_and_return_as_written(door: str, size: int) -> None:
    port = Fenced(door).port
    value = int.from_bytes(bytes(range(1, size + 1)), "little")
    getattr(port, f"store_u{8 * size}")(START + 8, value)
    assert getattr(port, f"load_u{8 * size}")(START + 8) == value
    assert bytes(port.read(START + 8, size)) == bytes(range(1, size + 1))


def test_a_modelled_load_is_a_word_and_a_direct_one_an_int() -> None:
    assert type(Fenced("modelled").port.load_u8(START)) is _bridge.Word
    assert type(Fenced("direct").port.load_u8(START)) is int
    assert type(Fenced("modelled").port.read(START, 4)) is LazyBytes
    assert type(Fenced("direct").port.read(START, 4)) is bytes


def test_lazy_bytes_are_bytes_to_whoever_uses_them() -> None:
    fenced = Fenced("modelled")
    fenced.port.write(START, b"lazy")
    lazy = fenced.port.read(START, 4)
    assert len(lazy) == 4
    assert bytes(lazy) == b"lazy"
    assert lazy == b"lazy"
    assert lazy != b"late"
    assert lazy == fenced.port.read(START, 4)
    assert (lazy[0], lazy[-1], lazy[1:3]) == (ord("l"), ord("y"), b"az")
    assert memoryview(lazy).readonly
    fenced.port.write(START + 8, fenced.port.read(START, 4))
    assert fenced.port.read(START + 8, 4) == b"lazy"
    with pytest.raises(TypeError):
        hash(lazy)


# --- rooms ------------------------------------------------------------------------------------------------------------

BAD_CONFIGS = [
    {"cpus": 0},
    {"cpus": 7},
    {"mode": 2},
    {"depth": 1},
    {"depth": 257},
    {"writes": 0},
    {"writes": 3},
    {"events": 0},
    {"events": 1000},
]


@pytest.mark.parametrize("wrong", BAD_CONFIGS, ids=str)
def test_a_model_of_impossible_sizes_has_no_room(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="cannot be of these sizes"):
        _bridge.model_room(config(**wrong))


def test_a_room_that_is_too_small_is_refused() -> None:
    size = _bridge.model_room(config())
    with pytest.raises(OSError, match="Invalid argument"):
        _bridge.model_init(mmap.mmap(-1, ROOM + size - 64), ROOM + 64, config())
    with pytest.raises(ValueError, match="behind the buffer's end"):
        _bridge.model_init(mmap.mmap(-1, 4096), 8192, config())


def test_a_port_without_a_model_or_cpu_is_refused() -> None:
    machine = Machine("sc")
    for room, cpu in ((0, 0), (ROOM + 64, 0), (ROOM + 8, 0), (ROOM, 2), (1 << 40, 0)):
        with pytest.raises(ValueError, match="no model of this version at that offset, or no such CPU"):
            ModelledPort(machine.memory, room, cpu, bytes(32))
    with pytest.raises(ValueError, match="no model of this version"):
        _bridge.model_state(machine.memory, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        (8, 0, 16, 0, 2),
        (0, 1 << 20, 16, 0, 2),
        (0, 8, 4094, 0, 2),
        (0, 8, 4096, 0, 2),
        (0, 8, 16, 2, 2),
        (0, 8, 16, 0, 7),
        (0, 8, 1 << 63, 0, 2),
    ],
    ids=str,
)
def test_a_direct_port_that_does_not_fit_is_refused(arguments: tuple[int, int, int, int, int]) -> None:
    start, end, board, cpu, cpus = arguments
    with pytest.raises(ValueError, match="outside the region, or no such CPU"):
        DirectPort(mmap.mmap(-1, 4096), start, end, board, cpu, cpus, bytes(32))


def test_a_port_keeps_its_region_mapped() -> None:
    machine = Machine("sc")
    with pytest.raises(BufferError):
        machine.memory.close()
    machine.ports[0].store_u8(SHARED - 1, 1)
