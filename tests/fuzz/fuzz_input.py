"""Bytes as a list of decisions: what every fuzz target reads its input with. Not a test.

An input that has come to its end answers 0, so any prefix of an input is an input: fuzzers and minimizers may cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

# Values at which a check of an unsigned field changes its mind, whatever its width.
EDGES: Sequence[int] = (
    *(0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 53, 255, 256, 1024, 4095, 4096, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000),
    *(0x7FFF_FFFF, 0x8000_0000, 0xFFFF_F000, 0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 32, (1 << 63) - 1, (1 << 64) - 1),
)
NEAR = (1, -1, 2, -2, 4, -4, 8, -8, 16, -16, 64, 512, 4096, -4096)


class Input:
    """Reads `data` from its start."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return max(0, len(self._data) - self._at)

    def take(self, count: int) -> bytes:
        """The next `count` bytes, zeros behind the end."""
        found = self._data[self._at : self._at + count]
        self._at += count
        return found.ljust(count, b"\0")

    def rest(self) -> bytes:
        found = self._data[self._at :]
        self._at = len(self._data)
        return found

    def number(self, size: int) -> int:
        """`size` bytes, little endian."""
        return int.from_bytes(self.take(size), "little")

    def byte(self) -> int:
        return self.number(1)

    def below(self, limit: int) -> int:
        """One byte's worth of a choice."""
        return self.byte() % limit

    def choice(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def value(self, size: int) -> int:
        """An unsigned number of `size` bytes: an edge, or any."""
        picked = self.byte()
        if picked < len(EDGES):
            return EDGES[picked] & (1 << 8 * size) - 1
        return self.number(size)


def overwritten(source: Input, data: bytes) -> bytes:
    """`data` with up to eight fields changed, now and then cut: numbers of 1, 2 or 4 bytes, aligned to their size.

    A new number is an edge, any, or near the old one, which gets by the checks that only look at its size.
    """
    changed = bytearray(data)
    for _ in range(source.choice((0, 1, 1, 2, 2, 3, 4, 8))):
        size = source.choice((4, 4, 4, 2, 1))
        at = source.number(2) % (len(changed) // size) * size
        old = int.from_bytes(changed[at : at + size], "little")
        new = old + source.choice(NEAR) if source.below(2) else source.value(size)
        changed[at : at + size] = (new & (1 << 8 * size) - 1).to_bytes(size, "little")
    return bytes(changed[: source.number(2)]) if source.below(16) == 15 else bytes(changed)
