"""What the programs of one vring have in common: where their ring and buffers lie, and what a missing barrier shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from amp.machine.config import RunConfig
from amp.machine.stamps import STAMP_BYTES, STAMPS_LIMIT
from amp.machine.wiring import VRINGS_AT
from amp.ordering.platforms import Side
from amp.ordering.sites import Site
from amp.programs.program import Part, Program, Reuse, Size
from amp.programs.room import plus, small_region
from amp.region import Layout
from amp.virtio.sites import B1, K1, K2, LINUX, S1, S2, S3, S4, S5, S6, S7, S8, SITES
from amp.virtio.split import DESC_BYTES, Segment, SplitLayout, align_up, split_layout


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
        return small_region(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        field = self.ring.field_at(address)
        if field is not None:
            return field
        if self.buffers <= address < self._buffers_end:
            number, offset = divmod(address - self.buffers, self.stride)
            part, offset = divmod(offset, STAMP_BYTES)
            what = f" {('request', 'reply')[part]}" if self.tables else ""
            return f"buffer {number}{what}{plus(offset)}"
        if self.tables and self.tables <= address < self.end:
            number, offset = divmod(address - self.tables, 2 * DESC_BYTES)
            return f"indirect table {number}{plus(offset)}"
        return f"{address:#x}"


def is_reply(number: int) -> bool:
    """Of messages that are one or the other: even ones are requests, odd ones replies."""
    return number % 2 == 1


def one_ring(config: RunConfig) -> OneRing:
    """The ring of a run. Raises UsageError for impossible sizes."""
    config.check()
    ring = split_layout(config.ring_size, VRINGS_AT, config.align)
    buffers = align_up(ring.end, DESC_BYTES)
    tables = align_up(buffers + 2 * STAMP_BYTES * ring.num, DESC_BYTES) if config.indirect else 0
    return OneRing(ring, buffers, tables)


RING_SYMPTOMS: Final[Mapping[Site, str]] = MappingProxyType(
    {
        S1: "the device takes a descriptor or a request that is not there yet (avail.idx came first)",
        S2: "the device reads the descriptor or the request from before avail.idx moved",
        S3: "the driver takes a used entry or a reply that is not there yet (used.idx came first)",
        S4: "the driver reads the used entry or the reply from before used.idx moved",
        B1: "a buffer is written anew while it is still read (it takes more messages than ring entries): a later "
        "message arrives early",
    }
)
WAKING_SYMPTOMS: Final[Mapping[Site, str]] = MappingProxyType(
    {
        S5: "the driver sees the device awake, the device sees no message: both sleep",
        S6: "the device's wish is not seen and its second look is too early: both sleep",
        S7: "the device sees the driver awake, the driver sees nothing used: both sleep",
        S8: "the driver's wish is not seen and its second look is too early: both sleep",
    }
)
BEHIND_MB: Final = "the full barrier of S5 or S7 stands between the ring and the doorbell"
INTERRUPT: Final = "taking an interrupt orders what follows it, on every platform of the model"
VIOLATIONS: Final = (
    "a message that is wrong, stale or early; a buffer that comes back out of order, twice or never; "
    "a ring index, id, length or descriptor that breaks the ring's rules"
)


def vring_program(
    name: str,
    summary: str,
    *,
    sleeps: bool = False,
    fixed: Mapping[str, Any] = MappingProxyType({}),
    ring_size: Size | None = None,
    reuse: Reuse | None = None,
) -> Program:
    """A program of one vring, as its driver and its device are coded. `sleeps`: they sleep when there is nothing to do.

    Requests and replies take turns, so for B1 the second buffer must come round, too; in a ring of one whoever has read
    the buffer is also who writes it next. Both are shown by tests/cli/test_sites_matrix.py.
    """
    half = "notified_vring" if sleeps else "vring"
    symptoms = {**RING_SYMPTOMS, **(WAKING_SYMPTOMS if sleeps else {})}
    idle = {K1: BEHIND_MB, K2: INTERRUPT} if sleeps else {}
    return Program(
        name=name,
        summary=summary,
        parts=(
            Part("host", Side.HOST, f"hostside.small:{half}"),
            Part("remote", Side.REMOTE, f"remoteside.small:{half}"),
        ),
        memory=one_ring,
        sites=SITES,
        violations=f"{VIOLATIONS}; both sides asleep with messages left" if sleeps else VIOLATIONS,
        symptoms=MappingProxyType(symptoms),
        idle=MappingProxyType(idle),
        stands_at=frozenset({*symptoms, *idle}),
        sizes=MappingProxyType(
            {"messages": Size(2, 1, STAMPS_LIMIT), "ring_size": ring_size or Size(2, 1, 8, power_of_two=True)}
        ),
        fixed=MappingProxyType({"payload_bytes": STAMP_BYTES, "align": 4, **fixed}),
        policies=LINUX,
        reuse=reuse or Reuse(B1, beyond=2, entries=2),
        sleeps=sleeps,
        shipped=True,
    )
