"""A file to the firmware: its name and size, its bytes in order, and at the end their SHA-256.

One record a message, little endian:

| offset | size | field    | meaning                                    |
|--------|------|----------|--------------------------------------------|
| 0      | 1    | kind     | `Kind`                                     |
| 1      | 1    | reason   | `Reason`; 0 unless refused                 |
| 2      | 2    | transfer | the sender's number for this file          |
| 4      | 4    | value    | see below                                  |
| 8      | any  | body     | see below                                  |

| kind     | to       | value                      | body                                 |
|----------|----------|----------------------------|--------------------------------------|
| OPEN     | firmware | bytes of the whole file    | its name, UTF-8, 1 to 64 bytes       |
| CHUNK    | firmware | bytes of the file before   | 1 to 488 bytes of it                 |
| CLOSE    | firmware | bytes of the whole file    | SHA-256 of what was sent             |
| PROGRESS | sender   | bytes that arrived         | none                                 |
| DONE     | sender   | bytes of the whole file    | SHA-256 of what the firmware now has |
| REFUSED  | sender   | bytes that had arrived     | none                                 |

PROGRESS is said once for every PROGRESS_BYTES. The firmware has room for one file: the newest OPEN wins, and the sender
before it is told. What follows a refused record of an open transfer is dropped without a word.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from amp.errors import UsageError
from amp.services.records import PAYLOAD_BYTES, Reason, expect, member

SERVICE: Final = "rpmsg-files"
HEADER: Final = struct.Struct("<BBHI")
CHUNK_BYTES: Final = PAYLOAD_BYTES - HEADER.size
NAME_BYTES: Final = 64
DIGEST_BYTES: Final = 32
SIZE_LIMIT: Final = (1 << 32) - 1  # of the format; a firmware may have room for less
PROGRESS_BYTES: Final = 64 << 10
TRANSFERS: Final = 1 << 16  # numbers for transfers


class Kind(IntEnum):
    OPEN = 1
    CHUNK = 2
    CLOSE = 3
    PROGRESS = 4
    DONE = 5
    REFUSED = 6


BODY_BYTES: Final = {  # from, to
    Kind.OPEN: (1, NAME_BYTES),
    Kind.CHUNK: (1, CHUNK_BYTES),
    Kind.CLOSE: (DIGEST_BYTES, DIGEST_BYTES),
    Kind.PROGRESS: (0, 0),
    Kind.DONE: (DIGEST_BYTES, DIGEST_BYTES),
    Kind.REFUSED: (0, 0),
}


@dataclass(frozen=True, slots=True)
class Record:
    """One message."""

    kind: Kind
    transfer: int
    value: int
    body: bytes = b""
    reason: Reason = Reason.NONE

    def encode(self) -> bytes:
        return HEADER.pack(self.kind, self.reason, self.transfer, self.value) + self.body

    @classmethod
    def decode(cls, data: bytes, *, writer: str) -> Self:
        """Raises BadMessage."""
        expect(len(data) >= HEADER.size, "file length", len(data), f"at least {HEADER.size}", writer)
        number, why, transfer, value = HEADER.unpack_from(data)
        kind = member(Kind, number, "file kind", writer)
        reason = member(Reason, why, "file reason", writer)
        refused = kind is Kind.REFUSED
        expect((reason is not Reason.NONE) is refused, "file reason", why, "0 unless refused", writer)
        body = data[HEADER.size :]
        least, most = BODY_BYTES[kind]
        expect(least <= len(body) <= most, f"file {kind.name} body length", len(body), f"{least} to {most}", writer)
        if kind is Kind.OPEN:
            expect(name_of(body) is not None, "file name's first byte", body[0], NAME_RULE, writer)
        return cls(kind, transfer, value, body, reason)

    @property
    def name(self) -> str:
        """Of an OPEN."""
        name = name_of(self.body)
        assert name is not None, "checked when it was made"
        return name


NAME_RULE: Final = f"1 to {NAME_BYTES} bytes of printable UTF-8 without a slash"


def name_of(body: bytes) -> str | None:
    """A file's name from its bytes; None if it breaks NAME_RULE."""
    try:
        name = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return name if 0 < len(body) <= NAME_BYTES and name.isprintable() and "/" not in name else None


def name_bytes(name: str) -> bytes:
    """A file's name for an OPEN. Raises UsageError if it breaks NAME_RULE."""
    body = name.encode("utf-8", "replace")
    if name_of(body) != name:
        raise UsageError(f"file name {name!r:.100}: expected {NAME_RULE}")
    return body
