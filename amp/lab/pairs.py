"""Both ends of a ring, or of an rpmsg link, in real shared memory and in one process: for tests of what uses them.

Each side has a port of its own. Without a `platform` the ports are direct: what one stores the other loads. With one
they are doors of the model in free mode, so a load may be stale and a store late, as `seed` has it. Every barrier site
has Linux's mandatory barrier.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from amp.errors import Stall
from amp.machine.config import Mode
from amp.machine.model_room import model_bytes, model_config, prepare_model
from amp.ordering import platform as find_platform
from amp.ordering.barriers import BarrierClass, Primitive
from amp.ordering.sites import SiteMap
from amp.port.doors import DirectPort, ModelledPort, open_direct, open_modelled
from amp.port.port import HOST, REMOTE
from amp.region import PAGE_SIZE, Layout, Region
from amp.rpmsg import Bus, Endpoint
from amp.rpmsg.wire import BUFFER_BYTES
from amp.virtio.sites import SITES, linux_choice
from amp.virtio.split import DESC_BYTES, Segment, SplitLayout
from hostside.rpmsg import DriverLink
from hostside.virtqueue import DriverQueue, IndirectTables
from remoteside.rpmsg import DeviceLink, Rings
from remoteside.virtqueue import DeviceQueue

ROUNDS: Final = 64  # of the two sides, before whoever waits is told that nothing came
TURNS_LIMIT: Final = 10_000  # interrupts taken, before two sides count as never coming to rest
_TRACE_EVENTS: Final = 64


class _Pair:
    """A region with the rings and the buffers, and a port at each side."""

    def __init__(
        self, rings_end: int, buffers_bytes: int, sites: SiteMap, *, platform: str = "", seed: int = 1, mode: Mode
    ) -> None:
        plan = partial(Layout.plan, vrings=rings_end - PAGE_SIZE, buffers=buffers_bytes, resources=1)
        config = model_config(mode, plan(model=1).shared, seed, _TRACE_EVENTS)
        self.platform, self._sites = platform, sites
        machine = find_platform(platform) if platform else None
        self.region = Region.create(plan(model=1 if machine is None else model_bytes(config)))
        buffers = self.region.layout["buffers"]
        self.memory = buffers.offset, buffers.end
        if machine is not None:
            prepare_model(self.region, config, machine)

    def open_port(self, cpu: int) -> DirectPort | ModelledPort:
        """Another port of that side: HOST or REMOTE."""
        opened = open_modelled if self.platform else open_direct
        return opened(self.region, cpu, self._sites)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.region.close()


class VringPair(_Pair):
    """A split ring of `num` entries with room for buffers; `host` and `remote` are its ports.

    `memory` is (start, end) of what the device is told a buffer may lie in: the indirect tables, if there are any, then
    the room for buffers, which begins at `buffers`. Addresses are bytes from the region's start.
    """

    def __init__(
        self,
        num: int = 8,
        *,
        platform: str = "",
        align: int = 4096,
        event_idx: bool = False,
        indirect: bool = False,
        entries: int = 4,
        buffers_bytes: int = 1 << 16,
        seed: int = 1,
        mode: Mode = Mode.FREE,
    ) -> None:
        self.layout = SplitLayout(num, PAGE_SIZE, align)
        self.event_idx, self.entries = event_idx, entries
        tables_bytes = num * entries * DESC_BYTES if indirect else 0
        sites = SiteMap.for_class(BarrierClass.MANDATORY, SITES)
        super().__init__(self.layout.end, buffers_bytes + tables_bytes, sites, platform=platform, seed=seed, mode=mode)
        self.buffers = self.memory[0] + tables_bytes
        self.tables = IndirectTables(self.memory[0], entries) if indirect else None
        self.host, self.remote = self.open_port(HOST), self.open_port(REMOTE)

    def driver(self, port: Any = None) -> DriverQueue[int]:
        """The driver's queue, at the host's port."""
        return DriverQueue(port or self.host, self.layout, event_idx=self.event_idx, indirect=self.tables)

    def device(self, port: Any = None) -> DeviceQueue:
        """The device's queue, at the remote's port."""
        return DeviceQueue(
            port or self.remote, self.layout, self.memory, event_idx=self.event_idx, indirect=self.tables is not None
        )

    def segments(self, lengths: Sequence[int], *, start: int = 0) -> tuple[Segment, ...]:
        """Segments of these lengths (bytes), one behind the other, `start` bytes into the room for buffers."""
        result, at = [], self.buffers + start
        for length in lengths:
            result.append(Segment(at, length))
            at += length
        return tuple(result)


class RpmsgPair(_Pair):
    """Two buses: `host` and `remote`, with `count` buffers of `buffer_bytes`, half of them each way.

    A side that has to wait lets the other one go on, and then looks at its own doorbell. A wait in vain ends as one
    whose time is up, at once, or raises Stall if it has no limit: so a lost doorbell ends a test. `now_s` is the clock
    of both sides; it stands still but for such waits. `sleeps`: the ports' own waits and the real clock, for sides in
    threads or processes of their own. What the buses log is in `lines`.
    """

    def __init__(
        self,
        num: int = 8,
        *,
        count: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
        event_idx: bool = False,
        binds_first_sender: bool = True,
        sleeps: bool = False,
        platform: str = "",
        seed: int = 1,
    ) -> None:
        self.count = 2 * num if count is None else count
        self.event_idx, self.buffer_bytes, self.binds_first_sender = event_idx, buffer_bytes, binds_first_sender
        self.input = SplitLayout(num, PAGE_SIZE)
        self.output = SplitLayout(num, self.input.end + -self.input.end % PAGE_SIZE)
        size = self.count * buffer_bytes
        sites = linux_choice(weak_barriers=False)
        super().__init__(self.output.end, size, sites, platform=platform, seed=seed, mode=Mode.FREE)
        self.now_s = 0.0
        self.lines: list[str] = []
        self.host_port, self.remote_port = self.open_port(HOST), self.open_port(REMOTE)
        self.host_link = self.driver_link()
        clock = time.monotonic if sleeps else lambda: self.now_s
        waits = {cpu: None if sleeps else self._waits(cpu) for cpu in (HOST, REMOTE)}
        self.host = Bus(self.host_port, self.host_link, wait=waits[HOST], clock=clock, log=self.lines.append)
        self.host_link.flush()
        rings = Rings(self.input, self.output, self.memory, event_idx=event_idx)
        self.remote_link = DeviceLink(self.remote_port, rings)
        self.remote = Bus(
            self.remote_port,
            self.remote_link,
            wait=waits[REMOTE],
            clock=clock,
            log=self.lines.append,
            binds_first_sender=binds_first_sender,
        )

    def driver_link(self, **options: Any) -> DriverLink:
        """The host's link to the rings. `options` as DriverLink has them."""
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

    def endpoints(self, host: int = 1024, remote: int = 1025) -> tuple[Endpoint, Endpoint]:
        """An endpoint at each side, with these addresses, that send to each other."""
        answering = self.remote.create_endpoint(addr=remote, dest=host)
        return self.host.create_endpoint(addr=host, dest=remote), answering

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
        """Both sides look, as programs do before they first sleep, and go on until no doorbell is left.

        Raises Stall for sides that never come to rest.
        """
        for bus in (self.host, self.remote):
            while bus.process() or not bus.link.await_message():
                pass
        for _ in range(TURNS_LIMIT):
            if not self.act(self.host) | self.act(self.remote):
                return
        raise Stall(f"the sides have not come to rest after {TURNS_LIMIT} interrupts")
