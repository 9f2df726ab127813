"""A firmware image: an ELF file of either class, read with pyelftools, every number of it checked first.

Device addresses are p_paddr of the segments, as in Linux v6.1, drivers/remoteproc/remoteproc_elf_loader.c
(rproc_elf_load_segments). Only headers, the section names, the resource table and notes are interpreted: no section is
decompressed, no symbol read. Files are untrusted: their tables are bounded before pyelftools sees them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile

from amp.errors import FirmwareError
from amp.remoteproc import elf
from amp.remoteproc.checks import Checks, Range
from amp.remoteproc.layout import RESOURCE_TABLE
from amp.remoteproc.table import TABLE_LIMIT_BYTES
from amp.virtio.split import align_up

# amp's own limits: Linux has none but the size of the file.
FILE_LIMIT_BYTES: Final = 16 << 20
MEMORY_LIMIT_BYTES: Final = 64 << 20  # of all segments together
SEGMENTS_LIMIT: Final = 64
SECTIONS_LIMIT: Final = 1024
NOTES_LIMIT: Final = 64  # in a segment
NOTES_LIMIT_BYTES: Final = 65536

TABLE_SECTION: Final = b".resource_table"  # remoteproc_elf_loader.c, find_table
NOTE_NAME: Final = "AMP"
NOTE_ENTRY: Final = 1
_CHECKS: Final = Checks("firmware image", "firmware")
_ENTRY: Final = re.compile(r"([a-z][a-z0-9-]{0,30}):([A-Za-z_][A-Za-z0-9_.]{0,126})")


@dataclass(frozen=True, slots=True)
class Segment:
    """A PT_LOAD segment: `data` goes to device address `da`; zeros follow until `memsz` bytes. `flags` are PF_*."""

    da: int
    data: bytes
    memsz: int
    flags: int


@dataclass(frozen=True, slots=True)
class EntryNote:
    """What runs the image, and where it begins: ELF note "AMP", type 1, desc "<runtime>:<entry>" and a NUL."""

    runtime: str
    entry: str


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware image whose structure is sound. The resource table is not decoded yet.

    `bits` is 32 or 64; `machine` as in elf.h ("EM_ARM"; a bare number if it has no name). `table_da` is where a
    segment puts the resource table; None if the table is in the file only. `note` is None in images of other tools.
    """

    bits: int
    machine: str
    entry_da: int
    segments: tuple[Segment, ...]
    table: bytes | None
    table_da: int | None
    note: EntryNote | None


def read_image(data: bytes) -> Image:
    """Read an image of at most FILE_LIMIT_BYTES.

    Raises FirmwareError, one line with field, value and limit, for everything malformed; nothing else, whatever the
    bytes. Checks of Linux v6.1: remoteproc_elf_loader.c, rproc_elf_sanity_check (size, class, byte order, magic,
    e_phnum, e_phoff, e_shoff), rproc_elf_load_segments (p_filesz, p_memsz, truncation) and find_table. amp also refuses
    segments that overlap or wrap, an entry outside of them, and tables of headers that do not fit the file.
    """
    data = bytes(data)
    shape = _check_header(data)
    try:
        file = ELFFile(io.BytesIO(data))
        return _Reader(data, shape, file).image()
    except FirmwareError:
        raise
    except Exception as error:  # pyelftools does not say what it raises; 0.30 also reads names when it opens
        text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FirmwareError(f"firmware image: cannot be read as ELF: {text!a}; written by the firmware") from None


