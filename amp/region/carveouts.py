"""Carveouts: which bytes of the region serve which purpose, as offsets from its start.

A region is a header page, then five carveouts without gaps, each a whole number of 4096-byte pages:

| carveout  | reached through  | holds                                     | written by                           |
|-----------|------------------|-------------------------------------------|--------------------------------------|
| vrings    | port             | descriptor tables, avail and used rings   | both sides, by the rules of the ring |
| buffers   | port             | payload                                   | both sides, by ownership             |
| resources | port             | room of the remoteproc resource table     | firmware loader, then both sides     |
| mailbox   | doorbell         | one page of registers                     | both sides                           |
| model     | ordering model   | state of the ordering model, and its lock | the model, on behalf of both sides   |

The first three are one range without gaps: the memory that a port lets the processors touch (`Layout.shared`).
This module computes and checks offsets. It touches no memory, and does not know what a vring looks like.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amp.errors import RegionError, UsageError

# The alignment of a legacy split ring (virtio 1.2, 4.1.5.1.3.1). Part of the layout, so not the machine's page size,
# which is larger on some Arm builds: the region is mapped as a whole, nothing else has to meet that size.
PAGE_SIZE: Final = 4096

# Device addresses in a resource table are 32 bits wide (struct fw_rsc_vdev_vring.da, include/linux/remoteproc.h).
REGION_SIZE_LIMIT: Final = 1 << 32

SHARED: Final = ("vrings", "buffers", "resources")
CARVEOUTS: Final = (*SHARED, "mailbox", "model")


@dataclass(frozen=True, slots=True)
class Carveout:
    """`size` bytes of the region from `offset` on; both in bytes, both multiples of PAGE_SIZE."""

    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Offset of the first byte behind it."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class Layout:
    """The carveouts of a region of `size` bytes, in the order of CARVEOUTS.

    A Layout that exists is sound: RegionError is raised for one whose carveouts are missing, unaligned, overlapping,
    apart where they must touch, or outside the region.
    """

    carveouts: tuple[Carveout, ...]
    size: int

    @classmethod
    def plan(cls, *, vrings: int, buffers: int, resources: int, model: int) -> Layout:
        """The layout that has room for so many bytes of each; every room is rounded up to whole pages.

        Raises UsageError for a room below one byte, or when all of them together exceed REGION_SIZE_LIMIT.
        """
        rooms = {"vrings": vrings, "buffers": buffers, "resources": resources, "mailbox": PAGE_SIZE, "model": model}
        carveouts: list[Carveout] = []
        end = PAGE_SIZE  # the header's page
        for name in CARVEOUTS:
            if rooms[name] < 1:
                raise UsageError(f"carveout {name}: size is {rooms[name]} bytes, expected at least 1")
            carveouts.append(Carveout(name, end, -(-rooms[name] // PAGE_SIZE) * PAGE_SIZE))
            end = carveouts[-1].end
        if end > REGION_SIZE_LIMIT:
            raise UsageError(f"region: size is {end} bytes, expected at most {REGION_SIZE_LIMIT} (32-bit addresses)")
        return cls(tuple(carveouts), end)

    def __post_init__(self) -> None:
        names = tuple(carveout.name for carveout in self.carveouts)
        if names != CARVEOUTS:
            raise RegionError(f"carveouts are {', '.join(map(repr, names))}, expected {', '.join(CARVEOUTS)}")
        end, previous = PAGE_SIZE, "header"
        for carveout in self.carveouts:
            _check(carveout, earliest=end, previous=previous, region_size=self.size)
            end, previous = carveout.end, carveout.name

    def __getitem__(self, name: str) -> Carveout:
        return self.carveouts[CARVEOUTS.index(name)]

    def __iter__(self) -> Iterator[Carveout]:
        return iter(self.carveouts)

    @property
    def shared(self) -> tuple[int, int]:
        """(start, end) of the range that both processors may access through a port; `end` is not part of it."""
        return self[SHARED[0]].offset, self[SHARED[-1]].end


def _check(carveout: Carveout, *, earliest: int, previous: str, region_size: int) -> None:
    name, offset, size = carveout.name, carveout.offset, carveout.size
    if offset % PAGE_SIZE:
        raise RegionError(f"carveout {name}: offset is {offset:#x}, expected a multiple of {PAGE_SIZE:#x}")
    if size % PAGE_SIZE or size < PAGE_SIZE:
        raise RegionError(f"carveout {name}: size is {size:#x}, expected a positive multiple of {PAGE_SIZE:#x}")
    if carveout.end > region_size:
        raise RegionError(f"carveout {name}: end is {carveout.end:#x}, expected at most {region_size:#x} (region size)")
    if offset < earliest:
        raise RegionError(
            f"carveout {name}: offset is {offset:#x}, expected at least {earliest:#x} (end of {previous})"
        )
    if name in SHARED and offset != earliest:  # one range for the port: an address in a gap would belong to nobody
        raise RegionError(f"carveout {name}: offset is {offset:#x}, expected {earliest:#x} (end of {previous})")
