"""What a bus is given by whoever runs it: how to wait, what time it is, where to log; who resets and who pumps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from amp.rpmsg.link import Link

if TYPE_CHECKING:
    from amp.rpmsg.endpoint import Endpoint

Wait = Callable[[float | None], bool]  # until the doorbell rings, at most so many seconds; did it?
Clock = Callable[[], float]  # in seconds, from any start
Log = Callable[[str], None]  # a line


class Pumped(Protocol):
    """Who pumps the bus for `async for` (amp.rpmsg.aio)."""

    async def arrival(self, endpoint: Endpoint) -> None: ...
    def link_down(self) -> None: ...


class Reset(Protocol):
    """What a device does about being reset."""

    def seen(self) -> bool:
        """Is the device's driver not ready any more?"""
        ...

    def new_link(self) -> Link:
        """Let go of the rings, wait for the next driver, and open its rings."""
        ...
