"""One boot of a core: what it is given, decided from image and table before anything is done, then laid into memory.

`planned` is for a core that is to be booted, `taken_over` for one that runs already. Both only compute; `fill_memory`
writes, by the loader's door, while no CPU runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from amp.errors import FirmwareError
from amp.machine.core import Boot
from amp.machine.soc import Soc
from amp.port.port import Port
from amp.remoteproc.image import Image
from amp.remoteproc.table import FW_RSC_ADDR_ANY, Table, decode
from hostside.remoteproc.memory import DeviceMemory, Range
from hostside.remoteproc.resources import (
    BUFFERS,
    RESOURCES,
    TABLE_NAME,
    Request,
    Resources,
    allocate,
    check,
    negotiated,
)
from hostside.remoteproc.vdev import RprocVdev, VdevDriver

TABLE_ALIGN: Final = 4  # of its widest fields, u32
NAMED_LIMIT: Final = 4  # carveouts that an error names


@dataclass(slots=True)
class Session:
    """What exists from start or attach to stop or detach. `table_at` is the table's pa; None: the core has none."""

    memory: DeviceMemory
    resources: Resources
    boot: Boot
    table_at: int | None
    vdevs: list[RprocVdev] = field(default_factory=list)
    bound: list[VdevDriver] = field(default_factory=list)


def table_of(image: Image) -> Table:
    """The image's resource table, decoded; an empty one if it has none. Raises FirmwareError."""
    return decode(image.table) if image.table is not None else Table(())


def planned(image: Image, resources: Resources, pools: Mapping[str, Range], *, watchdog_s: float) -> Session:
    """Where everything of `image` goes. `resources` is what its table asks for. Raises FirmwareError."""
    table_entry = ""
    if image.table is not None:
        table_entry = _register_table(resources, image, len(image.table), pools)
    memory = DeviceMemory(pools)
    allocate(resources, memory)
    for segment in image.segments:
        if not memory.holds(segment.da, segment.memsz):
            raise FirmwareError(
                f"firmware image: segment da is {segment.da:#x}, {segment.memsz} bytes, expected inside one carveout"
                f"{_carveouts_of(image, resources)}"
            )
    table_da, table_bytes, table_at = 0, 0, None
    if image.table is not None:
        table_da = image.table_da if image.table_da is not None else memory[table_entry].da
        table_bytes = len(image.table)
        table_at = memory.to_pa(table_da, table_bytes)
        if table_at % TABLE_ALIGN:
            raise FirmwareError(
                f"firmware image: resource table da is {table_da:#x}, expected a multiple of {TABLE_ALIGN}: both sides "
                f"access its fields while the core runs"
            )
    boot = Boot(
        entry_da=image.entry_da,
        runtime=image.note.runtime if image.note is not None else "",
        entry=image.note.entry if image.note is not None else "",
        table_da=table_da,
        table_bytes=table_bytes,
        windows=memory.windows(),
        watchdog_s=watchdog_s,
    )
    return Session(memory, resources, boot, table_at)


def _register_table(resources: Resources, image: Image, length: int, pools: Mapping[str, Range]) -> str:
    """See to it that the core can reach its table: where the firmware keeps it, or in a window of its own.

    After rproc_find_loaded_rsc_table. A table that no segment carries goes where there is room, one to one. What is
    longer than the pool for tables comes out of the one for buffers. Returns the window's name; "": it needs none.
    """
    da, label = FW_RSC_ADDR_ANY, "the resource table, which is in no segment"
    for segment in image.segments:
        if image.table_da is not None and segment.da <= image.table_da < segment.da + segment.memsz:
            da, length = segment.da, segment.memsz
            label = f"the segment at {da:#x}, which holds the resource table"
    if da != FW_RSC_ADDR_ANY and resources.covers(da, length):
        return ""
    name = TABLE_NAME
    while name in resources.requests:  # a carveout of the firmware's own that is somewhere else
        name = f".{name}"
    start, end = pools[RESOURCES]
    pool = RESOURCES if length <= end - start else BUFFERS
    resources.register(Request(name, da, length, pool, label=f"firmware image: {label}"))
    return name


def _carveouts_of(image: Image, resources: Resources) -> str:
    """What a segment could have been in, for an error."""
    if image.table is None:
        return ", and the image has no resource table to ask for one"
    fixed = [each for each in resources.requests.values() if each.da != FW_RSC_ADDR_ANY and not each.label]
    has = ", ".join(f"{each.name} {each.da:#x} to {each.da + each.length:#x}" for each in fixed[:NAMED_LIMIT])
    more = f" and {len(fixed) - NAMED_LIMIT} more" if len(fixed) > NAMED_LIMIT else ""
    return f" of its resource table (it has {has or 'none of a fixed address'}{more})"


def fill_memory(soc: Soc, image: Image, session: Session) -> None:
    """Memory as the core finds it: zero (dma_alloc_coherent), then the segments, then the negotiated table."""
    memory = session.memory
    for entry in memory:
        if entry.dumped:
            soc.load(entry.pa, bytes(entry.length))
    for segment in image.segments:
        data = segment.data + bytes(segment.memsz - len(segment.data))
        soc.load(memory.to_pa(segment.da, segment.memsz), data)
    if session.table_at is not None:
        assert image.table is not None
        soc.load(session.table_at, negotiated(image.table, session.resources, memory))


def taken_over(boot: Boot, port: Port, handled: Callable[[Table], Resources], pools: Mapping[str, Range]) -> Session:
    """The session of a core that runs, from its windows and its own table, read through `port`. Raises FirmwareError.

    Nothing is allocated: `handled` says what the table asks for, and all of it has to be there.
    """
    memory = DeviceMemory(pools)
    table, table_at = Table(()), None
    if boot.table_bytes:
        row = next(row for row in boot.windows if row.da <= boot.table_da < row.da + row.length)
        table_at = row.pa + boot.table_da - row.da
        table = decode(bytes(port.read(table_at, boot.table_bytes)))
    resources = handled(table)
    devices = {request.name for request in resources.requests.values() if request.pa is not None}
    for row in boot.windows:
        memory.place(row.name, da=row.da, pa=row.pa, length=row.length, dumped=row.name not in devices)
    check(resources, memory)
    return Session(memory, resources, boot, table_at)