def _check_header(data: bytes) -> elf.Class:
    """rproc_elf_sanity_check, and that both tables of headers lie in the file and are not too long."""
    if not elf.ELF32.ehdr_bytes <= len(data) <= FILE_LIMIT_BYTES:
        _CHECKS.refuse("size", len(data), f"{elf.ELF32.ehdr_bytes} to {FILE_LIMIT_BYTES} bytes")
    if data[:4] != elf.MAGIC:
        _CHECKS.refuse("magic", data[:4].hex(" "), elf.MAGIC.hex(" "))
    shape = elf.CLASSES.get(data[4])
    if shape is None:
        _CHECKS.refuse("EI_CLASS", data[4], "1 (ELFCLASS32) or 2 (ELFCLASS64)")
    if data[5] != elf.LITTLE:
        _CHECKS.refuse("EI_DATA", data[5], "1 (ELFDATA2LSB, little endian)")
    if len(data) < shape.ehdr_bytes:
        _CHECKS.refuse("size", len(data), f"{shape.ehdr_bytes} bytes or more")
    head = dict(zip(elf.EHDR_FIELDS, shape.ehdr.unpack_from(data, elf.IDENT_BYTES), strict=True))
    _CHECKS.exactly("e_version", head["e_version"], elf.EV_CURRENT)
    _CHECKS.exactly("e_ehsize", head["e_ehsize"], shape.ehdr_bytes)
    _CHECKS.between("e_phnum", head["e_phnum"], 1, SEGMENTS_LIMIT)
    _check_headers(head, "ph", shape.phdr.size, len(data))
    if head["e_shnum"] or head["e_shoff"]:
        _CHECKS.between("e_shnum", head["e_shnum"], 1, SECTIONS_LIMIT)
        _check_headers(head, "sh", shape.shdr.size, len(data))
        _CHECKS.between("e_shstrndx", head["e_shstrndx"], 0, head["e_shnum"] - 1)
    else:
        _CHECKS.exactly("e_shstrndx", head["e_shstrndx"], 0)
    return shape


def _check_headers(head: Mapping[str, int], which: str, entry_bytes: int, size: int) -> None:
    _CHECKS.exactly(f"e_{which}entsize", head[f"e_{which}entsize"], entry_bytes)
    _CHECKS.between(f"e_{which}off", head[f"e_{which}off"], 1, size - entry_bytes * head[f"e_{which}num"])


