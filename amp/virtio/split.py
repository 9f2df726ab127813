"""The split virtqueue's layout and index arithmetic (virtio 1.2, section 2.7; Linux include/uapi/linux/virtio_ring.h).

A ring of `num` entries lies in one piece, as legacy devices and remoteproc have it: descriptor table, available ring,
padding up to `align`, used ring. All fields are little endian.

| part  | written by | offset                   | fields                                                            |
|-------|------------|--------------------------|-------------------------------------------------------------------|
| desc  | driver     | 0                        | num * {addr u64, len u32, flags u16, next u16}                    |
| avail | driver     | 16 * num                 | flags u16, idx u16, ring u16 * num, used_event u16                |
| used  | device     | next multiple of `align` | flags u16, idx u16, ring {id u32, len u32} * num, avail_event u16 |

This module touches no memory: it computes addresses, and says which field an address is.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from amp.errors import UsageError

DESC_BYTES: Final = 16
USED_ELEM_BYTES: Final = 8
RING_SIZE_LIMIT: Final = 32768  # virtio 1.2, 2.7: "The maximum Queue Size value is 32768"

# Linux drivers/remoteproc/remoteproc_internal.h and samples: what firmware resource tables ask for.
LEGACY_ALIGN: Final = 4096

# Descriptor flags, virtio 1.2, 2.7.5
DESC_F_NEXT: Final = 1
DESC_F_WRITE: Final = 2
DESC_F_INDIRECT: Final = 4

USED_F_NO_NOTIFY: Final = 1  # 2.7.10
AVAIL_F_NO_INTERRUPT: Final = 1  # 2.7.7

# Feature bits, virtio 1.2, 6
RING_F_INDIRECT_DESC: Final = 28
RING_F_EVENT_IDX: Final = 29

INDEX_MASK: Final = 0xFFFF  # idx fields are 16 bits wide and wrap


def align_up(value: int, to: int) -> int:
    """The smallest multiple of `to` that is not below `value`."""
    return -(-value // to) * to


def need_event(event: int, new: int, old: int) -> bool:
    """Did the index pass `event` on its way from `old` to `new`? (virtio 1.2, 2.7.7.2; vring_need_event)"""
    return (new - event - 1) & INDEX_MASK < (new - old) & INDEX_MASK


class Segment(NamedTuple):
    """A piece of a buffer in shared memory, in bytes."""

    address: int
    length: int


@dataclass(frozen=True, slots=True)
class SplitLayout:
    """A ring of `num` entries at address `base` with its used ring aligned to `align` bytes.

    Raises UsageError for a `num` that is no power of two up to RING_SIZE_LIMIT, an `align` that is no power of two from
    4 up (the used ring holds u32), or a base not aligned to 16 (2.7, table of alignments).
    """

    num: int
    base: int
    align: int = LEGACY_ALIGN
    desc: int = field(init=False)
    avail: int = field(init=False)
    avail_flags: int = field(init=False)
    used: int = field(init=False)
    used_flags: int = field(init=False)
    avail_idx: int = field(init=False)
    avail_ring: int = field(init=False)
    used_event: int = field(init=False)
    used_idx: int = field(init=False)
    used_ring: int = field(init=False)
    avail_event: int = field(init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.num <= RING_SIZE_LIMIT or self.num & (self.num - 1):
            raise UsageError(f"ring size is {self.num}, expected a power of two from 1 to {RING_SIZE_LIMIT}")
        if self.align < 4 or self.align & (self.align - 1):
            raise UsageError(f"ring alignment is {self.align}, expected a power of two from 4 up")
        if self.base % DESC_BYTES:
            raise UsageError(f"ring address is {self.base:#x}, expected a multiple of {DESC_BYTES}")
        avail = self.base + DESC_BYTES * self.num
        used = align_up(avail + 2 * (3 + self.num), self.align)
        for name, address in {
            "desc": self.base,
            "avail": avail,
            "avail_flags": avail,
            "avail_idx": avail + 2,
            "avail_ring": avail + 4,
            "used_event": avail + 4 + 2 * self.num,
            "used": used,
            "used_flags": used,
            "used_idx": used + 2,
            "used_ring": used + 4,
            "avail_event": used + 4 + USED_ELEM_BYTES * self.num,
        }.items():
            object.__setattr__(self, name, address)

    @property
    def end(self) -> int:
        """The first address behind the ring (vring_size, with the event index)."""
        return self.avail_event + 2

    def field_at(self, address: int) -> str | None:
        """The field that `address` lies in, "avail.ring[3]"; None outside the ring or in padding."""
        if self.base <= address < self.avail:
            index, byte = divmod(address - self.base, DESC_BYTES)
            name = "addr" if byte < 8 else "len" if byte < 12 else "flags" if byte < 14 else "next"
            return f"desc[{index}].{name}"
        scalars = {
            self.avail: "avail.flags",
            self.avail_idx: "avail.idx",
            self.used_event: "avail.used_event",
            self.used: "used.flags",
            self.used_idx: "used.idx",
            self.avail_event: "used.avail_event",
        }
        if (scalar := scalars.get(address & ~1)) is not None:
            return scalar
        if self.avail_ring <= address < self.used_event:
            return f"avail.ring[{(address - self.avail_ring) // 2}]"
        if self.used_ring <= address < self.avail_event:
            index, byte = divmod(address - self.used_ring, USED_ELEM_BYTES)
            return f"used.ring[{index}].{'id' if byte < 4 else 'len'}"
        return None


@functools.lru_cache(64)
def split_layout(num: int, base: int, align: int) -> SplitLayout:
    """The same layout whenever it is asked for: an explored program asks in each of its runs."""
    return SplitLayout(num, base, align)
