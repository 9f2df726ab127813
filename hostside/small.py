"""The host's half of the small programs: the driver of one ring, or the sender of a mailbox.

A program here is a few dozen accesses, so that every behaviour of it can be explored. Whoever waits for memory polls
(`port.poll`), whoever waits for an interrupt sleeps (`port.wait`); nothing else waits. What a program does next depends
on the values that it has read and on nothing else: no clock, no chance, no look that was in vain.
"""

from __future__ import annotations

from amp.errors import BadRing, WrongMessage
from amp.machine.config import RunConfig, Tally
from amp.machine.stamps import STAMP_BYTES, check_stamp, stamp, whose
from amp.machine.waiting import until_changed, waiting
from amp.port.notes import Note
from amp.port.port import REMOTE, Payload, Port
from amp.programs import spsc_vring as spsc
from amp.programs.doorbell import mailbox
from amp.programs.one_ring import one_ring
from amp.virtio.sites import K1, K2
from amp.virtio.split import Segment
from hostside.virtqueue import DriverQueue, IndirectTables


def spsc_vring(port: Port, config: RunConfig, tally: Tally) -> None:
    """The driver of a ring of bare cells: exposes `config.messages` messages and takes every buffer back.

    Message m is the value m + 1, in the buffer and as its length. The rings hold ids counted from 1. The buffer that
    came back last is the next to go out. One is taken back when all are out, and all once every message is out.
    """
    at, size, messages = spsc.cells(config), config.ring_size, config.messages
    idle, ours, sent, used = list(range(size - 1, -1, -1)), set(range(size)), 0, 0
    while used < messages:
        if sent == messages or not idle:
            until_changed(port, at.used_idx, used, f"message {used} never came back")
            # S4: the used entry must not be read before idx said that it is there. Pairs with S3 at the remote.
            port.barrier(spsc.S4)
            entry = at.used_ring(used % size)
            buffer = port.load_u32(entry) - 1
            if not 0 <= buffer < size or buffer in ours:
                raise BadRing("used_ring id", buffer + 1, limit="an id in flight", writer="remote", address=entry)
            ours.add(buffer)
            idle.append(buffer)
            used += 1
            tally.messages += 1
        if sent < messages:
            buffer = idle.pop()
            ours.remove(buffer)
            port.store_u32(at.payload(buffer), sent + 1)
            port.store_u32(at.length(buffer), sent + 1)
            port.store_u32(at.avail_ring(sent % size), buffer + 1)
            # S1: the device must not see idx before the entry and the message. Pairs with S2 at the remote.
            port.barrier(spsc.S1)
            sent += 1
            port.store_u32(at.avail_idx, sent)


def vring(port: Port, config: RunConfig, tally: Tally) -> None:
    """The driver of a vring whose two sides poll."""
    Driver(port, config, tally, notified=False).run()


def notified_vring(port: Port, config: RunConfig, tally: Tally) -> None:
    """The driver of a vring whose two sides sleep when there is nothing to do."""
    Driver(port, config, tally, notified=True).run()


class Driver:
    """Sends `config.messages` messages through one vring, and takes every buffer back in order.

    As many are out as the ring holds; one is taken back when it must be: the ring is full, or every message is out. Its
    buffer goes out again at once, with the next message. `tally` counts the messages that came back right.
    """

    def __init__(self, port: Port, config: RunConfig, tally: Tally, *, notified: bool) -> None:
        self._plan = plan = one_ring(config)
        tables = IndirectTables(plan.tables, 2) if config.indirect else None
        self._queue: DriverQueue[int] = DriverQueue(port, plan.ring, event_idx=config.event_idx, indirect=tables)
        self._port, self._messages, self._tally, self._notified = port, config.messages, tally, notified
        self._sent = 0
        self._out: list[int] = []  # the buffers that the device has, oldest first

    def run(self) -> None:
        """Returns when every message is back. Raises Violation."""
        if self._notified:
            self._queue.disable_interrupts()
        for buffer in range(min(self._plan.ring.num, self._messages)):
            self._send(buffer)
        for number in range(self._messages):
            buffer, written = self._next_used(number)
            self._check_order(number, buffer, written)
            replies = [(segment, self._port.read(*segment)) for segment in self._segments(number, buffer)[1]]
            if replies:
                self._queue.finish_reading()
            if self._sent < self._messages:
                self._send(buffer)
            self._check(number, replies)

    def _segments(self, number: int, buffer: int) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
        return self._plan.segments(number, buffer)

    def _send(self, buffer: int) -> None:
        """Send the next message in that buffer."""
        number = self._sent
        readable, writable = self._segments(number, buffer)
        self._port.note(Note.SEND, number)
        for segment in readable:
            self._port.write(segment.address, stamp(number))
        self._queue.add(readable, writable, buffer)
        self._out.append(buffer)
        self._sent += 1
        if self._notified:
            self._tally.notifications += self._queue.kick()

    def _next_used(self, number: int) -> tuple[int, int]:
        """The next buffer that came back, and how much the device says it wrote."""
        look = self._sleep_until_used if self._notified else lambda: self._port.poll(self._queue.get_used)
        return waiting(look, f"message {number} never came back")

    def _sleep_until_used(self) -> tuple[int, int]:
        while True:
            used = self._queue.get_used()
            if used is not None:
                return used
            if self._queue.enable_interrupts():
                self._tally.waits += 1
                self._port.wait()
                # K2: the ring must not be read before the interrupt that announced it. Pairs with K1 at the remote.
                self._port.barrier(K2)
            self._queue.disable_interrupts()

    def _check_order(self, number: int, buffer: int, written: int) -> None:
        """This device uses buffers in order, and writes replies whole."""
        ring = self._plan.ring
        entry = ring.used_ring + 8 * (number % ring.num)
        due = self._out.pop(0)
        if buffer != due:
            text = f"buffer {buffer} came back, buffer {due} was due"
            raise WrongMessage(text, number=number, writer="remote", address=entry)
        length = sum(segment.length for segment in self._segments(number, buffer)[1])
        if written != length:
            raise BadRing("used.ring len", written, limit=length, writer="remote", address=entry + 4)

    def _check(self, number: int, replies: list[tuple[Segment, Payload]]) -> None:
        self._port.note(Note.RECEIVE, number)
        for segment, payload in replies:
            check_stamp(bytes(payload), number, writer="remote", address=segment.address)
        self._tally.messages += 1


def doorbell(port: Port, config: RunConfig, tally: Tally) -> None:
    """The sender of a mailbox: a request and its number, a kick; then sleep until the reply, and check it."""
    at = mailbox(config)
    for number in range(config.messages):
        port.note(Note.SEND, number)
        port.write(at.request, stamp(number))
        port.store_u32(at.request_number, number + 1)
        # K1: the doorbell must not overtake the request it announces. Pairs with K2 at the remote.
        port.barrier(K1)
        port.kick(REMOTE)
        tally.notifications += 1
        tally.waits += 1
        waiting(port.wait, f"the reply to message {number} never came")
        # K2: the reply must not be read before the interrupt that announced it. Pairs with K1 at the remote.
        port.barrier(K2)
        announced = port.load_u32(at.reply_number)
        payload = port.read(at.reply, STAMP_BYTES)
        port.note(Note.RECEIVE, number)
        if announced != number + 1:
            text = f"the reply's number {whose(announced, number)}"
            raise WrongMessage(text, number=number, writer="remote", address=at.reply_number)
        check_stamp(bytes(payload), number, writer="remote", address=at.reply)
        tally.messages += 1
