"""What a note in the trace says: the codes that protocol code and scenarios give to `port.note(code, value)`.

Numbers are stable: traces carry them. A note orders nothing and touches no memory; it is a bookmark for the reader.
"""

from __future__ import annotations

from enum import IntEnum


class Note(IntEnum):
    """A note's code; what its value means stands beside it."""

    SEND = 1  # the number of the message that is about to be sent
    RECEIVE = 2  # the number of the message that is about to be read
    CHECKED = 3  # the number of the message that proved right
    FAIL = 4  # the number of the message that did not, or 0 where the finding is not about one
