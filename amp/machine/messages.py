"""Messages that show on arrival whether they are the ones that were sent.

| offset | field  | type | meaning                                  |
|--------|--------|------|------------------------------------------|
| 0      | number | u64  | counts from 0                            |
| 8      | length | u32  | bytes of the body                        |
| 12     | crc    | u32  | CRC-32 of the body (zlib's)              |
| 16     | body   |      | the pattern of that number, or any bytes |

The pattern's word w of message n is (n << 16 | w & 0xFFFF), so that a stale word tells whose it was.
"""

from __future__ import annotations

import struct
import zlib

from amp.errors import WrongMessage

_HEADER = struct.Struct("<QII")


def pattern(number: int, length: int) -> bytes:
    """`length` bytes of message `number`'s pattern, little-endian words of 8 bytes."""
    words = -(-length // 8)
    base = (number & 0xFFFF_FFFF_FFFF) << 16
    return struct.pack(f"<{words}Q", *[base | word & 0xFFFF for word in range(words)])[:length]


def encode(number: int, body: bytes) -> bytes:
    """A whole message."""
    return _HEADER.pack(number, len(body), zlib.crc32(body)) + body


def decode(message: bytes, number: int, *, writer: str, address: int) -> bytes:
    """The body of `message`, which must be number `number`; it was read at `address`.

    Raises WrongMessage that says what is wrong with it first, and where.
    """
    found, length, crc = _HEADER.unpack_from(message)
    if found != number:
        age = "stale" if found < number else "early"
        raise WrongMessage(f"holds number {found} ({age})", number=number, writer=writer, address=address)
    if length != len(message) - _HEADER.size:
        text = f"length is {length}, {len(message) - _HEADER.size} bytes arrived"
        raise WrongMessage(text, number=number, writer=writer, address=address + 8)
    body = message[_HEADER.size :]
    if zlib.crc32(body) != crc:
        raise WrongMessage(
            "the body is not the one the checksum was made of", number=number, writer=writer,
            address=address + _HEADER.size + _first_wrong(body, pattern(number, length)),
        )
    return body


def _first_wrong(body: bytes, expected: bytes) -> int:
    """The first byte that differs, if the body is (nearly) the pattern; else 0: nobody knows what it should be."""
    wrong = [at for at, (is_, due) in enumerate(zip(body, expected, strict=True)) if is_ != due]
    return wrong[0] if wrong and 2 * len(wrong) < len(body) else 0
