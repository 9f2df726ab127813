"""The structures of a resource table, field by field, as Linux v6.1 has them in include/linux/remoteproc.h.

All are packed and little endian. An offset counts from the start of its structure. `unpack` and `pack` follow these
rows and nothing else, so a row is the format; what a value may be is decided in amp.remoteproc.table.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

SOURCE: Final = "Linux v6.1, include/linux/remoteproc.h"
NAME_BYTES: Final = 32

_CODES: Final = {1: "B", 4: "I", NAME_BYTES: f"{NAME_BYTES}s"}


class Field(NamedTuple):
    """A field: its name in the header file, its offset in the structure and its size, in bytes."""

    name: str
    offset: int
    size: int


class Layout:
    """A structure's rows. A field called `reserved` (or `reserved[0]` ...) has to be zero."""

    def __init__(self, name: str, *fields: tuple[str, int, int]) -> None:
        self.name, self.fields = name, tuple(Field(*each) for each in fields)
        self._struct = struct.Struct("<" + "".join(_CODES[each.size] for each in self.fields))
        self.size = self._struct.size
        ends = [0, *(each.offset + each.size for each in self.fields)]
        assert [*(each.offset for each in self.fields), self.size] == ends, f"{name} has holes"
        assert self.names.keys() == {each.name for each in self.fields}

    @property
    def names(self) -> Mapping[str, Field]:
        return {each.name: each for each in self.fields}

    @property
    def source(self) -> str:
        return f"{SOURCE}, struct {self.name}"

    def at(self, name: str) -> int:
        """Offset of the field `name` in this structure, in bytes."""
        return self.names[name].offset

    def unpack(self, data: bytes, offset: int) -> dict[str, Any]:
        """Field values at `offset`, ints and (for names) bytes; the caller has checked that they lie inside."""
        return dict(zip((each.name for each in self.fields), self._struct.unpack_from(data, offset), strict=True))

    def pack(self, values: Mapping[str, int | bytes]) -> bytes:
        """The structure's bytes; a field that is not given is zero."""
        empty = {each.name: b"" if each.size == NAME_BYTES else 0 for each in self.fields}
        assert values.keys() <= empty.keys()
        return self._struct.pack(*{**empty, **values}.values())

    def reserved(self) -> Iterator[str]:
        return (each.name for each in self.fields if each.name.startswith("reserved"))


RESOURCE_TABLE: Final = Layout(
    "resource_table",  # then u32 offset[num]
    ("ver", 0, 4),
    ("num", 4, 4),
    ("reserved[0]", 8, 4),
    ("reserved[1]", 12, 4),
)
FW_RSC_HDR: Final = Layout("fw_rsc_hdr", ("type", 0, 4))
FW_RSC_CARVEOUT: Final = Layout(
    "fw_rsc_carveout",
    ("da", 0, 4),
    ("pa", 4, 4),
    ("len", 8, 4),
    ("flags", 12, 4),
    ("reserved", 16, 4),
    ("name", 20, NAME_BYTES),
)
FW_RSC_DEVMEM: Final = Layout(
    "fw_rsc_devmem",
    ("da", 0, 4),
    ("pa", 4, 4),
    ("len", 8, 4),
    ("flags", 12, 4),
    ("reserved", 16, 4),
    ("name", 20, NAME_BYTES),
)
FW_RSC_TRACE: Final = Layout(
    "fw_rsc_trace",
    ("da", 0, 4),
    ("len", 4, 4),
    ("reserved", 8, 4),
    ("name", 12, NAME_BYTES),
)
FW_RSC_VDEV: Final = Layout(
    "fw_rsc_vdev",  # then fw_rsc_vdev_vring[num_of_vrings], then config_len bytes of config space
    ("id", 0, 4),
    ("notifyid", 4, 4),
    ("dfeatures", 8, 4),
    ("gfeatures", 12, 4),
    ("config_len", 16, 4),
    ("status", 20, 1),
    ("num_of_vrings", 21, 1),
    ("reserved[0]", 22, 1),
    ("reserved[1]", 23, 1),
)
FW_RSC_VDEV_VRING: Final = Layout(
    "fw_rsc_vdev_vring",
    ("da", 0, 4),
    ("align", 4, 4),
    ("num", 8, 4),
    ("notifyid", 12, 4),
    ("pa", 16, 4),
)

LAYOUTS: Final[Mapping[str, Layout]] = MappingProxyType(
    {
        each.name: each
        for each in (
            RESOURCE_TABLE,
            FW_RSC_HDR,
            FW_RSC_CARVEOUT,
            FW_RSC_DEVMEM,
            FW_RSC_TRACE,
            FW_RSC_VDEV,
            FW_RSC_VDEV_VRING,
        )
    }
)
