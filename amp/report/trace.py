"""The trace as a value: what the C core wrote into the model's ring of events, taken out, kept, compared, saved.

A trace never changes. Its events have numbers, counted from 1; the core keeps the last `trace_events` of them, so the
first number kept may be larger. Nothing here interprets an event; that is `history`'s and `blame`'s work.

File format, little endian: the header (`_HEADER`: magic, version, bytes an event, first number, events, the core's
digest over all events, also those not kept), the events as `struct amp_event` lays them out, a CRC-32 of all of it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from amp._core import _bridge
from amp.errors import UsageError
from amp.ordering.barriers import ALL_ORDERS, Orders
from amp.ordering.sites import NO_SITES, Site, Sites

if TYPE_CHECKING:
    import numpy as np

    from amp.report.places import Instruction

MAGIC = b"AMPTRACE"
VERSION = 1
_HEADER = struct.Struct("<8sIIQQQ")
_CHECKSUM = struct.Struct("<I")
_SIZE_LIMIT_BYTES = 1 << 20  # of one access: a whole payload, amp.machine.config.PAYLOAD_LIMIT_BYTES
EVENT: Final = struct.Struct("<QQQIIBBBBBBH")  # amp/_core/core.h, struct amp_event
_FIELDS = (
    ("value", "<u8"),
    ("store", "<u8"),
    ("newest", "<u8"),
    ("address", "<u4"),
    ("size", "<u4"),
    ("cpu", "u1"),
    ("kind", "u1"),
    ("site", "u1"),
    ("primitive", "u1"),
    ("orders", "u1"),
    ("flags", "u1"),
    ("load", "<u2"),
)


class EventKind(IntEnum):
    """core.h, enum amp_event_kind."""

    STORE = 1  # issued: pending from now on
    VISIBLE = (
        2  # one granule of a store reached other CPUs: address is the granule's, size its byte mask; 0: a doorbell
    )
    LOAD = 3
    BARRIER = 4
    KICK = 5  # a doorbell store issued: address is the CPU it rings
    RUNG = 6  # a doorbell store became visible
    TAKEN = 7  # the rung CPU took the interrupt
    WAIT = 8
    STALL = 9
    RETIRE = 10
    NOTE = 11  # primitive is the note's code, amp.port.notes.Note
    STATUS = 12  # a load of its own mailbox: value is 1 if its doorbell has rung and was not taken; store as of a LOAD
    ACKNOWLEDGE = 13  # a store that takes its own doorbell issued: address is its own CPU
    ACKNOWLEDGED = 14  # it became visible
    SEEN = 15  # one granule of a store reached one CPU, `primitive`; its own CPU: it left its domain. Else as VISIBLE


TO_MAILBOX: Final = frozenset({EventKind.KICK, EventKind.ACKNOWLEDGE})  # stores to Device memory, as they are issued
AT_MAILBOX: Final = frozenset({EventKind.RUNG, EventKind.ACKNOWLEDGED})  # ... and as they arrive


class EventFlag(IntFlag):
    """core.h, enum amp_event_flag."""

    STALE = 1  # a newer visible write existed
    FORWARDED = 2  # some bytes came from the CPU's own pending stores
    DEFERRED = 4  # performed later than issued
    PART = 8  # one stale granule of the bulk load that follows
    RELEASE = 16
    ACQUIRE = 32
    ATOMIC = 64
    SIBLINGS = 128  # VISIBLE: to the siblings of its CPU; to the others later


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `number` is its position in the run; the other fields are struct amp_event's.

    `address` is a byte offset in the region, `size` bytes. `store` and `newest` are numbers of STORE or KICK events,
    0 if there is none or it is older than the model's log. Of a LOAD, `load` is its number among its CPU's loads,
    counted from 0 when issued, modulo 2**16, and `primitive` how many visible writes to its bytes it missed, at most
    255. Of a BARRIER on a machine of siblings and others, `orders` is towards the others, and `value` towards siblings.
    """

    number: int
    cpu: int
    kind: EventKind
    address: int
    size: int
    value: int
    store: int
    newest: int
    site: int
    primitive: int
    orders: Orders
    flags: EventFlag
    load: int = 0


