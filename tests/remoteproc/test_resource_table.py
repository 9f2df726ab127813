"""The resource table against bytes written by hand from include/linux/remoteproc.h, and against broken ones."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amp.errors import FirmwareError
from amp.remoteproc import table
from amp.remoteproc.layout import LAYOUTS
from amp.remoteproc.table import Carveout, Devmem, Table, Trace, Unknown, Vdev, Vendor, Vring, decode

ANY = table.FW_RSC_ADDR_ANY

# Offsets and sizes as a reader of include/linux/remoteproc.h (Linux v6.1) counts them: all structures are __packed.
FIELDS = [
    ("resource_table", "ver", 0, 4),
    ("resource_table", "num", 4, 4),
    ("resource_table", "reserved[0]", 8, 4),
    ("resource_table", "reserved[1]", 12, 4),
    ("fw_rsc_hdr", "type", 0, 4),
    ("fw_rsc_carveout", "da", 0, 4),
    ("fw_rsc_carveout", "pa", 4, 4),
    ("fw_rsc_carveout", "len", 8, 4),
    ("fw_rsc_carveout", "flags", 12, 4),
    ("fw_rsc_carveout", "reserved", 16, 4),
    ("fw_rsc_carveout", "name", 20, 32),
    ("fw_rsc_devmem", "da", 0, 4),
    ("fw_rsc_devmem", "pa", 4, 4),
    ("fw_rsc_devmem", "len", 8, 4),
    ("fw_rsc_devmem", "flags", 12, 4),
    ("fw_rsc_devmem", "reserved", 16, 4),
    ("fw_rsc_devmem", "name", 20, 32),
    ("fw_rsc_trace", "da", 0, 4),
    ("fw_rsc_trace", "len", 4, 4),
    ("fw_rsc_trace", "reserved", 8, 4),
    ("fw_rsc_trace", "name", 12, 32),
    ("fw_rsc_vdev", "id", 0, 4),
    ("fw_rsc_vdev", "notifyid", 4, 4),
    ("fw_rsc_vdev", "dfeatures", 8, 4),
    ("fw_rsc_vdev", "gfeatures", 12, 4),
    ("fw_rsc_vdev", "config_len", 16, 4),
    ("fw_rsc_vdev", "status", 20, 1),
    ("fw_rsc_vdev", "num_of_vrings", 21, 1),
    ("fw_rsc_vdev", "reserved[0]", 22, 1),
    ("fw_rsc_vdev", "reserved[1]", 23, 1),
    ("fw_rsc_vdev_vring", "da", 0, 4),
    ("fw_rsc_vdev_vring", "align", 4, 4),
    ("fw_rsc_vdev_vring", "num", 8, 4),
    ("fw_rsc_vdev_vring", "notifyid", 12, 4),
    ("fw_rsc_vdev_vring", "pa", 16, 4),
]
SIZES = {
    "resource_table": 16,
    "fw_rsc_hdr": 4,
    "fw_rsc_carveout": 52,
    "fw_rsc_devmem": 52,
    "fw_rsc_trace": 44,
    "fw_rsc_vdev": 24,
    "fw_rsc_vdev_vring": 20,
}


def test_every_field_is_where_the_header_file_has_it() -> None:
    assert [(name, *field) for name, layout in LAYOUTS.items() for field in layout.fields] == FIELDS
    assert {name: layout.size for name, layout in LAYOUTS.items()} == SIZES


# (constant, offset from the entry's start): fw_rsc_hdr has 4 bytes, fw_rsc_vdev 24, each vring 20.
PLACES = [
    (table.CARVEOUT_DA_AT, 4),
    (table.CARVEOUT_PA_AT, 8),
    (table.DEVMEM_DA_AT, 4),
    (table.TRACE_DA_AT, 4),
    (table.VDEV_NOTIFYID_AT, 8),
    (table.VDEV_DFEATURES_AT, 12),
    (table.VDEV_GFEATURES_AT, 16),
    (table.VDEV_STATUS_AT, 24),
    (table.VDEV_VRINGS_AT, 28),
    (table.vring_da_at(0), 28),
    (table.vring_notifyid_at(0), 40),
    (table.vring_pa_at(0), 44),
    (table.vring_da_at(1), 48),
    (table.vring_notifyid_at(1), 60),
    (table.vring_pa_at(1), 64),
    (table.config_at(0), 28),
    (table.config_at(2), 68),
]


@pytest.mark.parametrize(("place", "offset"), PLACES)
def test_the_places_that_the_host_patches_are_where_the_header_file_has_them(place: int, offset: int) -> None:
    assert place == offset


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def name(text: bytes) -> bytes:
    return text + bytes(32 - len(text))


def one(entry: bytes) -> bytes:
    """A table with a single entry."""
    return words(1, 1, 0, 0, 20) + entry


VDEV_BYTES = (
    words(3, 7, 5, 1, 0, 4)  # type, id, notifyid, dfeatures, gfeatures, config_len
    + bytes((0, 2, 0, 0))  # status, num_of_vrings, reserved
    + words(ANY, 4096, 256, 1, 0)  # da, align, num, notifyid, pa
    + words(0x8000, 16, 8, 2, 0x9000)
    + b"conf"
)
VDEV = Vdev(7, 5, 1, 0, b"conf", 0, (Vring(ANY, 4096, 256, 1, 0), Vring(0x8000, 16, 8, 2, 0x9000)))

KINDS: list[tuple[str, table.Entry, bytes]] = [
    (
        "carveout",
        Carveout(0x10000000, 0x2000, 0x3000, 6, "text"),
        words(0, 0x10000000, 0x2000, 0x3000, 6, 0) + name(b"text"),
    ),
    ("anywhere", Carveout(ANY, 0, 1, 0, "x"), words(0, ANY, 0, 1, 0, 0) + name(b"x")),
    ("devmem", Devmem(0x4000, 0x48000000, 0x100, 0, "uart"), words(1, 0x4000, 0x48000000, 0x100, 0, 0) + name(b"uart")),
    ("trace", Trace(0x10003000, 4096, "trace0"), words(2, 0x10003000, 4096, 0) + name(b"trace0")),
    ("full name", Trace(1, 2, "n" * 32), words(2, 1, 2, 0) + b"n" * 32),
    ("vdev", VDEV, VDEV_BYTES),
    ("first vendor type", Vendor(128, b"\1\2\3\4"), words(128) + b"\1\2\3\4"),
    ("last vendor type", Vendor(512, b""), words(512)),
]


@pytest.mark.parametrize(("entry", "data"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS])
def test_an_entry_is_the_bytes_that_a_c_compiler_would_make_of_it(entry: table.Entry, data: bytes) -> None:
    assert Table((entry,)).encode() == one(data)
    assert decode(one(data)) == Table((entry,), (20,))


def test_an_empty_table_is_a_table() -> None:
    assert Table(()).encode() == words(1, 0, 0, 0)
    assert decode(words(1, 0, 0, 0)).entries == ()


def test_entries_follow_one_another_at_multiples_of_four() -> None:
    made = Table((replace(VDEV, config=b"12345"), Trace(1, 2, "t"), Vendor(200, b"abc")))
    assert made.offsets == (28, 28 + 68 + 8, 28 + 68 + 8 + 48)
    data = made.encode()
    assert len(data) == made.size_bytes == made.offset_of(2) + 4 + 4
    assert struct.unpack_from("<3I", data, 16) == made.offsets
    read = decode(data)
    assert read.entries[:2] == made.entries[:2]
    assert read.entries[2] == Vendor(200, b"abc\0"), "the table does not say where a vendor's entry ends"
    assert list(read.each(Trace)) == [(104, Trace(1, 2, "t"))]


def test_entries_may_lie_anywhere_and_in_any_order() -> None:
    apart = Table((Trace(1, 2, "late"), Trace(3, 4, "early")), (200, 64))
    data = apart.encode()
    assert data[200:204] == data[64:68] == words(2)
    assert decode(data) == apart


def test_a_field_that_is_patched_in_place_is_what_is_read_back() -> None:
    made = Table((Trace(1, 2, "t"), VDEV))
    data = bytearray(made.encode())
    at = made.offset_of(1)
    struct.pack_into("<I", data, at + table.VDEV_GFEATURES_AT, 1)
    data[at + table.VDEV_STATUS_AT] = 15
    struct.pack_into("<I", data, at + table.vring_da_at(0), 0x40000)
    struct.pack_into("<I", data, at + table.vring_notifyid_at(1), 9)
    struct.pack_into("<I", data, at + table.vring_pa_at(1), 0x1234)
    data[at + table.config_at(2)] = ord("C")
    first, second = VDEV.vrings
    rings = (replace(first, da=0x40000), replace(second, notifyid=9, pa=0x1234))
    assert decode(bytes(data)).entries[1] == replace(VDEV, gfeatures=1, status=15, config=b"Conf", vrings=rings)


CARVEOUT = words(0, 0x1000, 0, 0x100, 0, 0) + name(b"c")
TRACE = words(2, 0x1000, 0x100, 0) + name(b"t")


def vdev(**changed: int) -> bytes:
    values = {"num_of_vrings": 2, "config_len": 0, "reserved": 0, "num": 8, "align": 16, "da": ANY, **changed}
    head = words(3, 7, 0, 0, 0, values["config_len"]) + bytes((0, values["num_of_vrings"], values["reserved"], 0))
    return one(head + words(values["da"], values["align"], values["num"], 0, 0) * 2)


def carveout(da: int, length: int, label: bytes = b"c") -> bytes:
    return words(0, da, 0, length, 0, 0) + name(label)


def two(first: bytes, second: bytes) -> bytes:
    return words(1, 2, 0, 0, 24, 24 + len(first)) + first + second


BROKEN = [
    ("empty", b"", "size is 0, allowed is at least 16"),
    ("no header", words(1, 0, 0), "size is 12, allowed is at least 16"),
    ("version", words(2, 0, 0, 0), "ver is 2, allowed is 1"),
    ("reserved", words(1, 0, 0, 5), "reserved[1] is 5, allowed is 0"),
    ("num", words(1, 2, 0, 0, 20), "num is 2, allowed is at most 1"),
    ("num of 2^32-1", words(1, 0xFFFFFFFF, 0, 0), "num is 4294967295, allowed is at most 0"),
    ("offset in header", words(1, 1, 0, 0, 16) + TRACE, "offset[0] is 16, allowed is 20 to 64"),
    ("offset behind", words(1, 1, 0, 0, 0xFFFFFFF0) + TRACE, "offset[0] is 4294967280, allowed is 20 to 64"),
    ("offset odd", words(1, 1, 0, 0, 22) + TRACE, "offset[0] is 22, allowed is a multiple of 4"),
    ("offset twice", words(1, 2, 0, 0, 24, 24) + TRACE, "offset[1] is 24, allowed is another than offset[0]"),
    ("overlap", words(1, 2, 0, 0, 24, 28) + TRACE * 2, "entry 0 (trace) room is 0, allowed is 44 or more"),
    ("cut short", one(TRACE[:-1]), "entry 0 (trace) room is 43, allowed is 44 or more"),
    ("carveout reserved", one(words(0, 1, 0, 1, 0, 1) + name(b"")), "entry 0 (carveout) reserved is 1, allowed is 0"),
    ("trace reserved", one(words(2, 1, 1, 1) + name(b"")), "entry 0 (trace) reserved is 1, allowed is 0"),
    ("carveout empty", one(carveout(1, 0)), "entry 0 (carveout) len is 0, allowed is at least 1"),
    ("trace empty", one(words(2, 1, 0, 0) + name(b"")), "entry 0 (trace) len is 0, allowed is at least 1"),
    ("carveout wraps", one(carveout(0xFFFFFF00, 0x101)), "entry 0 (carveout) len is 257, allowed is at most 256"),
    (
        "devmem wraps",
        one(words(1, 0, 0xFFFFFF00, 0x101, 0, 0) + name(b"")),
        "entry 0 (devmem) len is 257, allowed is at most 256",
    ),
    ("name", one(carveout(1, 1, b"\x1b[2J")), r"entry 0 (carveout) name is b'\x1b[2J', allowed is printable ASCII"),
    (
        "carveouts overlap",
        two(carveout(0x1000, 0x100), carveout(0x10FF, 1)),
        "entry 1 da is 0x10ff, allowed is outside",
    ),
    ("one in another", two(carveout(0x1000, 0x100), carveout(0x1010, 1)), "entry 1 da is 0x1010, allowed is outside"),
    ("vrings overlap", vdev(da=0x1000), "entry 0 vring[1] da is 0x1000, allowed is outside of entry 0 vring[0]"),
    ("three vrings", vdev(num_of_vrings=3), "entry 0 (vdev) num_of_vrings is 3, allowed is at most 2"),
    ("vdev reserved", vdev(reserved=1), "entry 0 (vdev) reserved[0] is 1, allowed is 0"),
    ("config", vdev(config_len=1), "entry 0 (vdev) config_len is 1, allowed is at most 0"),
    ("config of 2^32-1", vdev(config_len=0xFFFFFFFF), "config_len is 4294967295, allowed is at most 0"),
    ("vring cut short", vdev()[:-1], "entry 0 (vdev) vring[1] room is 19, allowed is 20 or more"),
    ("num 0", vdev(num=0), "vring[0] num is 0, allowed is a power of two from 1 to 32768"),
    ("num 3", vdev(num=3), "vring[0] num is 3, allowed is a power of two from 1 to 32768"),
    ("num 65536", vdev(num=65536), "vring[0] num is 65536, allowed is a power of two from 1 to 32768"),
    ("align 0", vdev(align=0), "vring[0] align is 0, allowed is a power of two from 4 to 65536"),
    ("align 24", vdev(align=24), "vring[0] align is 24, allowed is a power of two from 4 to 65536"),
    ("vring unaligned", vdev(da=0x1008), "vring[0] da is 0x1008, allowed is a multiple of 16"),
    ("vring wraps", vdev(da=0xFFFFFF00, num=16), "da is 0xffffff00, allowed is 0xfffffe4a at most for 16"),
]


@pytest.mark.parametrize(("data", "text"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_table_is_refused_with_field_value_and_limit(data: bytes, text: str) -> None:
    with pytest.raises(FirmwareError) as refused:
        decode(data)
    told = str(refused.value)
    assert text in told
    assert told.endswith("written by the firmware")
    assert "\n" not in told


def test_what_the_broken_tables_were_made_from_is_accepted() -> None:
    """So each of them is refused for its one change."""
    for data in (one(CARVEOUT), one(TRACE), vdev(), two(carveout(0x1000, 0x100), carveout(0x1100, 1))):
        decode(data)


@pytest.mark.parametrize("kind", [4, 127, 513, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_entry_of_a_type_that_nobody_knows_is_read_as_it_is_for_its_server_to_skip(kind: int) -> None:
    read = decode(two(words(kind) + b"some", TRACE))
    assert read.entries[0] == Unknown(kind, b"some")
    assert isinstance(read.entries[1], Trace)


def test_an_unknown_entry_is_written_as_it_was_read_to_the_last_byte() -> None:
    data = one(words(77) + b"odd")
    assert decode(data).entries == (Unknown(77, b"odd"),)
    assert decode(data).encode() == data


def test_a_table_may_be_longer_than_its_reader_wants_and_is_refused() -> None:
    with pytest.raises(FirmwareError, match="size is 17, allowed is at most 16"):
        decode(words(1, 0, 0, 0) + b"\0", limit=16)


def test_a_vring_may_lie_in_the_carveout_that_is_named_for_it_and_in_no_other() -> None:
    ring, bytes_of_ring = Vring(0x4000, 4096, 8, 0, 0), table.vring_bytes(Vring(0, 4096, 8, 0, 0))
    device = Vdev(7, 0, 0, 0, b"", 0, (ring,))
    named = Carveout(0x4000, 0, 0x4000, 0, "vdev0vring0")
    assert decode(Table((named, device)).encode()).entries == (named, device)
    for other in (replace(named, name="vdev0vring1"), replace(named, length=bytes_of_ring - 1)):
        with pytest.raises(FirmwareError, match="allowed is outside of"):
            Table((other, device)).encode()


UNWRITABLE: list[tuple[table.Entry, str]] = [
    (Trace(1 << 32, 1, "t"), "da is 4294967296, allowed is 0 to 0xffffffff"),
    (Trace(-1, 1, "t"), "da is -1"),
    (Trace(0, 1, "t" * 33), "name is 't{33}', allowed is 32 ASCII characters at most"),
    (Trace(0, 1, "\N{SNOWMAN}"), "name is"),
    (Vendor(127, b""), "type is 127"),
    (Unknown(3, bytes(60)), "type is 3"),
    (Unknown(128, b""), "type is 128"),
    (Unknown(1 << 32, b""), "type is 4294967296"),
    (replace(VDEV, status=256), "status is 256, allowed is 0 to 0xff"),
    (replace(VDEV, vrings=VDEV.vrings * 2), "num_of_vrings is 4"),
]


@pytest.mark.parametrize(("entry", "text"), UNWRITABLE)
def test_a_value_that_does_not_fit_its_field_is_never_cut_to_fit(entry: table.Entry, text: str) -> None:
    with pytest.raises(FirmwareError, match=text):
        Table((entry,)).encode()


U32 = st.integers(0, 0xFFFFFFFF)
NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=32)
RINGS = st.builds(Vring, st.just(ANY), st.sampled_from([4, 16, 4096]), st.sampled_from([1, 2, 256, 32768]), U32, U32)
ENTRIES: st.SearchStrategy[Any] = st.one_of(
    st.builds(Carveout, st.just(ANY), U32, st.integers(1, 0xFFFFFFFF), U32, NAMES),
    st.builds(Devmem, st.just(ANY), st.just(0), st.integers(1, 0xFFFFFFFF), U32, NAMES),
    st.builds(Trace, st.integers(0, 0x7FFFFFFF), st.integers(1, 0x7FFFFFFF), NAMES),
    st.builds(
        Vdev, U32, U32, U32, U32, st.binary(max_size=9), st.integers(0, 255), st.lists(RINGS, max_size=2).map(tuple)
    ),
    st.builds(Vendor, st.integers(128, 512), st.binary(max_size=3).map(lambda data: data * 4)),
    st.builds(
        Unknown,
        st.integers(4, 127) | st.integers(513, 0xFFFFFFFF),
        st.binary(max_size=3).map(lambda data: data * 4),
    ),
)
TABLES = st.lists(ENTRIES, max_size=4).map(lambda entries: Table(tuple(entries)))


@given(TABLES)
@settings(max_examples=60)
def test_what_is_encoded_is_what_is_decoded(made: Table) -> None:
    assert decode(made.encode()) == made


@given(TABLES.map(Table.encode), st.data())
@settings(max_examples=150)
def test_a_mutated_table_is_read_or_refused_and_nothing_else_happens(data: bytes, choose: st.DataObject) -> None:
    changed = bytearray(data)
    for _ in range(choose.draw(st.integers(1, 4))):
        at = choose.draw(st.integers(0, len(changed) // 4 - 1)) * 4
        value = choose.draw(st.one_of(U32, st.sampled_from([0, 1, 3, 0xFFFFFFFF, 0xFFFFFFFC, len(data)])))
        struct.pack_into("<I", changed, at, value)
    cut = bytes(changed[: choose.draw(st.integers(0, len(changed)))]) if choose.draw(st.booleans()) else bytes(changed)
    read_or_refused(cut)


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_or_refused(data)
    read_or_refused(words(1) + data)


def read_or_refused(data: bytes) -> None:
    try:
        read = decode(data)
    except FirmwareError:
        return
    assert decode(read.encode()).entries == read.entries, "what was accepted can be written, and means the same"
