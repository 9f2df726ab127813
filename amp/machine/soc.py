"""The SoC: its memory, its power, the doors to it. Knows no side, and no core: those are attached to it.

Memory keeps its bytes while the power is off, and over a power-on: what a loader puts there before is memory's initial
state. Doorbells, watchdog and ordering model are as new after every power-on, whatever a core left behind when it died:
a lock it held, stores that were on their way, doorbells not yet taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Final, Self

from amp._core import _bridge
from amp.errors import AccessFault, PeerDied, UsageError
from amp.machine import mailbox
from amp.machine.config import Mode
from amp.machine.mailbox import Mailbox
from amp.machine.model_room import ModelConfig, model_bytes, model_config, prepare_model
from amp.machine.ports import open_port
from amp.ordering.barriers import Primitive
from amp.ordering.platforms import Platform
from amp.ordering.sites import SiteMap
from amp.port.doors import DirectPort, ModelledPort, site_bytes
from amp.port.port import REMOTE
from amp.region import PAGE_SIZE, Layout, Region
from amp.region.carveouts import SHARED

MEMORY_BYTES: Final = 4 << 20
VRINGS_BYTES: Final = 256 << 10
RESOURCES_BYTES: Final = 2 * PAGE_SIZE
TRACE_EVENTS: Final = 1 << 12  # the newest; nobody replays a run in free mode
SEEDS: Final = 1 << 64


class Soc:
    """Use as a context manager, or call `close`. Off when made: `power_on` comes before the first port.

    `memory_bytes` is all that both sides share, vrings and resource table included; each pool is rounded up to whole
    pages. `mode` is direct or free; free needs a `platform`. `seed` is the free mode's, and every power-on's own: the
    n-th takes `seed + n`, so that a recovery does not meet the same fate again. `spin_ns` is how long a waiter spins
    before it sleeps. Raises UsageError for sizes, a mode or a platform that cannot be.
    """

    def __init__(
        self,
        *,
        mode: Mode,
        sites: SiteMap,
        platform: Platform | None = None,
        memory_bytes: int = MEMORY_BYTES,
        vrings_bytes: int = VRINGS_BYTES,
        resources_bytes: int = RESOURCES_BYTES,
        seed: int = 1,
        spin_ns: int = 20_000,
    ) -> None:
        if mode is Mode.LOCKSTEP:
            raise UsageError("mode is lockstep, expected direct or free: watchdogs and timeouts need a clock")
        if mode is Mode.FREE and platform is None:
            raise UsageError("platform is none, and mode free needs one: it says what is ordered")
        least = vrings_bytes + resources_bytes + 1
        if memory_bytes < least:
            raise UsageError(f"memory is {memory_bytes} bytes, expected at least {least} (vrings, resources, a buffer)")
        if not 0 <= seed < SEEDS:
            raise UsageError(f"seed is {seed}, expected 0 to {SEEDS - 1}")
        self.mode, self.platform, self.sites, self.spin_ns = mode, platform, site_bytes(sites), spin_ns
        self._seed, self._power_ons = seed, 0
        pools = {"vrings": vrings_bytes, "buffers": memory_bytes - vrings_bytes - resources_bytes}
        layout = Layout.plan(**pools, resources=resources_bytes, model=1)
        if mode is Mode.FREE:
            room = model_bytes(self._model_config(layout.shared))
            layout = Layout.plan(**pools, resources=resources_bytes, model=room)
        self.region = Region.create(layout)
        self._mailbox = Mailbox(self.region)
        self.heartbeat, self.links = self._mailbox.heartbeat, self._mailbox.links
        self.pools: Mapping[str, tuple[int, int]] = MappingProxyType(
            {name: (layout[name].offset, layout[name].end) for name in SHARED}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the memory back. Cores must have ended before. A second call does nothing."""
        self._mailbox.release()
        self.region.close()

    def power_on(self) -> None:
        """Doorbells, watchdog and model as new; memory keeps its bytes. No CPU may run, and ports are opened anew."""
        mailbox.clear(self.region)
        if self.mode is Mode.FREE:
            assert self.platform is not None
            prepare_model(self.region, self._model_config(self.region.layout.shared), self.platform)
        self._power_ons += 1

    def open_port(self, cpu: int) -> ModelledPort | DirectPort:
        """The port of `cpu` (amp.port.port.HOST or REMOTE), for one thread, until the next power-on."""
        assert self._power_ons, "the power is off"
        return open_port(self.region, cpu, self.mode, self.sites, self.spin_ns)

    def lost(self) -> None:
        """A core died: from now on whoever waits or accesses memory gets PeerDied. Any thread.

        What the core had stored before is on its way in the machine, not in the core: it arrives, in its order.
        """
        if self.mode is Mode.FREE:
            # Killed in the middle of a change, or it has written over the model: nobody may build on that any more.
            with suppress(PeerDied, OSError, ValueError):
                self.open_port(REMOTE).fence(Primitive.MB)
        _bridge.board_lost(self.region.memory, self._doorbells_at)
        if self.mode is Mode.FREE:
            with suppress(OSError):
                _bridge.model_lost(self.region.memory, self._model_at, REMOTE)

    def ring(self, cpu: int) -> None:
        """An interrupt for `cpu` from outside: ends its wait, as a kick does, and orders nothing. Any thread."""
        if self.mode is Mode.FREE:
            _bridge.model_ring(self.region.memory, self._model_at, cpu)
        else:
            _bridge.board_ring(self.region.memory, self._doorbells_at, cpu)

    def load(self, pa: int, data: bytes | bytearray | memoryview) -> None:
        """A loader's or debugger's store at `pa`, past every port: ordered by nothing. AccessFault outside the memory.

        While CPUs run, the model does not know of it, and loads through a port may still return what was there.
        """
        length = memoryview(data).nbytes
        self._check("load", pa, length)
        self.region.memory[pa : pa + length] = memoryview(data).cast("B")

    def dump(self, pa: int, length: int) -> bytes:
        """A debugger's read of `length` bytes at `pa`: what is visible now. AccessFault outside the memory."""
        self._check("dump", pa, length)
        return self.region.memory[pa : pa + length]

    def _check(self, what: str, pa: int, length: int) -> None:
        start, end = self.region.layout.shared
        if not (start <= pa and 0 <= length <= end - pa):
            text = f"{what} of {length} bytes at {pa:#x}: outside the shared memory, {start:#x} to {end:#x}"
            raise AccessFault(text)

    @property
    def _doorbells_at(self) -> int:
        return self.region.layout["mailbox"].offset + mailbox.DOORBELLS_AT

    @property
    def _model_at(self) -> int:
        return self.region.layout["model"].offset

    def _model_config(self, shared: tuple[int, int]) -> ModelConfig:
        return model_config(self.mode, shared, (self._seed + self._power_ons) % SEEDS, TRACE_EVENTS)
