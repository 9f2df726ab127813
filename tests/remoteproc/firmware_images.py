"""What the tests of firmware images share: a module to package, images, a way to change one field. Not a test."""

from __future__ import annotations

import struct
from pathlib import Path

from amp.remoteproc import elf
from amp.remoteproc.build import build
from amp.remoteproc.spec import CarveoutSpec, Firmware, VendorSpec, rpmsg

SOURCE = "def main(firmware):\n    firmware.print('up')\n"
FULL = Firmware(
    carveouts=(CarveoutSpec(name="data", length=100),),
    vdevs=(rpmsg(num=8, align=16),),
    vendors=(VendorSpec(type=200, data_hex="0102030405"),),
)
SHAPES = {32: elf.ELF32, 64: elf.ELF64}


def module_in(directory: Path, source: str = SOURCE) -> Path:
    path = directory / "sample.py"
    path.write_text(source, encoding="utf-8")
    return path


def image_in(directory: Path, *, bits: int = 64, firmware: Firmware = FULL) -> bytes:
    return build(module_in(directory), firmware, bits=bits)


def ehdr_at(bits: int, field: str) -> tuple[int, str]:
    """Offset and struct code of a field of the ELF header."""
    return _at(elf.EHDR_FIELDS, SHAPES[bits].ehdr.format, field, elf.IDENT_BYTES)


def phdr_at(bits: int, index: int, field: str) -> tuple[int, str]:
    shape = SHAPES[bits]
    return _at(shape.phdr_fields, shape.phdr.format, field, shape.ehdr_bytes + shape.phdr.size * index)


def shdr_at(image: bytes, bits: int, index: int, field: str) -> tuple[int, str]:
    shape = SHAPES[bits]
    where, code = ehdr_at(bits, "e_shoff")
    table = struct.unpack_from("<" + code, image, where)[0]
    names = ("name", "type", "flags", "addr", "offset", "size", "link", "info", "addralign", "entsize")
    return _at(names, shape.shdr.format, field, table + shape.shdr.size * index)


def patched(image: bytes, where: tuple[int, str], value: int) -> bytes:
    changed = bytearray(image)
    struct.pack_into("<" + where[1], changed, where[0], value)
    return bytes(changed)


def _at(names: tuple[str, ...], codes: str, field: str, start: int) -> tuple[int, str]:
    flat = "".join(_spelled(codes.removeprefix("<")))
    index = names.index(field)
    return start + struct.calcsize("<" + flat[:index]), flat[index]


def _spelled(codes: str) -> list[str]:
    """ "2H5I" as "HHIIIII"."""
    found, count = [], ""
    for letter in codes:
        if letter.isdigit():
            count += letter
        else:
            found.append(letter * int(count or 1))
            count = ""
    return found
