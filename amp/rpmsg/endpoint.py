"""Endpoint: an address of this side that messages are sent from and received at (struct rpmsg_endpoint).

Three ways to receive, one at a time: a callback; `recv`, which blocks; `async for`. A callback is called from
`Bus.process`, so from whoever waits. The message's buffer goes back to the other side when the callback has returned:
it has then been read *and handled*. A message that waits in the endpoint's queue has been acknowledged already.

An endpoint made with `zero_copy` is given `Received` instead of `Message`: the bytes stay in shared memory until they
are read, and the buffer stays with its holder until `release`. Whoever holds all of them stops the sender.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from amp.errors import LinkDown, NoSuchEndpoint, RpmsgError, UsageError
from amp.rpmsg.link import Buffer, Sent
from amp.rpmsg.many import payloads_of
from amp.rpmsg.wire import ADDR_ANY, HEADER_BYTES, SEND_TIMEOUT_S

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

    from amp.rpmsg.bus import Bus
    from amp.virtio.batch import U8s, U32s


class Message(NamedTuple):
    """What came, and from which endpoint of the other side."""

    data: bytes
    source: int


class Received:
    """A message in its buffer. Held from `hold` to `release`; one that nobody holds is gone after the callback."""

    __slots__ = ("_buffer", "_bus", "_link", "held", "length", "source")

    def __init__(self, bus: Bus, buffer: Buffer, source: int, length: int) -> None:
        self._bus: Bus | None = bus
        self._buffer, self._link = buffer, bus.link
        self.source, self.length = source, length
        self.held = False

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of the payload, all of them from `offset` on unless `length` says fewer. Raises UsageError."""
        count = self.length - offset if length is None else length
        if not 0 <= offset <= offset + count <= self.length:
            raise UsageError(f"read of {count} bytes at {offset} of a message of {self.length}")
        if self._bus is None:
            raise UsageError("read of a message whose buffer was given back")
        return bytes(self._bus.port.read(self._buffer.address + HEADER_BYTES + offset, count))

    def hold(self) -> Self:
        """Keep the buffer beyond the callback (rpmsg_hold_rx_buffer of OpenAMP)."""
        self.held = True
        return self

    def release(self) -> None:
        """Give the buffer back (rpmsg_release_rx_buffer of OpenAMP). A second call does nothing."""
        bus, self._bus = self._bus, None
        if bus is not None and bus.link is self._link:
            bus.recycle(self._buffer, at_once=True)

    def expire(self) -> None:
        """The callback has returned: unless it was held, the message is gone."""
        if not self.held and self._bus is not None:
            bus, self._bus = self._bus, None
            bus.recycle(self._buffer)

    def __enter__(self) -> Self:
        return self.hold()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Outgoing:
    """A transmit buffer that its holder fills in place; it ends with `send` or `drop`.

    After rpmsg_get_tx_payload_buffer, rpmsg_send_nocopy and rpmsg_release_tx_buffer of OpenAMP. As a context manager it
    is dropped unless it was sent.
    """

    __slots__ = ("_buffer", "_endpoint", "_link", "length")

    def __init__(self, endpoint: Endpoint, buffer: Buffer) -> None:
        self._endpoint, self._link = endpoint, endpoint.bus.link
        self._buffer: Buffer | None = buffer
        self.length = buffer.length - HEADER_BYTES

    def write(self, offset: int, data: BytesLike) -> None:
        """Bytes of the payload. Raises UsageError beyond the buffer's `length`."""
        count = memoryview(data).nbytes
        if not 0 <= offset <= offset + count <= self.length:
            raise UsageError(f"write of {count} bytes at {offset} of a buffer of {self.length}")
        self._endpoint.bus.port.write(self._mine().address + HEADER_BYTES + offset, data)

    def send(self, length: int, dest: int | None = None) -> None:
        """Send the first `length` bytes of what was written to the endpoint's destination, or to `dest`."""
        if not 0 <= length <= self.length:
            raise UsageError(f"length is {length}, the buffer holds {self.length}")
        endpoint, buffer = self._endpoint, self._mine()
        endpoint.bus.submit(buffer, endpoint.addr, endpoint.destination(dest), length)
        self._buffer = None

    def drop(self) -> None:
        """Give the buffer up. A second call, or one after `send`, does nothing."""
        buffer, self._buffer = self._buffer, None
        if buffer is not None and self._endpoint.bus.link is self._link:
            self._endpoint.bus.give_up(buffer)

    def _mine(self) -> Buffer:
        if self._buffer is None:
            raise UsageError("the transmit buffer was sent or dropped")
        if self._endpoint.bus.link is not self._link:
            raise LinkDown("the device was reset after the transmit buffer was taken")
        return self._buffer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()


