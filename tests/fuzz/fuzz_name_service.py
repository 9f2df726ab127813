"""Hostile announcements: what the host's bus and its drivers make of them, against books kept here. Not a test.

The rings behave; the messages to address 53 do not.
"""

from __future__ import annotations

from fuzz_arena import one_line
from fuzz_input import Input
from fuzz_rpmsg_host import HostRun

from amp.errors import BadMessage, RpmsgError
from amp.rpmsg import ADDR_ANY, NS_ADDR, Channel
from amp.rpmsg.wire import HEADER, Announcement

MESSAGES = 48
REFUSED_ADDR = 4  # the driver does not want channels whose address is this, modulo 5


class CarefulDriver:
    """Opens an endpoint for each channel it is given, and closes it; is told of the end of what it took, and only of
    that.
    """

    def __init__(self, run: NameRun) -> None:
        self._run = run
        self.bound: dict[int, Channel] = {}  # by identity

    def probe(self, channel: Channel) -> None:
        if channel.addr % 5 == REFUSED_ADDR:
            raise RpmsgError("this driver wants no such channel")
        assert id(channel) not in self.bound, "probed twice"
        channel.attached = self._run.bus.open_channel(channel)
        self.bound[id(channel)] = channel

    def remove(self, channel: Channel) -> None:
        del self.bound[id(channel)]
        channel.attached.close()


def meaning(payload: bytes) -> tuple[str, int, bool] | None:
    """(name, addr, appeared?) by the words of struct rpmsg_ns_msg; None: it breaks the format."""
    if len(payload) != 40:
        return None
    name = payload[:31].split(b"\0")[0]
    addr, flags = int.from_bytes(payload[32:36], "little"), int.from_bytes(payload[36:40], "little")
    if not name or any(not 32 <= byte < 127 for byte in name) or flags > 1 or addr == ADDR_ANY:
        return None
    return name.decode(), addr, flags == 0


class NameRun(HostRun):
    def __init__(self, source: Input) -> None:
        super().__init__(source)
        self.drivers = {"svc": CarefulDriver(self), "*": CarefulDriver(self)}
        self.begin()
        self.bus.names.register("svc", self.drivers["svc"])
        self.known: set[tuple[str, int]] = set()
        self.refused = self.broken = 0
        self.last = b""

    def announce(self) -> None:
        payload = self.announcement() if self.source.below(4) or not self.last else self.last
        if self.source.below(4) == 0 and len(payload) == 40:  # the other flag of what was said last
            payload = payload[:36] + bytes([1 - payload[36] & 1]) + payload[37:]
        self.last = payload
        self.deliver(HEADER.pack(9, NS_ADDR, 0, len(payload), 0) + payload)
        self.attempt(self.bus.process)
        said = meaning(payload)
        if said is None:
            self.broken += 1
        elif said[2]:
            self.refused += said[:2] in self.known
            self.known.add(said[:2])
        else:
            self.refused += said[:2] not in self.known
            self.known.discard(said[:2])

    def check_names(self) -> None:
        names = self.bus.names
        assert set(names.channels) == self.known
        assert (names.refused, len(self.malformed)) == (self.refused, self.broken)
        bound = [channel for driver in self.drivers.values() for channel in driver.bound.values()]
        assert all(channel is names.channels[channel.name, channel.addr] for channel in bound)
        opened = {channel.attached.addr for channel in bound}
        assert opened == {end.addr for end in self.bus.endpoints if end.name}, "an endpoint outlived its channel"

    def step(self) -> None:
        if self.source.below(16) == 15:
            self.attempt(lambda: self.bus.names.register("*", self.drivers["*"]))
        else:
            self.announce()
        self.check_names()
        self.check_books()
        self.check_lines()

    def recover(self) -> None:
        super().recover()
        self.begin()
        self.bus.down("over")
        assert not self.bus.names.channels
        assert not any(driver.bound for driver in self.drivers.values())


def check_decode(data: bytes) -> None:
    """`decode` and `meaning` read the same, and what is sound can be said again."""
    said = meaning(data)
    try:
        announcement = Announcement.decode(data, writer="remote")
    except BadMessage as error:
        one_line(error)
        assert said is None
        return
    assert said == (announcement.name, announcement.addr, announcement.flag == 0)
    assert Announcement.decode(announcement.encode(), writer="remote") == announcement


def one_input(data: bytes) -> None:
    """Raises for announcements that the name service does not stand."""
    check_decode(data)
    check_decode(data[:40].ljust(40, b"\0"))
    run = NameRun(Input(data))
    for _ in range(MESSAGES):
        if not run.source.left:
            break
        run.step()
    run.recover()
