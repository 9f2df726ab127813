"""The device's half of a split virtqueue (virtio 1.2, 2.7; after Linux drivers/vhost/vringh.c in what it does).

The device writes the used ring only. Nothing the driver wrote is trusted: an index that jumps, a head or a next beyond
the table, a chain that loops, an address outside the buffers raise BadRing before anything is read or written there.

A buffer belongs to the device from `next_chain` to `push_used`. Whoever has read a buffer issues B1 before it gives it
back (`finish_reading`).
"""

from __future__ import annotations

from amp.errors import BadRing
from amp.port.port import HOST, Port, cpu_name
from amp.virtio.batch import DeviceLoops
from amp.virtio.queue import Chain, DeviceSide, OffersRings
from amp.virtio.sites import B1, K1, S2, S3, S6, S7
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

__all__ = ["Chain", "DeviceQueue", "device_queue"]


def device_queue(
    port: Port,
    layout: SplitLayout,
    memory: tuple[int, int],
    *,
    event_idx: bool = False,
    indirect: bool = False,
    driver_cpu: int = HOST,
) -> DeviceSide:
    """The port's queue in the core if it offers one (amp.virtio.queue), else a DeviceQueue."""
    if isinstance(port, OffersRings):
        return port.device_ring(layout, memory, event_idx=event_idx, indirect=indirect, driver_cpu=driver_cpu)
    return DeviceQueue(port, layout, memory, event_idx=event_idx, indirect=indirect, driver_cpu=driver_cpu)


