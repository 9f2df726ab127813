"""Descriptors of user programs under asyncio: wait until one can be read, and write without waiting, up to a bound.

asyncio's own transports know no packets, so sockets and ptys are read and written here as the kernel has them.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

HANG_UP_LOOKS_S: Final = 0.05
OUTBOX_LIMIT_BYTES: Final = 1 << 18  # for one program that does not read


async def readable(fd: int) -> None:
    """Returns when a read from `fd` would not block."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def now() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(fd, now)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def hung_up(fd: int) -> None:
    """Returns when nobody is left at the socket's other end, neither to write nor to read.

    Looked at now and then: of an end that is shut down for writing epoll says again and again that it can be read.
    """
    while not has_hung_up(fd):
        await asyncio.sleep(HANG_UP_LOOKS_S)


def has_hung_up(fd: int) -> bool:
    """Is nobody left at the socket's other end?"""
    poll = select.poll()
    poll.register(fd, 0)  # POLLHUP is told without being asked for (poll(2))
    return bool(poll.poll(0))


class Outbox:
    """What waits to be written to one program, oldest first.

    `write(data)` writes to `fd` and returns how many bytes it took. It raises BlockingIOError when it takes none now,
    OSError when nobody will read any more, which empties the box for good. A message that does not fit into
    `limit_bytes` is dropped, and counted.
    """

    def __init__(self, fd: int, write: Callable[[bytes], int], limit_bytes: int = OUTBOX_LIMIT_BYTES) -> None:
        self._fd, self._write, self._limit = fd, write, limit_bytes
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._closed = False
        self.dropped = 0

    def put(self, data: bytes) -> bool:
        """Write, or keep for later. False if it was dropped."""
        if self._closed:
            return True  # for nobody
        if self._bytes + len(data) > self._limit:
            self.dropped += 1
            return False
        was_empty = not self._waiting
        self._waiting.append(data)
        self._bytes += len(data)
        if was_empty:
            self._flush()
            if self._waiting:
                self._loop.add_writer(self._fd, self._on_writable)
        return True

    def _on_writable(self) -> None:
        self._flush()
        if not self._waiting:
            self._loop.remove_writer(self._fd)

    def _flush(self) -> None:
        with suppress(BlockingIOError):
            while self._waiting:
                data = self._waiting[0]
                try:
                    taken = self._write(data)
                except BlockingIOError:
                    raise
                except OSError:
                    self._forget()
                    return
                self._bytes -= taken
                if taken < len(data):
                    self._waiting[0] = data[taken:]
                else:
                    self._waiting.popleft()

    def _forget(self) -> None:
        self._closed = True
        self._waiting.clear()
        self._bytes = 0

    def close(self) -> None:
        """Before the descriptor is closed. What waits is not written."""
        self._forget()
        self._loop.remove_writer(self._fd)
