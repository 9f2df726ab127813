"""What a resource table asks of its host: one handler per type of entry, then the answers, patched into a copy.

The order is Linux's (drivers/remoteproc/remoteproc_core.c, v6.1): all entries are handled first, which only registers
what is wanted (rproc_handle_resources over the table rproc_loading_handlers); then all memory is allocated
(rproc_alloc_registered_carveouts); then addresses and notify ids are written into the copy that the core will read.
Fixed device addresses are served before open ones, whose pa is their da and might otherwise take a fixed one's place.

This module touches no memory: tables come and go as bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from amp.errors import FirmwareError
from amp.region import PAGE_SIZE
from amp.remoteproc import table as rsc
from amp.virtio.split import DESC_BYTES, SplitLayout, align_up
from hostside.remoteproc.memory import WORD_BYTES, DeviceMemory

VRINGS, BUFFERS, RESOURCES = "vrings", "buffers", "resources"  # pools of the SoC
CARVEOUT_LEN_AT: Final = rsc.CARVEOUT_PA_AT + 4  # struct fw_rsc_carveout: da, pa, len
TABLE_NAME: Final = "resource_table"


class VendorAnswer(IntEnum):
    """enum rsc_handling_status, include/linux/remoteproc.h."""

    HANDLED = 0
    IGNORED = 1


# A hook for one vendor type: gets the entry and its offset in the table; a FirmwareError it raises ends the boot.
VendorHook = Callable[[rsc.Vendor, int], VendorAnswer]
# How many bytes of buffers the driver of a device wants; 0 for none.
BufferBytes = Callable[[rsc.Vdev], int]


@dataclass(frozen=True, slots=True)
class Request:
    """Memory that is wanted. `pa` is given for device memory alone; `patch` is the carveout entry's offset.

    `label` is how an error calls it: by default as the carveout that the firmware asks for by `name`.
    """

    name: str
    da: int
    length: int
    pool: str
    align: int = PAGE_SIZE
    pa: int | None = None
    patch: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class VringPlan:
    """One ring of a device: its entry of memory by name, its number within the device, its notify id."""

    name: str
    entry: rsc.Vring
    notifyid: int


@dataclass(frozen=True, slots=True)
class VdevPlan:
    """Device `index`, whose entry starts at `offset` of the table. `buffers` names its memory; None: it has none."""

    index: int
    offset: int
    entry: rsc.Vdev
    vrings: tuple[VringPlan, ...]
    buffers: str | None


@dataclass(frozen=True, slots=True)
class TraceBuffer:
    """RSC_TRACE: text that the firmware prints, `length` bytes at `da`."""

    name: str
    da: int
    length: int


@dataclass(slots=True)
class Resources:
    """All that a table asks for; made by `handle`."""

    hooks: Mapping[int, VendorHook]
    buffer_bytes: Mapping[int, BufferBytes]
    requests: dict[str, Request] = field(default_factory=dict)
    traces: list[TraceBuffer] = field(default_factory=list)
    vdevs: list[VdevPlan] = field(default_factory=list)
    vendor: list[tuple[int, VendorAnswer]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # of what was skipped, a line each
    notifyids: int = 0  # given out so far: an idr that nobody takes from, 0 first

    def register(self, request: Request) -> None:
        """rproc_add_carveout. Raises FirmwareError if the name is taken."""
        if request.name in self.requests:
            raise FirmwareError(f"resource table: name is {request.name!r} for two carveouts; written by the firmware")
        self.requests[request.name] = request

    def share(self, wanted: Request) -> None:
        """Take the carveout of that name if the firmware declared one, else register it.

        rproc_alloc_vring and rproc_check_carveout_da, which wants it long enough and around a fixed da. Linux has the
        same for a device's buffers (drivers/remoteproc/remoteproc_virtio.c, rproc_add_virtio_dev).
        """
        there = self.requests.get(wanted.name)
        if there is None:
            self.register(wanted)
            return
        what = f"resource table: carveout {wanted.name!r}"
        if there.length < wanted.length:
            raise FirmwareError(f"{what} length is {there.length}, the device needs {wanted.length}")
        if wanted.da not in (rsc.FW_RSC_ADDR_ANY, there.da):
            raise FirmwareError(f"{what} da is {there.da:#x}, the device's own entry says {wanted.da:#x}")
        if there.da != rsc.FW_RSC_ADDR_ANY and there.da % wanted.align:
            raise FirmwareError(f"{what} da is {there.da:#x}, the device needs a multiple of {wanted.align}")
        self.requests[wanted.name] = replace(there, align=max(there.align, wanted.align))

    def warn(self, offset: int, what: str) -> None:
        self.warnings.append(f"resource table: entry at offset {offset}: {what}, skipped")

    def covers(self, da: int, length: int) -> bool:
        """Is `length` bytes at `da` inside one request of fixed address?"""
        return any(
            each.da != rsc.FW_RSC_ADDR_ANY and each.da <= da and da + length <= each.da + each.length
            for each in self.requests.values()
        )


def _carveout(resources: Resources, offset: int, entry: rsc.Carveout) -> None:
    name = entry.name or f"carveout@{offset:#x}"
    resources.register(Request(name, entry.da, entry.length, BUFFERS, patch=offset))


def _devmem(resources: Resources, offset: int, entry: rsc.Devmem) -> None:
    """rproc_handle_devmem: the IOMMU maps da to pa. Only the region exists to be mapped, which `allocate` checks."""
    name = entry.name or f"devmem@{offset:#x}"
    resources.register(Request(name, entry.da, entry.length, BUFFERS, pa=entry.pa))


def _trace(resources: Resources, _offset: int, entry: rsc.Trace) -> None:
    """rproc_handle_trace; names as in its debugfs where the entry has none: trace0, trace1 ..."""
    name = entry.name or f"trace{len(resources.traces)}"
    resources.traces.append(TraceBuffer(name, entry.da, entry.length))


def _vdev(resources: Resources, offset: int, entry: rsc.Vdev) -> None:
    """rproc_handle_vdev, rproc_parse_vring, rproc_alloc_vring."""
    index, vrings = len(resources.vdevs), []
    for number, ring in enumerate(entry.vrings):
        name = f"vdev{index}vring{number}"
        length = align_up(SplitLayout(ring.num, 0, ring.align).end, PAGE_SIZE)  # PAGE_ALIGN(vring_size(num, align))
        resources.share(Request(name, ring.da, length, VRINGS, align=max(PAGE_SIZE, ring.align)))
        vrings.append(VringPlan(name, ring, resources.notifyids))
        resources.notifyids += 1
    wants = resources.buffer_bytes.get(entry.id)
    length, buffers = wants(entry) if wants is not None else 0, None
    if length:
        buffers = f"vdev{index}buffer"
        resources.share(Request(buffers, rsc.FW_RSC_ADDR_ANY, align_up(length, PAGE_SIZE), BUFFERS))
    resources.vdevs.append(VdevPlan(index, offset, entry, tuple(vrings), buffers))


def _vendor(resources: Resources, offset: int, entry: rsc.Vendor) -> None:
    """rproc_handle_rsc: nobody's entry is ignored, not an error ("unsupported vendor resource")."""
    hook = resources.hooks.get(entry.type)
    answer = hook(entry, offset) if hook is not None else VendorAnswer.IGNORED
    resources.vendor.append((entry.type, answer))
    if answer is VendorAnswer.IGNORED:
        resources.warn(offset, f"unsupported vendor resource {entry.type}")


