"""New text of a trace buffer that its firmware goes on writing to, out of snapshots of it.

The buffer's form is remoteside.trace's (RSC_TRACE: text up to the first NUL, the last byte always NUL; text that
reaches the end goes on at the start). A snapshot is taken while the firmware writes: one character at the seam of the
two can be the old one. Text that was overwritten before anybody looked is lost, and said to be.
"""

from __future__ import annotations

import codecs
from typing import Final

LOST: Final = "[text was lost here]\n"


class TraceFollower:
    """Follows one buffer. `news` is given a snapshot, all of the buffer's bytes."""

    def __init__(self) -> None:
        self._old = b""
        self._head = 0  # where the next text begins
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def news(self, snapshot: bytes) -> str:
        """The text that was written since the last call; at the first call all that is there."""
        old, start, room = self._old, self._head, len(snapshot) - 1
        head = min(max(snapshot.find(b"\0"), 0), room)
        lost = False
        if len(old) != len(snapshot):
            new = _oldest_first(snapshot, head)
        elif head >= start and old[:start] == snapshot[:start]:
            new = snapshot[start:head]
        elif head < start and old[head + 1 : start] == snapshot[head + 1 : start]:
            new = snapshot[start:room] + snapshot[:head]
        else:
            new, lost = _oldest_first(snapshot, head), True
        self._old, self._head = snapshot, head
        return (LOST if lost else "") + self._decoder.decode(new)


def whole_text(snapshot: bytes) -> str:
    """All text of a buffer, oldest first."""
    head = max(snapshot.find(b"\0"), 0)
    return _oldest_first(snapshot, head).decode("utf-8", "replace")


def _oldest_first(snapshot: bytes, head: int) -> bytes:
    """Text that reaches the buffer's end is older than what is before the first NUL.

    What lies between two NULs is neither: a piece that is being written, whose first byte is still missing.
    """
    return snapshot[head + 1 : -1].rpartition(b"\0")[2] + snapshot[:head]
