"""The doors: how a port is opened on a region. See `amp.port.port` for what they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amp._core import _bridge
from amp.ordering.sites import SiteMap
from amp.port.port import CPU_NAMES, Port, VirtioBarriers
from amp.region import Region


class ModelledPort(_bridge.ModelledPort, VirtioBarriers):
    """Accesses through the ordering model whose state lies in the region's carveout `model`."""


class DirectPort(_bridge.DirectPort, VirtioBarriers):
    """Accesses to the bare region, with this machine's own fences; the doorbell lies in the carveout `mailbox`."""


def site_bytes(sites: SiteMap) -> bytes:
    """The site map as the core has it: byte n is the primitive at site n; site 0 is no site."""
    return bytes([0, *(int(sites[site]) for site in sites)])


def open_modelled(region: Region, cpu: int, sites: SiteMap) -> ModelledPort:
    """The port of `cpu` on a region whose model has been initialised."""
    return ModelledPort(region.memory, region.layout["model"].offset, cpu, site_bytes(sites))


def open_direct(region: Region, cpu: int, sites: SiteMap) -> DirectPort:
    """The port of `cpu` on the bare region."""
    start, end = region.layout.shared
    board = region.layout["mailbox"].offset
    return DirectPort(region.memory, start, end, board, cpu, len(CPU_NAMES), site_bytes(sites))


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call through a RecordingPort: the method's name, its arguments, what it returned."""

    method: str
    arguments: tuple[Any, ...]
    result: Any


class RecordingPort:
    """Passes every call to `port` (positional arguments, as a Port's are), and keeps it in `calls`, in order.

    Calls that raise are kept with the exception.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self.calls: list[Recorded] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not callable(method):
            return method

        def record(*arguments: Any) -> Any:
            try:
                result = method(*arguments)
            except Exception as error:
                self.calls.append(Recorded(name, arguments, error))
                raise
            self.calls.append(Recorded(name, arguments, result))
            return result

        return record
