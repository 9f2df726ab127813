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
from functools import cache

from amp.errors import WrongMessage
from amp.machine.config import HEADER_BYTES

_HEADER = struct.Struct("<QII")
assert _HEADER.size == HEADER_BYTES


@cache
def _ramp(words: int) -> tuple[int, int]:
    """As one integer: a 1 in every word, and in every word its own index."""
    return sum(1 << 64 * word for word in range(words)), sum((word & 0xFFFF) << 64 * word for word in range(words))


def pattern(number: int, length: int) -> bytes:
    """`length` bytes of message `number`'s pattern, little-endian words of 8 bytes."""
    words = -(-length // 8)
    ones, indexes = _ramp(words)
    return (((number & 0xFFFF_FFFF_FFFF) << 16) * ones + indexes).to_bytes(8 * words, "little")[:length]


def encode(number: int, body: bytes) -> bytes:
    """A whole message."""
    return _HEADER.pack(number, len(body), zlib.crc32(body)) + body


def check(message: bytes, number: int, *, writer: str, address: int, length_at: int | None = None) -> None:
    """`message`, read at `address`, must be a whole one and have that number. `length_at` is where its length was read.

    Raises WrongMessage that says what is wrong with it first, and where.
    """
    if len(message) < HEADER_BYTES:
        text = f"{len(message)} bytes arrived, at least {HEADER_BYTES} were due"
        raise WrongMessage(text, number=number, writer=writer, address=address if length_at is None else length_at)
    found, length, crc = _HEADER.unpack_from(message)
    if found != number:
        age = "stale" if found < number else "early"
        raise WrongMessage(f"holds number {found} ({age})", number=number, writer=writer, address=address)
    body = message[HEADER_BYTES:]
    if length != len(body):
        text = f"length is {length}, {len(body)} bytes arrived"
        raise WrongMessage(text, number=number, writer=writer, address=address + 8)
    if zlib.crc32(body) != crc:
        text = "the body is not the one the checksum was made of"
        at = address + HEADER_BYTES + _first_wrong(body, pattern(number, length))
        raise WrongMessage(text, number=number, writer=writer, address=at)


def _first_wrong(body: bytes, expected: bytes) -> int:
    """The first byte that differs, if the body is (nearly) the pattern; else 0: nobody knows what it should be."""
    wrong = [at for at, (is_, due) in enumerate(zip(body, expected, strict=True)) if is_ != due]
    return wrong[0] if wrong and 2 * len(wrong) < len(body) else 0
