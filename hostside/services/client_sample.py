"""The kernel's rpmsg sample client (Linux v6.1 samples/rpmsg/rpmsg_client_sample.c), as a driver of its channel.

It says "hello world!" when the channel appears, again for every message that comes, `count` times in all, and then
"goodbye!" to its log. Register it: `bus.names.register(SERVICE, ClientSample(bus, log))`.
"""

from __future__ import annotations

from amp.rpmsg import Bus, Channel, Endpoint, Message
from amp.rpmsg.hooks import Log
from amp.services.hello import COUNT, MESSAGE


class Instance:
    """One channel's (struct instance_data, and the channel's own endpoint)."""

    def __init__(self, bus: Bus, channel: Channel, log: Log, count: int) -> None:
        self.received = 0
        self._log, self._count = log, count
        self.endpoint = bus.open_channel(channel, self._hear)
        log(f"new channel: {self.endpoint.addr:#x} -> {channel.addr:#x}!")
        self.endpoint.send(MESSAGE)

    @property
    def done(self) -> bool:
        return self.received >= self._count

    def _hear(self, endpoint: Endpoint, message: Message) -> None:
        self.received += 1
        self._log(f"incoming msg {self.received} (src: {message.source:#x})")
        if self.done:
            self._log("goodbye!")
            return
        endpoint.send(MESSAGE)


class ClientSample:
    """The driver. A channel's `attached` is its Instance. `log` is given the kernel's lines."""

    def __init__(self, bus: Bus, log: Log, *, count: int = COUNT) -> None:
        self._bus, self._log, self._count = bus, log, count

    def probe(self, channel: Channel) -> None:
        channel.attached = Instance(self._bus, channel, self._log, self._count)

    def remove(self, channel: Channel) -> None:
        instance: Instance = channel.attached
        instance.endpoint.close()
        self._log("rpmsg sample client driver is removed")