Callback = Callable[["Endpoint", Any], None]  # Message, or Received of a zero-copy endpoint


class Endpoint:
    """Made by `Bus.create_endpoint`. `dest` is where `send` goes: ADDR_ANY until it is known.

    Sending raises MessageTooLong, NoSuchEndpoint (closed, or no destination), LinkDown; the blocking forms SendTimeout
    when no buffer became free in `timeout_s` (None: no limit), the try forms WouldBlock when none is free now.
    """

    def __init__(
        self, bus: Bus, name: str, addr: int, dest: int, callback: Callback | None, *, zero_copy: bool, announced: bool
    ) -> None:
        self.bus, self.name, self.addr, self.dest = bus, name, addr, dest
        self.callback = callback
        self.zero_copy = zero_copy
        self.announced = announced
        self.closed = False
        self.unacknowledged: tuple[Sent, ...] = ()  # of this endpoint, once the link is down
        self.arrived: Callable[[], None] | None = (
            None  # whom to tell that the queue is not empty any more (amp.rpmsg.aio)
        )
        self._queue: deque[Any] = deque()

    # --- sending (include/linux/rpmsg.h: rpmsg_send, rpmsg_sendto, rpmsg_send_offchannel and their try forms)

    def send(self, data: BytesLike, timeout_s: float | None = SEND_TIMEOUT_S) -> None:
        """To this endpoint's destination."""
        self.bus.send(self.addr, self.destination(), data, timeout_s, self)

    def sendto(self, data: BytesLike, dest: int, timeout_s: float | None = SEND_TIMEOUT_S) -> None:
        """To `dest`."""
        self.bus.send(self.addr, dest, data, timeout_s, self)

    def send_offchannel(
        self, source: int, dest: int, data: BytesLike, timeout_s: float | None = SEND_TIMEOUT_S
    ) -> None:
        """From `source` to `dest`, whatever this endpoint's own address is."""
        self.bus.send(source, dest, data, timeout_s, self)

    def trysend(self, data: BytesLike) -> None:
        """`send` that does not wait."""
        self.bus.trysend(self.addr, self.destination(), data, self)

    def trysendto(self, data: BytesLike, dest: int) -> None:
        """`sendto` that does not wait."""
        self.bus.trysend(self.addr, dest, data, self)

    def trysend_offchannel(self, source: int, dest: int, data: BytesLike) -> None:
        """`send_offchannel` that does not wait."""
        self.bus.trysend(source, dest, data, self)

    def send_many(
        self,
        messages: Sequence[BytesLike] | U8s,
        lengths: U32s | None = None,
        timeout_s: float | None = SEND_TIMEOUT_S,
    ) -> None:
        """`send` for each, in order, telling the other side once for all that find a buffer free at the same time.

        `messages` is a sequence of bytes; or, with `lengths` u32 [n], a numpy array u8 [n, width] whose row i is a
        message of lengths[i] bytes. All are checked before the first is sent; after SendTimeout or LinkDown some have
        been sent.
        """
        self.bus.send_many(self.addr, self.destination(), payloads_of(messages, lengths), timeout_s, self)

    def get_buffer(self, timeout_s: float | None = SEND_TIMEOUT_S) -> Outgoing:
        """A transmit buffer to fill in place. Raises SendTimeout, LinkDown, NoSuchEndpoint."""
        self.check_open()
        return Outgoing(self, self.bus.claim(timeout_s))

    def destination(self, dest: int | None = None) -> int:
        """Where a message goes. Raises NoSuchEndpoint if nobody has said."""
        self.check_open()
        where = self.dest if dest is None else dest
        if where == ADDR_ANY:
            raise NoSuchEndpoint(f"endpoint {self} has no destination yet")
        if not 0 <= where < ADDR_ANY:
            raise NoSuchEndpoint(f"endpoint {self}: destination {where:#x} is no address")
        return where

    def check_open(self) -> None:
        """Raises NoSuchEndpoint if the endpoint was closed, LinkDown if the other side is gone."""
        if self.closed:
            raise NoSuchEndpoint(f"endpoint {self} is closed")
        if self.bus.down_reason is not None:
            raise LinkDown(f"endpoint {self}: {self.bus.down_reason}", self.unacknowledged)

    # --- receiving

    def recv(self, timeout_s: float | None = None) -> Any:
        """The next message: a Message, or of a zero-copy endpoint a Received that is held until it is released.

        Raises TimeoutError when none came in `timeout_s` (None: no limit), LinkDown once the other side is gone and the
        queue empty, RpmsgError if the endpoint has a callback.
        """
        if not self._queue:
            self._check_queued()
            self.bus.wait_until(self._queue.__len__, timeout_s)
            if not self._queue:
                self.check_open()
                raise TimeoutError(f"endpoint {self}: nothing came in {timeout_s:g} s")
        return self._queue.popleft()

    def recv_many(self, most: int | None = None, timeout_s: float | None = None) -> list[Any]:
        """What `recv` would return, as often as there is something: at least one message, at most `most`.

        Their buffers are recycled together, and the other side is told once. Raises as `recv`, UsageError for a `most`
        below 1.
        """
        if most is not None and most < 1:
            raise UsageError(f"recv_many: most is {most}, at least 1")
        first = self.recv(timeout_s)
        if self.bus.down_reason is None and (most is None or len(self._queue) + 1 < most):
            self.bus.process()
        count = len(self._queue) if most is None else min(len(self._queue), most - 1)
        return [first, *(self._queue.popleft() for _ in range(count))]

    def _check_queued(self) -> None:
        if self.callback is not None:
            raise RpmsgError(f"endpoint {self} has a callback: nothing is queued")
        self.check_open()

    @property
    def queued(self) -> int:
        """Messages that wait for `recv`."""
        return len(self._queue)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The next message; the iteration ends when the endpoint is closed. Raises LinkDown.

        Somebody must pump the bus: see amp.rpmsg.aio.
        """
        while not self._queue:
            if self.closed:
                raise StopAsyncIteration
            self._check_queued()
            if self.bus.pump is None:
                raise RpmsgError(f"endpoint {self}: `async for` needs a pump, see amp.rpmsg.aio.Pump")
            await self.bus.pump.arrival(self)
        return self._queue.popleft()

    def deliver(self, message: Any) -> None:
        """A message has come, for the queue or for the callback."""
        if self.callback is not None:
            self.callback(self, message)
            return
        self._queue.append(message)
        if self.arrived is not None:
            self.arrived()

    # --- the end

    def close(self) -> None:
        """Free the address; the other side is told if the endpoint was announced. A second call does nothing."""
        if self.closed:
            return
        self.closed = True
        while self._queue:
            message = self._queue.popleft()
            if isinstance(message, Received):
                message.release()
        if self.arrived is not None:
            self.arrived()
        self.bus.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return f"{self.name or 'unnamed'}:{self.addr}"
