"""Both sides of an rpmsg link in real shared memory, in this process, for the tests of the bus. Not a test.

Each side has its own port. A side that has to wait lets the other one go on, and then looks at its own doorbell: a wait
in vain ends as one whose time is up, or as a stall if it has no limit. So a doorbell that is lost ends a test.
"""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from amp._core import _bridge
from amp.errors import BadMessage, Stall
from amp.ordering import platform
from amp.ordering.barriers import Primitive
from amp.ordering.platforms import Side
from amp.port.doors import DirectPort, ModelledPort, open_direct, open_modelled
from amp.port.port import HOST, REMOTE
from amp.region import PAGE_SIZE, Layout, Region
from amp.rpmsg import Bus
from amp.rpmsg.wire import BUFFER_BYTES, HEADER
from amp.virtio.sites import linux_choice
from amp.virtio.split import SplitLayout
from hostside.rpmsg import DriverLink
from remoteside.rpmsg import DeviceLink, Rings

DIRECT = "direct"
ROUNDS = 64  # of the two sides, before whoever waits is told that nothing came


class RpmsgMachine:
    """`count` buffers of `buffer_bytes`, half of them each way. `door` is "direct", or the platform of a free model.
    `sleeps`: the ports' own waits and a real clock, for sides in threads or processes of their own.
    `collects`: messages that break the format are put into `malformed` instead of being raised.
    """

    def __init__(
        self,
        num: int = 8,
        *,
        count: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
        event_idx: bool = False,
        binds_first_sender: bool = True,
        collects: bool = True,
        sleeps: bool = False,
        door: str = DIRECT,
        seed: int = 1,
    ) -> None:
        count = 2 * num if count is None else count
        self.event_idx, self.count, self.buffer_bytes = event_idx, count, buffer_bytes
        self.binds_first_sender = binds_first_sender
        self.input = SplitLayout(num, PAGE_SIZE)
        self.output = SplitLayout(num, self.input.end + -self.input.end % PAGE_SIZE)
        plan = functools.partial(
            Layout.plan, vrings=self.output.end - PAGE_SIZE, buffers=count * buffer_bytes, resources=1
        )
        config = (2, _bridge.FREE, *plan(model=1).shared, 64, 1 << 14, 64, seed)
        self.region = Region.create(plan(model=1 if door == DIRECT else _bridge.model_room(config)))
        self.memory = self.region.layout["buffers"].offset, self.region.layout["buffers"].end
        if door != DIRECT:
            at = self.region.layout["model"].offset
            _bridge.model_init(self.region.memory, at, config)
            for cpu, side in enumerate(Side):
                orders = bytes(int(value) for value in platform(door).table(side))
                _bridge.model_set_orders(self.region.memory, at, cpu, int(platform(door).implicit(side)), orders)
        self.door = door
        self.now_s = 0.0
        self.lines: list[str] = []
        self.malformed: list[BadMessage] = []
        self.host_port, self.remote_port = self.open_port(HOST), self.open_port(REMOTE)
        self.host_link = self.driver_link()
        clock = time.monotonic if sleeps else lambda: self.now_s
        self.host = Bus(
            self.host_port,
            self.host_link,
            wait=None if sleeps else self._waits(HOST),
            clock=clock,
            log=self.lines.append,
        )
        self.host_link.flush()
        self.remote_link = DeviceLink(
            self.remote_port, Rings(self.input, self.output, self.memory, event_idx=event_idx)
        )
        self.remote = Bus(
            self.remote_port,
            self.remote_link,
            wait=None if sleeps else self._waits(REMOTE),
            clock=clock,
            log=self.lines.append,
            binds_first_sender=binds_first_sender,
        )
        if collects:
            self.host.on_malformed = self.remote.on_malformed = self.malformed.append

    def open_port(self, cpu: int) -> DirectPort | ModelledPort:
        opened = open_direct if self.door == DIRECT else open_modelled
        return opened(self.region, cpu, linux_choice(weak_barriers=False))

    def driver_link(self, **options: Any) -> DriverLink:
        return DriverLink(
            self.host_port,
            self.input,
            self.output,
            self.memory[0],
            self.count,
            buffer_bytes=self.buffer_bytes,
            event_idx=self.event_idx,
            **options,
        )

    def __enter__(self) -> RpmsgMachine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.region.close()

    def _waits(self, cpu: int) -> Callable[[float | None], bool]:
        def wait(timeout_s: float | None) -> bool:
            port, other = (self.host_port, self.remote) if cpu == HOST else (self.remote_port, self.host)
            for _ in range(ROUNDS):
                if port.wait(0):
                    return True
                self.act(other)
            if port.wait(0):
                return True
            if timeout_s is None:
                raise Stall("nobody rings, and the wait has no limit")
            self.now_s += timeout_s
            return False

        return wait

    def act(self, bus: Bus) -> bool:
        """One side takes its interrupt and handles what came, until it may sleep; False if there was no interrupt."""
        port = self.host_port if bus is self.host else self.remote_port
        if not port.wait(0):
            return False
        port.fence(Primitive.MB)
        while bus.process() or not bus.link.await_message():
            pass
        return True

    def settle(self) -> None:
        """Both sides look, as programs do before they first sleep, and then go on until no doorbell is left."""
        for bus in (self.host, self.remote):
            while bus.process() or not bus.link.await_message():
                pass
        for _ in range(10_000):
            if not self.act(self.host) | self.act(self.remote):
                return
        raise AssertionError("the sides never come to rest")

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
