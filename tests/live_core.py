"""A firmware that runs on a core of its own, and the host's bus to it, for the tests of services. Not a test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from amp.errors import LinkDown, PeerDied
from amp.lab.board import core_on
from amp.machine.config import Mode
from amp.machine.soc import Soc
from amp.ordering import platform
from amp.remoteproc.build import build, declaration, find_module
from amp.remoteproc.image import read_image
from amp.rpmsg import Bus, Endpoint
from amp.virtio.sites import linux_choice

LIMIT_S = 240.0  # for what takes milliseconds, on any machine: a hang is a failure, not a wait


class LiveCore:
    """`bus` is the newest: a recovery makes a new one. Everything is for the thread that made it."""

    def __init__(self, soc: Soc, module: str) -> None:
        self.soc, self.log, self._buses = soc, list[str](), list[Bus]()
        self.core, self.rproc = core_on(soc, self._buses.append, log=self.log.append)
        path = find_module(module)
        self.rproc.load(read_image(build(path, declaration(path))))

    @property
    def bus(self) -> Bus:
        return self._buses[-1]

    def open(self, service: str, **options: Any) -> Endpoint:
        """A new endpoint of a service, once it is announced."""
        try:
            channel = self.bus.wait_for_channel(service, LIMIT_S)
        except LinkDown as error:
            raise AssertionError(f"the core died before it announced {service}: {self.core.crash}") from error
        return self.bus.open_channel(channel, **options)

    def trace(self) -> str:
        """What the firmware has printed."""
        return self.rproc.read_trace("trace0").partition(b"\0")[0].decode()

    def memory(self, name: str) -> bytes:
        """A carveout's bytes."""
        [entry] = [each for each in self.rproc.carveouts if each.name == name]
        return self.soc.dump(entry.pa, entry.length)

    def kill(self) -> None:
        """The core's process ends as by kill -9."""
        assert self.core.pid is not None
        os.kill(self.core.pid, signal.SIGKILL)

    def recovered(self) -> None:
        """The core has died: wait until that is known, and boot it again."""
        with suppress(LinkDown, PeerDied):
            self.bus.wait_until(lambda: False, LIMIT_S)
        report = self.rproc.check()
        assert report is not None
        assert report.recovered, report.failure


@contextmanager
def booted(module: str, mode: Mode = Mode.DIRECT) -> Iterator[LiveCore]:
    """The module's firmware, running; in free mode on arm64-domains with DMA barriers. Leaves nothing."""
    chosen = platform("arm64-domains") if mode is Mode.FREE else None
    with Soc(mode=mode, sites=linux_choice(weak_barriers=False), platform=chosen) as soc:
        live = LiveCore(soc, module)
        live.rproc.start()
        try:
            yield live
        finally:
            live.rproc.stop()
