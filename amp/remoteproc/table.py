"""The resource table: what firmware asks of its host, and where the host writes its answers.

The firmware's image carries a table; the host checks it, writes device addresses, features and notify ids into a copy
in the region, and the firmware reads that copy. Both sides decode with this module. Layouts are those of
amp.remoteproc.layout; the `*_AT` constants are offsets of fields from the start of an entry (its fw_rsc_hdr), so that

    address of the table + offset of the entry + VDEV_STATUS_AT

is where a device's status byte is. This module touches no memory and allocates nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, TypeVar

from amp.remoteproc.checks import Checks, Range
from amp.remoteproc.layout import (
    FW_RSC_CARVEOUT,
    FW_RSC_DEVMEM,
    FW_RSC_HDR,
    FW_RSC_TRACE,
    FW_RSC_VDEV,
    FW_RSC_VDEV_VRING,
    NAME_BYTES,
    RESOURCE_TABLE,
    Layout,
)
from amp.virtio.split import DESC_BYTES, RING_SIZE_LIMIT, SplitLayout, align_up

# enum fw_resource_type; RSC_VENDOR_END is a vendor type too (rproc_handle_resources compares with <=).
RSC_CARVEOUT: Final = 0
RSC_DEVMEM: Final = 1
RSC_TRACE: Final = 2
RSC_VDEV: Final = 3
VENDOR_START: Final = 128
VENDOR_END: Final = 512

FW_RSC_ADDR_ANY: Final = 0xFFFFFFFF  # (u32)-1: the host chooses
TABLE_VERSION: Final = 1  # rproc_elf_loader.c, find_table: "unsupported fw ver"
VRINGS_LIMIT: Final = 2  # remoteproc.h, RVDEV_NUM_VRINGS; rproc_handle_vdev: "too many vrings"
ALIGN_LIMIT: Final = 65536  # the largest page of any kernel that Linux builds for; amp's own limit
TABLE_LIMIT_BYTES: Final = 65536  # amp's own limit: Linux has none
U32_LIMIT: Final = 0xFFFFFFFF
ADDRESS_END: Final = 1 << 32  # device addresses of a table are 32 bits wide

OFFSETS_AT: Final = RESOURCE_TABLE.size
_HDR: Final = FW_RSC_HDR.size
_CHECKS: Final = Checks("resource table", "firmware")

CARVEOUT_DA_AT: Final = _HDR + FW_RSC_CARVEOUT.at("da")
CARVEOUT_PA_AT: Final = _HDR + FW_RSC_CARVEOUT.at("pa")
DEVMEM_DA_AT: Final = _HDR + FW_RSC_DEVMEM.at("da")
TRACE_DA_AT: Final = _HDR + FW_RSC_TRACE.at("da")
VDEV_NOTIFYID_AT: Final = _HDR + FW_RSC_VDEV.at("notifyid")
VDEV_DFEATURES_AT: Final = _HDR + FW_RSC_VDEV.at("dfeatures")
VDEV_GFEATURES_AT: Final = _HDR + FW_RSC_VDEV.at("gfeatures")
VDEV_STATUS_AT: Final = _HDR + FW_RSC_VDEV.at("status")  # one byte
VDEV_VRINGS_AT: Final = _HDR + FW_RSC_VDEV.size


def vring_da_at(index: int) -> int:
    """Offset of vring[index].da from the start of its vdev's entry."""
    return VDEV_VRINGS_AT + FW_RSC_VDEV_VRING.size * index + FW_RSC_VDEV_VRING.at("da")


def vring_notifyid_at(index: int) -> int:
    """Offset of vring[index].notifyid from the start of its vdev's entry."""
    return VDEV_VRINGS_AT + FW_RSC_VDEV_VRING.size * index + FW_RSC_VDEV_VRING.at("notifyid")


def vring_pa_at(index: int) -> int:
    """Offset of vring[index].pa from the start of its vdev's entry."""
    return VDEV_VRINGS_AT + FW_RSC_VDEV_VRING.size * index + FW_RSC_VDEV_VRING.at("pa")


def config_at(vrings: int) -> int:
    """Offset of the config space from the start of the entry of a vdev with so many vrings."""
    return VDEV_VRINGS_AT + FW_RSC_VDEV_VRING.size * vrings


