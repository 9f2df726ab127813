"""What rpmsg puts on the wire, field by field against Linux's definitions; and what is refused."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import BadMessage, UsageError
from amp.rpmsg import wire
from amp.rpmsg.wire import Announcement, NsFlag, encode_name

HEADER_SOURCE = "drivers/rpmsg/virtio_rpmsg_bus.c, struct rpmsg_hdr"
NS_SOURCE = "include/linux/rpmsg/ns.h, struct rpmsg_ns_msg"

# Linux v6.1: struct, field, offset, size. Both structs are __packed, the fields __rpmsg32 and __rpmsg16: little endian.
HEADER_FIELDS = (
    (HEADER_SOURCE, "src", 0, 4),
    (HEADER_SOURCE, "dst", 4, 4),
    (HEADER_SOURCE, "reserved", 8, 4),
    (HEADER_SOURCE, "len", 12, 2),
    (HEADER_SOURCE, "flags", 14, 2),
)
NAME_SERVICE_FIELDS = (
    (NS_SOURCE, "addr", 32, 4),
    (NS_SOURCE, "flags", 36, 4),
)
NUMBERS = (
    ("include/linux/rpmsg.h, RPMSG_ADDR_ANY", wire.ADDR_ANY, 0xFFFFFFFF),
    ("include/linux/rpmsg/ns.h, RPMSG_NS_ADDR", wire.NS_ADDR, 53),
    ("include/linux/mod_devicetable.h, RPMSG_NAME_SIZE", wire.NAME_BYTES, 32),
    ("virtio_rpmsg_bus.c, RPMSG_RESERVED_ADDRESSES", wire.FIRST_DYNAMIC_ADDR, 1024),
    ("virtio_rpmsg_bus.c, MAX_RPMSG_BUF_SIZE", wire.BUFFER_BYTES, 512),
    ("virtio_rpmsg_bus.c, MAX_RPMSG_NUM_BUFS", wire.BUFFERS_LIMIT, 512),
    ("virtio_rpmsg_bus.c, sizeof(struct rpmsg_hdr)", wire.HEADER_BYTES, 16),
    ("virtio_rpmsg_bus.c, msecs_to_jiffies(15000)", wire.SEND_TIMEOUT_S, 15.0),
    ("include/linux/rpmsg/ns.h, RPMSG_NS_CREATE", NsFlag.CREATE, 0),
    ("include/linux/rpmsg/ns.h, RPMSG_NS_DESTROY", NsFlag.DESTROY, 1),
    ("include/linux/rpmsg/ns.h, sizeof(struct rpmsg_ns_msg)", wire.NAME_SERVICE.size, 40),
)


class RpmsgHdr(ctypes.LittleEndianStructure):
    """The C compiler's view of it."""

    _pack_ = 1
    _fields_ = (
        ("src", ctypes.c_uint32),
        ("dst", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("len", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
    )


@pytest.mark.parametrize(("source", "ours", "theirs"), NUMBERS, ids=[row[0].rpartition(", ")[2] for row in NUMBERS])
def test_a_number_is_linuxs(source: str, ours: float, theirs: float) -> None:
    assert ours == theirs, source


@pytest.mark.parametrize(("source", "field", "offset", "size"), HEADER_FIELDS)
def test_a_header_field_lies_where_linux_has_it(source: str, field: str, offset: int, size: int) -> None:
    mark = 0xA1B2C3D4 & (1 << 8 * size) - 1
    values = [mark if name == field else 0 for _, name, _, _ in HEADER_FIELDS]
    expected = bytearray(16)
    expected[offset : offset + size] = mark.to_bytes(size, "little")
    assert wire.HEADER.pack(*values) == expected, source
    assert bytes(RpmsgHdr(**{field: mark})) == expected


def test_the_rows_cover_the_whole_header_and_do_not_overlap() -> None:
    covered = [byte for _, _, offset, size in HEADER_FIELDS for byte in range(offset, offset + size)]
    assert covered == list(range(16))
    covered = [byte for _, _, offset, size in NAME_SERVICE_FIELDS for byte in range(offset, offset + size)]
    assert covered == list(range(32, 40)), "the name is before them"


@pytest.mark.parametrize(("source", "field", "offset", "size"), NAME_SERVICE_FIELDS)
def test_a_name_service_field_lies_where_linux_has_it(source: str, field: str, offset: int, size: int) -> None:
    mark = 1 if field == "flags" else 0xA1B2C3D4
    data = Announcement("x", mark if field == "addr" else 0, NsFlag(mark if field == "flags" else 0)).encode()
    expected = bytearray(40)
    expected[0] = ord("x")
    expected[offset : offset + size] = mark.to_bytes(size, "little")
    assert data == expected, source


def test_an_announcement_byte_for_byte() -> None:
    data = Announcement("rpmsg-tty", 30).encode()
    assert data == b"rpmsg-tty" + bytes(23) + b"\x1e\0\0\0" + b"\0\0\0\0"
    assert Announcement("rpmsg-tty", 30, NsFlag.DESTROY).encode() == data[:36] + b"\1\0\0\0"


printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=31)


@given(printable, st.integers(0, 0xFFFFFFFE), st.sampled_from(NsFlag))
def test_what_is_announced_is_understood(name: str, addr: int, flag: NsFlag) -> None:
    said = Announcement(name, addr, flag)
    assert Announcement.decode(said.encode(), writer="remote") == said


@pytest.mark.parametrize("name", ["", "x" * 32, "é", "a\nb", "a\0b"])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="expected 1 to 31 printable ASCII"):
        encode_name(name)


GOOD = Announcement("echo", 1024).encode()
MALFORMED = (
    ("short", GOOD[:-1], "name service length is 39, allowed is exactly 40"),
    ("long", GOOD + b"\0", "name service length is 41"),
    ("empty message", b"", "name service length is 0"),
    ("no name", bytes(40), "name service name is 0"),
    ("control character", b"\x07" + GOOD[1:], "name service name is 7"),
    ("not ASCII", b"\xff" + GOOD[1:], "name service name is 255"),
    ("no address", GOOD[:32] + b"\xff\xff\xff\xff" + GOOD[36:], "name service addr is 4294967295, allowed is below"),
    ("unknown flag", GOOD[:36] + b"\2\0\0\0", "name service flags is 2, allowed is 0 or 1"),
    ("flag's upper half", GOOD[:36] + b"\0\0\1\0", "name service flags is 65536"),
)


@pytest.mark.parametrize(("data", "says"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_a_malformed_announcement_is_refused_and_says_who_wrote_it(data: bytes, says: str) -> None:
    with pytest.raises(BadMessage, match=says) as caught:
        Announcement.decode(data, writer="remote")
    assert "written by the remote" in str(caught.value)


def test_a_name_without_its_zero_byte_is_cut_off_as_linux_does() -> None:
    """rpmsg_ns_cb sets the last byte to zero."""
    data = b"n" * 32 + bytes(8)
    assert Announcement.decode(data, writer="remote").name == "n" * 31


@given(st.binary(max_size=64))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    try:
        said = Announcement.decode(data, writer="host")
    except BadMessage:
        return
    assert said.encode()[32:] == data[32:]
    assert encode_name(said.name) == data.partition(b"\0")[0][:31]
