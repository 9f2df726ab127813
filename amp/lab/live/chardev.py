"""rpmsgN: a channel as a Unix seqpacket socket. One packet is one message, either way, empty ones included.

Each connection is an endpoint of its own, with a dynamic address, that talks to the channel's address: as each open
of Linux's /dev/rpmsgN has one (rpmsg_eptdev_open, drivers/rpmsg/rpmsg_char.c). What differs: a packet longer than a
message may be ends its connection, since a socket cannot say EMSGSIZE to who has already written; the machine's log
says so. While no transmit buffer is free nothing is read, so that a program's writes block in the kernel. A program
that does not read loses messages once its Outbox is full; the log counts them.

An empty packet and the end of a connection read alike. The kernel adds credentials to packets only (SO_PASSCRED).
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

from amp.errors import RpmsgError, Violation
from amp.lab.live.device import ChannelPort, end_endpoint, lost_with_the_core, powers_of_two
from amp.lab.live.peers import peer_of
from amp.lab.live.streams import Outbox, has_hung_up, hung_up, readable
from amp.report.counts import count_of
from amp.rpmsg.endpoint import Endpoint, Message

CONNECTIONS_LIMIT: Final = 64  # of one channel; who comes later waits in the kernel's queue
RETRY_S: Final = 1.0  # after descriptors ran out
CREDENTIALS_ROOM: Final = socket.CMSG_SPACE(12)  # struct ucred


def receive_packet(connection: socket.socket, limit_bytes: int) -> bytes | None:
    """The next packet; None at the end. Raises BlockingIOError, OverflowError for a packet of more than `limit_bytes`.

    The socket has SO_PASSCRED.
    """
    data, ancillary, flags, _ = connection.recvmsg(limit_bytes, CREDENTIALS_ROOM)
    if flags & socket.MSG_TRUNC:
        raise OverflowError(f"a packet of more than {limit_bytes} bytes")
    return data if data or ancillary else None


class CharDevice:
    """The listening socket and its connections."""

    kind = "seqpacket"

    def __init__(self, port: ChannelPort) -> None:
        """OSError if the socket cannot be made."""
        self._port = port
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._had: dict[int, str] = {}  # who had an address last: as many as there are addresses at a time
        self._room = asyncio.Event()
        self._room.set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # connections inherit it
            self._socket.bind(str(port.path))
            self._socket.listen()
        except OSError:
            self._socket.close()
            raise
        self._accepting = asyncio.get_running_loop().create_task(self._accept())
        self._accepting.add_done_callback(lambda _: self._socket.close())

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def _accept(self) -> None:
        while True:
            await self._room.wait()
            await readable(self._socket.fileno())
            try:
                accepted, _ = self._socket.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                self._port.log(f"{self._port.path.name}: accept: {error.strerror}")
                await asyncio.sleep(RETRY_S)
                continue
            if peer_of(accepted).is_ours:
                self._serve(_Connection(self._port, accepted))
            else:
                accepted.close()

    def _serve(self, connection: _Connection) -> None:
        task = asyncio.get_running_loop().create_task(connection.serve())
        self._connections[connection] = task
        if len(self._connections) >= CONNECTIONS_LIMIT:
            self._room.clear()

        def ended(_: asyncio.Task[None]) -> None:
            connection.close()
            if connection.addr is not None:
                self._had[connection.addr] = f"pid {connection.pid}"
            del self._connections[connection]
            self._room.set()

        task.add_done_callback(ended)

    def close(self) -> None:
        self._port.path.unlink(missing_ok=True)  # somebody may have tidied up
        living = {each.addr for each in self._connections if each.addr is not None}
        lost_with_the_core(self._port, living, self._had)
        for task in (self._accepting, *self._connections.values()):
            task.cancel()

    async def closed(self) -> None:
        await asyncio.gather(self._accepting, *self._connections.values(), return_exceptions=True)


class _Connection:
    """One program, until it, or the core, has had enough."""

    def __init__(self, port: ChannelPort, connection: socket.socket) -> None:
        self._port, self._socket = port, connection
        self.pid = peer_of(connection).pid
        self._taken = False  # a message of the program's, and not yet sent
        connection.setblocking(False)
        self._outbox = Outbox(connection.fileno(), self._write)
        self._endpoint: Endpoint | None = None

    @property
    def addr(self) -> int | None:
        """Its endpoint's address."""
        return self._endpoint.addr if self._endpoint is not None else None

    async def serve(self) -> None:
        port = self._port
        try:
            self._endpoint = endpoint = port.bus.open_channel(port.channel, self._deliver)
            while (data := await self._next()) is not None:
                self._taken = True
                await port.pump.send(endpoint, data, None)
                self._taken = False
                await asyncio.sleep(0)  # the others' turn
            await hung_up(self._socket.fileno())  # it has no more to say, but may still read: `echo hi | socat - ...`
        except OverflowError as error:
            port.log(f"{port.path.name}: {error}: its connection is closed")
        except (OSError, RpmsgError):
            return  # the program or the core is gone
        except Violation as error:
            port.wrong(error)

    async def _next(self) -> bytes | None:
        while True:
            try:
                return receive_packet(self._socket, self._port.payload_bytes)
            except BlockingIOError:
                await readable(self._socket.fileno())

    def _deliver(self, _: Endpoint, message: Message) -> None:
        if not self._outbox.put(message.data) and powers_of_two(self._outbox.dropped):
            self._port.log(f"{self._port.path.name}: a program does not read: {self._outbox.dropped} messages dropped")

    def _write(self, data: bytes) -> int:
        """All or nothing. An empty packet counts as taken, too."""
        self._socket.send(data, socket.MSG_NOSIGNAL)
        return len(data)

    def _unsent(self) -> int:
        """How many messages the program has written, and nobody will send.

        Those that it wrote and nobody has read count if it has left: else it is told itself (ECONNRESET).
        """
        count = int(self._taken)
        with suppress(OSError, OverflowError):
            while has_hung_up(self._socket.fileno()):
                if receive_packet(self._socket, self._port.payload_bytes) is None:
                    break
                count += 1
        return count

    def close(self) -> None:
        unsent = self._unsent()
        if unsent:
            self._port.log(
                f"{self._port.path.name}: {count_of(unsent, 'message')} of pid {self.pid} taken and not sent"
            )
        if self._endpoint is not None:
            end_endpoint(self._port, self._endpoint)
        self._outbox.close()
        self._socket.close()
