"""Where the small programs' shared data lie: a few dozen bytes, so that every access of theirs can be thought through.

Like `wiring` for the exchange: both sides compute it from the same record, nothing is sent, and an address says what
it is. All of it lies from VRINGS_AT on. Outside a vring, whose layout is virtio's, what is written by itself has a
granule (8 bytes) of its own, as separate variables have: no two accesses meet by accident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from amp.machine.config import RunConfig
from amp.machine.stamps import STAMP_BYTES
from amp.machine.wiring import VRINGS_AT, plan
from amp.region import PAGE_SIZE, Layout
from amp.rpmsg.wire import HEADER_BYTES
from amp.virtio.split import DESC_BYTES, Segment, SplitLayout, align_up

GRANULE_BYTES: Final = 8


class Plan(Protocol):
    """What every program's plan can say, whatever lies in it."""

    def layout(self, model_bytes: int) -> Layout:
        """The region's layout for this run."""
        ...

    def name_of(self, address: int) -> str:
        """What lies at `address`, in the protocol's own words; the number where nothing does."""
        ...


@dataclass(frozen=True, slots=True)
class Cells:
    """The ring of spsc-vring: u32 cells, one a granule. `size` is the entries of each array."""

    size: int

    @property
    def avail_idx(self) -> int:
        return VRINGS_AT

    @property
    def used_idx(self) -> int:
        return VRINGS_AT + GRANULE_BYTES

    def avail_ring(self, slot: int) -> int:
        return self._array(0) + GRANULE_BYTES * slot

    def used_ring(self, slot: int) -> int:
        return self._array(1) + GRANULE_BYTES * slot

    def length(self, buffer: int) -> int:
        return self._array(2) + GRANULE_BYTES * buffer

    def payload(self, buffer: int) -> int:
        return self._array(3) + GRANULE_BYTES * buffer

    def _array(self, number: int) -> int:
        return VRINGS_AT + GRANULE_BYTES * (2 + number * self.size)

    @property
    def end(self) -> int:
        return self._array(4)

    def layout(self, model_bytes: int) -> Layout:
        return _layout(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        number, byte = divmod(address - VRINGS_AT, GRANULE_BYTES)
        if not (VRINGS_AT <= address < self.end and byte < 4):
            return f"{address:#x}"
        if number < 2:
            return ("avail_idx", "used_idx")[number]
        array, index = divmod(number - 2, self.size)
        return f"{('avail_ring', 'used_ring', 'len', 'buf')[array]}[{index}]"


@dataclass(frozen=True, slots=True)
class OneRing:
    """One vring with a buffer of fixed place for each entry, and an indirect table for each if `tables` is not 0.

    A request is device-readable, a reply device-writable, 8 bytes each. A buffer has room for one of them, or with
    indirect descriptors, where every message has both, for one behind the other.
    """

    ring: SplitLayout
    buffers: int
    tables: int

    @property
    def stride(self) -> int:
        return 2 * STAMP_BYTES if self.tables else STAMP_BYTES

    @property
    def end(self) -> int:
        return self.tables + self.ring.num * 2 * DESC_BYTES if self.tables else self._buffers_end

    @property
    def _buffers_end(self) -> int:
        return self.buffers + self.ring.num * self.stride

    @property
    def memory(self) -> tuple[int, int]:
        """(start, end): where a descriptor may point."""
        return self.buffers, self.end

    def segments(self, number: int, buffer: int) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
        """What message `number` is in that buffer: device-readable and device-writable segments."""
        at = self.buffers + self.stride * buffer
        first = (Segment(at, STAMP_BYTES),)
        if self.tables:
            return first, (Segment(at + STAMP_BYTES, STAMP_BYTES),)
        return ((), first) if is_reply(number) else (first, ())

    def layout(self, model_bytes: int) -> Layout:
        return _layout(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        field = self.ring.field_at(address)
        if field is not None:
            return field
        if self.buffers <= address < self._buffers_end:
            number, offset = divmod(address - self.buffers, self.stride)
            part, offset = divmod(offset, STAMP_BYTES)
            what = f" {('request', 'reply')[part]}" if self.tables else ""
            return f"buffer {number}{what}{_plus(offset)}"
        if self.tables and self.tables <= address < self.end:
            number, offset = divmod(address - self.tables, 2 * DESC_BYTES)
            return f"indirect table {number}{_plus(offset)}"
        return f"{address:#x}"


def is_reply(number: int) -> bool:
    """Of messages that are one or the other: even ones are requests, odd ones replies."""
    return number % 2 == 1


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The doorbell program's two slots, request and reply: a payload of 8 bytes and a u32 sequence number each."""

    request: int = VRINGS_AT
    request_number: int = VRINGS_AT + GRANULE_BYTES
    reply: int = VRINGS_AT + 2 * GRANULE_BYTES
    reply_number: int = VRINGS_AT + 3 * GRANULE_BYTES

    @property
    def end(self) -> int:
        return self.reply_number + GRANULE_BYTES

    def layout(self, model_bytes: int) -> Layout:
        return _layout(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        number, offset = divmod(address - VRINGS_AT, GRANULE_BYTES)
        if not VRINGS_AT <= address < self.end:
            return f"{address:#x}"
        return f"{('request payload', 'request number', 'reply payload', 'reply number')[number]}{_plus(offset)}"


@dataclass(frozen=True, slots=True)
class RpmsgRings:
    """rpmsg-ping's device: its status byte, two vrings, and as many buffers for each as it has entries.

    `input` is the host's: it brings the remote's messages. The buffers of `input` come first, `buffer_bytes` each.
    """

    status: int
    input: SplitLayout
    output: SplitLayout
    buffers: int
    buffer_bytes: int

    @property
    def count(self) -> int:
        return self.input.num + self.output.num

    @property
    def end(self) -> int:
        return self.buffers + self.count * self.buffer_bytes

    @property
    def memory(self) -> tuple[int, int]:
        """(start, end): where a descriptor may point."""
        return self.buffers, self.end

    def layout(self, model_bytes: int) -> Layout:
        return _layout(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        for ring, name in ((self.input, "input"), (self.output, "output")):
            field = ring.field_at(address)
            if field is not None:
                return f"{name} {field}"
        if self.buffers <= address < self.end:
            number, offset = divmod(address - self.buffers, self.buffer_bytes)
            way, number = ("input", number) if number < self.input.num else ("output", number - self.input.num)
            part = "header" if offset < HEADER_BYTES else "payload"
            return f"{way} buffer {number} {part}{_plus(offset if part == 'header' else offset - HEADER_BYTES)}"
        return "device status" if address == self.status else f"{address:#x}"


def _plus(offset: int) -> str:
    return f" +{offset:#x}" if offset else ""


def cells(config: RunConfig) -> Cells:
    """The plan of spsc-vring."""
    config.check()
    return Cells(config.ring_size)


def one_ring(config: RunConfig) -> OneRing:
    """The plan of the vring programs. Raises UsageError for impossible sizes."""
    config.check()
    ring = SplitLayout(config.ring_size, VRINGS_AT, config.align)
    buffers = align_up(ring.end, DESC_BYTES)
    tables = align_up(buffers + 2 * STAMP_BYTES * ring.num, DESC_BYTES) if config.indirect else 0
    return OneRing(ring, buffers, tables)


def mailbox(config: RunConfig) -> Mailbox:
    """The plan of doorbell."""
    config.check()
    return Mailbox()


def rpmsg_rings(config: RunConfig) -> RpmsgRings:
    """The plan of rpmsg-ping."""
    config.check()
    first = SplitLayout(config.ring_size, VRINGS_AT + DESC_BYTES, config.align)
    second = SplitLayout(config.ring_size, align_up(first.end, DESC_BYTES), config.align)
    return RpmsgRings(VRINGS_AT, first, second, align_up(second.end, GRANULE_BYTES), config.payload_bytes)


def _layout(end: int, model_bytes: int) -> Layout:
    layout = Layout.plan(vrings=end - VRINGS_AT, buffers=1, resources=PAGE_SIZE, model=max(model_bytes, 1))
    assert layout["vrings"].offset == VRINGS_AT, layout
    return layout


_PLANS: Final[Mapping[str, Callable[[RunConfig], Plan]]] = {
    "spsc-vring": cells,
    "vring": one_ring,
    "vring-flags": one_ring,
    "vring-event-idx": one_ring,
    "vring-indirect": one_ring,
    "doorbell": mailbox,
    "rpmsg-ping": rpmsg_rings,
}


def plan_for(config: RunConfig) -> Plan:
    """The plan of `config`'s program. Raises UsageError for impossible sizes."""
    return _PLANS.get(config.program, plan)(config)