@dataclass(frozen=True, slots=True)
class Carveout:
    """Memory that is to be there: `length` bytes at device address `da`, or anywhere (FW_RSC_ADDR_ANY)."""

    da: int
    pa: int
    length: int
    flags: int
    name: str


@dataclass(frozen=True, slots=True)
class Devmem:
    """Device memory at physical address `pa` that the core is to see at `da`: `length` bytes."""

    da: int
    pa: int
    length: int
    flags: int
    name: str


@dataclass(frozen=True, slots=True)
class Trace:
    """A buffer of `length` bytes at `da` into which the firmware prints."""

    da: int
    length: int
    name: str


@dataclass(frozen=True, slots=True)
class Vring:
    """A ring of `num` entries, its used ring aligned to `align` bytes; the host writes da, notifyid and pa."""

    da: int
    align: int
    num: int
    notifyid: int
    pa: int


@dataclass(frozen=True, slots=True)
class Vdev:
    """A virtio device of type `id`: the firmware offers `dfeatures`, the host writes `gfeatures` and `status`."""

    id: int
    notifyid: int
    dfeatures: int
    gfeatures: int
    config: bytes
    status: int
    vrings: tuple[Vring, ...]


@dataclass(frozen=True, slots=True)
class Vendor:
    """An entry of a vendor's own type, VENDOR_START to VENDOR_END.

    The table does not say how long it is: `data` reaches to the next entry, or to the end of the table.
    """

    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Unknown:
    """An entry of a type that is neither Linux's nor a vendor's. `data` as a vendor's.

    Whoever serves the table warns and goes on (Linux v6.1, drivers/remoteproc/remoteproc_core.c,
    rproc_handle_resources: "unsupported resource").
    """

    type: int
    data: bytes


Entry = Carveout | Devmem | Trace | Vdev | Vendor | Unknown
_E = TypeVar("_E", Carveout, Devmem, Trace, Vdev, Vendor, Unknown)


@dataclass(frozen=True, slots=True)
class Table:
    """A resource table: its entries, and for each the offset at which it starts, in bytes from the table's start.

    Without `offsets` the entries follow the header in order, each at the next multiple of 4.
    """

    entries: tuple[Entry, ...]
    offsets: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.offsets:
            object.__setattr__(self, "offsets", _packed(self.entries))
        assert len(self.offsets) == len(self.entries)

    def offset_of(self, index: int) -> int:
        """Where entry `index` starts (its fw_rsc_hdr), in bytes from the table's start."""
        return self.offsets[index]

    def each(self, kind: type[_E]) -> Iterator[tuple[int, _E]]:
        """(offset, entry) for all entries of one kind, in the table's order: vdev number n is the n-th of these."""
        for offset, entry in zip(self.offsets, self.entries, strict=True):
            if isinstance(entry, kind):
                yield offset, entry

    @property
    def size_bytes(self) -> int:
        """What `encode` gives: to the end of the last entry."""
        ends = (offset + _size(entry) for offset, entry in zip(self.offsets, self.entries, strict=True))
        return max(ends, default=RESOURCE_TABLE.size)

    def encode(self) -> bytes:
        """The table's bytes, version 1, holes zero. FirmwareError if a value does not fit its field.

        The bytes are decoded again before they are given out: what this returns is a table that is accepted.
        """
        head = RESOURCE_TABLE.pack({"ver": TABLE_VERSION, "num": len(self.entries)})
        table = bytearray(head + struct.pack(f"<{len(self.offsets)}I", *self.offsets))
        for index, (offset, entry) in enumerate(zip(self.offsets, self.entries, strict=True)):
            packed = _pack(f"entry {index}", entry)
            table.extend(bytes(max(0, offset + len(packed) - len(table))))
            table[offset : offset + len(packed)] = packed
        read = decode(bytes(table))
        assert read.offsets == self.offsets
        return bytes(table)