def _unknown(resources: Resources, offset: int, entry: rsc.Unknown) -> None:
    """rproc_handle_resources, type >= RSC_LAST: a warning, "unsupported resource", and on with the next."""
    resources.warn(offset, f"unsupported resource {entry.type}")


# rproc_loading_handlers, with the vendor's types beside it.
LOADING_HANDLERS: Final[Mapping[type, Callable[[Resources, int, Any], None]]] = MappingProxyType(
    {
        rsc.Carveout: _carveout,
        rsc.Devmem: _devmem,
        rsc.Trace: _trace,
        rsc.Vdev: _vdev,
        rsc.Vendor: _vendor,
        rsc.Unknown: _unknown,
    }
)


def handle(
    table: rsc.Table,
    *,
    hooks: Mapping[int, VendorHook] = MappingProxyType({}),
    buffer_bytes: Mapping[int, BufferBytes] = MappingProxyType({}),
) -> Resources:
    """What `table` asks for. `hooks` by vendor type, `buffer_bytes` by device id. Raises FirmwareError."""
    resources = Resources(hooks, buffer_bytes)
    for offset, entry in zip(table.offsets, table.entries, strict=True):
        LOADING_HANDLERS[type(entry)](resources, offset, entry)
    return resources


def allocate(resources: Resources, memory: DeviceMemory) -> None:
    """Give each request its memory. Raises FirmwareError; what was given out until then stays in `memory`."""
    # Device memory is where it is; a fixed da only bars das; the rest must keep out of the way of both.
    rank = sorted(
        resources.requests.values(), key=lambda each: (each.pa is None, each.da == rsc.FW_RSC_ADDR_ANY)
    )  # stable: the table's order within a rank
    for each in rank:
        if each.pa is not None:
            memory.place(each.name, da=each.da, pa=each.pa, length=each.length, dumped=False)
        else:
            memory.allocate(each.name, each.length, pool=each.pool, da=each.da, align=each.align, label=each.label)
    check(resources, memory)


