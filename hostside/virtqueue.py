"""The driver's half of a split virtqueue (virtio 1.2, 2.7; after Linux drivers/virtio/virtio_ring.c in what it does).

The driver writes the descriptor table and the available ring, the device the used ring. Nothing the device wrote is
trusted: an index that jumps, an id that is no head in flight, a length beyond the buffer raise BadRing. What the driver
needs for its own work (free list, chain lengths, shadow indexes) it keeps in private memory, never in the ring.

A buffer belongs to the driver until `add`, then to the device, and to the driver again when `get_used` returns it.
Whoever has read a buffer issues B1 before it hands it over (`finish_reading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, cast

from amp.errors import BadRing, UsageError
from amp.port.port import REMOTE, Port, cpu_name
from amp.virtio.batch import DriverLoops
from amp.virtio.queue import DriverSide, IndirectTables, OffersRings
from amp.virtio.sites import B1, K1, S1, S4, S5, S8
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


__all__ = ["DriverQueue", "IndirectTables", "driver_queue"]


def driver_queue(
    port: Port,
    layout: SplitLayout,
    *,
    event_idx: bool = False,
    indirect: IndirectTables | None = None,
    device_cpu: int = REMOTE,
) -> DriverSide[Any]:
    """The port's queue in the core if it offers one (amp.virtio.queue), else a DriverQueue."""
    if isinstance(port, OffersRings):
        return port.driver_ring(layout, event_idx=event_idx, indirect=indirect, device_cpu=device_cpu)
    return DriverQueue(port, layout, event_idx=event_idx, indirect=indirect, device_cpu=device_cpu)


