"""What the services' messages have in common: why a request is refused, and how a field is checked.

A message that breaks its layout is a BadMessage at whoever reads it. A request that keeps the layout and cannot be
served is `Refused`: raised where that is found, sent as its `Reason`, and raised again at the asker's.
"""

from __future__ import annotations

import itertools
from enum import IntEnum
from typing import Final, TypeVar

from amp.errors import BadMessage, RpmsgError
from amp.rpmsg.wire import BUFFER_BYTES, HEADER_BYTES

PAYLOAD_BYTES: Final = BUFFER_BYTES - HEADER_BYTES  # of a message on a bus with buffers of the usual size


_numbers = itertools.count(1)


def new_number(limit: int) -> int:
    """A number below `limit` for a request, unlike the last ones that this process gave out.

    The endpoint's address may have been somebody else's, and answers to that one may still be on their way.
    """
    return next(_numbers) % limit


class Reason(IntEnum):
    """One byte on the wire."""

    NONE = 0  # not refused
    MALFORMED = 1  # the message breaks its layout
    TOO_LARGE = 2  # more than the firmware has room for
    OUT_OF_ORDER = 3  # not what is due after the messages before
    SUPERSEDED = 4  # a newer request took its place
    WRONG_DIGEST = 5  # what arrived is not what was sent


class Refused(RpmsgError):
    """A service does not do what it was asked for; `reason` says why."""

    def __init__(self, reason: Reason, text: str) -> None:
        self.reason = reason
        super().__init__(f"{text}: {reason.name.lower().replace('_', ' ')}")


def expect(holds: bool, field: str, value: int, limit: object, writer: str) -> None:
    """Raises BadMessage unless `holds`."""
    if not holds:
        raise BadMessage(field, value, limit=limit, writer=writer)


E = TypeVar("E", bound=IntEnum)


def member(kind: type[E], value: int, field: str, writer: str) -> E:
    """The member of an enumeration that was received as a number. Raises BadMessage."""
    try:
        return kind(value)
    except ValueError:
        limit = ", ".join(str(each.value) for each in kind)
        raise BadMessage(field, value, limit=limit, writer=writer) from None
