"""What `amp firmware show` prints: an image's segments and its resource table."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from amp.cli.terminal import print_grid
from amp.lab.firmware import code, kind, resource_text, rights, vring_text
from amp.remoteproc import table
from amp.remoteproc.image import Image


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
        rows.append((str(offset), kind(entry), resource_text(entry)))
        if isinstance(entry, table.Vdev):
            rows += [("", f"  vring {number}", vring_text(ring)) for number, ring in enumerate(entry.vrings)]
    print_grid(console, ("offset", "resource", "what it asks for"), rows)
