"""The name service, address 53: which services the other side has announced, and who is told of them.

An announcement makes a Channel; the driver that was registered for its name is probed, whichever of the two came first
(rpmsg_ns_cb and rpmsg_create_channel in Linux v6.1 drivers/rpmsg). Announcements are the other side's word: one that
says twice what is known is counted and logged, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from amp.rpmsg.wire import Announcement, NsFlag

CHANNELS_LIMIT = 65_536  # what an endless stream of announcements may take of this side's memory


@dataclass(slots=True)
class Channel:
    """A service of the other side: messages to it go to `addr`. `attached` is what a driver keeps there."""

    name: str
    addr: int
    attached: Any = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.name}:{self.addr}"


class Driver(Protocol):
    """Who is told of channels of a name."""

    def probe(self, channel: Channel) -> None: ...
    def remove(self, channel: Channel) -> None: ...


ANY_NAME = "*"  # a driver for every channel that no other driver is registered for


class NameService:
    """`log` is given a line for what was refused."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.channels: dict[tuple[str, int], Channel] = {}
        self.refused = 0
        self._drivers: dict[str, Driver] = {}
        self._bound: dict[tuple[str, int], Driver] = {}
        self._log = log

    def find(self, name: str) -> Channel | None:
        """The channel of that name that was announced first."""
        return next((channel for channel in self.channels.values() if channel.name == name), None)

    def register(self, name: str, driver: Driver) -> None:
        """From now on `driver` has every channel of that name; it is probed for those that are here already."""
        self._drivers[name] = driver
        for key, channel in list(self.channels.items()):
            if key not in self._bound:
                self._bind(key, channel)

    def take(self, announcement: Announcement) -> None:
        """The other side has announced something."""
        key = (announcement.name, announcement.addr)
        if announcement.flag is NsFlag.DESTROY:
            self._destroy(key)
        elif key in self.channels:
            self._refuse(f"channel {announcement.name}:{announcement.addr} exists already")
        elif len(self.channels) == CHANNELS_LIMIT:
            self._refuse(f"{CHANNELS_LIMIT} channels are announced: {announcement.name} is refused")
        else:
            channel = self.channels[key] = Channel(*key)
            self._bind(key, channel)

    def _bind(self, key: tuple[str, int], channel: Channel) -> None:
        driver = self._drivers.get(channel.name) or self._drivers.get(ANY_NAME)
        if driver is not None:
            self._bound[key] = driver
            try:
                driver.probe(channel)
            except (
                BaseException
            ):  # as a failed probe is: the driver hears of the channel's end no more than of another's
                self._bound.pop(key, None)
                raise

    def _destroy(self, key: tuple[str, int]) -> None:
        channel = self.channels.pop(key, None)
        if channel is None:
            self._refuse(f"channel {key[0]}:{key[1]} is not known, and cannot be destroyed")
            return
        driver = self._bound.pop(key, None)
        if driver is not None:
            driver.remove(channel)

    def _refuse(self, why: str) -> None:
        self.refused += 1
        self._log(f"name service: {why}")

    def clear(self) -> None:
        """The other side is gone, and every channel with it."""
        for key in list(self.channels):
            self._destroy(key)