def event_dtype() -> np.dtype[Any]:
    """struct amp_event as a numpy dtype of 40 bytes. numpy is imported here: most commands never need it."""
    import numpy as np  # noqa: PLC0415

    return np.dtype(list(_FIELDS))


def __getattr__(name: str) -> Any:
    if name == "EVENT_DTYPE":
        return event_dtype()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Trace:
    """The last events of one run, oldest first. `first` is the first kept number, `digest` the core's over all.

    `sites` are the program's: what the numbers in the events mean; `places` says where in the program an event stands,
    (path, line) by its number, and `code` by which instruction (amp.report.places). `issued` says of deferred loads
    before which event they stand in the program, where that is known. `domains` says who is whose sibling, a number a
    CPU, on a machine of siblings and others; else it is empty. None of these is part of the file, nor of equality.
    """

    def __init__(
        self, records: bytes, *, first: int, digest: int, sites: Sites = NO_SITES, domains: tuple[int, ...] = ()
    ) -> None:
        assert len(records) % EVENT.size == 0, len(records)
        assert first >= 1, first
        self._records, self._first, self._digest, self.sites = bytes(records), first, digest, sites
        self.domains = domains
        self.places: Mapping[int, tuple[str, int]] = MappingProxyType({})
        self.code: Mapping[int, Instruction] = MappingProxyType({})
        self.issued: Mapping[int, int] = MappingProxyType({})

    @classmethod
    def from_region(
        cls,
        memory: memoryview | bytearray,
        room_offset: int,
        sites: Sites = NO_SITES,
        domains: tuple[int, ...] = (),
    ) -> Trace:
        """What the model whose room starts `room_offset` bytes into `memory` has traced. No CPU may be running.

        Raises UsageError if there is no model of this version.
        """
        try:
            state = _bridge.model_state(memory, room_offset)
        except ValueError as error:
            raise UsageError(f"trace: {error}") from error
        total, room = state["events"], state["trace_events"]
        kept = min(total, room)
        ring = memoryview(memory).cast("B")[room_offset + state["trace_offset"] :][: room * EVENT.size]
        start = (total - kept) % room * EVENT.size
        records = bytes(ring[start:]) + bytes(ring[:start]) if kept == room else bytes(ring[: kept * EVENT.size])
        return cls(records, first=total - kept + 1, digest=state["digest"], sites=sites, domains=domains)

    @property
    def first(self) -> int:
        return self._first

    @property
    def last(self) -> int:
        """The last event's number; `first - 1` if the trace is empty."""
        return self._first + len(self) - 1

    @property
    def digest(self) -> int:
        return self._digest

    @property
    def complete(self) -> bool:
        """Is every event of the run here?"""
        return self._first == 1

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Every kept event, in order."""
        return tuple(self._parsed())

    def event(self, number: int) -> Event | None:
        """The event of that number; None if it is not kept."""
        return self.events[number - self._first] if self._first <= number <= self.last else None

    def site(self, event: Event) -> Site | None:
        """The site at which a BARRIER stands; None for a bare fence."""
        return self.sites.at(event.site)

    def array(self) -> np.ndarray[Any, np.dtype[Any]]:
        """The events as a read-only numpy array of EVENT_DTYPE."""
        import numpy as np  # noqa: PLC0415

        return np.frombuffer(self._records, dtype=event_dtype())

    def to_bytes(self) -> bytes:
        """The file format above. The same trace gives the same bytes."""
        header = _HEADER.pack(MAGIC, VERSION, EVENT.size, self._first, len(self), self._digest)
        body = header + self._records
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def from_bytes(cls, data: bytes, sites: Sites = NO_SITES, domains: tuple[int, ...] = ()) -> Trace:
        """The trace that `to_bytes` gave. Raises UsageError that says what is wrong with anything else."""
        if data[: len(MAGIC)] != MAGIC:
            raise UsageError(f"trace: starts with {bytes(data[: len(MAGIC)])!r}, not {MAGIC!r}: not a trace of amp's")
        if len(data) < _HEADER.size + _CHECKSUM.size:
            raise UsageError(f"trace: {len(data)} bytes, the header alone needs {_HEADER.size + _CHECKSUM.size}")
        _, version, event_bytes, first, count, digest = _HEADER.unpack_from(data)
        if version != VERSION:
            raise UsageError(f"trace: version {version}, this amp reads version {VERSION}")
        if event_bytes != EVENT.size:
            raise UsageError(f"trace: events of {event_bytes} bytes, this amp's have {EVENT.size}")
        expected = _HEADER.size + count * EVENT.size + _CHECKSUM.size
        if len(data) != expected:
            raise UsageError(f"trace: {len(data)} bytes, {count} events need {expected}: cut off, or something added")
        body, (checksum,) = data[: -_CHECKSUM.size], _CHECKSUM.unpack(data[-_CHECKSUM.size :])
        if zlib.crc32(body) != checksum:
            raise UsageError(f"trace: checksum 0x{checksum:08x}, the contents give 0x{zlib.crc32(body):08x}: damaged")
        if first < 1:
            raise UsageError("trace: first number is 0, numbers count from 1")
        trace = cls(body[_HEADER.size :], first=first, digest=digest, sites=sites, domains=domains)
        trace._check()
        return trace

    def _check(self) -> None:
        """A file with a good checksum may still be made by somebody else."""
        for i, fields in enumerate(EVENT.iter_unpack(self._records)):
            _, _, _, _, size, cpu, kind, _, _, orders, _, load = fields
            for name, value, limit, bad in (
                ("kind", kind, f"1 to {max(EventKind)}", not 1 <= kind <= max(EventKind)),
                ("cpu", cpu, f"0 to {_bridge.CPUS - 1}", cpu >= _bridge.CPUS),
                ("size", size, f"at most {_SIZE_LIMIT_BYTES} bytes", size > _SIZE_LIMIT_BYTES),
                ("orders", orders, "what the core knows", orders & ~_ALL_ORDERS),
                ("load's number", load, "0 but for a LOAD", load and kind != EventKind.LOAD),
            ):
                if bad:
                    raise UsageError(f"trace: event {self._first + i}: {name} is {value}, allowed is {limit}")

    def _parsed(self) -> Iterator[Event]:
        for i, fields in enumerate(EVENT.iter_unpack(self._records)):
            value, store, newest, address, size, cpu, kind, site, primitive, orders, flags, load = fields
            yield Event(
                self._first + i,
                cpu,
                _KINDS[kind],
                address,
                size,
                value,
                store,
                newest,
                site,
                primitive,
                _ORDERS[orders & _ALL_ORDERS],
                _FLAGS[flags & _KNOWN_FLAGS],
                load,
            )

    def __len__(self) -> int:
        return len(self._records) // EVENT.size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented
        return (self._first, self._digest, self._records) == (other._first, other._digest, other._records)

    def __hash__(self) -> int:
        return hash((self._first, self._digest, len(self._records)))

    def __repr__(self) -> str:
        return f"Trace(events {self._first} to {self.last}, digest 0x{self._digest:016x})"


TRACED: Final = ALL_ORDERS | Orders.RCSC  # what it tells of a barrier
_ALL_ORDERS = int(TRACED)
_KNOWN_FLAGS = int(~EventFlag(0))
# Looked up, not called: an enum's constructor costs more than the rest of an event.
_KINDS = {int(kind): kind for kind in EventKind}
_ORDERS = tuple(Orders(i) for i in range(_ALL_ORDERS + 1))
_FLAGS = tuple(EventFlag(i) for i in range(_KNOWN_FLAGS + 1))