class DeviceQueue(DeviceLoops):
    """One virtqueue as its device sees it. Buffers must lie in `memory`, a range (start, end) of addresses."""

    def __init__(
        self,
        port: Port,
        layout: SplitLayout,
        memory: tuple[int, int],
        *,
        event_idx: bool = False,
        indirect: bool = False,
        driver_cpu: int = HOST,
    ) -> None:
        self.layout = layout
        self._port = port
        self._memory = memory
        self._event_idx = event_idx
        self._indirect = indirect
        self._driver_cpu = driver_cpu
        self._writer = cpu_name(driver_cpu)
        self._mask = layout.num - 1
        self._avail_idx = 0  # the next entry of the available ring
        self._used_idx = 0
        self._unannounced = 0  # entries used since the last call_prepare
        self._flags = 0
        self.calls = 0

    @property
    def held(self) -> int:
        """Buffers taken and not yet given back."""
        return (self._avail_idx - self._used_idx) & INDEX_MASK

    def next_chain(self) -> Chain | None:
        """The next buffer that the driver exposed, or None. Raises BadRing."""
        port, layout = self._port, self.layout
        avail_idx = port.load_u16(layout.avail_idx)
        if avail_idx == self._avail_idx:
            return None
        room = layout.num - ((self._avail_idx - self._used_idx) & INDEX_MASK)  # what we hold is the driver's no more
        if (avail_idx - self._avail_idx) & INDEX_MASK > room:
            raise self._bad("avail.idx", avail_idx, f"at most {room} beyond {self._avail_idx}", layout.avail_idx)
        # S2: the ring entry, the descriptors and the payload must not be read before idx said that they are there.
        # Pairs with S1 in hostside DriverQueue.add.
        port.barrier(S2)
        entry = layout.avail_ring + 2 * (self._avail_idx & self._mask)
        head = port.load_u16(entry)
        if head >= layout.num:
            raise self._bad("avail.ring head", head, f"below {layout.num}", entry)
        chain = self._walk(head)
        self._avail_idx = (self._avail_idx + 1) & INDEX_MASK
        return chain

    def _walk(self, head: int) -> Chain:
        """Follow the chain from `head`, at most as many descriptors as the ring has."""
        num, table, entries = self.layout.num, self.layout.desc, self.layout.num
        at = table + DESC_BYTES * head
        address, length, flags, following = self._descriptor(at)
        if not flags & (DESC_F_NEXT | DESC_F_INDIRECT):  # most chains are one descriptor
            only = (Segment(address, length),)
            return Chain(int(head), (), only) if flags & DESC_F_WRITE else Chain(int(head), only, ())
        if flags & DESC_F_INDIRECT:
            entries = self._check_indirect(at, address, length, flags)
            at = table = address
            address, length, flags, following = self._descriptor(at)
        readable: list[Segment] = []
        writable: list[Segment] = []
        for _ in range(num):
            if flags & DESC_F_INDIRECT:
                raise self._bad("desc.flags", flags, "INDIRECT only as the whole chain", at + 12)
            if writable and not flags & DESC_F_WRITE:
                raise self._bad("desc.flags", flags, "device-readable before device-writable", at + 12)
            (writable if flags & DESC_F_WRITE else readable).append(Segment(address, length))
            if not flags & DESC_F_NEXT:
                return Chain(int(head), tuple(readable), tuple(writable))
            if following >= entries:
                raise self._bad("desc.next", following, f"below {entries}", at + 14)
            at = table + DESC_BYTES * following
            address, length, flags, following = self._descriptor(at)
        raise self._bad("desc chain length", num + 1, f"at most {num}: it loops, or is too long", at)

    def _descriptor(self, at: int) -> tuple[int, int, int, int]:
        """addr, len, flags and next of the descriptor at `at`, in two loads; its buffer lies inside `memory`."""
        address, rest = self._port.load_u64(at), self._port.load_u64(at + 8)
        length = int(rest & 0xFFFF_FFFF)
        start, end = self._memory
        if not start <= address <= end:
            raise self._bad("desc.addr", address, f"{start:#x} to {end:#x}", at)
        if length > end - address:
            raise self._bad("desc.len", length, f"at most {int(end - address)} at {int(address):#x}", at + 8)
        return address, length, rest >> 32 & 0xFFFF, rest >> 48

    def _check_indirect(self, at: int, address: int, length: int, flags: int) -> int:
        """The entries of the indirect table that the descriptor at `at` names (virtio 1.2, 2.7.5.3)."""
        if not self._indirect:
            raise self._bad("desc.flags", flags, "no INDIRECT: it was not negotiated", at + 12)
        if flags & DESC_F_NEXT:
            raise self._bad("desc.flags", flags, "not both INDIRECT and NEXT", at + 12)
        if length == 0 or length % DESC_BYTES:
            raise self._bad("desc.len", length, f"a multiple of {DESC_BYTES} above 0 (indirect table)", at + 8)
        if address % DESC_BYTES:
            raise self._bad("desc.addr", address, f"a multiple of {DESC_BYTES} (indirect table)", at)
        return length // DESC_BYTES

    def _bad(self, field: str, value: int, limit: object, address: int) -> BadRing:
        return BadRing(field, value, limit=limit, writer=self._writer, address=int(address))

    def untake(self) -> None:
        """What next_chain took last was not taken: the next call takes it. Nobody else knows of it yet."""
        self._avail_idx = (self._avail_idx - 1) & INDEX_MASK

    def finish_reading(self) -> None:
        """Call it after reading a buffer and before giving it back."""
        # B1: our reads of the buffer must be done before the driver may write to it. Pairs with the driver's own B1.
        self._port.barrier(B1)

    def push_used(self, head: int, written: int) -> None:
        """Give a buffer back with the number of bytes written to it."""
        if self._used_idx == self._avail_idx:
            raise AssertionError("giving back more buffers than were taken")  # our own fault, found under -O, too
        port, layout = self._port, self.layout
        entry = layout.used_ring + USED_ELEM_BYTES * (self._used_idx & self._mask)
        port.store_u32(entry, head)
        port.store_u32(entry + 4, written)
        # S3: the driver must not see idx before the entry and the payload behind it.
        # Pairs with S4 in hostside DriverQueue.get_used.
        port.barrier(S3)
        self._used_idx = (self._used_idx + 1) & INDEX_MASK
        port.store_u16(layout.used_idx, self._used_idx)
        self._unannounced += 1

    def call_prepare(self) -> bool:
        """Does the driver want an interrupt for what was used since the last call? (vringh_need_notify)"""
        port, layout = self._port, self.layout
        # S7: our idx must be visible before we look whether the driver sleeps, or both sides miss each other.
        # Pairs with S8 in hostside DriverQueue.enable_interrupts.
        port.barrier(S7)
        new, used = self._used_idx, self._unannounced
        self._unannounced = 0
        if self._event_idx:
            # An index that went all the way round passed every event.
            return used > INDEX_MASK or need_event(port.load_u16(layout.used_event), new, (new - used) & INDEX_MASK)
        return not port.load_u16(layout.avail_flags) & AVAIL_F_NO_INTERRUPT

    def notify(self) -> None:
        """Ring the driver's doorbell."""
        # K1: the doorbell must not overtake the ring it announces. Pairs with K2 where the driver wakes up.
        self._port.barrier(K1)
        self._port.kick(self._driver_cpu)
        self.calls += 1

    def call(self) -> bool:
        """`notify` if the driver wants it; says whether it did."""
        wanted = self.call_prepare()
        if wanted:
            self.notify()
        return wanted

    def disable_notifications(self) -> None:
        """A hint only: a kick may still come. With EVENT_IDX the event index is left behind instead."""
        if self._flags & USED_F_NO_NOTIFY:
            return
        self._flags |= USED_F_NO_NOTIFY
        if not self._event_idx:
            self._port.store_u16(self.layout.used_flags, self._flags)

    def enable_notifications(self) -> bool:
        """Ask to be kicked; False if buffers were exposed meanwhile (no kick may come for those)."""
        port, layout = self._port, self.layout
        self._flags &= ~USED_F_NO_NOTIFY
        if self._event_idx:
            port.store_u16(layout.avail_event, self._avail_idx)
        else:
            port.store_u16(layout.used_flags, self._flags)
        # S6: the wish must be visible before we look at idx, or both sides miss each other.
        # Pairs with S5 in hostside DriverQueue.kick_prepare.
        port.barrier(S6)
        return port.load_u16(layout.avail_idx) == self._avail_idx
