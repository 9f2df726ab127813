"""Link: what a bus needs of its two virtqueues. The host drives both (`hostside.rpmsg`), the remote is the device of
both (`remoteside.rpmsg`); the bus does not know which it stands on.

A receive buffer is the link's until `receive` returns it, the bus's until `recycle`. A transmit buffer is the bus's
from `claim` to `submit` or `give_up`. Addresses are the port's; `token` says which buffer, to the link alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from amp.rpmsg.many import Frames


class Buffer(NamedTuple):
    """A message buffer that the bus holds: `length` bytes at `address`; of a received one, as many as were written."""

    token: Any
    address: int
    length: int


class Sent(NamedTuple):
    """A message that was sent and whose buffer has not come back: the other side may or may not have read it."""

    source: int
    dest: int
    data: bytes


class Link(Protocol):
    """Two virtqueues. Every method may raise BadRing, and what a port's accesses raise."""

    writer: str  # who writes what is received: "host" or "remote"
    message_bytes: int  # the largest message, header included; 0: as each buffer says

    def receive(self) -> Buffer | None:
        """The next message, if one is there."""
        ...

    def recycle(self, buffer: Buffer) -> None:
        """A message has been read: its buffer may be written again. The other side is told by the next `flush`."""
        ...

    def flush(self) -> None:
        """Tell the other side of what was recycled, if it wants to know."""
        ...

    def claim(self) -> Buffer | None:
        """A buffer to write a message to, if one is free."""
        ...

    def submit(self, buffer: Buffer, length: int, sent: Sent) -> None:
        """Send the first `length` bytes of a claimed buffer, and tell the other side if it wants to know."""
        ...

    def post_many(self, frames: Frames, sent: Sequence[Sent]) -> int:
        """Send the first of these messages, as many as buffers are free, and tell the other side once, if it wants to
        know. Returns how many; 0 also where `claim` and `submit`, one at a time, would refuse."""
        ...

    def give_up(self, buffer: Buffer) -> None:
        """A claimed buffer is not sent after all."""
        ...

    def await_buffer(self) -> bool:
        """Ask to be told when a transmit buffer becomes free; False if one has meanwhile."""
        ...

    def await_message(self) -> bool:
        """Ask to be told when a message comes; False if one has meanwhile."""
        ...

    def unacknowledged(self) -> tuple[Sent, ...]:
        """What was sent and has not come back, oldest first, as far as this side knows."""
        ...
