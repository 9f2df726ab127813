"""ELF as bytes: the headers of both classes (little endian), and a writer for small files.

Field order and sizes: System V gABI, chapters "ELF Header", "Section Header", "Program Header"; in C, struct elf32_hdr,
elf64_phdr and so on in Linux v6.1, include/uapi/linux/elf.h. The writer is deterministic: the same parts give the same
bytes. Layout of a file: ELF header, program headers, contents (16-aligned, in order), section names, section headers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MAGIC: Final = b"\x7fELF"
IDENT_BYTES: Final = 16
LITTLE: Final = 1  # ELFDATA2LSB
EV_CURRENT: Final = 1

ET_EXEC: Final = 2
ET_CORE: Final = 4
EM_ARM: Final = 40
EM_AARCH64: Final = 183
EF_ARM_EABI_VER5: Final = 0x05000000  # Arm IHI 0044, "ELF header": the version of the ABI

PT_LOAD: Final = 1
PT_NOTE: Final = 4
PF_X: Final = 1
PF_W: Final = 2
PF_R: Final = 4

SHT_PROGBITS: Final = 1
SHT_STRTAB: Final = 3
SHT_NOTE: Final = 7
SHT_NOBITS: Final = 8
SHF_WRITE: Final = 1
SHF_ALLOC: Final = 2
SHF_EXECINSTR: Final = 4

_ALIGN: Final = 16


@dataclass(frozen=True, slots=True)
class Class:
    """One ELF class: EI_CLASS, width of an address, and the header formats with their fields in order."""

    ident: int
    bits: int
    ehdr: struct.Struct  # behind e_ident
    phdr: struct.Struct
    phdr_fields: tuple[str, ...]
    shdr: struct.Struct

    @property
    def ehdr_bytes(self) -> int:
        return IDENT_BYTES + self.ehdr.size


EHDR_FIELDS: Final = (
    *("e_type", "e_machine", "e_version", "e_entry", "e_phoff", "e_shoff", "e_flags"),
    *("e_ehsize", "e_phentsize", "e_phnum", "e_shentsize", "e_shnum", "e_shstrndx"),
)
_PHDR32: Final = ("type", "offset", "vaddr", "paddr", "filesz", "memsz", "flags", "align")
_PHDR64: Final = ("type", "flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align")

ELF32: Final = Class(1, 32, struct.Struct("<2H5I6H"), struct.Struct("<8I"), _PHDR32, struct.Struct("<10I"))
ELF64: Final = Class(2, 64, struct.Struct("<2HI3QI6H"), struct.Struct("<2I6Q"), _PHDR64, struct.Struct("<2I4Q2I2Q"))
CLASSES: Final[Mapping[int, Class]] = MappingProxyType({each.ident: each for each in (ELF32, ELF64)})


@dataclass(frozen=True, slots=True)
class Part:
    """Contents with the segment and the section that describe them: `da` is both address fields, 0 if not loaded.

    `memsz` of 0 means as long as the contents.
    """

    name: str
    data: bytes
    segment: int  # PT_*
    flags: int  # PF_*
    da: int = 0
    memsz: int = 0
    section: int = SHT_PROGBITS
    section_flags: int = 0
    align: int = _ALIGN


def note(name: str, kind: int, desc: bytes) -> bytes:
    """One entry of a note segment (gABI, "Note Section"): name and desc each padded to 4."""
    owner = name.encode("ascii") + b"\0"
    return struct.pack("<3I", len(owner), len(desc), kind) + _padded(owner, 4) + _padded(desc, 4)


def write(shape: Class, kind: int, machine: int, entry: int, parts: Sequence[Part], *, flags: int = 0) -> bytes:
    """An ELF file of type `kind` (ET_*) with a segment and a section for each part; values are in range."""
    names = b"\0" + b"".join(part.name.encode("ascii") + b"\0" for part in parts) + b".shstrtab\0"
    body = bytearray(shape.ehdr_bytes + shape.phdr.size * len(parts))
    segments, sections = [], [bytes(shape.shdr.size)]
    for part in parts:
        body += bytes(-len(body) % max(part.align, 1))
        values = {
            "type": part.segment,
            "flags": part.flags,
            "offset": len(body),
            "vaddr": part.da,
            "paddr": part.da,
            "filesz": len(part.data),
            "memsz": max(part.memsz, len(part.data)),
            "align": part.align,
        }
        segments.append(shape.phdr.pack(*(values[field] for field in shape.phdr_fields)))
        name = names.index(b"\0" + part.name.encode("ascii") + b"\0") + 1
        where = (part.section_flags, part.da, len(body), len(part.data))
        sections.append(shape.shdr.pack(name, part.section, *where, 0, 0, part.align, 0))
        body += part.data
    name = names.index(b"\0.shstrtab\0") + 1
    sections.append(shape.shdr.pack(name, SHT_STRTAB, 0, 0, len(body), len(names), 0, 0, 1, 0))
    body = bytearray(_padded(bytes(body) + names, _ALIGN))
    head = MAGIC + bytes((shape.ident, LITTLE, EV_CURRENT)).ljust(IDENT_BYTES - len(MAGIC), b"\0")
    head += shape.ehdr.pack(
        *(kind, machine, EV_CURRENT, entry, shape.ehdr_bytes, len(body), flags),
        *(shape.ehdr_bytes, shape.phdr.size, len(segments), shape.shdr.size, len(sections), len(sections) - 1),
    )
    head += b"".join(segments)
    body[: len(head)] = head
    return bytes(body) + b"".join(sections)


def _padded(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)
