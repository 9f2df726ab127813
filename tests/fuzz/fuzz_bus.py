"""What the rpmsg targets share: a bus with endpoints of every kind, the calls of its user, and what a hostile peer puts
into a message. Not a test.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from fuzz_arena import START, Arena, Range, WatchedPort, one_line
from fuzz_input import Input

from amp.errors import BadMessage, BadRing, RpmsgError, UsageError
from amp.rpmsg import ADDR_ANY, NS_ADDR, Bus, Endpoint, Message, Outgoing, Received
from amp.rpmsg.wire import HEADER, HEADER_BYTES
from amp.virtio.split import SplitLayout

BUFFER_BYTES: Final = 64
OPERATIONS: Final = 64
QUEUED, ECHO, HELD, PEEKED = 1024, 1025, 1026, 30  # addresses of the endpoints that are always there
ADDRESSES: Final = (QUEUED, ECHO, HELD, PEEKED, NS_ADDR, 1027, 0, ADDR_ANY)
NAMES: Final = (b"svc", b"a", b"b", b"", b"\0svc", b"svc\0rest", b"x" * 31, b"x" * 32, b"\x1b[2J", b"\xff", b"*")


class BusRun:
    """One bus on an arena. A subclass lays out what is `mine` to load and to store, makes the link, and is the peer."""

    malformed_raises = False

    def __init__(self, source: Input) -> None:
        self.source = source
        self.num, self.event_idx = 2 << source.below(3), bool(source.below(2))
        self.input = SplitLayout(self.num, START, 16)
        self.output = SplitLayout(self.num, -(-self.input.end // 16) * 16, 16)
        start = -(-self.output.end // 16) * 16
        self.memory: Range = start, start + 2 * self.num * BUFFER_BYTES
        self.arena = Arena(self.memory[1] + 64 - START)
        self.lines: list[str] = []
        self.malformed: list[BadMessage] = []
        self.held: list[Received] = []
        self.outgoing: list[Outgoing] = []
        self.bus, self.port = self.open()
        self.malformed_raises = bool(source.below(2))
        self.bus.on_malformed = self.on_malformed
        self.begin()
        self.queued = self.bus.create_endpoint(addr=QUEUED)
        self.echo = self.bus.create_endpoint(callback=self.echoed, addr=ECHO)
        self.zero_copy = self.bus.create_endpoint(addr=HELD, zero_copy=True)
        self.peeked = self.bus.create_endpoint(callback=self.peek_at, addr=PEEKED, zero_copy=True)
        self.more: list[Endpoint] = []

    def open(self) -> tuple[Bus, WatchedPort]:
        raise NotImplementedError

    def peer_acts(self) -> None:
        """The peer does something that is near what is right."""
        raise NotImplementedError

    def check_books(self) -> None:
        """Every buffer is with somebody."""
        raise NotImplementedError

    def begin(self) -> None:
        self.port.begin(200 * self.num + 200)  # a ring full of messages, each of them answered

    # --- the user

    def on_malformed(self, error: BadMessage) -> None:
        one_line(error)
        self.malformed.append(error)
        if self.malformed_raises:
            raise error

    def echoed(self, endpoint: Endpoint, message: Message) -> None:
        try:
            endpoint.trysendto(message.data, message.source)
        except RpmsgError as error:
            one_line(error)

    def peek_at(self, _: Endpoint, received: Received) -> None:
        """Reads what it is given; keeps one in four."""
        assert len(received.read()) == received.length <= BUFFER_BYTES
        if received.source % 4 == 3 and len(self.held) < self.num:
            self.held.append(received.hold())

    def attempt(self, act: Callable[[], Any]) -> None:
        self.begin()
        try:
            act()
        except (BadRing, BadMessage, RpmsgError) as error:
            one_line(error)
            expected = self.malformed_raises or not isinstance(error, BadMessage)
            assert expected, "a malformed message ended the call"

    def user_acts(self) -> None:
        source = self.source
        data = source.take(source.choice((0, 4, 48, 49)))
        match source.below(10):
            case 0 | 1 | 2 | 3:
                look = source.choice((self.bus.process, lambda: self.bus.wait(0.0), lambda: self.bus.process(1)))
                self.attempt(look)
            case 4:
                self.attempt(lambda: self.queued.trysendto(data, source.choice(ADDRESSES)))
            case 5:
                self.attempt(lambda: self.echo.sendto(data, source.value(4), timeout_s=0.0))
            case 6 if self.queued.queued:
                self.queued.recv(0)
            case 6 | 7:
                self.release()
            case 8:
                self.attempt(self.fill_in_place)
            case 9:
                self.attempt(self.come_and_go)

    def release(self) -> None:
        self.begin()
        while self.zero_copy.queued:
            self.held.append(self.zero_copy.recv(0))
        if self.held:
            received = self.held.pop(self.source.below(len(self.held)))
            assert len(received.read()) == received.length
            received.release()

    def fill_in_place(self) -> None:
        if not self.outgoing or self.source.below(2):
            self.outgoing.append(self.echo.get_buffer(0.0))
            return
        outgoing = self.outgoing.pop()
        length = max(0, min(outgoing.length, self.source.below(BUFFER_BYTES)))
        try:
            outgoing.write(0, bytes(length))
            outgoing.send(length, self.source.choice((QUEUED, ADDR_ANY)))
        except UsageError:
            assert outgoing.length < 0, "a peer's buffer that holds no header"
        finally:
            outgoing.drop()

    def come_and_go(self) -> None:
        if self.more and self.source.below(2):
            self.more.pop().close()
        elif len(self.more) < 4:
            self.begin()
            name = self.source.choice(("svc", "a"))
            self.more.append(self.bus.create_endpoint(name, announce=name == "svc"))

    # --- the peer

    def message(self) -> bytes:
        """Header and payload, near what is right."""
        source = self.source
        dest = source.choice(ADDRESSES) if source.below(8) else source.value(4)
        payload = self.announcement() if dest == NS_ADDR else source.take(source.below(49))
        length = len(payload) if source.below(4) else source.value(2)
        sender = source.choice(ADDRESSES) if source.below(4) else source.value(4)
        return (HEADER.pack(sender, dest, source.choice((0, 0, 0, 1)), length, 0) + payload)[:BUFFER_BYTES]

    def announcement(self) -> bytes:
        source = self.source
        name = source.choice(NAMES) if source.below(4) else source.take(source.below(33))
        packed = struct.pack("<32sII", name, source.value(4), source.choice((0, 0, 0, 1, 1, 2, 0xFFFF_FFFF)))
        return packed if source.below(8) else packed[: source.below(len(packed))]

    def scribble(self) -> None:
        self.arena.scribble(self.source, self.source.choice(self.places()))

    def places(self) -> tuple[Range, ...]:
        """Where the peer writes."""
        raise NotImplementedError

    def step(self) -> None:
        match self.source.below(8):
            case 0 | 1 | 2:
                self.peer_acts()
            case 3:
                self.scribble()
            case 4:
                self.arena.arm(self.source.below(24), self.source.choice((self.scribble, self.peer_acts)))
            case 5 | 6 | 7:
                self.user_acts()
        self.check_books()
        assert len(self.bus.endpoints) == 4 + len(self.more), "an endpoint that failed was left, or one was lost"
        self.check_lines()

    def check_lines(self) -> None:
        """What the peer says is logged so that it does no harm to a terminal; not more often than once a message."""
        assert all(line.isprintable() for line in self.lines)
        self.lines.clear()

    @property
    def kept(self) -> int:
        """Received buffers that the user keeps."""
        return self.zero_copy.queued + len(self.held)

    def let_go(self) -> None:
        """The user gives back whatever it keeps, and reads what has come."""
        self.arena.peer.clear()
        self.malformed_raises = False
        self.begin()
        while self.outgoing:
            self.outgoing.pop().drop()
        while self.kept:
            self.begin()
            self.release()
        while self.queued.queued:
            self.queued.recv(0)
        self.check_books()

    def expect_clean(self, deliver: Callable[[bytes], None]) -> None:
        """From here on the peer behaves: as many messages as two rings hold come through, each as it was sent."""
        for number in range(2 * self.num):
            data = struct.pack("<I", number)
            before = len(self.malformed)
            deliver(HEADER.pack(7, QUEUED, 0, len(data), 0) + data)
            self.begin()
            assert self.bus.process() == 1, "a clean message did not come"
            assert self.queued.recv(0) == Message(data, 7)
            assert len(self.malformed) == before
            self.check_books()

    def run(self) -> None:
        for _ in range(OPERATIONS):
            if not self.source.left:
                break
            self.step()


assert HEADER_BYTES + 40 <= BUFFER_BYTES, "a name-service message fits"
