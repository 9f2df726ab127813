"""The remote's half of the small programs: the device of one ring, or the answering end of a mailbox.

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
from amp.port.port import HOST, Port
from amp.programs import spsc_vring as spsc
from amp.programs.doorbell import mailbox
from amp.programs.one_ring import is_reply, one_ring
from amp.virtio.sites import B1, K1, K2
from amp.virtio.split import DESC_BYTES
from remoteside.virtqueue import Chain, DeviceQueue


def spsc_vring(port: Port, config: RunConfig, tally: Tally) -> None:
    """The device of a ring of bare cells: takes `config.messages` messages, checks each, and gives its buffer back."""
    at, size = spsc.cells(config), config.ring_size
    for number in range(config.messages):
        until_changed(port, at.avail_idx, number, f"message {number} never arrived")
        # S2: the entry and the message must not be read before idx said that they are there. Pairs with S1 at the host.
        port.barrier(spsc.S2)
        entry = at.avail_ring(number % size)
        identity = port.load_u32(entry)
        if not 1 <= identity <= size:
            raise BadRing("avail_ring id", identity, limit=f"1 to {size}", writer="host", address=entry)
        buffer = identity - 1
        length, value = port.load_u32(at.length(buffer)), port.load_u32(at.payload(buffer))
        if length != number + 1:
            raise BadRing("len", length, limit=number + 1, writer="host", address=int(at.length(buffer)))
        if value != number + 1:
            raise WrongMessage(whose(value, number), number=number, writer="host", address=int(at.payload(buffer)))
        port.store_u32(at.used_ring(number % size), identity)
        # S3: the driver must not see idx before the entry, nor before our reads of the buffer are done: it writes there
        # next. Pairs with S4 at the host.
        port.barrier(spsc.S3)
        port.store_u32(at.used_idx, number + 1)
        tally.messages += 1


def vring(port: Port, config: RunConfig, tally: Tally) -> None:
    """The device of a vring whose two sides poll."""
    Device(port, config, tally, notified=False).run()


def notified_vring(port: Port, config: RunConfig, tally: Tally) -> None:
    """The device of a vring whose two sides sleep when there is nothing to do."""
    Device(port, config, tally, notified=True).run()


class Device:
    """Takes `config.messages` messages from one vring, in order: requests are read and checked, replies written.

    A request is checked only after its buffer is given back, as by a CPU that does not need the value yet. `tally`
    counts the messages that were right.
    """

    def __init__(self, port: Port, config: RunConfig, tally: Tally, *, notified: bool) -> None:
        self._plan = plan = one_ring(config)
        self._queue = DeviceQueue(port, plan.ring, plan.memory, event_idx=config.event_idx, indirect=config.indirect)
        self._port, self._messages, self._tally, self._notified = port, config.messages, tally, notified
        self._both = config.indirect  # every message is a request and a reply

    def run(self) -> None:
        """Returns when every message is answered. Raises Violation."""
        if self._notified:
            self._queue.disable_notifications()
        for number in range(self._messages):
            chain = self._next_chain(number)
            self._check_shape(number, chain)
            requests = [(segment, self._port.read(*segment)) for segment in chain.readable]
            self._port.note(Note.SEND, number)
            for segment in chain.writable:
                self._port.write(segment.address, stamp(number))
            if requests:
                self._queue.finish_reading()
            self._queue.push_used(chain.head, sum(int(segment.length) for segment in chain.writable))
            if self._notified:
                self._tally.notifications += self._queue.call()
            self._port.note(Note.RECEIVE, number)
            for segment, payload in requests:
                check_stamp(bytes(payload), number, writer="host", address=int(segment.address))
            self._tally.messages += 1

    def _next_chain(self, number: int) -> Chain:
        look = self._sleep_until_chain if self._notified else lambda: self._port.poll(self._queue.next_chain)
        return waiting(look, f"message {number} never arrived")

    def _sleep_until_chain(self) -> Chain:
        while True:
            chain = self._queue.next_chain()
            if chain is not None:
                return chain
            if self._queue.enable_notifications():
                self._tally.waits += 1
                self._port.wait()
                # K2: the ring must not be read before the interrupt that announced it. Pairs with K1 at the host.
                self._port.barrier(K2)
            self._queue.disable_notifications()

    def _check_shape(self, number: int, chain: Chain) -> None:
        """What came must be what message `number` is: a stale descriptor may be of another."""
        due = (int(self._both or not is_reply(number)), int(self._both or is_reply(number)))
        found = (len(chain.readable), len(chain.writable))
        at = self._plan.ring.desc + DESC_BYTES * chain.head
        if self._both:  # of its table the first descriptor if nothing follows it, else the second
            follows = len(chain.readable) + len(chain.writable) > 1
            at = self._plan.tables + DESC_BYTES * (2 * chain.head + follows)
        if found != due:
            text = f"came as {found[0]} readable and {found[1]} writable segments, due were {due[0]} and {due[1]}"
            raise WrongMessage(text, number=number, writer="host", address=at + 12)
        for segment in (*chain.readable, *chain.writable):
            if segment.length != STAMP_BYTES:
                raise BadRing("desc.len", segment.length, limit=STAMP_BYTES, writer="host", address=at + 8)


def doorbell(port: Port, config: RunConfig, tally: Tally) -> None:
    """The answering end of a mailbox: sleep until a request, check it, and send its number back."""
    at = mailbox(config)
    for number in range(config.messages):
        tally.waits += 1
        waiting(port.wait, f"message {number} never arrived")
        # K2: the request must not be read before the interrupt that announced it. Pairs with K1 at the host.
        port.barrier(K2)
        announced = port.load_u32(at.request_number)
        payload = port.read(at.request, STAMP_BYTES)
        # B1: our reads of the request must be done before the reply lets the host write the next one. The host needs
        # none: it checks the reply before it writes again.
        port.barrier(B1)
        port.note(Note.SEND, number)
        port.write(at.reply, stamp(number))
        port.store_u32(at.reply_number, number + 1)
        # K1: the doorbell must not overtake the reply it announces. Pairs with K2 at the host.
        port.barrier(K1)
        port.kick(HOST)
        tally.notifications += 1
        port.note(Note.RECEIVE, number)
        if announced != number + 1:
            text = f"its number {whose(announced, number)}"
            raise WrongMessage(text, number=number, writer="host", address=at.request_number)
        check_stamp(bytes(payload), number, writer="host", address=at.request)
        tally.messages += 1
