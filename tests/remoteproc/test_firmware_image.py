"""Firmware images: what a sound one says, one broken field at a time, and bytes that nobody meant."""

from __future__ import annotations

import struct
from collections.abc import Callable
from time import process_time

import pytest
from firmware_images import FULL, SOURCE, ehdr_at, image_in, patched, phdr_at, shdr_at
from hypothesis import given, settings
from hypothesis import strategies as st

from amp.errors import FirmwareError
from amp.remoteproc import elf
from amp.remoteproc.image import FILE_LIMIT_BYTES, EntryNote, Image, Segment, read_image
from amp.remoteproc.table import decode

TEXT, TABLE, NOTE = range(3)  # program headers of an image that was built
TABLE_SECTION, NAMES_SECTION = 2, 4


@pytest.fixture(scope="module", params=[32, 64])
def bits(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def image(bits: int, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return image_in(tmp_path_factory.mktemp("image"), bits=bits)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    directory = tmp_path_factory.mktemp("both")
    return image_in(directory, bits=32), image_in(directory, bits=64)


def test_a_sound_image_says_what_is_in_it(image: bytes, bits: int) -> None:
    read = read_image(image)
    assert (read.bits, read.machine) == (bits, {32: "EM_ARM", 64: "EM_AARCH64"}[bits])
    assert read.note == EntryNote("python", "main")
    assert read.entry_da == FULL.text_da
    text, table = read.segments
    assert text == Segment(FULL.text_da, SOURCE.encode(), len(SOURCE), elf.PF_R | elf.PF_X)
    assert (table.da, table.data) == (read.table_da, read.table)
    assert read.table is not None
    assert len(decode(read.table).entries) == 6


def with_ehdr(field: str, value: int) -> Callable[[bytes, int], bytes]:
    return lambda image, bits: patched(image, ehdr_at(bits, field), value)


def with_phdr(index: int, field: str, value: int) -> Callable[[bytes, int], bytes]:
    return lambda image, bits: patched(image, phdr_at(bits, index, field), value)


def with_shdr(index: int, field: str, value: int) -> Callable[[bytes, int], bytes]:
    return lambda image, bits: patched(image, shdr_at(image, bits, index, field), value)


def with_byte(offset: int, value: int) -> Callable[[bytes, int], bytes]:
    return lambda image, _: patched(image, (offset, "B"), value)


def no_loads(image: bytes, bits: int) -> bytes:
    return patched(patched(image, phdr_at(bits, TEXT, "type"), 0), phdr_at(bits, TABLE, "type"), 0)


def two_tables(image: bytes, bits: int) -> bytes:
    where, code = shdr_at(image, bits, TABLE_SECTION, "name")
    return patched(image, shdr_at(image, bits, 1, "name"), struct.unpack_from("<" + code, image, where)[0])


def two_notes(image: bytes, bits: int) -> bytes:
    """The table's segment and the note's both begin at the note."""
    start, code = phdr_at(bits, NOTE, "offset")
    offset = struct.unpack_from("<" + code, image, start)[0]
    for field, value in (("type", elf.PT_NOTE), ("offset", offset), ("filesz", 28)):
        image = patched(image, phdr_at(bits, TABLE, field), value)
    return image


U32 = 0xFFFFFFFF
BROKEN: list[tuple[str, Callable[[bytes, int], bytes], str]] = [
    ("empty", lambda *_: b"", "size is 0, allowed is 52 to"),
    ("header cut", lambda image, _: image[:51], "size is 51, allowed is 52 to"),
    ("too large", lambda image, _: image + bytes(FILE_LIMIT_BYTES), "allowed is 52 to 16777216 bytes"),
    ("magic", with_byte(0, 0), "magic is 00 45 4c 46, allowed is 7f 45 4c 46"),
    ("class", with_byte(4, 3), "EI_CLASS is 3, allowed is 1 (ELFCLASS32) or 2 (ELFCLASS64)"),
    ("byte order", with_byte(5, 2), "EI_DATA is 2, allowed is 1"),
    ("object file", with_ehdr("e_type", 1), "e_type is ET_REL, allowed is ET_EXEC or ET_DYN"),
    ("unknown type", with_ehdr("e_type", 77), "e_type is 77, allowed is ET_EXEC or ET_DYN"),
    ("version", with_ehdr("e_version", 2), "e_version is 2, allowed is 1"),
    ("ehsize", with_ehdr("e_ehsize", 8), "e_ehsize is 8"),
    ("no segments", with_ehdr("e_phnum", 0), "e_phnum is 0, allowed is 1 to 64"),
    ("PN_XNUM", with_ehdr("e_phnum", 0xFFFF), "e_phnum is 65535, allowed is 1 to 64"),
    ("phoff", with_ehdr("e_phoff", U32), "e_phoff is 4294967295, allowed is 1 to"),
    ("phentsize", with_ehdr("e_phentsize", 1), "e_phentsize is 1"),
    ("shoff", with_ehdr("e_shoff", U32), "e_shoff is 4294967295, allowed is 1 to"),
    ("shoff 0", with_ehdr("e_shoff", 0), "e_shoff is 0, allowed is 1 to"),
    ("shnum 0", with_ehdr("e_shnum", 0), "e_shnum is 0, allowed is 1 to 1024"),
    ("shnum huge", with_ehdr("e_shnum", 0xFFFF), "e_shnum is 65535, allowed is 1 to 1024"),
    ("shnum too many", with_ehdr("e_shnum", 6), "e_shoff is"),
    ("shentsize", with_ehdr("e_shentsize", 0), "e_shentsize is 0"),
    ("shstrndx", with_ehdr("e_shstrndx", 5), "e_shstrndx is 5, allowed is 0 to 4"),
    ("entry", with_ehdr("e_entry", 0x20000000), "e_entry is 0x20000000, allowed is an address in a PT_LOAD segment"),
    ("filesz over memsz", with_phdr(TEXT, "memsz", 1), f"segment 0 p_filesz is {len(SOURCE)}, allowed is 0 to 1"),
    ("truncated", with_phdr(TEXT, "offset", 0x7FFFFFFF), "segment 0 p_offset is 2147483647, allowed is 0 to"),
    ("memory", with_phdr(TEXT, "memsz", 0x7FFFFFFF), "segment 0 p_memsz is 2147483647, allowed is 67108864 for all"),
    ("overlap", with_phdr(TEXT, "memsz", 0x1000), "segment 1 p_paddr is"),
    ("nothing to load", no_loads, "number of PT_LOAD segments is 0, allowed is at le"),
    ("table outside", with_shdr(TABLE_SECTION, "offset", U32), "(.resource_table) sh_offset is 4294967295, allowed is"),
    ("table small", with_shdr(TABLE_SECTION, "size", 15), "(.resource_table) sh_size is 15, allowed is 16 to 65536"),
    ("table huge", with_shdr(TABLE_SECTION, "size", U32), "(.resource_table) sh_size is 4294967295"),
    ("table not there", with_shdr(TABLE_SECTION, "type", elf.SHT_NOBITS), "sh_type is SHT_NOBITS, allowed is SHT_PROG"),
    ("two tables", two_tables, "number of .resource_table sections is 2"),
    ("names outside", with_shdr(NAMES_SECTION, "offset", U32), "section names sh_offset is 4294967295"),
    ("note outside", with_phdr(NOTE, "filesz", 0xFFFF), "segment 2 p_offset is"),
    ("note huge", with_phdr(NOTE, "filesz", U32), "segment 2 p_filesz is 4294967295, allowed is 0 to 65536"),
    ("note cut", with_phdr(NOTE, "filesz", 11), "segment 2 note room is 11, allowed is 12 bytes or more"),
    ("note desc cut", with_phdr(NOTE, "filesz", 20), "segment 2 note size is 28, allowed is at most 20"),
    ("note text", lambda image, _: image.replace(b"python:main\0", b"python main\0"), "AMP note is b'python main"),
    ("two notes", two_notes, "number of AMP notes is 2, allowed is at most 1"),
]


@pytest.mark.parametrize(("broken", "text"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_image_is_refused_with_field_value_and_limit(
    image: bytes, bits: int, broken: Callable[[bytes, int], bytes], text: str
) -> None:
    with pytest.raises(FirmwareError) as refused:
        read_image(broken(image, bits))
    told = str(refused.value)
    assert text in told
    assert told.startswith("firmware image: ")
    assert told.endswith("; written by the firmware")
    assert "\n" not in told


def test_a_segment_that_wraps_is_refused(both: tuple[bytes, bytes]) -> None:
    for image, bits in zip(both, (32, 64), strict=True):
        with pytest.raises(FirmwareError, match=r"segment 0 p_paddr is 0xf+, allowed is 0xf+.* at most for"):
            read_image(patched(image, phdr_at(bits, TEXT, "paddr"), (1 << bits) - 1))


def test_names_that_claim_to_be_compressed_are_never_decompressed(image: bytes, bits: int) -> None:
    """SHF_COMPRESSED on the section names: pyelftools 0.30 looks for its header when it opens a file."""
    claimed = patched(image, shdr_at(image, bits, NAMES_SECTION, "flags"), 0x800)
    assert read_image(claimed) == read_image(image)
    with pytest.raises(FirmwareError, match=r"^firmware image: "):
        read_image(patched(claimed, shdr_at(image, bits, NAMES_SECTION, "offset"), len(image) - 1))


def without_sections(image: bytes, bits: int) -> bytes:
    for field in ("e_shoff", "e_shnum", "e_shstrndx"):
        image = patched(image, ehdr_at(bits, field), 0)
    return image


def test_an_image_needs_no_sections_and_has_no_table_then(image: bytes, bits: int) -> None:
    read = read_image(without_sections(image, bits))
    assert (read.table, read.table_da) == (None, None)
    assert read.note == EntryNote("python", "main")


def test_a_table_in_no_segment_has_no_address(image: bytes, bits: int) -> None:
    read = read_image(patched(image, phdr_at(bits, TABLE, "type"), 0))
    assert read.table is not None
    assert read.table_da is None


def test_notes_of_other_tools_are_passed_over(image: bytes) -> None:
    other = image.replace(b"AMP\0", b"GNU\0")
    assert read_image(other).note is None


def test_a_segment_of_no_bytes_is_passed_over_as_linux_does(image: bytes, bits: int) -> None:
    empty = patched(patched(image, phdr_at(bits, TABLE, "memsz"), 0), phdr_at(bits, TABLE, "offset"), 0xFFFFFFFF)
    assert len(read_image(empty).segments) == 1


def test_the_largest_tables_of_notes_are_refused_in_no_time(bits: int) -> None:
    """Every note is one header long, in as many segments as there may be."""
    notes = elf.Part(".notes", struct.pack("<3I", 0, 0, 0) * 5000, elf.PT_NOTE, elf.PF_R, section=elf.SHT_NOTE)
    parts = [elf.Part(".text", b"x", elf.PT_LOAD, elf.PF_R, da=4096), *[notes] * 63]
    crafted = elf.write(elf.CLASSES[bits // 32], elf.ET_EXEC, elf.EM_ARM, 4096, parts)
    started_s = process_time()
    with pytest.raises(FirmwareError, match="number of notes is 65, allowed is at most 64"):
        read_image(crafted)
    assert process_time() - started_s < 1


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_mutated_image_is_read_or_refused_and_nothing_else_happens(
    both: tuple[bytes, bytes], choose: st.DataObject
) -> None:
    changed = bytearray(choose.draw(st.sampled_from(both)))
    headers = [*range(0, 240, 2), *range(len(changed) - 320, len(changed), 4)]
    for _ in range(choose.draw(st.integers(1, 4))):
        where = choose.draw(st.one_of(st.sampled_from(headers), st.integers(0, len(changed) - 4)))
        code = choose.draw(st.sampled_from("BHI"))
        most = (1 << 8 * struct.calcsize(code)) - 1
        value = choose.draw(st.one_of(st.integers(0, most), st.sampled_from([0, 1, most, most // 2, 64, 7])))
        struct.pack_into("<" + code, changed, where, value)
    read_or_refused(bytes(changed))
    read_or_refused(bytes(changed[: choose.draw(st.integers(0, len(changed)))]))


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x7fELF\1\1\1", b"\x7fELF\2\1\1"]))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes, head: bytes) -> None:
    read_or_refused(head + data)


def read_or_refused(data: bytes) -> None:
    try:
        read = read_image(data)
    except FirmwareError:
        return
    assert isinstance(read, Image)
    assert all(len(each.data) <= each.memsz for each in read.segments)
    assert any(each.da <= read.entry_da < each.da + each.memsz for each in read.segments)
