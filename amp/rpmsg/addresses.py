"""Which endpoint has which address: fixed ones as asked for, dynamic ones the lowest free from 1024 on.

As idr_alloc does for __rpmsg_create_ept in Linux v6.1 drivers/rpmsg/virtio_rpmsg_bus.c.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

from amp.errors import AddressInUse, UsageError
from amp.rpmsg.wire import ADDR_ANY, FIRST_DYNAMIC_ADDR

T = TypeVar("T")


class AddressTable(Generic[T]):
    """A map from address to `T`. `owner` is public for reading: `owner.get(addr)` is every received message's path."""

    def __init__(self) -> None:
        self.owner: dict[int, T] = {}
        self._next = FIRST_DYNAMIC_ADDR  # never used as a dynamic address so far
        self._returned: list[int] = []  # a heap of dynamic addresses below _next that were given back, each once
        self._listed: set[int] = set()  # what is in it

    def add(self, addr: int, owner: T) -> int:
        """Give `owner` that address, or with ADDR_ANY the lowest free dynamic one; returns it.

        Raises AddressInUse, and UsageError for a number that is no address.
        """
        if not 0 <= addr <= ADDR_ANY:
            raise UsageError(f"endpoint address is {addr}, expected 0 to {ADDR_ANY - 1:#x}, or ADDR_ANY")
        if addr == ADDR_ANY:
            addr = self._lowest_free()
        elif addr in self.owner:
            raise AddressInUse(f"endpoint address {addr} is in use")
        self.owner[addr] = owner
        return addr

    def _lowest_free(self) -> int:
        while self._returned:
            addr = heapq.heappop(self._returned)
            self._listed.remove(addr)
            if addr not in self.owner:  # asked for by number since
                return addr
        while self._next in self.owner:
            self._next += 1
        if self._next == ADDR_ANY:
            raise AddressInUse("every dynamic endpoint address is taken")
        self._next += 1
        return self._next - 1

    def remove(self, addr: int) -> None:
        """The address is free again."""
        del self.owner[addr]
        if FIRST_DYNAMIC_ADDR <= addr < self._next and addr not in self._listed:
            self._listed.add(addr)
            heapq.heappush(self._returned, addr)
