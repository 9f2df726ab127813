"""ttyRPMSGN: a channel as a pty, for cat, picocom, socat. After Linux's drivers/tty/rpmsg_tty.c.

Bytes that programs write go out in messages as large as they may be, whatever lies ready at a time (rpmsg_tty_write);
bytes of messages come in as one stream. Raw: nothing is echoed, translated or made a signal. All programs that open it
share one endpoint. While no transmit buffer is free nothing is read, and a program's write blocks once the pty is full.
What nobody reads is dropped once the pty and the Outbox are full, and the log counts it.

The machine holds the slave open, too: without it the master would read as hung up whenever no program has it open. When
the channel goes so do both ends, and programs see a hang-up.
"""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import suppress
from typing import Final

from amp.errors import RpmsgError, Violation
from amp.lab.live.device import ChannelPort, end_endpoint, powers_of_two
from amp.lab.live.streams import Outbox, readable
from amp.report.counts import count_of
from amp.rpmsg.endpoint import Endpoint, Message

UNREAD_BYTES: Final = 1 << 16


class TtyDevice:
    """The pty, its symlink and its endpoint."""

    kind = "pty"
    connections = 1  # the endpoint; how many programs share it the kernel does not say

    def __init__(self, port: ChannelPort) -> None:
        """OSError if there is no pty, RpmsgError if there is no endpoint."""
        self._port = port
        self._taken = 0  # bytes of programs', and not yet sent
        self._master, self._slave = os.openpty()
        try:
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self._outbox = Outbox(self._master, lambda data: os.write(self._master, data))
            self._endpoint = port.bus.open_channel(port.channel, self._deliver)
            port.path.symlink_to(os.ttyname(self._slave))
        except BaseException:
            os.close(self._master)
            os.close(self._slave)
            raise
        self._task = asyncio.get_running_loop().create_task(self._serve())
        self._task.add_done_callback(self._release)

    def _deliver(self, _: Endpoint, message: Message) -> None:
        if not self._outbox.put(message.data) and powers_of_two(self._outbox.dropped):
            self._port.log(f"{self._port.path.name}: nobody reads: {self._outbox.dropped} messages dropped")

    async def _serve(self) -> None:
        port = self._port
        try:
            while True:
                try:
                    data = os.read(self._master, port.payload_bytes)
                except BlockingIOError:
                    await readable(self._master)
                    continue
                self._taken = len(data)
                await port.pump.send(self._endpoint, data, None)
                self._taken = 0
                await asyncio.sleep(0)
        except (OSError, RpmsgError):
            return  # the core is gone
        except Violation as error:
            port.wrong(error)

    def _release(self, _: asyncio.Task[None]) -> None:
        with suppress(OSError):  # nothing more, or nobody
            while data := os.read(self._master, UNREAD_BYTES):
                self._taken += len(data)
        if self._taken:
            self._port.log(f"{self._port.path.name}: {count_of(self._taken, 'byte')} taken and not sent")
        end_endpoint(self._port, self._endpoint)
        self._outbox.close()
        os.close(self._master)
        os.close(self._slave)

    def close(self) -> None:
        self._port.path.unlink(missing_ok=True)  # somebody may have tidied up
        self._task.cancel()

    async def closed(self) -> None:
        await asyncio.gather(self._task, return_exceptions=True)
