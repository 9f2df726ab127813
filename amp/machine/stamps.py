"""Messages of eight bytes that tell whose they are, for programs so small that every access counts.

The stamp of message n is the u16 (n + 1), little endian, four times: no stamp is the zero of memory that nobody has
written, and a stamp put together from two messages shows.
"""

from __future__ import annotations

import struct
from typing import Final

from amp.errors import WrongMessage

STAMP_BYTES: Final = 8
STAMPS_LIMIT: Final = 0xFFFF  # messages that have a stamp of their own

_STAMP = struct.Struct("<4H")
assert _STAMP.size == STAMP_BYTES


def stamp(number: int) -> bytes:
    """The 8 bytes of message `number`, 0 to STAMPS_LIMIT - 1."""
    return _STAMP.pack(*[number + 1] * 4)


def check_stamp(found: bytes, number: int, *, writer: str, address: int) -> None:
    """`found`, read at `address`, must be message `number`'s stamp.

    Raises WrongMessage that says whose it is instead: of an earlier message (stale), of a later one (early), nobody's.
    """
    if found == stamp(number):
        return
    if len(found) != STAMP_BYTES:
        text = f"{len(found)} bytes arrived, {STAMP_BYTES} were due"
        raise WrongMessage(text, number=number, writer=writer, address=address)
    words = _STAMP.unpack(found)
    at, word = next((at, word) for at, word in enumerate(words) if word != number + 1)
    text = whose(word, number)
    if len(set(words)) > 1:
        text = f"is put together from several: {', '.join(map(str, words))}, expected {number + 1} four times"
    raise WrongMessage(text, number=number, writer=writer, address=address + 2 * at)


def whose(value: int, number: int) -> str:
    """Of a `value` that should be `number` + 1 and is not: which message left it."""
    if value == 0:
        return "was read before anything was written there (stale)"
    return f"holds number {value - 1} ({'stale' if value <= number else 'early'})"
