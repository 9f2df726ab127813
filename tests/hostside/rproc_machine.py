"""A SoC, a core that runs no code, and firmware images made of a table, for the tests of remoteproc. Not a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from amp.errors import RprocError
from amp.machine.config import Mode
from amp.machine.core import Boot, CoreState, Crash, CrashKind
from amp.machine.soc import Soc
from amp.ordering import platform
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.port.port import Port
from amp.remoteproc.image import EntryNote, Image, Segment
from amp.remoteproc.table import FW_RSC_ADDR_ANY, Carveout, Entry, Table, Trace, Vdev, Vring
from amp.virtio.device import ID_RPMSG
from amp.virtio.sites import SITES
from hostside.remoteproc.rproc import Rproc
from hostside.remoteproc.vdev import RprocVdev, VirtioDriver

ANY = FW_RSC_ADDR_ANY
TEXT_DA = 0x1000_0000
TABLE_DA = 0x2000_0000
TEXT = Carveout(TEXT_DA, 0, 8192, 0, "text")
TRACE = Trace(TEXT_DA + 4096, 1024, "trace0")
DOORS = ("direct", "arm64-domains")


def make_soc(door: str = "direct", **sizes: Any) -> Soc:
    """`door` is "direct", or the platform of a model in free mode. Every site is MANDATORY."""
    sites = SiteMap.for_class(BarrierClass.MANDATORY, SITES)
    if door == "direct":
        return Soc(mode=Mode.DIRECT, sites=sites, **sizes)
    return Soc(mode=Mode.FREE, sites=sites, platform=platform(door), **sizes)


def vdev(*, num: int = 8, align: int = 4096, device: int = ID_RPMSG, dfeatures: int = 1, config: bytes = b"") -> Vdev:
    ring = Vring(ANY, align, num, 0, 0)
    return Vdev(device, 0, dfeatures, 0, config, 0, (ring, ring))


def image(
    *entries: Entry, segments: tuple[Segment, ...] = (Segment(TEXT_DA, b"text", 4096, 5),), bits: int = 32
) -> Image:
    """An image whose table has `entries` and lies in a segment of its own."""
    table = Table(entries).encode()
    every = (*segments, Segment(TABLE_DA, table, len(table), 6))
    return Image(bits, "EM_ARM", TEXT_DA, every, table, TABLE_DA, EntryNote("none", "main"))


class QuietCore:
    """A core that is powered, and executes nothing; `port` is where a test plays its part.

    `fails` is what boot raises. `dies` ends it as its own death does.
    """

    def __init__(self, soc: Soc, fails: Exception | None = None) -> None:
        self._soc, self.fails = soc, fails
        self.state, self.crash = CoreState.OFF, None
        self.boots: list[Boot] = []
        self.memory_at_boot = b""
        self.port: Any = None

    state: CoreState
    crash: Crash | None

    def check(self, runtime: str, entry: str, /) -> None:
        """Runs nothing, so anything."""

    def boot(self, boot: Boot, /) -> None:
        if self.state is not CoreState.OFF:
            raise RprocError(f"the core is {self.state}")
        if self.fails is not None:
            raise self.fails
        start, end = self._soc.region.layout.shared
        self.memory_at_boot = self._soc.dump(start, end - start)
        self.boots.append(boot)
        self.port = self._soc.open_port(1)
        self.state = CoreState.RUNNING

    def at_boot(self, da: int, length: int) -> bytes:
        """What the core would have read at `da` when it started."""
        start = self._soc.region.layout.shared[0]
        for window in self.boots[-1].windows:
            if window.da <= da and da + length <= window.da + window.length:
                at = window.pa + da - window.da - start
                return self.memory_at_boot[at : at + length]
        raise LookupError(hex(da))

    def dies(self, text: str, kind: CrashKind = CrashKind.FATAL) -> None:
        self.crash, self.state = Crash(kind, text), CoreState.DEAD
        self._soc.lost()

    def stop(self) -> None:
        self.kill()

    def settle(self) -> None:
        """Nothing happens behind its back."""

    def kill(self) -> None:
        self.state, self.crash, self.port = CoreState.OFF, None, None


class Listener:
    """A driver that keeps what it is told; `fails_in` names the step in which it raises."""

    def __init__(self, *, fails_in: str = "", unacknowledged: tuple[object, ...] = ()) -> None:
        self.fails_in, self._lost = fails_in, unacknowledged
        self.told: list[str] = []
        self.buffers: tuple[int, int] = (0, 0)

    def driver(self, buffer_bytes: Callable[[Vdev], int] = lambda _: 8192, features: int = 1) -> VirtioDriver:
        return VirtioDriver("listener", features, buffer_bytes, self.probe)

    def probe(self, _port: Port, device: RprocVdev, buffers: tuple[int, int]) -> Listener:
        self._step(f"probe {device.name}", "probe")
        self.buffers = buffers
        return self

    def ready(self) -> None:
        self._step("ready", "ready")

    def interrupt(self) -> None:
        self._step("interrupt", "interrupt")

    def down(self, reason: str) -> tuple[object, ...]:
        self.told.append(f"down: {reason}")
        return self._lost

    def _step(self, told: str, step: str) -> None:
        self.told.append(told)
        if self.fails_in == step:
            raise RprocError(f"no {step} today")


def make_rproc(soc: Soc, *, listener: Listener | None = None, core: QuietCore | None = None, **options: Any) -> Rproc:
    drivers: Mapping[int, VirtioDriver] = {ID_RPMSG: listener.driver()} if listener is not None else {}
    return Rproc(soc, core if core is not None else QuietCore(soc), **{"drivers": drivers, **options})
