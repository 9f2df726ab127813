"""The doors have one shape, give the same answers, and their virtio barriers are Linux's."""

import inspect
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_machine import DIRECT, RingMachine

from amp.errors import AccessFault
from amp.layout import Cell
from amp.ordering.barriers import BarrierClass, Kind, Primitive
from amp.ordering.sites import Site, SiteMap, Sites
from amp.port.doors import DirectPort, ModelledPort, RecordingPort, open_direct, open_modelled
from amp.port.port import HOST, Port
from amp.virtio.sites import S1

METHODS = sorted(name for name in vars(Port) if not name.startswith("_"))
DOORS = [DIRECT, "sc", "paranoid"]
# What each method is called with in these tests: at an address that is aligned for all of them.
ARGUMENTS = {"load": 0, "store": 1, "xchg": 1, "cmpxchg": 2, "fetch": 1, "virtio": 0}


@pytest.mark.parametrize("door", [DirectPort, ModelledPort])
def test_every_door_has_every_method_of_the_port_and_nothing_public_beyond_set_up(door: type) -> None:
    assert len(METHODS) == 46
    for name in METHODS:
        assert callable(getattr(door, name)), name
        parameters = inspect.signature(getattr(Port, name)).parameters.values()
        assert all(p.kind is p.POSITIONAL_ONLY for p in list(parameters)[1:]), f"{name}: all arguments are positional"
    public = {name for name in dir(door) if not name.startswith("_")}
    outside = {"listen", "interrupt"}  # a second thread's (amp.rpmsg.aio); protocol code has no use for them
    outside |= {"run_c", "run_code"}  # for C programs and for compiled code, in the place of all others
    outside |= {"fail"} if door is ModelledPort else set()  # said of a part that has failed, by whoever runs it
    if door is DirectPort:  # bare memory offers queues and batches in the core (amp.virtio.queue.OffersRings)
        outside |= {"driver_ring", "device_ring", "write_rows", "read_rows"}
    assert public - set(METHODS) - outside <= {"limits_end", "set_spin_ns", "set_sites", "cpu"}


def call_of(name: str, address: int) -> tuple[Any, ...]:
    """Arguments that `name` takes."""
    special: dict[str, tuple[Any, ...]] = {
        "read": (address, 3),
        "write": (address, b"abc"),
        "barrier": (S1,),
        "fence": (Primitive.MB,),
        "kick": (HOST,),
        "wait": (0.0,),
        "note": (1, 2),
        "poll": (lambda: address,),
        "retire": (),
        "rung": (),
        "acknowledge": (),
    }
    if name in special:
        return special[name]
    at = address if name[-1].isdigit() else Cell(address, 4, "cell")  # without a width the cell says it
    return (at, *[1] * ARGUMENTS[name.partition("_")[0]])


@pytest.mark.parametrize("door", DOORS)
def test_the_recording_door_passes_every_call_on_and_keeps_it_in_order(door: str) -> None:
    with RingMachine(door=door) as machine, RingMachine(door=door) as twin:
        recording = RecordingPort(machine.host)
        at = machine.buffers
        names = [name for name in METHODS if name != "retire"] + ["retire"]
        for name in names:
            given = call_of(name, at)
            result, alone = getattr(recording, name)(*given), getattr(twin.host, name)(*given)
            call = recording.calls[-1]
            assert (call.method, call.arguments) == (name, given)
            assert call.result is result
            assert (bytes(result), bytes(alone)) if name == "read" else result == alone
        assert [call.method for call in recording.calls] == names


def test_the_recording_door_keeps_a_call_that_was_refused_and_lets_the_refusal_through() -> None:
    with RingMachine() as machine:
        recording = RecordingPort(machine.host)
        with pytest.raises(AccessFault) as caught:
            recording.load_u32(machine.buffers + 2)
        assert recording.calls[-1].result is caught.value
        with pytest.raises(AttributeError):
            recording.load_u128(0)


OPERATIONS = st.tuples(
    st.sampled_from(
        ["load", "load_acquire", "store", "store_release", "xchg", "cmpxchg", "fetch_add", "read", "write"]
    ),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(0, 7),
    st.integers(0, (1 << 64) - 1),
    st.booleans(),
)


@pytest.mark.parametrize("door", DOORS)
@given(operations=st.lists(OPERATIONS, max_size=30))
@settings(max_examples=60, deadline=None)
def test_alone_on_its_memory_every_door_is_an_array_of_bytes(
    door: str, operations: list[tuple[str, int, int, int, bool]]
) -> None:
    memory = bytearray(80)  # a bulk read may end behind the last scalar
    with RingMachine(door=door) as machine:
        port, base = machine.host, machine.buffers
        for name, size, place, raw, hit in operations:
            at, value = place * size, raw & ((1 << 8 * size) - 1)
            old = int.from_bytes(memory[at : at + size], "little")
            new = value
            method: Any = getattr(port, f"{name}_u{8 * size}", None)
            if name == "read":
                assert bytes(port.read(base + at + 1, size)) == memory[at + 1 : at + 1 + size]
                continue
            if name == "write":
                port.write(base + at, value.to_bytes(size, "little"))
            elif name.startswith("load"):
                assert method(base + at) == old
                continue
            elif name.startswith("store"):
                assert method(base + at, value) is None
            elif name == "cmpxchg":
                expected = old if hit else old ^ 1
                assert method(base + at, expected, value) == old
                new = value if hit else old
            else:
                assert method(base + at, value) == old
                new = value if name == "xchg" else (old + value) & ((1 << 8 * size) - 1)
            memory[at : at + size] = new.to_bytes(size, "little")
        assert bytes(port.read(base, len(memory))) == memory


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_what_is_outside_unaligned_or_too_wide_is_refused_and_not_done(door: str, bits: int) -> None:
    with RingMachine(door=door) as machine:
        port, (start, end), size = machine.host, machine.region.layout.shared, bits // 8
        for name in ("load", "load_acquire", "store", "store_release", "xchg", "cmpxchg", "fetch_add"):
            method = getattr(port, f"{name}_u{bits}")
            values = call_of(f"{name}_u{bits}", 0)[1:]
            for address in (0, start - size, end, (1 << 64) - size):
                with pytest.raises(AccessFault, match="outside the shared memory"):
                    method(address, *values)
            if size > 1:
                with pytest.raises(AccessFault, match="not aligned"):
                    method(start + 1, *values)
            if values and bits < 64:
                with pytest.raises(OverflowError):
                    method(start, *values[:-1], 1 << bits)
        for address, length in ((start - 1, 2), (end - 1, 2), (end + 1, 0), (0, 1), ((1 << 64) - 1, 8)):
            with pytest.raises(AccessFault):
                bytes(port.read(address, length))
            with pytest.raises(AccessFault):
                port.write(address, bytes(length))


@pytest.mark.parametrize("cls", list(BarrierClass))
@pytest.mark.parametrize("kind", [Kind.RELEASE, Kind.ACQUIRE])
def test_a_site_that_asks_for_a_c11_fence_gets_one_at_either_door(cls: BarrierClass, kind: Kind) -> None:
    with RingMachine() as bare, RingMachine(door="arm64") as modelled:
        fenced = Site("fenced", "what stands before, before what follows", needs="RW WW", kind=kind)
        sites = SiteMap.for_class(cls, Sites([fenced]))
        open_direct(bare.region, HOST, sites).barrier(fenced)
        open_modelled(modelled.region, HOST, sites).barrier(fenced)
        with pytest.raises(ValueError, match="a number the core does not know"):
            bare.host.fence(1 + max(Primitive))
