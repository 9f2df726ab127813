"""The host's half of an exchange: every message goes to the remote and comes back, and is checked on both sides.

Two vrings, both driven by the host: on `to_remote` it exposes full buffers, on `to_host` empty ones. Interrupts are off
while there is work, and asked for before the host sleeps: for messages, and for its own buffers when it has none left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from amp.errors import Stall, UsageError, WrongMessage
from amp.machine.config import HEADER_BYTES, RunConfig, Tally
from amp.machine.messages import check, encode, pattern
from amp.machine.wiring import Channel, plan
from amp.port.notes import Note
from amp.port.port import Port
from amp.virtio.sites import K2
from amp.virtio.split import USED_ELEM_BYTES, Segment
from hostside.virtqueue import DriverQueue, IndirectTables

BREATH = 32  # messages between two changes of the window

SEND, RECEIVE = Note.SEND, Note.RECEIVE


def echo(port: Port, config: RunConfig, tally: Tally) -> None:
    """`config.messages` messages of a pattern that tells which message a word belongs to."""
    length = config.payload_bytes - HEADER_BYTES
    Exchange(port, config, tally).run(pattern(number, length) for number in range(config.messages))


def stream(port: Port, config: RunConfig, tally: Tally) -> None:
    """The bytes of `config.file`, in order, again from its start if `config.messages` asks for more than it has."""
    if config.file is None:
        raise UsageError("stream needs a file")
    content = Path(config.file).read_bytes()
    step = config.payload_bytes - HEADER_BYTES
    if not content or not step:
        raise UsageError(f"stream needs bytes to send: {config.file} has {len(content)}, a message holds {step}")
    chunks = -(-len(content) // step)
    starts = ((number % chunks) * step for number in range(config.messages))
    digest = sha256()
    Exchange(port, config, tally, digest.update).run(content[start : start + step] for start in starts)
    tally.sha256 = digest.hexdigest()


class Exchange:
    """One run. `tally` counts the messages that came back right; `sink` is given their bodies, in order."""

    def __init__(
        self, port: Port, config: RunConfig, tally: Tally, sink: Callable[[bytes], None] | None = None
    ) -> None:
        wiring = plan(config)
        outgoing, incoming = wiring.to_remote, wiring.to_host
        self._port, self._config, self._tally, self._sink = port, config, tally, sink
        self._out: DriverQueue[int] = _queue(port, config, outgoing)
        self._in: DriverQueue[int] = _queue(port, config, incoming)
        self._full = [outgoing.segments(n, config.payload_bytes, config.segments) for n in range(outgoing.count)]
        self._empty = [incoming.segments(n, config.payload_bytes, config.segments) for n in range(incoming.count)]
        self._idle = list(range(outgoing.count))  # buffers of `to_remote` that are ours
        self._window = config.window or 1
        self._most_under_way = outgoing.count + incoming.count
        self._sent = 0
        self._under_way: dict[int, bytes] = {}  # number -> message, until it came back

    def run(self, bodies: Iterator[bytes]) -> None:
        """Send every body, and return when all came back. Raises Violation."""
        self._quieten()
        for buffer, segments in enumerate(self._empty):
            self._in.add((), segments, buffer)
        self._announce(self._in)
        tally, messages, polls, idle = self._tally, self._config.messages, self._config.polls, 0
        while tally.messages < messages:
            received = self._receive()
            sent = self._send(bodies)
            idle = 0 if received or sent else idle + 1
            if idle > polls:
                self._sleep()
                idle = 0

    def _send(self, bodies: Iterator[bytes]) -> bool:
        """Send the next message, if there is one and it may go."""
        number = self._sent
        if number == self._config.messages or len(self._under_way) >= self._window or not self._reclaim():
            return False
        buffer = self._idle.pop()
        message = encode(number, next(bodies))
        self._port.note(SEND, number)
        segments = self._full[buffer]
        if len(message) < self._config.payload_bytes:  # the end of a file
            segments = tuple(_cut(segments, len(message)))
        done = 0
        for address, length in segments:
            self._port.write(address, message[done : done + length])
            done += length
        self._out.add(segments, (), buffer)
        self._under_way[number] = message
        self._sent += 1
        self._announce(self._out)
        if self._sent % BREATH == 0:
            self._breathe()
        return True

    def _breathe(self) -> None:
        """Another window: 1, 2, 4 ... all, and 1 again, so that the rings are seen empty, filling and full."""
        if not self._config.window:
            self._window = 1 if self._window >= self._most_under_way else 2 * self._window

    def _reclaim(self) -> bool:
        """Take back what the remote is done with, once we are out of buffers; says whether we have any now."""
        while not self._idle:
            used = self._out.get_used()
            if used is None:
                return False
            self._idle.append(used[0])
        return True

    def _receive(self) -> bool:
        """Check the next message that came back, and expose its buffer again."""
        used = self._in.get_used()
        if used is None:
            return False
        buffer, written = used
        self._check(buffer, written)
        self._in.add((), self._empty[buffer], buffer)
        self._announce(self._in)
        return True

    def _check(self, buffer: int, written: int) -> None:
        number = self._tally.messages
        address = self._empty[buffer][0].address
        payload = self._port.read(address, written)  # a buffer's segments lie one behind the other
        self._in.finish_reading()
        self._port.note(RECEIVE, number)
        message = bytes(payload)
        if message != self._under_way.pop(number, None):
            self._complain(message, number, address)
        if self._sink is not None:
            self._sink(message[HEADER_BYTES:])
        self._tally.messages += 1

    def _complain(self, message: bytes, number: int, address: int) -> None:
        """Say what is wrong with it, and where."""
        ring = self._in.layout
        length_at = ring.used_ring + USED_ELEM_BYTES * (number % ring.num) + 4  # it gives buffers back in order
        check(message, number, writer="remote", address=address, length_at=length_at)
        raise WrongMessage("is whole, but not the one that was sent", number=number, writer="remote", address=address)

    def _sleep(self) -> None:
        """Ask to be woken, and sleep unless something came meanwhile."""
        self._tally.waits += 1
        if self._nothing_to_do_yet():
            try:
                self._port.wait()
            except Stall as error:
                raise Stall(f"message {self._tally.messages} never came back: {error}") from None
            # K2: the rings must not be read before the interrupt that announced them. Pairs with K1 at the remote.
            self._port.barrier(K2)
        self._quieten()

    def _nothing_to_do_yet(self) -> bool:
        """Ask to be woken, then look once more."""
        if not self._config.suppression:
            return True  # every message rings
        quiet = self._in.enable_interrupts()
        if not self._idle and len(self._under_way) < self._window:  # only a buffer is missing to send the next one
            quiet = self._out.enable_interrupts() and quiet
        return quiet

    def _announce(self, queue: DriverQueue[int]) -> None:
        """Tell the remote of what was added to `queue`, if it wants to know, or always."""
        if self._config.suppression:
            self._tally.notifications += queue.kick()
        else:
            queue.notify()
            self._tally.notifications += 1

    def _quieten(self) -> None:
        """No interrupts while there is work."""
        if self._config.suppression:
            self._out.disable_interrupts()
            self._in.disable_interrupts()


def _cut(segments: tuple[Segment, ...], length: int) -> Iterator[Segment]:
    """The part of `segments` that holds the first `length` bytes."""
    for segment in segments:
        if length <= 0:
            return
        yield Segment(segment.address, min(segment.length, length))
        length -= segment.length


def _queue(port: Port, config: RunConfig, channel: Channel) -> DriverQueue[int]:
    tables = IndirectTables(channel.tables, config.segments) if config.indirect else None
    return DriverQueue(port, channel.ring, event_idx=config.event_idx, indirect=tables)
