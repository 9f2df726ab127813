"""Where a run's rings and buffers lie in the region. Both sides compute it from the same record; nothing is sent.

Two vrings, as rpmsg has them: `to_remote` carries messages host -> remote, `to_host` the other way, and the host is the
driver of both. Each ring entry's buffer has a fixed place, rounded up to a cache line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amp.machine.config import RunConfig
from amp.region import PAGE_SIZE, Layout
from amp.virtio.split import DESC_BYTES, Segment, SplitLayout, align_up

CACHE_LINE_BYTES: Final = 64
VRINGS_AT: Final = PAGE_SIZE  # behind the header's page: where Layout.plan puts the first carveout


@dataclass(frozen=True, slots=True)
class Channel:
    """One vring and its buffers. `tables` is the first indirect table's address; 0 without them."""

    ring: SplitLayout
    buffers: int
    count: int
    stride: int
    tables: int
    table_bytes: int
    name: str

    def segments(self, number: int, length: int, pieces: int) -> tuple[Segment, ...]:
        """Buffer `number`'s first `length` bytes, in `pieces` nearly equal segments."""
        start, result = self.buffers + number * self.stride, []
        for piece in range(pieces):
            begin, end = piece * length // pieces, (piece + 1) * length // pieces
            result.append(Segment(start + begin, end - begin))
        return tuple(result)

    def name_of(self, address: int) -> str | None:
        """The name of an address that belongs to this channel."""
        field = self.ring.field_at(address)
        if field is not None:
            return f"{self.name} {field}"
        number, offset = divmod(address - self.buffers, self.stride)
        if address >= self.buffers and number < self.count:
            return f"{self.name} buffer {number} +{offset:#x}"
        if self.tables and self.tables <= address < self.tables + self.table_bytes:
            return f"{self.name} indirect tables +{address - self.tables:#x}"
        return None


@dataclass(frozen=True, slots=True)
class Wiring:
    """Both channels, and how much room they need."""

    to_remote: Channel
    to_host: Channel
    vrings_bytes: int
    buffers_bytes: int

    @property
    def buffers(self) -> tuple[int, int]:
        """(start, end): where a descriptor may point."""
        start = VRINGS_AT + align_up(self.vrings_bytes, PAGE_SIZE)
        return start, start + self.buffers_bytes

    def name_of(self, address: int) -> str:
        """What lies at `address`, in the ring's own words."""
        return self.to_remote.name_of(address) or self.to_host.name_of(address) or f"{address:#x}"

    def layout(self, model_bytes: int) -> Layout:
        """The region's layout for this run."""
        layout = Layout.plan(
            vrings=self.vrings_bytes, buffers=self.buffers_bytes, resources=PAGE_SIZE, model=max(model_bytes, 1)
        )
        assert layout["vrings"].offset == VRINGS_AT, layout
        assert layout["buffers"].offset == self.buffers[0], layout
        return layout


def plan(config: RunConfig) -> Wiring:
    """The wiring of a run. Raises UsageError for impossible sizes."""
    config.check()
    first = SplitLayout(config.ring_size, VRINGS_AT, config.align)
    second = SplitLayout(config.ring_size, align_up(first.end, max(config.align, DESC_BYTES)), config.align)
    vrings_bytes = second.end - VRINGS_AT
    count = config.ring_size if config.indirect else config.ring_size // config.segments
    stride = align_up(config.payload_bytes, CACHE_LINE_BYTES)
    table_bytes = config.ring_size * config.segments * DESC_BYTES if config.indirect else 0
    at = VRINGS_AT + align_up(vrings_bytes, PAGE_SIZE)
    start = at
    channels = []
    for ring, name in ((first, "to_remote"), (second, "to_host")):
        channels.append(Channel(ring, at, count, stride, at + count * stride if table_bytes else 0, table_bytes, name))
        at = align_up(at + count * stride + table_bytes, CACHE_LINE_BYTES)
    return Wiring(channels[0], channels[1], vrings_bytes, align_up(at - start, PAGE_SIZE))
