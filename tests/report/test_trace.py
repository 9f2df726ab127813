import struct
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amp._core import _bridge
from amp.errors import UsageError
from amp.port.notes import Note
from amp.report import trace as trace_module
from amp.report.trace import EventFlag, EventKind, Trace, event_dtype
from amp.virtio.sites import S1

HEADER_BYTES, EVENT_BYTES = 40, 40


def a_trace(bench: Any, trace_events: int = 4096) -> Trace:
    machine = bench.machine("paranoid", seed=3, trace_events=trace_events)
    assert bench.programs["message passing"](machine) is None
    machine.host.note(Note.FAIL, 7)
    return machine.trace()


def sealed(body: bytes) -> bytes:
    """A file with a good checksum, whatever is in it."""
    return body + struct.pack("<I", zlib.crc32(body))


def test_events_have_the_fields_that_the_core_wrote(bench: Any) -> None:
    machine = bench.machine("omap4-2011")
    machine.host.store_u16(8, 0x1234)
    machine.host.barrier(S1)
    machine.remote.load_u16(8)
    machine.host.note(Note.SEND, 99)
    events = machine.trace().events
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    store = events[0]
    assert (store.kind, store.cpu, store.address, store.size, store.value) == (EventKind.STORE, 0, 8, 2, 0x1234)
    barrier = next(event for event in events if event.kind is EventKind.BARRIER)
    assert (machine.trace().site(barrier), barrier.cpu) == (S1, 0)
    assert (events[-1].kind, events[-1].primitive, events[-1].value) == (EventKind.NOTE, Note.SEND, 99)


def test_the_enums_are_the_cores_numbers() -> None:
    for kind in EventKind:
        assert getattr(_bridge, f"EV_{kind.name}") == kind
    for flag in EventFlag:
        assert getattr(_bridge, f"FL_{flag.name}") == flag


def test_the_dtype_is_struct_amp_event(bench: Any) -> None:
    assert event_dtype().itemsize == EVENT_BYTES
    assert event_dtype() == trace_module.EVENT_DTYPE
    trace = a_trace(bench)
    rows = trace.array()
    assert len(rows) == len(trace.events)
    for row, event in zip(rows, trace.events, strict=True):
        assert (row["value"], row["store"], row["newest"]) == (event.value, event.store, event.newest)
        assert (row["address"], row["size"], row["cpu"]) == (event.address, event.size, event.cpu)
        assert (row["kind"], row["site"], row["primitive"]) == (event.kind, event.site, event.primitive)
        assert row["flags"] == event.flags


@pytest.mark.parametrize("room", [16, 64, 4096])
def test_the_ring_gives_the_last_events_oldest_first(bench: Any, room: int) -> None:
    whole, kept = a_trace(bench), a_trace(bench, trace_events=room)
    assert whole.complete
    assert kept.digest == whole.digest
    assert kept.last == whole.last
    assert kept.events == whole.events[-room:]
    assert kept.complete == (room >= len(whole))
    assert kept.event(kept.first) == kept.events[0]
    assert kept.event(kept.first - 1) is None
    assert kept.event(kept.last + 1) is None


@pytest.mark.parametrize("room", [16, 4096])
def test_bytes_give_the_same_trace_back(bench: Any, room: int) -> None:
    trace = a_trace(bench, trace_events=room)
    data = trace.to_bytes()
    again = Trace.from_bytes(data)
    assert again == trace
    assert hash(again) == hash(trace)
    assert again.events == trace.events
    assert again.to_bytes() == data


def test_an_empty_trace_is_a_trace(bench: Any) -> None:
    trace = bench.machine("sc").trace()
    assert len(trace) == 0
    assert Trace.from_bytes(trace.to_bytes()) == trace


def test_the_same_seed_gives_equal_traces_and_another_seed_does_not(bench: Any) -> None:
    traces = []
    for seed in (5, 5, 6):
        machine = bench.machine("paranoid", seed=seed)
        bench.programs["store buffering"](machine)
        bench.programs["bulk passing"](machine)
        traces.append(machine.trace())
    assert traces[0] == traces[1]
    assert traces[0] != traces[2]


def test_a_region_without_a_model_is_refused() -> None:
    with pytest.raises(UsageError, match="no model"):
        Trace.from_region(bytearray(1 << 16), 0)


@pytest.mark.parametrize(
    ("offset", "value", "says"),
    [
        (0, b"AMPTRACK", "not a trace"),
        (8, struct.pack("<I", 2), "version 2"),
        (12, struct.pack("<I", 48), "events of 48 bytes"),
        (16, struct.pack("<Q", 0), "first number is 0"),
        (24, struct.pack("<Q", 1 << 60), "cut off"),
        (HEADER_BYTES + 32, b"\x09", "event 1: cpu is 9"),
        (HEADER_BYTES + 33, b"\x00", "event 1: kind is 0"),
        (HEADER_BYTES + 33, b"\x10", "event 1: kind is 16"),
        (HEADER_BYTES + 36, b"\x80", "event 1: orders is 128"),
        (HEADER_BYTES + EVENT_BYTES + 38, b"\x01", "event 2: load's number is 1"),
    ],
)
def test_a_file_made_by_somebody_else_is_refused_and_says_why(bench: Any, offset: int, value: bytes, says: str) -> None:
    body = bytearray(a_trace(bench).to_bytes()[:-4])
    body[offset : offset + len(value)] = value
    with pytest.raises(UsageError, match=says):
        Trace.from_bytes(sealed(bytes(body)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_noticed(bench: Any, data: st.DataObject) -> None:
    whole = a_trace(bench, trace_events=16).to_bytes()
    damaged = bytearray(whole)
    match data.draw(st.sampled_from(["flip", "cut", "add"])):
        case "flip":
            at = data.draw(st.integers(0, len(whole) - 1))
            damaged[at] ^= data.draw(st.integers(1, 255))
        case "cut":
            del damaged[data.draw(st.integers(0, len(whole) - 1)) :]
        case "add":
            damaged += data.draw(st.binary(min_size=1, max_size=80))
    with pytest.raises(UsageError, match="trace: "):
        Trace.from_bytes(bytes(damaged))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: b"AMPTRACE" + rest))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="trace: "):
        Trace.from_bytes(data)
