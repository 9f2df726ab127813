"""What an opener refuses, and what it says: forged, foreign, stale and damaged regions, all of them real objects."""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import RegionError
from amp.region import Creator, Layout, Region
from amp.region.header import HEADER_SIZE, Header

LAYOUT = Layout.plan(vrings=1, buffers=1, resources=1, model=1)
SOMEBODY_ELSE = os.geteuid() + 1


def rewrite(region: Region, offset: int, new: bytes) -> None:
    """Forge a field: the CRC is made right again, so that the check of the field itself is reached."""
    region.memory[offset : offset + len(new)] = new
    region.memory[HEADER_SIZE - 4 : HEADER_SIZE] = struct.pack("<I", zlib.crc32(region.memory[: HEADER_SIZE - 4]))


def refusal(fd: int) -> str:
    with pytest.raises(RegionError) as refused:
        Region.from_fd(fd)
    return str(refused.value)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


# offset of the field, what is written there, what the refusal says
FORGED = [
    (0, b"ELF", r"magic is b'ELFREGN\x00', expected b'AMPREGN\x00'"),
    (8, u32(2), "layout version is 2, expected 1"),
    (12, u32(4096), f"header size is 4096, expected {HEADER_SIZE}"),
    (16, u64(LAYOUT.size + 4096), f"region size is {LAYOUT.size + 4096}, expected {LAYOUT.size}; written by process"),
    (24, u32(SOMEBODY_ELSE), f"owner uid is {SOMEBODY_ELSE}, expected {os.geteuid()}; written by process"),
    (40, u32(6), "number of carveouts is 6, expected 5; written by process"),
    (44, b"rings\0", "carveouts are 'rings', 'buffers'"),
    (44, b"\xff\xfe", r"carveouts are '\\xff\\xfeings', 'buffers'"),
    (60, u64(0x800), "carveout vrings: offset is 0x800, expected a multiple of 0x1000; written by process"),
    (60 + 32, u64(0x1000), "carveout buffers: offset is 0x1000, expected at least 0x2000 (end of vrings)"),
    (60 + 4 * 32, u64(1 << 40), "carveout model: end is 0x10000001000, expected at most 0x6000 (region size)"),
    (68 + 4 * 32, u64(0), "carveout model: size is 0x0, expected a positive multiple of 0x1000"),
]


@pytest.mark.parametrize(("offset", "new", "message"), FORGED)
def test_a_forged_field_is_refused_and_named(offset: int, new: bytes, message: str) -> None:
    with Region.create(LAYOUT) as region:
        rewrite(region, offset, new)
        said = refusal(region.fd)
        assert message in said
        assert said.startswith(f"region at descriptor {region.fd}: ")


@pytest.mark.parametrize("offset", range(16, HEADER_SIZE, 16))
def test_one_flipped_bit_behind_the_header_size_is_a_wrong_crc(offset: int) -> None:
    with Region.create(LAYOUT) as region:
        region.memory[offset] ^= 0x10
        assert "header CRC is" in refusal(region.fd)


@pytest.mark.parametrize("size", [0, 1, HEADER_SIZE - 1])
def test_an_object_too_small_for_a_header_is_refused(size: int) -> None:
    with Region.create(LAYOUT) as region:
        os.ftruncate(region.fd, size)
        assert f"object size is {size} bytes, expected at least {HEADER_SIZE}" in refusal(region.fd)


@pytest.mark.parametrize("size", [4096, LAYOUT.size - 1, LAYOUT.size + 1])
def test_an_object_cut_short_or_grown_is_refused(size: int) -> None:
    with Region.create(LAYOUT) as region:
        os.ftruncate(region.fd, size)
        assert f"region size is {LAYOUT.size}, expected {size}" in refusal(region.fd)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_region_that_others_may_reach_is_refused(mode: int) -> None:
    with Region.create(LAYOUT) as region:
        os.fchmod(region.fd, mode)
        assert f"mode is {mode:#o}, expected 0o600" in refusal(region.fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give an object away")
def test_a_region_of_another_user_is_refused() -> None:
    with Region.create(LAYOUT) as region:
        os.fchown(region.fd, SOMEBODY_ELSE, -1)
        assert f"owner of the object is uid {SOMEBODY_ELSE}, expected 0" in refusal(region.fd)


def test_a_descriptor_of_something_else_is_refused_and_stays_open() -> None:
    reader, writer = os.pipe()
    try:
        assert "file type is 'p', expected '-' (shared memory)" in refusal(reader)
        os.fstat(reader)  # raises if it was closed
    finally:
        os.close(reader)
        os.close(writer)
    assert f"region at descriptor {reader}: cannot be mapped: [Errno 9]" in refusal(reader)


def test_a_descriptor_that_cannot_be_written_is_refused() -> None:
    with Region.create(LAYOUT) as region:
        read_only = os.open(f"/proc/self/fd/{region.fd}", os.O_RDONLY)
        try:
            assert "cannot be mapped: [Errno 13]" in refusal(read_only)
        finally:
            os.close(read_only)


def test_a_refusal_names_the_descriptor_and_leaks_none() -> None:
    with Region.create(LAYOUT) as region:
        rewrite(region, 8, u32(7))
        before = os.listdir("/proc/self/fd")
        assert f"region at descriptor {region.fd}: layout version is 7, expected 1" in refusal(region.fd)
        assert os.listdir("/proc/self/fd") == before


@contextmanager
def object_of(content: bytes) -> Iterator[int]:
    """A private memory object that holds `content` and belongs to nobody's machine."""
    fd = os.memfd_create("forged")
    try:
        os.fchmod(fd, 0o600)
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)


@given(st.binary(max_size=2 * HEADER_SIZE))
def test_random_bytes_are_refused(content: bytes) -> None:
    with object_of(content) as fd, pytest.raises(RegionError):
        Region.from_fd(fd)


GOOD = Header(LAYOUT, os.geteuid(), Creator.current()).encode()
EDGES = st.sampled_from([0, 1, 0xFFF, 0x1000, LAYOUT.size, 0x7FFF_FFFF_FFFF_F000, 0xFFFF_FFFF_FFFF_F000, 2**64 - 1])


@given(
    st.lists(st.tuples(st.integers(16, HEADER_SIZE - 12), EDGES | st.integers(0, 2**64 - 1)), min_size=1, max_size=4)
)
def test_a_header_with_random_fields_and_a_right_crc_is_refused_or_sound(changes: list[tuple[int, int]]) -> None:
    page = bytearray(GOOD)
    for offset, value in changes:
        struct.pack_into("<Q", page, offset, value)
    page[-4:] = u32(zlib.crc32(page[:-4]))
    try:
        header = Header.decode(bytes(page), object_size=LAYOUT.size)
    except RegionError:
        return
    assert header.encode() == page
    assert all(carveout.end <= LAYOUT.size for carveout in header.layout)


def test_a_header_reads_back_as_it_was_written() -> None:
    assert Header.decode(GOOD, object_size=LAYOUT.size) == Header(LAYOUT, os.geteuid(), Creator.current())