class _Reader:
    """What lies behind a header that has been checked."""

    def __init__(self, data: bytes, shape: elf.Class, file: ELFFile) -> None:
        self.data, self.shape, self.file = data, shape, file
        self.address_end = 1 << shape.bits

    def image(self) -> Image:
        head = self.file.header
        if head["e_type"] not in {"ET_EXEC", "ET_DYN"}:
            _CHECKS.refuse("e_type", head["e_type"], "ET_EXEC or ET_DYN")
        segments = self.segments()
        entry = int(head["e_entry"])
        if not any(each.da <= entry < each.da + each.memsz for each in segments):
            _CHECKS.refuse("e_entry", hex(entry), "an address in a PT_LOAD segment")
        table, address = self.table()
        loaded = table is not None and any(
            each.da <= address and address + len(table) <= each.da + each.memsz for each in segments
        )
        machine = str(head["e_machine"])
        return Image(self.shape.bits, machine, entry, segments, table, address if loaded else None, self.note())

    def program_headers(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        start, size = int(self.file["e_phoff"]), self.shape.phdr.size
        for index in range(self.file["e_phnum"]):
            header = struct_parse(self.file.structs.Elf_Phdr, self.file.stream, start + size * index)
            yield f"segment {index}", header

    def segments(self) -> tuple[Segment, ...]:
        found: list[tuple[str, Segment]] = []
        total = 0
        for label, header in self.program_headers():
            if header["p_type"] != "PT_LOAD" or not header["p_memsz"]:  # as rproc_elf_load_segments passes over them
                continue
            da, filesz, memsz = header["p_paddr"], header["p_filesz"], header["p_memsz"]
            _CHECKS.between(f"{label} p_filesz", filesz, 0, memsz)
            total += memsz
            if total > MEMORY_LIMIT_BYTES:
                _CHECKS.refuse(f"{label} p_memsz", memsz, f"{MEMORY_LIMIT_BYTES} for all segments together")
            if da + memsz > self.address_end:
                _CHECKS.refuse(f"{label} p_paddr", hex(da), f"{self.address_end - memsz:#x} at most for {memsz} bytes")
            data = self.inside(f"{label} p_offset", header["p_offset"], filesz)
            found.append((label, Segment(da, data, memsz, header["p_flags"])))
        if not found:
            _CHECKS.refuse("number of PT_LOAD segments", 0, "at least 1")
        _CHECKS.disjoint(Range(each.da, each.da + each.memsz, f"{label} p_paddr") for label, each in found)
        return tuple(segment for _, segment in found)

    def table(self) -> tuple[bytes | None, int]:
        """The bytes and the address of `.resource_table`; (None, 0) if there is none (find_table)."""
        headers = [self.section_header(index) for index in range(self.file["e_shnum"])]
        if not headers:
            return None, 0
        names = headers[self.file["e_shstrndx"]]
        self.inside("section names sh_offset", names["sh_offset"], names["sh_size"])
        wanted = TABLE_SECTION + b"\0"
        found = []
        for index, header in enumerate(headers):
            start = names["sh_offset"] + min(header["sh_name"], names["sh_size"])
            if self.data[start : min(start + len(wanted), names["sh_offset"] + names["sh_size"])] == wanted:
                found.append((index, header))
        if not found:
            return None, 0
        if len(found) > 1:
            _CHECKS.refuse("number of .resource_table sections", len(found), "at most 1")
        index, header = found[0]
        label = f"section {index} (.resource_table)"
        if header["sh_type"] != "SHT_PROGBITS":
            _CHECKS.refuse(f"{label} sh_type", header["sh_type"], "SHT_PROGBITS")
        _CHECKS.between(f"{label} sh_size", header["sh_size"], RESOURCE_TABLE.size, TABLE_LIMIT_BYTES)
        return self.inside(f"{label} sh_offset", header["sh_offset"], header["sh_size"]), header["sh_addr"]

    def section_header(self, index: int) -> Mapping[str, Any]:
        # Headers alone: pyelftools' section objects follow links and parse hash tables.
        where = self.file["e_shoff"] + self.shape.shdr.size * index
        header: Mapping[str, Any] = struct_parse(self.file.structs.Elf_Shdr, self.file.stream, where)
        return header

    def note(self) -> EntryNote | None:
        found: list[EntryNote] = []
        for label, header in self.program_headers():
            if header["p_type"] == "PT_NOTE":
                _CHECKS.between(f"{label} p_filesz", header["p_filesz"], 0, NOTES_LIMIT_BYTES)
                data = self.inside(f"{label} p_offset", header["p_offset"], header["p_filesz"])
                # GNU property notes of 64-bit files are padded to 8, and say so in p_align.
                for name, kind, desc in self.notes(label, data, 8 if header["p_align"] == 8 else 4):
                    if name == NOTE_NAME.encode() + b"\0" and kind == NOTE_ENTRY:
                        found.append(_entry_note(label, desc))
        if len(found) > 1:
            _CHECKS.refuse("number of AMP notes", len(found), "at most 1")
        return found[0] if found else None

    def notes(self, label: str, data: bytes, step: int) -> Iterator[tuple[bytes, int, bytes]]:
        """(name, type, desc) of each note in a segment's bytes."""
        stream, at, count = io.BytesIO(data), 0, 0
        while at < len(data):
            count += 1
            if count > NOTES_LIMIT:
                _CHECKS.refuse(f"{label} number of notes", count, f"at most {NOTES_LIMIT}")
            if len(data) - at < 12:
                _CHECKS.refuse(f"{label} note room", len(data) - at, "12 bytes or more")
            stream.seek(at)
            size_of_name, size_of_desc, kind = (self.word(stream) for _ in range(3))
            start = align_up(at + 12 + size_of_name, step)
            if start + size_of_desc > len(data):
                _CHECKS.refuse(f"{label} note size", start - at + size_of_desc, f"at most {len(data) - at}")
            yield data[at + 12 : at + 12 + size_of_name], kind, data[start : start + size_of_desc]
            at = align_up(start + size_of_desc, step)

    def word(self, stream: io.BytesIO) -> int:
        return int(struct_parse(self.file.structs.Elf_word(""), stream))

    def inside(self, field: str, offset: int, size: int) -> bytes:
        """The file's bytes at `offset`, all `size` of them."""
        _CHECKS.between(field, offset, 0, len(self.data) - size)
        return self.data[offset : offset + size]


def _entry_note(label: str, desc: bytes) -> EntryNote:
    text = desc[:-1].decode("ascii", "replace") if desc.endswith(b"\0") else ""
    match = _ENTRY.fullmatch(text)
    if match is None:
        _CHECKS.refuse(f"{label} AMP note", ascii(desc[:80]), "'<runtime>:<entry>' and a NUL")
    return EntryNote(match[1], match[2])
