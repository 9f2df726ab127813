"""The doors: how a port is opened on a region. See `amp.port.port` for what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from amp._core import _bridge
from amp.errors import AccessFault
from amp.ordering.barriers import Primitive
from amp.ordering.instructions import Instruction, barrier_of, number_of
from amp.ordering.sites import SiteMap, Sites
from amp.port.cells import CellAccess
from amp.port.port import CPU_NAMES, Polling, Port, cpu_name
from amp.region import Region
from amp.virtio.batch import DeviceBatches, DriverBatches
from amp.virtio.queue import Chain, IndirectTables, OffersRings
from amp.virtio.sites import SITES
from amp.virtio.split import Segment, SplitLayout


class ModelledPort(Polling, CellAccess, _bridge.ModelledPort):
    """Accesses through the ordering model whose state lies in the region's carveout `model`."""


class DriverRing(DriverBatches, _bridge.DriverRing):
    """A driver's queue in the core (amp.virtio.queue.DriverSide)."""


class DeviceRing(DeviceBatches, _bridge.DeviceRing):
    """A device's queue in the core (amp.virtio.queue.DeviceSide)."""


class DirectPort(Polling, CellAccess, _bridge.DirectPort, OffersRings):
    """Accesses to the bare region, with this machine's own fences; the doorbell lies in the carveout `mailbox`.

    Rings in the core stand at virtio's sites, as far as the port has them.
    """

    def __init__(self, *numbers: Any) -> None:
        memory, start, end, board, _, _, sites, at = numbers
        self._room = memory, (start, end), board, bytes([0, *(sites[at[site]] if site in at else 0 for site in SITES)])

    def driver_ring(
        self, layout: SplitLayout, *, event_idx: bool, indirect: IndirectTables | None, device_cpu: int
    ) -> DriverRing:
        numbers = self._ring_numbers(layout, self._room[1], indirect or (0, 0), event_idx, indirect is not None)
        ring: DriverRing = self._open(DriverRing, layout, numbers, device_cpu)
        return ring

    def device_ring(
        self, layout: SplitLayout, memory: tuple[int, int], *, event_idx: bool, indirect: bool, driver_cpu: int
    ) -> DeviceRing:
        numbers = self._ring_numbers(layout, memory, (0, 0), event_idx, indirect)
        ring: DeviceRing = self._open(DeviceRing, layout, numbers, driver_cpu, Chain, Segment)
        return ring

    def _ring_numbers(
        self, layout: SplitLayout, buffers: tuple[int, int], tables: tuple[int, int], event_idx: bool, indirect: bool
    ) -> tuple[Any, ...]:
        """The ring as py_ring.h of the core has it: heads as a stack, and every store made, as the Python queues do."""
        bounds = (*self._room[1], *buffers)
        return ring_layout(layout), bounds, tables, _bridge.RING_TABLE, False, event_idx, indirect, False, True

    def _open(self, kind: Any, layout: SplitLayout, numbers: tuple[Any, ...], cpu: int, *first: type) -> Any:
        memory, (start, end), board, sites = self._room
        try:
            return kind(*first, memory, numbers, layout, sites, board, cpu, cpu_name(cpu))
        except OSError as error:
            where = f"ring of {layout.num} entries at {layout.base:#x}, buffers at {numbers[1][2]:#x}"
            raise AccessFault(f"{where}: not in the shared memory, {start:#x} to {end:#x}") from error


def ring_layout(layout: SplitLayout) -> tuple[int, ...]:
    """struct amp_ring_layout of amp/_core/virtio/ring.h, in its order."""
    return (
        layout.num,
        layout.desc,
        layout.avail_flags,
        layout.avail_idx,
        layout.avail_ring,
        layout.used_event,
        layout.used_flags,
        layout.used_idx,
        layout.used_ring,
        layout.avail_event,
    )


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
    """The site map as the core has it: byte n is the number of the barrier at site n; site 0 is no site."""
    return bytes([0, *map(number_of, sites.barriers)])


def site_map(numbers: bytes, sites: Sites) -> SiteMap:
    """The way back: what `site_bytes` gave of a map of these sites."""
    return SiteMap("run", sites, tuple(map(barrier_of, numbers[1:])))


def open_modelled(region: Region, cpu: int, sites: SiteMap, *, door: type[ModelledPort] = ModelledPort) -> ModelledPort:
    """The port of `cpu` on a region whose model has been initialised; `door` is the port's class."""
    return door(region.memory, region.layout["model"].offset, cpu, site_bytes(sites), sites.sites.numbers)


def open_direct(region: Region, cpu: int, sites: SiteMap, *, cpus: int = len(CPU_NAMES)) -> DirectPort:
    """The port of `cpu`, one of `cpus`, on the bare region."""
    start, end = region.layout.shared
    board = region.layout["mailbox"].offset
    barriers = tuple(each if isinstance(each, Instruction) else _REAL_FENCES.get(each, each) for each in sites.barriers)
    real = SiteMap(sites.name, sites.sites, barriers)
    return DirectPort(region.memory, start, end, board, cpu, cpus, site_bytes(real), sites.sites.numbers)


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
