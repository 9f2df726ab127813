"""The firmware's half of an exchange: every message that arrives is checked, and sent back.

The remote is the device of both vrings: it reads what came on `to_remote`, and answers into an empty buffer of
`to_host`. Notifications are off while there is work, and asked for before the remote sleeps.
"""

from __future__ import annotations

from amp.errors import BadRing, Stall
from amp.machine.config import RunConfig, Tally
from amp.machine.messages import check
from amp.machine.wiring import Channel, plan
from amp.port.notes import Note
from amp.port.port import Payload, Port
from amp.virtio.sites import K2
from amp.virtio.split import DESC_BYTES
from remoteside.virtqueue import Chain, DeviceQueue

SEND, RECEIVE = Note.SEND, Note.RECEIVE


def echo(port: Port, config: RunConfig, tally: Tally) -> None:
    """Send back `config.messages` messages."""
    Exchange(port, config, tally).run()


class Exchange:
    """One run. `tally` counts the messages that arrived right."""

    def __init__(self, port: Port, config: RunConfig, tally: Tally) -> None:
        wiring = plan(config)
        self._port, self._config, self._tally = port, config, tally
        self._in = _queue(port, config, wiring.to_remote, wiring.buffers)
        self._out = _queue(port, config, wiring.to_host, wiring.buffers)
        self._waiting: Chain | None = None  # a message that has no buffer to be answered into yet

    def run(self) -> None:
        """Answer every message; returns when all are answered. Raises Violation."""
        if self._config.suppression:
            self._in.disable_notifications()
            self._out.disable_notifications()
        tally, messages, polls, idle = self._tally, self._config.messages, self._config.polls, 0
        while tally.messages < messages:
            idle = 0 if self._answer_one() else idle + 1
            if idle > polls:
                self._sleep()
                idle = 0

    def _answer_one(self) -> bool:
        message = self._waiting or self._in.next_chain()
        empty = self._out.next_chain() if message is not None else None
        self._waiting = message if empty is None else None
        if message is None or empty is None:
            return False
        payloads = [self._port.read(*segment) for segment in message.readable]
        self._in.finish_reading()
        self._in.push_used(message.head, 0)
        self._announce(self._in)
        whole = self._check(message, payloads)
        self._port.note(SEND, self._tally.messages)
        done = 0
        for segment in empty.writable:
            self._port.write(segment.address, whole[done : done + segment.length])
            done += segment.length
        if done < len(whole):
            raise BadRing("chain to_host length", done, limit=f"at least {len(whole)} bytes", writer="host")
        self._out.push_used(empty.head, len(whole))
        self._announce(self._out)
        self._tally.messages += 1
        return True

    def _check(self, message: Chain, payloads: list[Payload]) -> bytes:
        """The whole message, if it is the one that is due."""
        whole = bytes(payloads[0]) if len(payloads) == 1 else b"".join(bytes(payload) for payload in payloads)
        self._port.note(RECEIVE, self._tally.messages)
        address = int(message.readable[0].address) if message.readable else 0
        length_at = self._in.layout.desc + DESC_BYTES * message.head + 8
        check(whole, self._tally.messages, writer="host", address=address, length_at=length_at)
        return whole

    def _sleep(self) -> None:
        """Ask to be kicked, and sleep unless something came meanwhile."""
        self._tally.waits += 1
        awaited = self._in if self._waiting is None else self._out
        if not self._config.suppression or awaited.enable_notifications():
            try:
                self._port.wait()
            except Stall as error:
                raise Stall(f"message {self._tally.messages} never arrived: {error}") from None
            # K2: the rings must not be read before the interrupt that announced them. Pairs with K1 at the host.
            self._port.barrier(K2)
        if self._config.suppression:
            awaited.disable_notifications()

    def _announce(self, queue: DeviceQueue) -> None:
        """Tell the host of what was used on `queue`, if it wants to know, or always."""
        if self._config.suppression:
            self._tally.notifications += queue.call()
        else:
            queue.notify()
            self._tally.notifications += 1


def _queue(port: Port, config: RunConfig, channel: Channel, memory: tuple[int, int]) -> DeviceQueue:
    return DeviceQueue(port, channel.ring, memory, event_idx=config.event_idx, indirect=config.indirect)
