"""Both sides of an rpmsg link, and what a hostile peer does to it, for the tests of the bus. Not a test."""

from __future__ import annotations

import struct
from typing import Any

from amp.errors import BadMessage
from amp.lab.pairs import RpmsgPair
from amp.port.port import HOST
from amp.rpmsg.wire import HEADER

DIRECT = "direct"


class RpmsgMachine(RpmsgPair):
    """`door` is "direct", or the platform of a free model.

    `collects`: messages that break the format are put into `malformed` instead of being raised.
    """

    def __init__(self, num: int = 8, *, collects: bool = True, door: str = DIRECT, **more: Any) -> None:
        self.door = door
        super().__init__(num, platform="" if door == DIRECT else door, **more)
        self.malformed: list[BadMessage] = []
        if collects:
            self.host.on_malformed = self.remote.on_malformed = self.malformed.append

    # --- the hostile peer, and the observer

    def buffers_at(self, side: int) -> int:
        """How many buffers that side can send in, taken and given back to be counted (after which it has them)."""
        link = self.host_link if side == HOST else self.remote_link
        taken = []
        while (buffer := link.claim()) is not None:
            taken.append(buffer)
        for buffer in taken:
            link.give_up(buffer)
        return len(taken)

    def inject(self, side: int, data: bytes) -> None:
        """Let `side` send these bytes as they are, header and all."""
        link, port = (self.host_link, self.host_port) if side == HOST else (self.remote_link, self.remote_port)
        buffer = link.claim()
        assert buffer is not None, "no buffer to inject into"
        port.write(buffer.address, data)
        link.submit(buffer, len(data), None)  # type: ignore[arg-type]  # kept by the host for `unacknowledged` only

    @staticmethod
    def message(source: int, dest: int, data: bytes, *, length: int | None = None, flags: int = 0) -> bytes:
        return HEADER.pack(source, dest, 0, len(data) if length is None else length, flags) + data


def announcement(name: bytes, addr: int, flags: int) -> bytes:
    """struct rpmsg_ns_msg, by hand."""
    return struct.pack("<32sII", name, addr, flags)
