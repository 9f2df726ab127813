"""The driver's half of a split virtqueue (virtio 1.2, 2.7; after Linux drivers/virtio/virtio_ring.c in what it does).

The driver writes the descriptor table and the available ring, the device the used ring. Nothing the device wrote is
trusted: an index that jumps, an id that is no head in flight, a length beyond the buffer raise BadRing. What the driver
needs for its own work (free list, chain lengths, shadow indexes) it keeps in private memory, never in the ring.

A buffer belongs to the driver until `add`, then to the device, and to the driver again when `get_used` returns it. Whoever
has read a buffer issues B1 before it hands it over (`finish_reading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from amp.errors import BadRing, UsageError
from amp.ordering.sites import Site
from amp.port.port import CPU_NAMES, REMOTE, Port
from amp.virtio.split import (
    AVAIL_F_NO_INTERRUPT,
    DESC_BYTES,
    DESC_F_INDIRECT,
    DESC_F_NEXT,
    DESC_F_WRITE,
    INDEX_MASK,
    USED_ELEM_BYTES,
    USED_F_NO_NOTIFY,
    Segment,
    SplitLayout,
    need_event,
)

Token = TypeVar("Token")


class Used(NamedTuple, Generic[Token]):
    """A buffer that came back: the token it was added with, and how many bytes the device says it wrote."""

    token: Token
    written: int


class IndirectTables(NamedTuple):
    """Room for one indirect table per ring entry: entry `head` has the table at base + head * entries * 16."""

    base: int
    entries: int

    def table(self, head: int) -> int:
        return self.base + head * self.entries * DESC_BYTES


class _InFlight(NamedTuple, Generic[Token]):
    token: Token
    last: int  # the chain's last descriptor
    descriptors: int
    writable: int  # bytes the device may write


class DriverQueue(Generic[Token]):
    """One virtqueue as its driver sees it. `writer` names the device's side in errors."""

    def __init__(
        self,
        port: Port,
        layout: SplitLayout,
        *,
        event_idx: bool = False,
        indirect: IndirectTables | None = None,
        device_cpu: int = REMOTE,
    ) -> None:
        self.layout = layout
        self._port = port
        self._event_idx = event_idx
        self._indirect = indirect
        self._device_cpu = device_cpu
        self._writer = CPU_NAMES[device_cpu]
        self._mask = layout.num - 1
        self._next = list(range(1, layout.num + 1))  # free list; a chain's descriptors stay linked while in flight
        self._free_head = 0
        self._in_flight: list[_InFlight[Token] | None] = [None] * layout.num
        self._avail_idx = 0
        self._used_idx = 0
        self._unannounced = 0  # buffers added since the last kick_prepare
        self._flags = 0
        self.free = layout.num
        self.kicks = 0

    @property
    def in_flight(self) -> int:
        """Buffers that the device has and has not given back."""
        return (self._avail_idx - self._used_idx) & INDEX_MASK

    def add(self, readable: Sequence[Segment], writable: Sequence[Segment], token: Token) -> int:
        """Expose one buffer to the device, readable segments first; returns its head.

        Raises UsageError if it has no segment or does not fit into the free descriptors (indirect: into a table).
        """
        needed = len(readable) + len(writable)
        indirect = self._indirect
        if needed == 0:
            raise UsageError("a buffer needs at least one segment")
        if indirect is not None and needed > 1:
            if needed > min(indirect.entries, self.layout.num):
                raise UsageError(f"a chain of {needed} segments, at most {min(indirect.entries, self.layout.num)} fit")
            descriptors = 1
        else:
            indirect, descriptors = None, needed
        if descriptors > self.free:
            raise UsageError(f"a chain of {descriptors} descriptors, {self.free} are free")
        head = self._free_head
        if indirect is None:
            last = self._write_chain(readable, writable)
        else:
            last = self._write_indirect(indirect, head, readable, writable)
        self._free_head = self._next[last]
        self.free -= descriptors
        self._in_flight[head] = _InFlight(token, last, descriptors, sum(segment.length for segment in writable))
        self._announce(head)
        return head

    def _announce(self, head: int) -> None:
        port, layout, slot = self._port, self.layout, self._avail_idx & self._mask
        port.store_u16(layout.avail_ring + 2 * slot, head)
        # S1: the device must not see idx before the ring entry and the descriptors behind it, nor before the payload.
        # Pairs with S2 in remoteside DeviceQueue.next_chain.
        port.barrier(Site.S1)
        self._avail_idx = (self._avail_idx + 1) & INDEX_MASK
        port.store_u16(layout.avail_idx, self._avail_idx)
        self._unannounced += 1

    def _write_desc(self, table: int, index: int, segment: Segment, flags: int, following: int) -> None:
        """Two stores of 8 bytes: addr; then len, flags and next, as little-endian fields of one u64."""
        at = table + DESC_BYTES * index
        self._port.store_u64(at, segment.address)
        self._port.store_u64(at + 8, segment.length | flags << 32 | following << 48)

    def _write_chain(self, readable: Sequence[Segment], writable: Sequence[Segment]) -> int:
        """Write the descriptors from the free list's head on; returns the last one."""
        index = last = self._free_head
        remaining = len(readable) + len(writable)
        for flag, segments in ((0, readable), (DESC_F_WRITE, writable)):
            for segment in segments:
                remaining -= 1
                following = self._next[index] if remaining else 0
                self._write_desc(self.layout.desc, index, segment, flag | (DESC_F_NEXT if remaining else 0), following)
                last, index = index, self._next[index]
        return last

    def _write_indirect(
        self, tables: IndirectTables, head: int, readable: Sequence[Segment], writable: Sequence[Segment]
    ) -> int:
        table = tables.table(head)
        total = len(readable) + len(writable)
        for index, segment in enumerate([*readable, *writable]):
            flags = (DESC_F_WRITE if index >= len(readable) else 0) | (DESC_F_NEXT if index + 1 < total else 0)
            self._write_desc(table, index, segment, flags, index + 1 if index + 1 < total else 0)
        self._write_desc(self.layout.desc, head, Segment(table, total * DESC_BYTES), DESC_F_INDIRECT, 0)
        return head

    def kick_prepare(self) -> bool:
        """Does the device want to be told of what was added since the last call? (virtqueue_kick_prepare)"""
        port, layout = self._port, self.layout
        # S5: our idx must be visible before we look whether the device sleeps, or both sides miss each other.
        # Pairs with S6 in remoteside DeviceQueue.enable_notifications.
        port.barrier(Site.S5)
        new = self._avail_idx
        old = (new - self._unannounced) & INDEX_MASK
        self._unannounced = 0
        if self._event_idx:
            return need_event(port.load_u16(layout.avail_event), new, old)
        return not port.load_u16(layout.used_flags) & USED_F_NO_NOTIFY

    def notify(self) -> None:
        """Ring the device's doorbell."""
        # K1: the doorbell must not overtake the ring it announces. Pairs with K2 where the device wakes up.
        self._port.barrier(Site.K1)
        self._port.kick(self._device_cpu)
        self.kicks += 1

    def kick(self) -> bool:
        """`notify` if the device wants it; says whether it did."""
        wanted = self.kick_prepare()
        if wanted:
            self.notify()
        return wanted

    def get_used(self) -> Used[Token] | None:
        """The next buffer that the device gave back, or None. Raises BadRing."""
        port, layout = self._port, self.layout
        used_idx = port.load_u16(layout.used_idx)
        ready = (used_idx - self._used_idx) & INDEX_MASK
        if ready == 0:
            return None
        if ready > self.in_flight:
            raise self._bad("used.idx", used_idx, f"{self._used_idx} to {self._avail_idx}", layout.used_idx)
        # S4: the used entry and the payload must not be read before idx said that they are there.
        # Pairs with S3 in remoteside DeviceQueue.push_used.
        port.barrier(Site.S4)
        entry = layout.used_ring + USED_ELEM_BYTES * (self._used_idx & self._mask)
        head, written = port.load_u32(entry), port.load_u32(entry + 4)
        flight = self._in_flight[head] if head < layout.num else None
        if flight is None:
            raise self._bad("used.ring id", head, "a head in flight", entry)
        if written > flight.writable:
            raise self._bad("used.ring len", written, f"at most {flight.writable}", entry + 4)
        self._release(int(head), flight)
        self._used_idx = (self._used_idx + 1) & INDEX_MASK
        if self._event_idx and not self._flags & AVAIL_F_NO_INTERRUPT:
            port.store_u16(layout.used_event, self._used_idx)
            # S8: our wish to be told of the next one must be visible before we look at idx again. Pairs with S7.
            port.barrier(Site.S8)
        return Used(flight.token, int(written))

    def _release(self, head: int, flight: _InFlight[Token]) -> None:
        self._in_flight[head] = None
        self._next[flight.last] = self._free_head
        self._free_head = head
        self.free += flight.descriptors

    def _bad(self, field: str, value: int, limit: object, address: int) -> BadRing:
        return BadRing(field, value, limit=limit, writer=self._writer, address=address)

    def finish_reading(self) -> None:
        """Call it after reading a buffer and before adding it again."""
        # B1: our reads of the buffer must be done before the device may write to it. Pairs with the device's own B1.
        self._port.barrier(Site.B1)

    def disable_interrupts(self) -> None:
        """A hint only: an interrupt may still come. With EVENT_IDX the event index is left behind instead."""
        if self._flags & AVAIL_F_NO_INTERRUPT:
            return
        self._flags |= AVAIL_F_NO_INTERRUPT
        if not self._event_idx:
            self._port.store_u16(self.layout.avail_flags, self._flags)

    def enable_interrupts(self) -> bool:
        """Ask for an interrupt; False if buffers came back meanwhile (no interrupt may come for those)."""
        port, layout = self._port, self.layout
        self._flags &= ~AVAIL_F_NO_INTERRUPT
        if self._event_idx:
            port.store_u16(layout.used_event, self._used_idx)
        else:
            port.store_u16(layout.avail_flags, self._flags)
        # S8: the wish must be visible before we look at idx, or both sides miss each other.
        # Pairs with S7 in remoteside DeviceQueue.call_prepare.
        port.barrier(Site.S8)
        return port.load_u16(layout.used_idx) == self._used_idx