def decode(data: bytes, *, limit: int = TABLE_LIMIT_BYTES) -> Table:
    """Read a table of at most `limit` bytes.

    Raises FirmwareError, one line with field, value and limit, for everything malformed; nothing else, whatever the
    bytes. Checks of Linux v6.1: rproc_elf_loader.c find_table; remoteproc_core.c rproc_handle_resources,
    rproc_handle_carveout, _devmem, _trace, _vdev and rproc_parse_vring. amp also refuses what Linux would stumble over
    later: empty or overlapping ranges, entries that overlap, names that cannot be printed.
    """
    data = bytes(data)
    _CHECKS.at_most("size", len(data), limit)
    _CHECKS.at_least("size", len(data), RESOURCE_TABLE.size)
    head = RESOURCE_TABLE.unpack(data, 0)
    _CHECKS.exactly("ver", head["ver"], TABLE_VERSION)
    _zero("", RESOURCE_TABLE, head)
    _CHECKS.at_most("num", head["num"], (len(data) - RESOURCE_TABLE.size) // 4)
    offsets = struct.unpack_from(f"<{head['num']}I", data, OFFSETS_AT)
    ends = _ends(offsets, len(data))
    entries = tuple(
        _Reader(data, index, at, end).entry() for index, (at, end) in enumerate(zip(offsets, ends, strict=True))
    )
    _check_ranges(entries)
    return Table(entries, offsets)


def _ends(offsets: tuple[int, ...], size: int) -> list[int]:
    """For each entry the offset that it must not pass: where the next one starts, or the end of the table."""
    first = OFFSETS_AT + 4 * len(offsets)
    for index, offset in enumerate(offsets):
        if offset % 4:
            _CHECKS.refuse(f"offset[{index}]", offset, "a multiple of 4")
        _CHECKS.between(f"offset[{index}]", offset, first, size - _HDR)
    ordered = sorted((offset, index) for index, offset in enumerate(offsets))
    ends = [size] * len(offsets)
    for (offset, index), (following, other) in pairwise(ordered):
        if offset == following:
            _CHECKS.refuse(f"offset[{other}]", following, f"another than offset[{index}]")
        ends[index] = following
    return ends


class _Reader:
    """One entry's bytes, from its header to `end`, and what its fields are called in an error."""

    def __init__(self, data: bytes, index: int, offset: int, end: int) -> None:
        self.data, self.offset, self.end = data, offset, end
        self.label = f"entry {index}"

    def entry(self) -> Entry:
        if self.end - self.offset < _HDR:
            _CHECKS.refuse(
                f"{self.label} room", self.end - self.offset, f"{_HDR} or more, before the next entry or the end"
            )
        kind = FW_RSC_HDR.unpack(self.data, self.offset)["type"]
        if kind in _READERS:
            return _READERS[kind](self)
        rest = self.data[self.offset + _HDR : self.end]
        return Vendor(kind, rest) if VENDOR_START <= kind <= VENDOR_END else Unknown(kind, rest)

    def unpack(self, layout: Layout, at: int, label: str) -> dict[str, Any]:
        """The structure at `at` bytes from the entry's start, inside the entry and with its reserved fields zero."""
        room = self.end - self.offset - at
        if room < layout.size:
            _CHECKS.refuse(f"{label} room", room, f"{layout.size} or more, before the next entry or the end")
        values = layout.unpack(self.data, self.offset + at)
        _zero(label, layout, values)
        return values

    def memory(self, layout: Layout, label: str) -> dict[str, Any]:
        """A structure that describes `len` bytes at `da`, not empty and not past the end of the address space."""
        label = f"{self.label} ({label})"
        values = self.unpack(layout, _HDR, label)
        _CHECKS.at_least(f"{label} len", values["len"], 1)
        if values["da"] != FW_RSC_ADDR_ANY:
            _CHECKS.at_most(f"{label} len", values["len"], ADDRESS_END - values["da"])
        return {**values, "name": _name(label, values["name"])}

    def carveout(self) -> Carveout:
        got = self.memory(FW_RSC_CARVEOUT, "carveout")
        return Carveout(got["da"], got["pa"], got["len"], got["flags"], got["name"])

    def devmem(self) -> Devmem:
        got = self.memory(FW_RSC_DEVMEM, "devmem")
        _CHECKS.at_most(f"{self.label} (devmem) len", got["len"], ADDRESS_END - got["pa"])
        return Devmem(got["da"], got["pa"], got["len"], got["flags"], got["name"])

    def trace(self) -> Trace:
        got = self.memory(FW_RSC_TRACE, "trace")
        return Trace(got["da"], got["len"], got["name"])

    def vdev(self) -> Vdev:
        label = f"{self.label} (vdev)"
        got = self.unpack(FW_RSC_VDEV, _HDR, label)
        count, config_bytes = got["num_of_vrings"], got["config_len"]
        _CHECKS.at_most(f"{label} num_of_vrings", count, VRINGS_LIMIT)
        vrings = tuple(self.vring(number) for number in range(count))
        config = self.offset + config_at(count)
        _CHECKS.at_most(f"{label} config_len", config_bytes, self.end - config)
        return Vdev(
            got["id"],
            got["notifyid"],
            got["dfeatures"],
            got["gfeatures"],
            self.data[config : config + config_bytes],
            got["status"],
            vrings,
        )

    def vring(self, number: int) -> Vring:
        """rproc_parse_vring wants num and align not zero; vring_create_virtqueue wants a power of two."""
        label = f"{self.label} (vdev) vring[{number}]"
        got = self.unpack(FW_RSC_VDEV_VRING, VDEV_VRINGS_AT + FW_RSC_VDEV_VRING.size * number, label)
        _CHECKS.power_of_two(f"{label} num", got["num"], 1, RING_SIZE_LIMIT)
        _CHECKS.power_of_two(
            f"{label} align", got["align"], 4, ALIGN_LIMIT
        )  # virtio 1.2, 2.7: the used ring's alignment is 4
        ring = Vring(got["da"], got["align"], got["num"], got["notifyid"], got["pa"])
        if ring.da != FW_RSC_ADDR_ANY:
            step = max(ring.align, DESC_BYTES)
            if ring.da % step:
                _CHECKS.refuse(f"{label} da", hex(ring.da), f"a multiple of {step}, or {FW_RSC_ADDR_ANY:#x} (any)")
            if ring.da + vring_bytes(ring) > ADDRESS_END:
                _CHECKS.refuse(
                    f"{label} da", hex(ring.da), f"{ADDRESS_END - vring_bytes(ring):#x} at most for {ring.num} entries"
                )
        return ring


_READERS: Final[Mapping[int, Callable[[_Reader], Entry]]] = MappingProxyType(
    {
        RSC_CARVEOUT: _Reader.carveout,
        RSC_DEVMEM: _Reader.devmem,
        RSC_TRACE: _Reader.trace,
        RSC_VDEV: _Reader.vdev,
    }
)


def vring_bytes(ring: Vring) -> int:
    """Bytes of the ring (vring_size in include/uapi/linux/virtio_ring.h)."""
    return SplitLayout(ring.num, 0, ring.align).end


def _check_ranges(entries: tuple[Entry, ...]) -> None:
    """No two ranges of fixed device addresses overlap.

    A vring may lie in the carveout that has its name, vdev<n>vring<m>: firmware reserves its place that way
    (remoteproc_core.c, rproc_alloc_vring looks the carveout up by this name).
    """
    ranges: list[Range] = []
    vdevs = 0
    for index, entry in enumerate(entries):
        if isinstance(entry, Carveout | Devmem) and entry.da != FW_RSC_ADDR_ANY:
            ranges.append(Range(entry.da, entry.da + entry.length, f"entry {index} da", entry.name))
        elif isinstance(entry, Vdev):
            for number, ring in enumerate(entry.vrings):
                if ring.da != FW_RSC_ADDR_ANY:
                    label, name = f"entry {index} vring[{number}] da", f"vdev{vdevs}vring{number}"
                    ranges.append(Range(ring.da, ring.da + vring_bytes(ring), label, name, ring=True))
            vdevs += 1
    _CHECKS.disjoint(ranges)


def _name(label: str, raw: bytes) -> str:
    """A C string that may fill its field to the last byte; ASCII that can be printed, for it goes to terminals."""
    text = raw.partition(b"\0")[0]
    if any(not 0x20 <= byte < 0x7F for byte in text):
        _CHECKS.refuse(f"{label} name", ascii(text), "printable ASCII")
    return text.decode("ascii")


def _packed(entries: tuple[Entry, ...]) -> tuple[int, ...]:
    offsets, offset = [], OFFSETS_AT + 4 * len(entries)
    for entry in entries:
        offsets.append(offset)
        offset = align_up(offset + _size(entry), 4)
    return tuple(offsets)


def _size(entry: Entry) -> int:
    if isinstance(entry, Unknown):
        return _HDR + len(entry.data)
    if isinstance(entry, Vendor):
        return _HDR + align_up(len(entry.data), 4)
    if isinstance(entry, Vdev):
        return config_at(len(entry.vrings)) + len(entry.config)
    return _HDR + _MEMORY[type(entry)][1].size


_MEMORY: Final[Mapping[type, tuple[int, Layout]]] = MappingProxyType(
    {
        Carveout: (RSC_CARVEOUT, FW_RSC_CARVEOUT),
        Devmem: (RSC_DEVMEM, FW_RSC_DEVMEM),
        Trace: (RSC_TRACE, FW_RSC_TRACE),
    }
)


def _pack(label: str, entry: Entry) -> bytes:
    if isinstance(entry, Vendor | Unknown):
        _check_type(label, entry)
        header = _fields(f"{label} ({type(entry).__name__.lower()})", FW_RSC_HDR, {"type": entry.type})
        return (header + entry.data).ljust(_size(entry), b"\0")
    if isinstance(entry, Vdev):
        return _pack_vdev(f"{label} (vdev)", entry)
    kind, layout = _MEMORY[type(entry)]
    label = f"{label} ({type(entry).__name__.lower()})"
    if not entry.name.isascii() or len(entry.name) > NAME_BYTES:
        _CHECKS.refuse(f"{label} name", ascii(entry.name), f"{NAME_BYTES} ASCII characters at most")
    values: dict[str, int | bytes] = {"da": entry.da, "len": entry.length, "name": entry.name.encode()}
    if not isinstance(entry, Trace):
        values |= {"pa": entry.pa, "flags": entry.flags}
    return FW_RSC_HDR.pack({"type": kind}) + _fields(label, layout, values)


def _check_type(label: str, entry: Vendor | Unknown) -> None:
    """A vendor's type is in its range; one that is unknown is none of the known ones."""
    vendors = VENDOR_START <= entry.type <= VENDOR_END
    if isinstance(entry, Vendor) and not vendors:
        _CHECKS.refuse(f"{label} (vendor) type", entry.type, f"{VENDOR_START} to {VENDOR_END}")
    if isinstance(entry, Unknown) and (vendors or entry.type in _READERS):
        _CHECKS.refuse(f"{label} (unknown) type", entry.type, "one that has no other meaning")


def _pack_vdev(label: str, vdev: Vdev) -> bytes:
    head = {
        "id": vdev.id,
        "notifyid": vdev.notifyid,
        "dfeatures": vdev.dfeatures,
        "gfeatures": vdev.gfeatures,
        "config_len": len(vdev.config),
        "status": vdev.status,
        "num_of_vrings": len(vdev.vrings),
    }
    rings = (
        {"da": ring.da, "align": ring.align, "num": ring.num, "notifyid": ring.notifyid, "pa": ring.pa}
        for ring in vdev.vrings
    )
    return b"".join(
        (
            FW_RSC_HDR.pack({"type": RSC_VDEV}),
            _fields(label, FW_RSC_VDEV, head),
            *(_fields(f"{label} vring[{at}]", FW_RSC_VDEV_VRING, ring) for at, ring in enumerate(rings)),
            vdev.config,
        )
    )


def _fields(label: str, layout: Layout, values: Mapping[str, int | bytes]) -> bytes:
    for name, value in values.items():
        if isinstance(value, int) and not 0 <= value < 1 << 8 * layout.names[name].size:
            _CHECKS.refuse(f"{label} {name}", value, f"0 to {(1 << 8 * layout.names[name].size) - 1:#x}")
    return layout.pack(values)


def _zero(label: str, layout: Layout, values: Mapping[str, Any]) -> None:
    for name in layout.reserved():
        _CHECKS.exactly(f"{label} {name}".strip(), values[name], 0)