class DriverQueue(DriverLoops, Generic[Token]):
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
        self._writer = cpu_name(device_cpu)
        self._mask = layout.num - 1
        self._next = list(range(1, layout.num + 1))  # free list; a chain's descriptors stay linked while in flight
        self._free_head = 0
        # By head, while its chain is in flight: whose it is, its last descriptor, their number (0: not in flight), and
        # how many bytes the device may write.
        self._tokens: list[Token | None] = [None] * layout.num
        self._last = [0] * layout.num
        self._descriptors = [0] * layout.num
        self._writable = [0] * layout.num
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
        if needed == 0:
            raise UsageError("a buffer needs at least one segment")
        head = self._free_head
        indirect = self._indirect if needed > 1 else None
        descriptors = needed if indirect is None else 1
        if descriptors > self.free:
            raise UsageError(f"a chain of {descriptors} descriptors, {self.free} are free")
        if needed == 1:  # most buffers
            last = head
            [(address, length)] = readable or writable
            at = self.layout.desc + DESC_BYTES * head
            self._port.store_u64(at, address)
            self._port.store_u64(at + 8, length if readable else length | DESC_F_WRITE << 32)
        elif indirect is None:
            last = self._write_chain(self.layout.desc, head, self._next, readable, writable)
        else:
            last = self._write_indirect(indirect, head, readable, writable)
        self._free_head = self._next[last]
        self.free -= descriptors
        self._tokens[head] = token
        self._last[head] = last
        self._descriptors[head] = descriptors
        self._writable[head] = sum([length for _, length in writable]) if writable else 0
        self._announce(head)
        return head

    def _announce(self, head: int) -> None:
        port, layout = self._port, self.layout
        port.store_u16(layout.avail_ring + 2 * (self._avail_idx & self._mask), head)
        # S1: the device must not see idx before the ring entry and the descriptors behind it, nor before the payload.
        # Pairs with S2 in remoteside DeviceQueue.next_chain.
        port.barrier(S1)
        self._avail_idx = (self._avail_idx + 1) & INDEX_MASK
        port.store_u16(layout.avail_idx, self._avail_idx)
        self._unannounced += 1

    def _write_chain(
        self, table: int, head: int, links: Sequence[int], readable: Sequence[Segment], writable: Sequence[Segment]
    ) -> int:
        """Write descriptors of `table` from `head` on, each followed by the one `links` names; returns the last one.

        Two stores a descriptor: addr; then len, flags and next, which as one u64 are little-endian fields.
        """
        port, index, remaining = self._port, head, len(readable) + len(writable)
        for flag, segments in ((0, readable), (DESC_F_WRITE, writable)):
            for address, length in segments:
                at = table + DESC_BYTES * index
                port.store_u64(at, address)
                remaining -= 1
                if not remaining:
                    port.store_u64(at + 8, length | flag << 32)
                    return index
                following = links[index]
                port.store_u64(at + 8, length | (flag | DESC_F_NEXT) << 32 | following << 48)
                index = following
        raise AssertionError("a chain has a last descriptor")

    def _write_indirect(
        self, tables: IndirectTables, head: int, readable: Sequence[Segment], writable: Sequence[Segment]
    ) -> int:
        total, limit = len(readable) + len(writable), min(tables.entries, self.layout.num)
        if total > limit:
            raise UsageError(f"a chain of {total} segments, at most {limit} fit into an indirect table")
        table = tables.base + head * tables.entries * DESC_BYTES
        self._write_chain(table, 0, range(1, total + 1), readable, writable)
        at = self.layout.desc + DESC_BYTES * head
        self._port.store_u64(at, table)
        self._port.store_u64(at + 8, total * DESC_BYTES | DESC_F_INDIRECT << 32)
        return head

    def kick_prepare(self) -> bool:
        """Does the device want to be told of what was added since the last call? (virtqueue_kick_prepare)"""
        port, layout = self._port, self.layout
        # S5: our idx must be visible before we look whether the device sleeps, or both sides miss each other.
        # Pairs with S6 in remoteside DeviceQueue.enable_notifications.
        port.barrier(S5)
        new, added = self._avail_idx, self._unannounced
        self._unannounced = 0
        if self._event_idx:
            # An index that went all the way round passed every event (virtqueue_add_split kicks before it does).
            return added > INDEX_MASK or need_event(port.load_u16(layout.avail_event), new, (new - added) & INDEX_MASK)
        return not port.load_u16(layout.used_flags) & USED_F_NO_NOTIFY

    def notify(self) -> None:
        """Ring the device's doorbell."""
        # K1: the doorbell must not overtake the ring it announces. Pairs with K2 where the device wakes up.
        self._port.barrier(K1)
        self._port.kick(self._device_cpu)
        self.kicks += 1

    def kick(self) -> bool:
        """`notify` if the device wants it; says whether it did."""
        wanted = self.kick_prepare()
        if wanted:
            self.notify()
        return wanted

    def get_used(self) -> tuple[Token, int] | None:
        """The next buffer that the device gave back, or None: its token, and how many bytes the device says it wrote.

        Raises BadRing.
        """
        taken = self.take_head()
        return None if taken is None else (cast(Token, taken[1]), taken[2])

    def take_head(self) -> tuple[int, Token | None, int] | None:
        """What get_used does: the buffer's head, its token, and how many bytes were written."""
        port, layout = self._port, self.layout
        used_idx = port.load_u16(layout.used_idx)
        if used_idx == self._used_idx:
            return None
        in_flight = (self._avail_idx - self._used_idx) & INDEX_MASK
        if (used_idx - self._used_idx) & INDEX_MASK > in_flight:
            raise self._bad("used.idx", used_idx, f"{self._used_idx} to {self._avail_idx}", layout.used_idx)
        # S4: the used entry and the payload must not be read before idx said that they are there.
        # Pairs with S3 in remoteside DeviceQueue.push_used.
        port.barrier(S4)
        entry = layout.used_ring + USED_ELEM_BYTES * (self._used_idx & self._mask)
        head, written = port.load_u32(entry), port.load_u32(entry + 4)
        if head >= layout.num or not self._descriptors[head]:
            raise self._bad("used.ring id", head, "a head in flight", entry)
        if written > self._writable[head]:
            raise self._bad("used.ring len", written, f"at most {self._writable[head]}", entry + 4)
        token = self._tokens[head]
        self._release(head)
        self._used_idx = (self._used_idx + 1) & INDEX_MASK
        if self._event_idx and not self._flags & AVAIL_F_NO_INTERRUPT:
            port.store_u16(layout.used_event, self._used_idx)
            # S8: our wish to be told of the next one must be visible before we look at idx again. Pairs with S7.
            port.barrier(S8)
        return int(head), token, int(written)

    def _release(self, head: int) -> None:
        """The chain's descriptors, still linked, go back to the front of the free list."""
        self._tokens[head] = None
        self._next[self._last[head]] = self._free_head
        self._free_head = int(head)
        self.free += self._descriptors[head]
        self._descriptors[head] = 0

    def _bad(self, field: str, value: int, limit: object, address: int) -> BadRing:
        return BadRing(field, value, limit=limit, writer=self._writer, address=address)

    def look_through(self, port: Port) -> None:
        """From now on through another port: to see what a device that died had given back."""
        self._port = port

    def finish_reading(self) -> None:
        """Call it after reading a buffer and before adding it again."""
        # B1: our reads of the buffer must be done before the device may write to it. Pairs with the device's own B1.
        self._port.barrier(B1)

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
        port.barrier(S8)
        return port.load_u16(layout.used_idx) == self._used_idx
