"""Message `number` of stream `stream`: both sides compute it, so both know what is due. 1 to 496 bytes, mixed."""

import struct
from functools import cache

HEAD = struct.Struct("<IH")
MOST = 496
BLOB = bytes((n * n + n // 251) % 256 for n in range(4096 + MOST))


@cache
def _step(stream: int) -> int:
    return 2 * stream + 331  # odd: the lengths of a stream take every value from 1 to 496 in turn


def message(stream: int, number: int) -> bytes:
    length = 1 + number * _step(stream) % MOST
    start = (number * 7 + stream * 13) % 4096
    return (HEAD.pack(number, stream) + BLOB[start : start + length])[:length]
