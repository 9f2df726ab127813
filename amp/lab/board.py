"""A board: a SoC, one Python core, its remoteproc, and rpmsg on it. Composition root; everything in one thread.

    with Board(read_image(Path("echo.elf").read_bytes()), mode=Mode.DIRECT, sites=sites) as board:
        endpoint = board.bus.open_channel(board.bus.wait_for_channel("rpmsg-echo", 5))

The host's side runs in the process that makes the board, the firmware in one of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from amp.machine.config import Mode
from amp.machine.process_core import ProcessCore
from amp.machine.soc import Soc
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import Platform
from amp.ordering.sites import SiteMap
from amp.port.doors import open_direct
from amp.port.port import HOST, Port
from amp.remoteproc.image import Image
from amp.rpmsg.bus import Bus
from amp.rpmsg.hooks import Log
from amp.virtio.device import ID_RPMSG
from amp.virtio.sites import SITES
from hostside.remoteproc.rproc import Rproc
from hostside.rpmsg import rpmsg_driver

ROM = "remoteside.core"


def core_on(
    soc: Soc,
    on_probe: Callable[[Bus], None],
    *,
    log: Log | None = None,
    buffers: int | None = None,
    on_change: Callable[[ProcessCore], None] | None = None,
    confined: bool = False,
    **rproc: Any,
) -> tuple[ProcessCore, Rproc]:
    """A Python core on `soc`, and its life cycle with rpmsg for a driver. The arguments are Board's."""

    def last_look() -> Port:
        """At what is visible, past the model: the core is dead, and the model's port with it."""
        return open_direct(soc.region, HOST, SiteMap.for_class(BarrierClass.MANDATORY, SITES))

    core = ProcessCore(soc, ROM, on_change=on_change, confined=confined)
    driver = rpmsg_driver(on_probe, clock=time.monotonic, log=log, buffers=buffers, last_look=last_look)
    return core, Rproc(soc, core, drivers={ID_RPMSG: driver}, log=log, **rproc)


class Board:
    """Entered, the core runs `image`; left, everything is off and gone.

    `soc` takes what Soc takes, `rproc` what Rproc takes beside drivers. `buffers` is the number of message buffers,
    both directions together, None for as many as the rings allow. `on_probe` is called with each new bus, before the
    core can send anything; `on_change` in another thread, when the core has died.
    """

    def __init__(
        self,
        image: Image,
        *,
        mode: Mode,
        sites: SiteMap,
        platform: Platform | None = None,
        seed: int = 1,
        buffers: int | None = None,
        log: Log | None = None,
        on_probe: Callable[[Bus], None] | None = None,
        on_change: Callable[[ProcessCore], None] | None = None,
        soc: dict[str, Any] | None = None,
        rproc: dict[str, Any] | None = None,
    ) -> None:
        self.soc = Soc(mode=mode, sites=sites, platform=platform, seed=seed, **(soc or {}))
        self._on_probe, self._bus = on_probe, None
        self.core, self.rproc = core_on(
            self.soc, self._probed, log=log, buffers=buffers, on_change=on_change, **(rproc or {})
        )
        self._image = image

    _bus: Bus | None

    def _probed(self, bus: Bus) -> None:
        self._bus = bus
        if self._on_probe is not None:
            self._on_probe(bus)

    @property
    def bus(self) -> Bus:
        """The newest bus; after a crash or a detach it is down until there is another."""
        assert self._bus is not None, "no rpmsg device has been probed"
        return self._bus

    def __enter__(self) -> Self:
        try:
            self.rproc.load(self._image)
            self.rproc.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Power off, in whatever state it is. A second call does nothing."""
        self.core.stop()
        self.soc.close()
