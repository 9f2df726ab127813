"""One ring in real shared memory, and what a hostile peer does to it, for the tests of the queues. Not a test."""

from __future__ import annotations

import struct
from typing import Any

from amp.lab.pairs import VringPair
from amp.ordering.barriers import Primitive
from amp.virtio.split import DESC_BYTES
from hostside.virtqueue import DriverQueue
from remoteside.virtqueue import DeviceQueue

DIRECT = "direct"


class RingMachine(VringPair):
    """`door` is "direct", or the platform of a model, in free mode unless told otherwise."""

    def __init__(self, num: int = 8, *, door: str = DIRECT, **more: Any) -> None:
        super().__init__(num, platform="" if door == DIRECT else door, **more)

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
