"""What `amp firmware show` prints: an image's segments and its resource table."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from amp.cli.terminal import print_grid
from amp.lab.firmware import code, kind, rights
from amp.remoteproc import table
from amp.remoteproc.image import Image

_SHOWN_BYTES: Final = 16


def render(console: Console, image: Image, resources: table.Table | None) -> None:
    """Headline, segments, resource table."""
    runs = f"runtime {image.note.runtime}, entry {image.note.entry}" if image.note else "no AMP note"
    console.print(Text(f"ELF{image.bits} {image.machine}, entry address {image.entry_da:#x}, {runs}"), soft_wrap=True)
    console.print(Text(code(image)), soft_wrap=True)
    print_grid(
        console,
        ("segment", "da", "bytes in file", "bytes in memory", "flags"),
        (
            (str(index), f"{each.da:#x}", str(len(each.data)), str(each.memsz), rights(each.flags))
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
        rows.append((str(offset), kind(entry), _text(entry)))
        if isinstance(entry, table.Vdev):
            rows += [("", f"  vring {number}", _vring_text(ring)) for number, ring in enumerate(entry.vrings)]
    print_grid(console, ("offset", "resource", "what it asks for"), rows)


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