def check(resources: Resources, memory: DeviceMemory) -> None:
    """Is all that is asked for there, at its device address, aligned, with the traces inside? Raises FirmwareError."""
    for each in resources.requests.values():
        there = memory.find(each.name)
        if there is None or there.length < each.length:
            length = "not there" if there is None else f"{there.length} bytes"
            raise FirmwareError(f"carveout {each.name!r} is {length}, the resource table asks for {each.length} bytes")
        if each.da not in (rsc.FW_RSC_ADDR_ANY, there.da):
            raise FirmwareError(f"carveout {each.name!r} da is {there.da:#x}, the resource table says {each.da:#x}")
    for name, align in _alignments(resources):
        if memory[name].pa % align:
            raise FirmwareError(
                f"carveout {name!r} pa is {memory[name].pa:#x}, the device needs a multiple of {align}; "
                f"written by the firmware"
            )
    for trace in resources.traces:
        if not memory.holds(trace.da, trace.length):
            raise FirmwareError(
                f"resource table: trace {trace.name!r} da is {trace.da:#x}, {trace.length} bytes, expected inside one "
                f"carveout; written by the firmware"
            )


def _alignments(resources: Resources) -> Iterator[tuple[str, int]]:
    """What the rings and buffers of devices need of the region. Memory that firmware placed itself may not have it."""
    for vdev in resources.vdevs:
        for ring in vdev.vrings:
            yield ring.name, max(ring.entry.align, DESC_BYTES)
        if vdev.buffers is not None:
            yield vdev.buffers, WORD_BYTES


def negotiated(data: bytes, resources: Resources, memory: DeviceMemory) -> bytes:
    """The table `data` with the host's answers in it, for the core to read.

    | field                          | Linux v6.1                                                    |
    |--------------------------------|---------------------------------------------------------------|
    | carveout da, pa, len           | remoteproc_core.c, rproc_alloc_registered_carveouts           |
    | vring[].da                     | remoteproc_virtio.c, rp_find_vq                               |
    | vring[].notifyid               | remoteproc_core.c, rproc_alloc_vring                          |
    | vring[].pa                     | not written by Linux, which leaves what the firmware had; here too |
    """
    table = bytearray(data)
    for request in resources.requests.values():
        if request.patch is not None:
            entry = memory[request.name]
            for at, value in (
                (rsc.CARVEOUT_DA_AT, entry.da),
                (rsc.CARVEOUT_PA_AT, entry.pa),
                (CARVEOUT_LEN_AT, entry.length),
            ):
                struct.pack_into("<I", table, request.patch + at, value)
    for vdev in resources.vdevs:
        for number, ring in enumerate(vdev.vrings):
            struct.pack_into("<I", table, vdev.offset + rsc.vring_da_at(number), memory[ring.name].da)
            struct.pack_into("<I", table, vdev.offset + rsc.vring_notifyid_at(number), ring.notifyid)
    return bytes(table)
