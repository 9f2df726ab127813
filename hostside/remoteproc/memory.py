"""A core's memory as its host gives it out: which bytes of the region it may reach, at which device addresses.

Two address spaces. *pa* is a byte offset in the region, *da* what the core, its ELF and its resource table say. Every
entry is one row of the core's IOMMU and one allocation: no two entries share a pa, and none share a da. Where the
firmware leaves the address open (FW_RSC_ADDR_ANY), da is pa.

The counterpart of Linux's list of struct rproc_mem_entry (include/linux/remoteproc.h) and of rproc_da_to_va,
rproc_find_carveout_by_name and rproc_alloc_carveout (drivers/remoteproc/remoteproc_core.c, v6.1); the DMA allocator's
part is first fit. This module computes; it touches no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from amp.errors import FirmwareError, RprocError
from amp.machine.core import Window
from amp.region import PAGE_SIZE
from amp.remoteproc.table import ADDRESS_END, FW_RSC_ADDR_ANY
from amp.virtio.split import align_up

Range = tuple[int, int]  # start, end; end is not part of it
WORD_BYTES: Final = 8  # the widest access: what is aligned by da has to be aligned by pa, too


@dataclass(frozen=True, slots=True)
class MemEntry:
    """`length` bytes at `pa` of the region that the core sees at `da`. `dumped`: part of a coredump."""

    name: str
    da: int
    pa: int
    length: int
    dumped: bool = True

    @property
    def da_range(self) -> Range:
        return self.da, self.da + self.length

    @property
    def pa_range(self) -> Range:
        return self.pa, self.pa + self.length

    def holds(self, da: int, length: int) -> bool:
        return self.da <= da and da + length <= self.da + self.length


def _overlap(first: Range, second: Range) -> bool:
    return first[0] < second[1] and second[0] < first[1]


class DeviceMemory:
    """The entries of one core. `pools` are the pa ranges that may be given out, by name."""

    def __init__(self, pools: Mapping[str, Range]) -> None:
        self._pools = dict(pools)
        self._entries: dict[str, MemEntry] = {}

    def __iter__(self) -> Iterator[MemEntry]:
        """In the order in which they were made."""
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> MemEntry | None:
        """rproc_find_carveout_by_name."""
        return self._entries.get(name)

    def __getitem__(self, name: str) -> MemEntry:
        return self._entries[name]

    def allocate(
        self,
        name: str,
        length: int,
        *,
        pool: str,
        da: int = FW_RSC_ADDR_ANY,
        align: int = PAGE_SIZE,
        label: str = "",
    ) -> MemEntry:
        """The first piece of `pool` that is free, at a multiple of `align`; with a `da`, as far behind one as da is
        behind a word.

        Raises FirmwareError if there is none, or if `da` overlaps another entry's; it calls the entry by `label`.
        """
        label = label or f"carveout {name!r}"
        # Without a da of its own the entry has its pa as da, so other entries' das are in its way, too.
        ways = [entry.pa_range for entry in self]
        if da == FW_RSC_ADDR_ANY:
            ways += [entry.da_range for entry in self]
        start, end = self._pools[pool]
        skew = 0 if da == FW_RSC_ADDR_ANY else da % WORD_BYTES
        pa = align_up(start, align) + skew
        for way in sorted(ways):
            if _overlap(way, (pa, pa + length)):
                pa = align_up(way[1], align) + skew
        if pa + length > end:
            raise FirmwareError(
                f"{label}: length is {length}, and no free piece of the {end - start} bytes of pool {pool} is as long; "
                f"asked for by the firmware"
            )
        return self._enter(MemEntry(name, pa if da == FW_RSC_ADDR_ANY else da, pa, length), label)

    def place(self, name: str, *, da: int, pa: int, length: int, dumped: bool = True) -> MemEntry:
        """An entry at this very pa: device memory, or what another host gave out.

        Raises FirmwareError if it is not inside the memory, if another entry has some of it, or if da and pa differ by
        a part of a word: no access of the core's would be aligned.
        """
        start, end = min(self._pools.values())[0], max(self._pools.values(), key=lambda pool: pool[1])[1]
        if not (start <= pa and pa + length <= end):
            raise FirmwareError(
                f"memory {name!r}: pa is {pa:#x} to {pa + length:#x}, allowed is {start:#x} to {end:#x}: "
                f"this machine has no other memory or device"
            )
        entry = MemEntry(name, pa if da == FW_RSC_ADDR_ANY else da, pa, length, dumped)
        if (entry.da - entry.pa) % WORD_BYTES:
            raise FirmwareError(
                f"memory {name!r}: pa is {pa:#x} for da {da:#x}, expected a multiple of {WORD_BYTES} between them"
            )
        for other in self:
            if _overlap(other.pa_range, entry.pa_range):
                raise FirmwareError(
                    f"memory {name!r}: pa is {pa:#x} to {pa + length:#x}, which overlaps {other.name!r} at "
                    f"{other.pa:#x} to {other.pa_range[1]:#x}"
                )
        return self._enter(entry, f"carveout {name!r}")

    def _enter(self, entry: MemEntry, label: str) -> MemEntry:
        if entry.name in self._entries:
            raise FirmwareError(f"{label}: the name is taken; asked for twice by the firmware")
        if entry.da + entry.length > ADDRESS_END:
            raise FirmwareError(f"{label}: da ends at {sum((entry.da, entry.length)):#x}, beyond 32 bits")
        for other in self:
            if _overlap(other.da_range, entry.da_range):
                raise FirmwareError(
                    f"{label}: da is {entry.da:#x} to {entry.da_range[1]:#x}, which overlaps "
                    f"{other.name!r} at {other.da:#x} to {other.da_range[1]:#x}"
                )
        self._entries[entry.name] = entry
        return entry

    def to_pa(self, da: int, length: int) -> int:
        """rproc_da_to_va: the pa of `length` bytes at `da`, all inside one entry. Raises RprocError."""
        for entry in self:
            if entry.holds(da, length):
                return entry.pa + da - entry.da
        raise RprocError(f"device address {da:#x}, {length} bytes: in no carveout of the core")

    def holds(self, da: int, length: int) -> bool:
        """Is all of it inside one entry?"""
        return any(entry.holds(da, length) for entry in self)

    def windows(self) -> tuple[Window, ...]:
        """The rows of the core's IOMMU, by device address."""
        rows = sorted(self, key=lambda entry: entry.da)
        return tuple(Window(da=row.da, pa=row.pa, length=row.length, name=row.name) for row in rows)

    def clear(self) -> None:
        """Give everything back (rproc_resource_cleanup)."""
        self._entries.clear()
