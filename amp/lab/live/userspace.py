"""The driver of every channel that no other driver is for: it gives each one a device, and the device its number.

A number belongs to a service's name and address, and comes back with them after a crash: a program finds its channel
where it was. Numbers of each kind of device start at 0; the lowest that nobody has is next, as ida_alloc gives them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from amp.errors import RpmsgError
from amp.lab.live.chardev import CharDevice
from amp.lab.live.device import TTY_PREFIX, ChannelPort, Device, Log, Wrong, powers_of_two
from amp.lab.live.protocol import ChannelInfo
from amp.lab.live.tty import TtyDevice
from amp.rpmsg.aio import Pump
from amp.rpmsg.bus import Bus
from amp.rpmsg.names import Channel
from amp.rpmsg.wire import HEADER_BYTES

DEVICES_LIMIT: Final = 256  # a descriptor or two each, of the 1024 that a process usually has
REMEMBERED_LIMIT: Final = 4096  # channels that are gone; what was gone longest is forgotten

_KINDS: Final[dict[bool, tuple[str, Callable[[ChannelPort], Device]]]] = {
    True: ("ttyRPMSG", TtyDevice),
    False: ("rpmsg", CharDevice),
}


class Numbers:
    """Which channel has which device name, those that are gone included."""

    def __init__(self, limit: int = REMEMBERED_LIMIT) -> None:
        self._limit = limit
        self._names: dict[tuple[str, int], str] = {}  # of channels, in the order in which they were last there
        self._taken: set[str] = set()

    def device_name(self, channel: Channel, prefix: str) -> str:
        """The name of that channel's device: the one that it had, or a new one."""
        key = (channel.name, channel.addr)
        name = self._names.pop(key, "")
        if not name:
            if len(self._names) >= self._limit:
                self._taken.discard(self._names.pop(next(iter(self._names))))
            number = 0
            while (name := f"{prefix}{number}") in self._taken:
                number += 1
            self._taken.add(name)
        self._names[key] = name
        return name


class UserSpace:
    """A driver of the name service (amp.rpmsg.names.Driver), for one bus. `directory` is the machine's."""

    def __init__(
        self,
        bus: Bus,
        pump: Pump,
        directory: Path,
        numbers: Numbers,
        *,
        log: Log,
        changed: Callable[[], None],
        wrong: Wrong,
    ) -> None:
        self._bus, self._pump, self._directory, self._numbers = bus, pump, directory, numbers
        self._log, self._changed, self._wrong = log, changed, wrong
        self._devices: dict[tuple[str, int], tuple[Channel, str, Device | None]] = {}
        self._without = 0  # channels beyond the limit
        self._closing: set[asyncio.Task[None]] = set()

    def probe(self, channel: Channel) -> None:
        if len(self._devices) >= DEVICES_LIMIT:
            self._without += 1
            if powers_of_two(self._without):
                self._log(f"channel {channel.name} addr {channel.addr}: no device: {DEVICES_LIMIT} are there")
            return
        prefix, make = _KINDS[channel.name.startswith(TTY_PREFIX)]
        name = self._numbers.device_name(channel, prefix)
        path = self._directory / name
        device: Device | None = None
        try:
            device = make(ChannelPort(channel, self._bus, self._pump, path, self._log, self._wrong))
            self._log(f"channel {channel.name} addr {channel.addr}: {path}")
        except (OSError, RpmsgError) as error:  # out of descriptors, most likely: the channel is there all the same
            self._log(f"channel {channel.name} addr {channel.addr}: no device: {error}")
        self._devices[channel.name, channel.addr] = (channel, name, device)
        self._changed()

    def remove(self, channel: Channel) -> None:
        _, name, device = self._devices.pop((channel.name, channel.addr), (channel, "", None))
        if device is not None:
            device.close()
            closing = asyncio.get_running_loop().create_task(device.closed())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._log(f"channel {channel.name} addr {channel.addr}: {name} is gone")
        self._changed()

    async def drained(self) -> None:
        """Returns when nothing is left of devices that were removed."""
        await asyncio.gather(*self._closing)

    def describe(self) -> tuple[ChannelInfo, ...]:
        return tuple(
            ChannelInfo(
                name=channel.name,
                addr=channel.addr,
                device=name,
                path=str(self._directory / name) if device is not None else None,
                kind=device.kind if device is not None else "none",
                payload_bytes=self._bus.link.message_bytes - HEADER_BYTES,
                connections=device.connections if device is not None else 0,
            )
            for channel, name, device in self._devices.values()
        )
