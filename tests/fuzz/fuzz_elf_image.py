"""A hostile firmware file: read, and if it can be read, served from a SoC's pools. Not a test.

An input is a file as it is, or a sound image of either class with fields overwritten: headers by their fields, the rest
by its bytes. Fields of headers are aligned to their size, so `overwritten` hits them whole.
"""

from __future__ import annotations

from typing import Final

from fuzz_arena import one_line
from fuzz_input import Input, overwritten
from fuzz_resource_table import SOUND, TEXT_DA, decoded, serve

from amp.errors import FirmwareError
from amp.remoteproc import elf
from amp.remoteproc.image import MEMORY_LIMIT_BYTES, Image, read_image

_PT_NULL: Final = 0  # no segment at all: the table is in the file only
_HEADS: Final = 8  # of so many inputs with patches one has them anywhere, the others in the tables of headers


def _image(shape: elf.Class, machine: int, table: bytes | None, *, loaded: bool = True) -> bytes:
    parts = [elf.Part(".text", b"def main(firmware): ...\n", elf.PT_LOAD, elf.PF_R | elf.PF_X, da=TEXT_DA, memsz=64)]
    if table is not None:
        segment, da = (elf.PT_LOAD, TEXT_DA + 0x400) if loaded else (_PT_NULL, 0)
        parts.append(elf.Part(".resource_table", table, segment, elf.PF_R | elf.PF_W, da=da))
    parts.append(elf.Part(".note.amp", elf.note("AMP", 1, b"python:main\0"), elf.PT_NOTE, elf.PF_R, align=4))
    return elf.write(shape, elf.ET_EXEC, machine, TEXT_DA, parts)


IMAGES: Final = (
    _image(elf.ELF32, elf.EM_ARM, SOUND[0]),
    _image(elf.ELF64, elf.EM_AARCH64, SOUND[1]),
    _image(elf.ELF64, elf.EM_AARCH64, SOUND[2]),
    _image(elf.ELF32, elf.EM_ARM, SOUND[0], loaded=False),
    _image(elf.ELF32, elf.EM_ARM, None),
)


def _heads(image: bytes) -> list[tuple[int, int]]:
    """(start, end) of the ELF header, the program headers and the section headers."""
    shape = elf.CLASSES[image[4]]
    head = dict(zip(elf.EHDR_FIELDS, shape.ehdr.unpack_from(image, elf.IDENT_BYTES), strict=True))
    tables = [(0, shape.ehdr_bytes)]
    for which, size in (("ph", shape.phdr.size), ("sh", shape.shdr.size)):
        start = head[f"e_{which}off"]
        tables.append((start, start + size * head[f"e_{which}num"]))
    return tables


def some_file(source: Input) -> bytes:
    kind = source.below(len(IMAGES) + 1)
    if kind == len(IMAGES):
        return source.rest()
    image = IMAGES[kind]
    if source.below(_HEADS) == 0:
        return overwritten(source, image)
    for start, end in _heads(image):
        image = image[:start] + overwritten(source, image[start:end])[: end - start].ljust(end - start) + image[end:]
    return image


def check_image(image: Image, data: bytes) -> None:
    """What `read_image` promises of what it returns."""
    end = 1 << image.bits
    assert image.segments
    assert sum(segment.memsz for segment in image.segments) <= MEMORY_LIMIT_BYTES
    last = 0
    for segment in sorted(image.segments, key=lambda each: each.da):
        assert last <= segment.da
        last = segment.da + segment.memsz
        assert last <= end
        assert len(segment.data) <= segment.memsz
        assert segment.data in data
    assert any(segment.da <= image.entry_da < segment.da + segment.memsz for segment in image.segments)
    assert image.table is not None or image.table_da is None
    if image.table is not None:
        assert image.table in data
    if image.note is not None:
        assert f"{image.note.runtime}:{image.note.entry}".isprintable()


def one_input(data: bytes) -> None:
    """Raises for a file that its reader or its host does not stand."""
    source = Input(data)
    file = some_file(source)
    try:
        image = read_image(file)
    except FirmwareError as error:
        one_line(error)
        return
    check_image(image, file)
    if image.table is None or decoded(image.table) is not None:
        serve(source, image)
