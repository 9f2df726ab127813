"""The host's half of an exchange: every message goes to the remote and comes back, and is checked on both sides.

Two vrings, both driven by the host: on `to_remote` it exposes full buffers, on `to_host` empty ones. Interrupts are off
while there is work, and asked for before the host sleeps: for messages, and for its own buffers when it has none left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from amp.errors import Stall, UsageError, WrongMessage
from amp.machine.config import HEADER_BYTES, RunConfig, Tally
from amp.machine.messages import decode, encode, pattern
from amp.machine.wiring import Channel, plan
from amp.ordering.sites import Site
from amp.port.notes import Note
from amp.port.port import Port
from hostside.virtqueue import DriverQueue, IndirectTables


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
    Exchange(port, config, tally).run(content[start : start + step] for start in starts)


class Exchange:
    """One run. `tally` counts the messages that came back right."""

    def __init__(self, port: Port, config: RunConfig, tally: Tally) -> None:
        wiring = plan(config)
        self._port, self._config, self._tally = port, config, tally
        self._out_channel, self._in_channel = wiring.to_remote, wiring.to_host
        self._out: DriverQueue[int] = _queue(port, config, wiring.to_remote)
        self._in: DriverQueue[int] = _queue(port, config, wiring.to_host)
        self._idle = list(range(wiring.to_remote.count))  # buffers of `to_remote` that are ours
        self._window = min(config.window or wiring.to_remote.count, wiring.to_remote.count)
        self._sent = 0
        self._under_way: dict[int, bytes] = {}  # number -> body, until it came back

    def run(self, bodies: Iterator[bytes]) -> None:
        """Send every body, and return when all came back. Raises Violation."""
        self._out.disable_interrupts()
        self._in.disable_interrupts()
        for number in range(self._in_channel.count):
            self._expose(number)
        self._in.kick()
        while self._tally.messages < self._config.messages:
            received = self._receive()
            sent = self._send(bodies)
            if not received and not sent:
                self._sleep()

    def _send(self, bodies: Iterator[bytes]) -> bool:
        sent = False
        while len(self._under_way) < self._window and self._sent < self._config.messages and self._reclaim():
            body, number = next(bodies), self._sent
            buffer = self._idle.pop()
            message = encode(number, body)
            self._port.note(Note.SEND, number)
            segments = self._out_channel.segments(buffer, len(message), self._config.segments)
            done = 0
            for segment in segments:
                self._port.write(segment.address, message[done : done + segment.length])
                done += segment.length
            self._out.add(segments, (), buffer)
            self._under_way[number] = body
            self._sent += 1
            sent = True
        if sent and self._out.kick():
            self._tally.notifications += 1
        return sent

    def _reclaim(self) -> bool:
        """Take back what the remote is done with, once we are out of buffers; says whether we have any now."""
        while not self._idle:
            used = self._out.get_used()
            if used is None:
                return False
            self._idle.append(used.token)
        return True

    def _receive(self) -> bool:
        received = False
        while (used := self._in.get_used()) is not None:
            self._check(used.token, used.written)
            self._expose(used.token)
            received = True
        if received and self._in.kick():
            self._tally.notifications += 1
        return received

    def _check(self, buffer: int, written: int) -> None:
        number = self._tally.messages
        segments = self._in_channel.segments(buffer, written, 1)
        payload = self._port.read(*segments[0])
        self._in.finish_reading()
        self._port.note(Note.RECEIVE, number)
        address = segments[0].address
        if written < HEADER_BYTES:
            text = f"{written} bytes came back, at least {HEADER_BYTES} were due"
            raise WrongMessage(text, number=number, writer="remote", address=address)
        body = decode(bytes(payload), number, writer="remote", address=address)
        if body != self._under_way.pop(number, None):
            raise WrongMessage("the body is not the one that was sent", number=number, writer="remote", address=address)
        self._tally.messages += 1

    def _expose(self, buffer: int) -> None:
        self._in.add((), self._in_channel.segments(buffer, self._config.payload_bytes, self._config.segments), buffer)

    def _sleep(self) -> None:
        """Ask to be woken, and sleep unless something came meanwhile."""
        self._tally.waits += 1
        quiet = self._in.enable_interrupts()
        if not self._idle:
            quiet = self._out.enable_interrupts() and quiet
        if quiet:
            try:
                self._port.wait()
            except Stall as error:
                raise Stall(f"message {self._tally.messages} never came back: {error}") from None
            # K2: the rings must not be read before the interrupt that announced them. Pairs with K1 at the remote.
            self._port.barrier(Site.K2)
        self._in.disable_interrupts()
        self._out.disable_interrupts()


def _queue(port: Port, config: RunConfig, channel: Channel) -> DriverQueue[int]:
    tables = IndirectTables(channel.tables, config.segments) if config.indirect else None
    return DriverQueue(port, channel.ring, event_idx=config.event_idx, indirect=tables)
