"""The doors: how a port is opened on a region. See `amp.port.port` for what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from amp._core import _bridge
from amp.ordering.barriers import Primitive
from amp.ordering.sites import SiteMap
from amp.port.port import CPU_NAMES, Polling, Port, VirtioBarriers
from amp.region import Region


class ModelledPort(Polling, _bridge.ModelledPort, VirtioBarriers):
    """Accesses through the ordering model whose state lies in the region's carveout `model`."""


class DirectPort(Polling, _bridge.DirectPort, VirtioBarriers):
    """Accesses to the bare region, with this machine's own fences; the doorbell lies in the carveout `mailbox`."""


# The core's real barriers (amp/_core/fences.h) end with READL. Those of store-release and load-acquire are what
# compilers make of C11's fences; the stronger classes are no C11, and get the full barrier.
_REAL_FENCES: Mapping[Primitive, Primitive] = MappingProxyType(
    {
        Primitive.FENCE_RELEASE_SMP: Primitive.STORE_RELEASE,
        Primitive.FENCE_RELEASE_DMA: Primitive.DMA_MB,
        Primitive.FENCE_RELEASE_MANDATORY: Primitive.MB,
        Primitive.FENCE_ACQUIRE_SMP: Primitive.LOAD_ACQUIRE,
        Primitive.FENCE_ACQUIRE_DMA: Primitive.DMA_MB,
        Primitive.FENCE_ACQUIRE_MANDATORY: Primitive.MB,
    }
)


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
    real = SiteMap(sites.name, tuple(_REAL_FENCES.get(primitive, primitive) for primitive in sites.values()))
    return DirectPort(region.memory, start, end, board, cpu, len(CPU_NAMES), site_bytes(real))


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
