"""What rpmsg puts on the wire: the header of every message, and the name service's message. Little endian, packed.

Header, 16 bytes (Linux v6.1 drivers/rpmsg/virtio_rpmsg_bus.c, struct rpmsg_hdr):

| offset | size | field    | meaning                                |
|--------|------|----------|----------------------------------------|
| 0      | 4    | src      | the sender's endpoint                  |
| 4      | 4    | dst      | the receiver's endpoint                |
| 8      | 4    | reserved | 0 (the name is Linux's; nobody reads it) |
| 12     | 2    | len      | bytes of payload that follow           |
| 14     | 2    | flags    | 0; none is defined                     |

Name-service message, 40 bytes, sent to address 53 (include/linux/rpmsg/ns.h, struct rpmsg_ns_msg):

| offset | size | field | meaning                                           |
|--------|------|-------|---------------------------------------------------|
| 0      | 32   | name  | ASCII, padded with zero bytes, at most 31 of them |
| 32     | 4    | addr  | the endpoint that is announced                    |
| 36     | 4    | flags | 0 created, 1 destroyed                            |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from amp.errors import BadMessage, UsageError

HEADER: Final = struct.Struct("<IIIHH")
HEADER_BYTES: Final = HEADER.size
NAME_SERVICE: Final = struct.Struct("<32sII")
NAME_BYTES: Final = 32  # RPMSG_NAME_SIZE, include/linux/mod_devicetable.h

ADDR_ANY: Final = 0xFFFF_FFFF  # RPMSG_ADDR_ANY, include/linux/rpmsg.h
NS_ADDR: Final = 53  # RPMSG_NS_ADDR, include/linux/rpmsg/ns.h
FIRST_DYNAMIC_ADDR: Final = 1024  # RPMSG_RESERVED_ADDRESSES, virtio_rpmsg_bus.c: below are well-known services

BUFFER_BYTES: Final = 512  # MAX_RPMSG_BUF_SIZE
BUFFERS_LIMIT: Final = 512  # MAX_RPMSG_NUM_BUFS: both directions together
SEND_TIMEOUT_S: Final = 15.0  # rpmsg_send_offchannel_raw: "waits up to 15 seconds"

assert HEADER_BYTES == 16, "the size that every implementation has"


class NsFlag(IntEnum):
    """enum rpmsg_ns_flags."""

    CREATE = 0
    DESTROY = 1


@dataclass(frozen=True, slots=True)
class Announcement:
    """A service of this name appeared at that address, or went."""

    name: str
    addr: int
    flag: NsFlag = NsFlag.CREATE

    def encode(self) -> bytes:
        """40 bytes. Raises UsageError for a name that does not fit."""
        return NAME_SERVICE.pack(encode_name(self.name), self.addr, self.flag)

    @classmethod
    def decode(cls, data: bytes, *, writer: str) -> Announcement:
        """What a message to address 53 says.

        Raises BadMessage: wrong length, a name that is none, an address that is none, an unknown flag.
        """
        if len(data) != NAME_SERVICE.size:
            raise BadMessage("name service length", len(data), limit=f"exactly {NAME_SERVICE.size}", writer=writer)
        name, addr, flag = NAME_SERVICE.unpack(data)
        text = name.split(b"\0", 1)[0]
        if len(text) == NAME_BYTES:  # Linux cuts it off at 31 (rpmsg_ns_cb: "don't trust the remote processor")
            text = text[:-1]
        if not text or not text.isascii() or not text.decode("ascii").isprintable():
            raise BadMessage(
                "name service name", text[0] if text else 0, limit="1 to 31 printable ASCII", writer=writer
            )
        if addr == ADDR_ANY:  # Linux makes a channel of it, and refuses every message there ("invalid addr", -EINVAL)
            raise BadMessage("name service addr", addr, limit=f"below {ADDR_ANY:#x}", writer=writer)
        if flag not in tuple(NsFlag):
            raise BadMessage("name service flags", flag, limit="0 or 1", writer=writer)
        return cls(text.decode("ascii"), addr, NsFlag(flag))


def encode_name(name: str) -> bytes:
    """The bytes of a service's name, unpadded. Raises UsageError unless it is 1 to 31 printable ASCII characters."""
    if not 0 < len(name) < NAME_BYTES or not name.isascii() or not name.isprintable():
        raise UsageError(f"service name {name!r:.80}: expected 1 to {NAME_BYTES - 1} printable ASCII characters")
    return name.encode("ascii")
