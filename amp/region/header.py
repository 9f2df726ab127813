"""The first page of a region: all that an opener needs to know, and how it knows the region is ours.

Written once, by the creator, before anybody else has the region; read-only from then on. Little endian, packed:

| offset       | size | field        | value                                                             |
|--------------|------|--------------|-------------------------------------------------------------------|
| 0            | 8    | magic        | "AMPREGN" and a zero byte                                         |
| 8            | 4    | version      | layout version, 1                                                 |
| 12           | 4    | header size  | bytes from offset 0 up to and including the CRC: 48 + 32 n        |
| 16           | 8    | region size  | bytes of the whole object                                         |
| 24           | 4    | owner uid    | effective uid of the creator                                      |
| 28           | 4    | creator pid  |                                                                   |
| 32           | 8    | creator start| clock ticks since boot (proc_pid_stat(5), field 22)               |
| 40           | 4    | carveouts    | number of rows, n                                                 |
| 44 + 32 i    | 16   | name         | row i: ASCII, padded with zero bytes                              |
| 60 + 32 i    | 8    | offset       | row i: bytes from the start of the region                         |
| 68 + 32 i    | 8    | size         | row i: bytes                                                      |
| 44 + 32 n    | 4    | CRC          | CRC-32 (zlib, polynomial 0x04C11DB7) of everything before it      |

The CRC finds a header that is half written or overwritten by a stray store. It is no defence against a forger; the
owner of the file is (see `amp.region.shm`).
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import Final

from amp.errors import RegionError
from amp.region.carveouts import CARVEOUTS, PAGE_SIZE, Carveout, Layout
from amp.region.names import Creator

MAGIC: Final = b"AMPREGN\0"
VERSION: Final = 1

_FIXED: Final = struct.Struct("<8sIIQIIQI")
_ROW: Final = struct.Struct("<16sQQ")
_CRC: Final = struct.Struct("<I")
# The names of a version are fixed, and so is the number of rows.
HEADER_SIZE: Final = _FIXED.size + len(CARVEOUTS) * _ROW.size + _CRC.size
assert HEADER_SIZE <= PAGE_SIZE


@dataclass(frozen=True, slots=True)
class Header:
    """What the first page says, once it has been checked."""

    layout: Layout
    owner_uid: int
    creator: Creator

    def encode(self) -> bytes:
        """HEADER_SIZE bytes, as in the table above."""
        creator = self.creator
        parts = [
            _FIXED.pack(
                MAGIC,
                VERSION,
                HEADER_SIZE,
                self.layout.size,
                self.owner_uid,
                creator.pid,
                creator.start_time,
                len(self.layout.carveouts),
            ),
            *(_ROW.pack(carveout.name.encode(), carveout.offset, carveout.size) for carveout in self.layout),
        ]
        body = b"".join(parts)
        return body + _CRC.pack(zlib.crc32(body))

    @classmethod
    def decode(cls, page: bytes, *, object_size: int) -> Header:
        """Check the first bytes of an object of `object_size` bytes and return what they say.

        Raises RegionError, which names the first field that is wrong, its value, and what was expected.
        """
        if len(page) < HEADER_SIZE:
            raise RegionError(f"object size is {len(page)} bytes, expected at least {HEADER_SIZE} (header size)")
        magic, version, header_size, region_size, uid, pid, start_time, rows = _FIXED.unpack_from(page)
        (crc,) = _CRC.unpack_from(page, HEADER_SIZE - _CRC.size)
        # Magic and version first: they say whether the rest of the page means anything to us. The CRC next: from there
        # on, what is wrong was written that way, and the pid of the writer can be believed.
        _expect("magic", magic, MAGIC)
        _expect("layout version", version, VERSION)
        _expect("header size", header_size, HEADER_SIZE)
        _expect("header CRC", crc, zlib.crc32(page[: HEADER_SIZE - _CRC.size]))
        try:
            _expect("region size", region_size, object_size)
            _expect("owner uid", uid, os.geteuid())
            _expect("number of carveouts", rows, len(CARVEOUTS))
            table = page[_FIXED.size : HEADER_SIZE - _CRC.size]
            layout = Layout(tuple(_carveout(*row) for row in _ROW.iter_unpack(table)), region_size)
        except RegionError as error:
            raise RegionError(f"{error}; written by process {pid}") from None
        return cls(layout, uid, Creator(pid, start_time))


def _expect(field: str, value: object, expected: object) -> None:
    if value != expected:
        raise RegionError(f"{field} is {value!r}, expected {expected!r}")


def _carveout(name: bytes, offset: int, size: int) -> Carveout:
    return Carveout(name.rstrip(b"\0").decode("ascii", errors="backslashreplace"), offset, size)
