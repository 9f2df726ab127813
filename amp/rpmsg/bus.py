"""Bus: endpoints over a link, on either side (Linux v6.1 drivers/rpmsg/virtio_rpmsg_bus.c in what it does).

One thread owns a bus. Nothing happens behind its back: messages are taken from the ring by `process`, which `wait`,
`Endpoint.recv` and a blocking `send` call while they wait. A callback that blocks in `send` waits for a buffer only: no
other callback runs meanwhile, as on Linux, and two sides that both do so can wait for each other until time is up.

The other side is not trusted: a header that breaks the format is counted, given to `on_malformed` and its buffer used
again; so is a message to an endpoint that nobody has. What breaks the ring itself raises BadRing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amp.errors import (
    AmpError,
    BadMessage,
    LinkDown,
    MessageTooLong,
    NoSuchEndpoint,
    PeerDied,
    PeerFinished,
    SendTimeout,
    UsageError,
    WouldBlock,
)
from amp.port.port import Port
from amp.rpmsg.addresses import AddressTable
from amp.rpmsg.endpoint import Callback, Endpoint, Message, Received
from amp.rpmsg.hooks import Clock, Log, Pumped, Reset, Wait
from amp.rpmsg.link import Buffer, Link, Sent
from amp.rpmsg.many import frames
from amp.rpmsg.names import Channel, NameService
from amp.rpmsg.wire import (
    ADDR_ANY,
    BUFFERS_LIMIT,
    HEADER,
    HEADER_BYTES,
    NS_ADDR,
    SEND_TIMEOUT_S,
    Announcement,
    NsFlag,
    encode_name,
)
from amp.virtio.sites import K2

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

_U32 = 0xFFFF_FFFF
FRAMES_AT_ONCE = BUFFERS_LIMIT // 2  # no more buffers than that are free at a time


@dataclass(slots=True)
class Counts:
    """What a bus has seen since it was made."""

    sent: int = 0
    received: int = 0
    no_recipient: int = 0
    malformed: int = 0
    waits_for_buffer: int = 0


def _raise(error: BadMessage) -> None:
    raise error


class Bus:
    """See the module.

    `wait(timeout_s)` sleeps until the doorbell rings: True, or False if the time was up first; a port's `wait`, or what
    stands before it. `clock` is in seconds and needed for limits of time only: without one nothing may have a limit.
    `name_service` says whether VIRTIO_RPMSG_F_NS was negotiated. With `binds_first_sender` an endpoint without a
    destination takes the first one's that writes to it (OpenAMP's rpmsg_virtio_rx_callback does, Linux does not).
    `reset` is for the side whose device the other may reset; it is asked before messages are taken.

    Whatever is called raises LinkDown when the other side turns out to be gone.
    """

    def __init__(
        self,
        port: Port,
        link: Link,
        *,
        wait: Wait | None = None,
        clock: Clock | None = None,
        log: Log | None = None,
        name_service: bool = True,
        binds_first_sender: bool = False,
        reset: Reset | None = None,
    ) -> None:
        self.port, self.link = port, link
        self.counts = Counts()
        self.names = NameService(self._say)
        self.down_reason: str | None = None
        self.unacknowledged: tuple[Sent, ...] = ()  # once it is down
        self.on_malformed: Callable[[BadMessage], None] = _raise
        self.pump: Pumped | None = None
        self.sleeper: Wait = wait if wait is not None else port.wait  # a pump stands before it while it runs
        self._clock, self._log = clock, log
        self._addresses: AddressTable[Endpoint] = AddressTable()
        self._by_address = self._addresses.owner
        self._announces = name_service
        self._binds_first_sender = binds_first_sender
        self._reset = reset
        self._processing = False
        if name_service:
            self._addresses.add(NS_ADDR, self._endpoint("", NS_ADDR, ADDR_ANY, self._hear_name))

    # --- endpoints

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All but the name service's own, by address."""
        return tuple(end for addr, end in sorted(self._by_address.items()) if end.callback != self._hear_name)

    def create_endpoint(
        self,
        name: str = "",
        callback: Callback | None = None,
        *,
        addr: int = ADDR_ANY,
        dest: int = ADDR_ANY,
        announce: bool | None = None,
        zero_copy: bool = False,
    ) -> Endpoint:
        """A new endpoint at `addr`, or at the lowest free dynamic address.

        It is announced to the other side if it has a name and no destination yet, or as `announce` says; only where the
        name service was negotiated. Raises AddressInUse, UsageError, LinkDown, SendTimeout (of the announcement).
        """
        if name:
            encode_name(name)
        if announce is None:
            announce = bool(name) and dest == ADDR_ANY
        if announce and not name:
            raise UsageError("an endpoint without a name cannot be announced")
        if self.down_reason is not None:
            raise LinkDown(self.down_reason)
        endpoint = self._endpoint(name, addr, dest, callback, zero_copy=zero_copy, announced=announce)
        endpoint.addr = self._addresses.add(addr, endpoint)
        if announce:
            try:
                self._announce(endpoint, NsFlag.CREATE)
            except BaseException:  # nobody was told of it, and the caller has nothing to close
                endpoint.closed = True
                self._addresses.remove(endpoint.addr)
                raise
        return endpoint

    def _endpoint(
        self,
        name: str,
        addr: int,
        dest: int,
        callback: Callback | None,
        *,
        zero_copy: bool = False,
        announced: bool = False,
    ) -> Endpoint:
        return Endpoint(self, name, addr, dest, callback, zero_copy=zero_copy, announced=announced)

    def forget(self, endpoint: Endpoint) -> None:
        """The endpoint is closed: free its address, and tell the other side if it knows of it."""
        self._addresses.remove(endpoint.addr)
        if endpoint.announced and self.down_reason is None:
            self._announce(endpoint, NsFlag.DESTROY)

    def open_channel(self, channel: Channel, callback: Callback | None = None, **options: Any) -> Endpoint:
        """A new endpoint that talks to an announced service."""
        return self.create_endpoint(channel.name, callback, dest=channel.addr, **options)

    def wait_for_channel(self, name: str, timeout_s: float | None = None) -> Channel:
        """The first channel of that name, as soon as it is announced. Raises TimeoutError."""
        self.wait_until(lambda: self.names.find(name), timeout_s)
        channel = self.names.find(name)
        if channel is None:
            raise TimeoutError(f"no service {name!r} was announced in {timeout_s:g} s")
        return channel

    def _announce(self, endpoint: Endpoint, flag: NsFlag) -> None:
        if self._announces:
            data = Announcement(endpoint.name, endpoint.addr, flag).encode()
            self._put(self.claim(None if self._clock is None else SEND_TIMEOUT_S), endpoint.addr, NS_ADDR, data)

    def _hear_name(self, _: Endpoint, message: Message) -> None:
        try:
            announcement = Announcement.decode(message.data, writer=self.link.writer)
        except BadMessage as error:
            self._malformed(error)
            return
        if announcement.flag is NsFlag.CREATE:
            for endpoint in self._by_address.values():  # one of ours of that name waits for its other end
                if endpoint.name == announcement.name and endpoint.dest == ADDR_ANY and self._binds_first_sender:
                    endpoint.dest = announcement.addr
        self.names.take(announcement)

    # --- sending

    def send(self, source: int, dest: int, data: BytesLike, timeout_s: float | None, endpoint: Endpoint) -> None:
        """See Endpoint.send."""
        endpoint.check_open()
        payload = self._checked(source, dest, data)
        try:
            buffer = self.link.claim()
            self._put(buffer if buffer is not None else self._claim_later(timeout_s), source, dest, payload)
        except (PeerDied, PeerFinished) as error:
            raise self._gone(error) from error

    def trysend(self, source: int, dest: int, data: BytesLike, endpoint: Endpoint) -> None:
        """See Endpoint.trysend."""
        endpoint.check_open()
        payload = self._checked(source, dest, data)
        try:
            buffer = self.link.claim()
            if buffer is None:
                raise WouldBlock(f"endpoint {endpoint}: no transmit buffer is free")
            self._put(buffer, source, dest, payload)
        except (PeerDied, PeerFinished) as error:
            raise self._gone(error) from error

    def send_many(
        self, source: int, dest: int, payloads: Sequence[bytes], timeout_s: float | None, endpoint: Endpoint
    ) -> None:
        """See Endpoint.send_many."""
        endpoint.check_open()
        for payload in payloads:
            self._checked(source, dest, payload)
        try:
            while payloads:
                whole = frames(source, dest, payloads[:FRAMES_AT_ONCE])
                posted = self.link.post_many(whole, [Sent(source, dest, payload) for payload in whole.payloads])
                self.counts.sent += posted
                if not posted:
                    buffer = self.link.claim()
                    self._put(buffer or self._claim_later(timeout_s), source, dest, payloads[0])
                payloads = payloads[posted or 1 :]
        except (PeerDied, PeerFinished) as error:
            raise self._gone(error) from error

    def _checked(self, source: int, dest: int, data: BytesLike) -> bytes:
        payload = data if type(data) is bytes else bytes(memoryview(data))
        most = self.link.message_bytes
        if most and HEADER_BYTES + len(payload) > most:
            raise MessageTooLong(f"message is {len(payload)} bytes, at most {most - HEADER_BYTES} fit")
        if not 0 <= source < ADDR_ANY or not 0 <= dest < ADDR_ANY:
            raise NoSuchEndpoint(f"source {source:#x}, destination {dest:#x}: not both are addresses")
        return payload

    def _put(self, buffer: Buffer, source: int, dest: int, payload: bytes) -> None:
        length = len(payload)
        if HEADER_BYTES + length > buffer.length:
            self.link.give_up(buffer)
            raise MessageTooLong(f"message is {length} bytes, at most {buffer.length - HEADER_BYTES} fit")
        self.port.write(buffer.address, HEADER.pack(source, dest, 0, length, 0) + payload)
        self.counts.sent += 1
        self.link.submit(buffer, HEADER_BYTES + length, Sent(source, dest, payload))

    def submit(self, buffer: Buffer, source: int, dest: int, length: int) -> None:
        """Send a claimed buffer whose payload has been written in place."""
        self.port.write(buffer.address, HEADER.pack(source, dest, 0, length, 0))
        self.counts.sent += 1
        data = bytes(self.port.read(buffer.address + HEADER_BYTES, length))  # our own stores: for `unacknowledged`
        self.link.submit(buffer, HEADER_BYTES + length, Sent(source, dest, data))

    def give_up(self, buffer: Buffer) -> None:
        """A claimed buffer is not sent."""
        self.link.give_up(buffer)

    def claim(self, timeout_s: float | None) -> Buffer:
        """A transmit buffer. Raises SendTimeout, LinkDown."""
        try:
            return self.link.claim() or self._claim_later(timeout_s)
        except (PeerDied, PeerFinished) as error:
            raise self._gone(error) from error

    def _claim_later(self, timeout_s: float | None) -> Buffer:
        """A transmit buffer once one is free; messages that come meanwhile are handled, unless a callback waits."""
        self.counts.waits_for_buffer += 1
        deadline, in_time = self._deadline(timeout_s), True
        while True:
            self.process()  # before each sleep: the interrupt that ended the last one may have been for messages, too
            buffer = self.link.claim()
            if buffer is not None:
                return buffer
            if not in_time:
                raise SendTimeout(f"no transmit buffer became free in {timeout_s:g} s")
            if self._processing:
                self.link.flush()  # what was recycled before the callback
                if self._reset is not None and self._reset.seen():
                    raise LinkDown("the device was reset while a callback waited for a transmit buffer")
            in_time = not self.link.await_buffer() or self._sleep(deadline)

    # --- receiving

    def process(self, most: int | None = None) -> int:
        """Take every message that is there, or `most`, and call the callbacks; returns how many came.

        0 inside a callback. What a callback or `on_malformed` raises ends it: what is left is taken by the next call.
        """
        if self._processing:
            return 0
        try:
            return self._process(most)
        except LinkDown:
            if self._reset is None or not self._reset.seen():
                raise
            return 1  # what a callback could not send went with the link; the next call finds a new one
        except (PeerDied, PeerFinished) as error:
            raise self._gone(error) from error

    def _process(self, most: int | None) -> int:
        self._processing = True
        count = 0
        try:
            if self._reset is not None and self._reset.seen():
                self._start_anew(self._reset.new_link())
            receive = self.link.receive
            while (buffer := receive()) is not None:
                count += 1
                self._take(buffer)
                if count == most:
                    break
        finally:
            self._processing = False
            if count:
                self.link.flush()
        return count

    def _take(self, buffer: Buffer) -> None:
        _, address, written = buffer
        port = self.port
        if written < HEADER_BYTES:
            self._reject(buffer, "message length", written, f"at least {HEADER_BYTES}")
            return
        addresses, rest = port.load_u64(address), port.load_u64(address + 8)
        source, dest, length = addresses & _U32, addresses >> 32, rest >> 32 & 0xFFFF
        if length > written - HEADER_BYTES:
            self._reject(buffer, "header len", length, f"at most {written - HEADER_BYTES}")
            return
        if source == ADDR_ANY:  # nobody could be answered
            self._reject(buffer, "header src", source, f"below {ADDR_ANY:#x}")
            return
        self.counts.received += 1
        endpoint = self._by_address.get(dest)
        if endpoint is None:
            self._no_recipient(buffer, dest)
            return
        if self._binds_first_sender and endpoint.dest == ADDR_ANY and dest != NS_ADDR:
            endpoint.dest = int(source)
        if endpoint.zero_copy:
            received = Received(self, buffer, int(source), int(length))
            if endpoint.callback is None:
                received.hold()
            try:
                endpoint.deliver(received)
            finally:
                received.expire()
            return
        payload = port.read(address + HEADER_BYTES, int(length))
        if endpoint.callback is None:  # the buffer goes back at once, and B1 is all that holds it back until it is read
            self.link.recycle(buffer)
            endpoint.deliver(Message(bytes(payload), int(source)))
            return
        try:
            endpoint.deliver(Message(bytes(payload), int(source)))
        finally:
            self.link.recycle(buffer)

    def recycle(self, buffer: Buffer, *, at_once: bool = False) -> None:
        """A held message's buffer goes back; `at_once` outside `process`, which tells the other side by itself."""
        if self.down_reason is None:
            self.link.recycle(buffer)
            if at_once and not self._processing:
                self.link.flush()

    def _no_recipient(self, buffer: Buffer, dest: int) -> None:
        self.counts.no_recipient += 1
        self.link.recycle(buffer)
        times = self.counts.no_recipient
        if times & (times - 1) == 0:  # the 1st, 2nd, 4th, 8th ...: as dev_warn_ratelimited, without a clock
            self._say(f"message for endpoint {int(dest)}, which nobody has ({times} so far)")

    def _reject(self, buffer: Buffer, field: str, value: int, limit: str) -> None:
        self.link.recycle(buffer)
        self._malformed(
            BadMessage(field, int(value), limit=limit, writer=self.link.writer, address=int(buffer.address))
        )

    def _malformed(self, error: BadMessage) -> None:
        self.counts.malformed += 1
        self.on_malformed(error)

    # --- waiting

    def wait(self, timeout_s: float | None = None) -> int:
        """Handle what is there, or else sleep until something comes or the time is up; returns how many came."""
        came = self.process()
        if not came and self.link.await_message() and self._sleep(self._deadline(timeout_s)):
            came = self.process()
        return came

    def wait_until(self, done: Callable[[], object], timeout_s: float | None = None) -> bool:
        """Handle what comes until `done()` is true; False if the time was up first. Raises LinkDown."""
        deadline = self._deadline(timeout_s)
        self.process()
        while not done():
            in_time = not self.link.await_message() or self._sleep(deadline)
            self.process()
            if not in_time and not done():
                return False
        return True

    def serve(self) -> None:
        """Handle what comes, for ever: what most firmware does once its endpoints are there. Raises LinkDown."""
        self.wait_until(lambda: False)

    def _deadline(self, timeout_s: float | None) -> float | None:
        if timeout_s is None:
            return None
        if self._clock is None:
            raise UsageError("a limit of time needs a clock, and this bus has none")
        return self._clock() + timeout_s

    def _sleep(self, deadline: float | None) -> bool:
        """Sleep until the doorbell rings; False if the time was up first. Raises LinkDown."""
        if self.down_reason is not None:
            raise LinkDown(self.down_reason)
        left = None if deadline is None or self._clock is None else max(0.0, deadline - self._clock())
        try:
            rung = self.sleeper(left)
        except (PeerDied, PeerFinished) as error:
            raise self._gone(error) from error
        if rung:
            # K2: the rings must not be read before the interrupt that announced them. Pairs with K1 at the other side.
            self.port.barrier(K2)
        return rung

    # --- the link's end, and its new beginning

    def _gone(self, error: AmpError) -> LinkDown:
        return LinkDown(str(error), self.link.unacknowledged())

    def down(self, reason: str) -> tuple[Sent, ...]:
        """The other side is gone: nothing can be sent any more, channels go, whoever receives is told.

        Returns what was sent and not acknowledged, by the link's last look; each endpoint keeps its own part.
        """
        if self.down_reason is not None:
            return self.unacknowledged
        self.down_reason = reason
        lost = self.unacknowledged = self.link.unacknowledged()
        by_source: dict[int, list[Sent]] = {}
        for sent in lost:
            by_source.setdefault(sent.source, []).append(sent)
        for endpoint in list(self._by_address.values()):
            endpoint.unacknowledged = tuple(by_source.get(endpoint.addr, ()))
            if endpoint.arrived is not None:
                endpoint.arrived()
        if self.pump is not None:
            self.pump.link_down()
        self.names.clear()
        return lost

    def _start_anew(self, link: Link) -> None:
        """New rings: what was announced is announced again, and what the other side had is forgotten."""
        self.link = link
        self.names.clear()
        for endpoint in self.endpoints:
            if self._binds_first_sender and endpoint.announced:
                endpoint.dest = ADDR_ANY
            if endpoint.announced:
                self._announce(endpoint, NsFlag.CREATE)

    def _say(self, line: str) -> None:
        if self._log is not None:
            self._log(line)
