"""One ring in real shared memory, with both CPUs' ports in this process, for the tests of the queues. Not a test."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from amp._core import _bridge
from amp.ordering import platform
from amp.ordering.barriers import BarrierClass, Primitive
from amp.ordering.platforms import Side
from amp.ordering.sites import SiteMap
from amp.port.doors import DirectPort, ModelledPort, open_direct, open_modelled
from amp.port.port import HOST, REMOTE
from amp.region import PAGE_SIZE, Layout, Region
from amp.virtio.sites import SITES
from amp.virtio.split import DESC_BYTES, Segment, SplitLayout
from hostside.virtqueue import DriverQueue, IndirectTables
from remoteside.virtqueue import DeviceQueue

DIRECT = "direct"


class RingMachine:
    """`door` is "direct", or the platform of a model, in free mode unless told otherwise. Every site is MANDATORY.

    `memory` is what the device is told a buffer may lie in: the indirect tables, then room for buffers.
    """

    def __init__(
        self,
        num: int = 8,
        *,
        door: str = DIRECT,
        align: int = 4096,
        event_idx: bool = False,
        indirect: bool = False,
        entries: int = 4,
        buffers_bytes: int = 1 << 16,
        seed: int = 1,
        mode: int = _bridge.FREE,
    ) -> None:
        self.layout = SplitLayout(num, PAGE_SIZE, align)
        self.event_idx, self.entries = event_idx, entries
        tables_bytes = num * entries * DESC_BYTES if indirect else 0
        plan = functools.partial(
            Layout.plan, vrings=self.layout.end - PAGE_SIZE, buffers=buffers_bytes + tables_bytes, resources=1
        )
        config = (2, mode, *plan(model=1).shared, 64, 1 << 12, 64, seed)
        self.region = Region.create(plan(model=1 if door == DIRECT else _bridge.model_room(config)))
        buffers = self.region.layout["buffers"]
        self.memory = buffers.offset, buffers.end
        self.buffers = buffers.offset + tables_bytes
        self.tables = IndirectTables(buffers.offset, entries) if indirect else None
        sites = SiteMap.for_class(BarrierClass.MANDATORY, SITES)
        self.host: DirectPort | ModelledPort
        self.remote: DirectPort | ModelledPort
        if door == DIRECT:
            self.host, self.remote = open_direct(self.region, HOST, sites), open_direct(self.region, REMOTE, sites)
            return
        at, machine = self.region.layout["model"].offset, platform(door)
        _bridge.model_init(self.region.memory, at, config)
        for cpu, side in enumerate(Side):
            orders = bytes(int(value) for value in machine.table(side))
            _bridge.model_set_orders(self.region.memory, at, cpu, int(machine.implicit(side)), orders)
        self.host, self.remote = open_modelled(self.region, HOST, sites), open_modelled(self.region, REMOTE, sites)

    def __enter__(self) -> RingMachine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.region.close()

    def driver(self, port: Any = None) -> DriverQueue[int]:
        return DriverQueue(port or self.host, self.layout, event_idx=self.event_idx, indirect=self.tables)

    def device(self, port: Any = None) -> DeviceQueue:
        return DeviceQueue(
            port or self.remote, self.layout, self.memory, event_idx=self.event_idx, indirect=self.tables is not None
        )

    def segments(self, lengths: Sequence[int], *, start: int = 0) -> tuple[Segment, ...]:
        """Segments of these lengths, one behind the other, `start` bytes into the room for buffers."""
        result, at = [], self.buffers + start
        for length in lengths:
            result.append(Segment(at, length))
            at += length
        return tuple(result)

    def descriptor(
        self, index: int, address: int, length: int, flags: int = 0, following: int = 0, *, table: int | None = None
    ) -> None:
        """Write a descriptor as the driver would, in no order."""
        at = (self.layout.desc if table is None else table) + DESC_BYTES * index
        self.poke(self.host, at, struct.pack("<QIHH", address, length, flags, following))

    def expose(self, *heads: int, idx: int | None = None) -> None:
        """Write the available ring from its first entry on, and its index."""
        for slot, head in enumerate(heads):
            self.poke(self.host, self.layout.avail_ring + 2 * slot, struct.pack("<H", head))
        self.poke(self.host, self.layout.avail_idx, struct.pack("<H", len(heads) if idx is None else idx))

    def give_back(self, *entries: tuple[int, int], idx: int | None = None) -> None:
        """Write the used ring from its first entry on, as the device would, and its index."""
        for slot, (head, written) in enumerate(entries):
            self.poke(self.remote, self.layout.used_ring + 8 * slot, struct.pack("<II", head, written))
        self.poke(self.remote, self.layout.used_idx, struct.pack("<H", len(entries) if idx is None else idx))

    def poke(self, port: Any, address: int, data: bytes) -> None:
        """Let `port`'s side write `data`, and see to it that both sides see it from here on.

        A modelled load may take an old value as long as nothing tells its CPU that there is a newer one. Its own store,
        visible by now, and a full barrier do.
        """
        port.write(address, data)
        for each in (port, self.host, self.remote):
            each.store_u16(self.region.layout["resources"].offset, 0)
            each.fence(Primitive.MB)

    def peek(self, address: int, size: int = 2) -> int:
        """What lies there now; not by way of a port (direct only)."""
        return int.from_bytes(self.region.memory[address : address + size], "little")

    def start_at(self, driver: DriverQueue[int], device: DeviceQueue, index: int) -> None:
        """Both queues as they are after `index` buffers have gone round, without doing it (direct only)."""
        driver._avail_idx = driver._used_idx = device._avail_idx = device._used_idx = index
        for address in (self.layout.avail_idx, self.layout.used_idx, self.layout.used_event, self.layout.avail_event):
            self.host.store_u16(address, index)
