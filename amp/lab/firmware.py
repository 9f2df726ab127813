"""Firmware images as files: made from a Python module, read from any tool's, and told as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from amp.errors import UsageError
from amp.files import read_whole, write_whole
from amp.remoteproc import elf, table
from amp.remoteproc.build import build, declaration, find_module
from amp.remoteproc.image import FILE_LIMIT_BYTES, Image, read_image

_RIGHTS: Final = ((elf.PF_R, "r"), (elf.PF_W, "w"), (elf.PF_X, "x"))
_SHOWN_BYTES: Final = 16  # of an entry that nobody decodes


def make(module: str, output: str, config: str | None, bits: int, entry: str | None) -> str:
    """Build the image, write it to `output`, and say so in one line."""
    path = find_module(module)
    firmware = declaration(path, None if config is None else Path(config), entry=entry)
    data = build(path, firmware, bits=bits)
    try:
        write_whole(output, data)
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from None
    return f"{output}: {len(data)} bytes, ELF{bits}, entry {firmware.entry}"


def load(path: str) -> tuple[Image, table.Table | None]:
    """The image in a file, and its resource table. UsageError for the file, FirmwareError for what is in it."""
    try:
        data = read_whole(path, FILE_LIMIT_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    image = read_image(data)
    return image, None if image.table is None else table.decode(image.table)


def as_data(image: Image, resources: table.Table | None) -> dict[str, Any]:
    """The image as JSON values: addresses and lengths as numbers, bytes as hex text."""
    return {
        "command": "firmware show",
        "bits": image.bits,
        "machine": image.machine,
        "entry_da": image.entry_da,
        "code": code(image),
        "runtime": image.note.runtime if image.note else None,
        "entry": image.note.entry if image.note else None,
        "segments": [
            {"da": each.da, "filesz": len(each.data), "memsz": each.memsz, "flags": rights(each.flags)}
            for each in image.segments
        ],
        "table_da": image.table_da,
        "table_bytes": len(image.table) if image.table is not None else None,
        "resources": [
            {"kind": kind(entry), "offset": offset, **_fields(entry)}
            for offset, entry in zip(resources.offsets, resources.entries, strict=True)
        ]
        if resources is not None
        else None,
    }


def code(image: Image) -> str:
    """What `amp up` makes of it: firmware is code."""
    if image.note is None:
        return "code: none that amp up runs: it runs Python source packaged by amp firmware build, no machine code"
    return "code: amp up runs this image's text with all that you may do, amp up --confine with less"


def kind(entry: table.Entry) -> str:
    """What Linux calls it, without its prefix: "carveout"."""
    return type(entry).__name__.lower()


def _fields(entry: table.Entry) -> dict[str, Any]:
    if isinstance(entry, table.Vendor | table.Unknown):
        return {"type": entry.type, "data_hex": entry.data.hex()}
    if isinstance(entry, table.Vdev):
        return {
            "id": entry.id,
            "notifyid": entry.notifyid,
            "dfeatures": entry.dfeatures,
            "gfeatures": entry.gfeatures,
            "status": entry.status,
            "config_hex": entry.config.hex(),
            "vrings": [
                {"da": ring.da, "align": ring.align, "num": ring.num, "notifyid": ring.notifyid, "pa": ring.pa}
                for ring in entry.vrings
            ],
        }
    if isinstance(entry, table.Trace):
        return {"da": entry.da, "length": entry.length, "name": entry.name}
    return {"da": entry.da, "pa": entry.pa, "length": entry.length, "flags": entry.flags, "name": entry.name}


def rights(flags: int) -> str:
    """A segment's flags as letters: "r-x"."""
    return "".join(letter if flags & bit else "-" for bit, letter in _RIGHTS)


def resource_text(entry: table.Entry) -> str:
    """What an entry of the resource table asks for, in words."""
    if isinstance(entry, table.Vendor | table.Unknown):
        more = "..." if len(entry.data) > _SHOWN_BYTES else ""
        skipped = ", skipped" if isinstance(entry, table.Unknown) else ""
        return f"type {entry.type}{skipped}, {len(entry.data)} bytes: {entry.data[:_SHOWN_BYTES].hex(' ')}{more}"
    if isinstance(entry, table.Vdev):
        return (
            f"virtio id {entry.id}, features {entry.dfeatures:#x}, notify id {entry.notifyid}, "
            f"{len(entry.config)} bytes of config space"
        )
    text = f"{entry.name}: {entry.length} bytes at {_address(entry.da)}"
    if isinstance(entry, table.Devmem):
        text += f", physical {entry.pa:#x}"
    if not isinstance(entry, table.Trace) and entry.flags:
        text += f", flags {entry.flags:#x}"
    return text


def vring_text(ring: table.Vring) -> str:
    """What a vring of a device asks for, in words."""
    return f"{ring.num} entries, align {ring.align}, at {_address(ring.da)}, notify id {ring.notifyid}"


def _address(da: int) -> str:
    return "any" if da == table.FW_RSC_ADDR_ANY else f"{da:#x}"
