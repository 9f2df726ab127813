"""`amp firmware`: make an image from a Python module, and show what is in an image of any tool.

Rendering and files only: what an image may hold is decided in amp.remoteproc.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from amp.cli.terminal import print_grid
from amp.errors import UsageError
from amp.files import read_whole, write_whole
from amp.remoteproc import elf, table
from amp.remoteproc.build import build, declaration, find_module
from amp.remoteproc.image import FILE_LIMIT_BYTES, Image, read_image

_RIGHTS: Final = ((elf.PF_R, "r"), (elf.PF_W, "w"), (elf.PF_X, "x"))
_SHOWN_BYTES: Final = 16


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
        "code": _code(image),
        "runtime": image.note.runtime if image.note else None,
        "entry": image.note.entry if image.note else None,
        "segments": [
            {"da": each.da, "filesz": len(each.data), "memsz": each.memsz, "flags": _rights(each.flags)}
            for each in image.segments
        ],
        "table_da": image.table_da,
        "table_bytes": len(image.table) if image.table is not None else None,
        "resources": [
            {"kind": _kind(entry), "offset": offset, **_fields(entry)}
            for offset, entry in zip(resources.offsets, resources.entries, strict=True)
        ]
        if resources is not None
        else None,
    }


def render(console: Console, image: Image, resources: table.Table | None) -> None:
    """Headline, segments, resource table."""
    runs = f"runtime {image.note.runtime}, entry {image.note.entry}" if image.note else "no AMP note"
    console.print(Text(f"ELF{image.bits} {image.machine}, entry address {image.entry_da:#x}, {runs}"), soft_wrap=True)
    console.print(Text(_code(image)), soft_wrap=True)
    print_grid(
        console,
        ("segment", "da", "bytes in file", "bytes in memory", "flags"),
        (
            (str(index), f"{each.da:#x}", str(len(each.data)), str(each.memsz), _rights(each.flags))
            for index, each in enumerate(image.segments)
        ),
    )
    if resources is None or image.table is None:
        console.print("no resource table")
        return
    where = f"at {image.table_da:#x}" if image.table_da is not None else "in no segment"
    console.print(Text(f"resource table: {len(image.table)} bytes {where}, {len(resources.entries)} entries"))
    rows = []
    for offset, entry in zip(resources.offsets, resources.entries, strict=True):
        rows.append((str(offset), _kind(entry), _text(entry)))
        if isinstance(entry, table.Vdev):
            rows += [("", f"  vring {number}", _vring_text(ring)) for number, ring in enumerate(entry.vrings)]
    print_grid(console, ("offset", "resource", "what it asks for"), rows)


def _code(image: Image) -> str:
    """What `amp up` makes of it: firmware is code."""
    if image.note is None:
        return "code: none that amp up runs: it runs Python source packaged by amp firmware build, no machine code"
    return "code: amp up runs this image's text with all that you may do, amp up --confine with less"


def _kind(entry: table.Entry) -> str:
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


def _text(entry: table.Entry) -> str:
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


def _vring_text(ring: table.Vring) -> str:
    return f"{ring.num} entries, align {ring.align}, at {_address(ring.da)}, notify id {ring.notifyid}"


def _address(da: int) -> str:
    return "any" if da == table.FW_RSC_ADDR_ANY else f"{da:#x}"


def _rights(flags: int) -> str:
    return "".join(letter if flags & bit else "-" for bit, letter in _RIGHTS)
