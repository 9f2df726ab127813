"""A hostile resource table: decoded, served from a SoC's pools, its devices brought up, and taken over again after the
core wrote to it. Not a test.

An input is a table as it is, or a sound one with fields overwritten; the second kind gets behind the first check.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

from fuzz_arena import START, Arena, WatchedPort, one_line
from fuzz_input import Input, overwritten

from amp.errors import AccessFault, AmpError, FirmwareError
from amp.port.port import HOST
from amp.region import PAGE_SIZE
from amp.remoteproc import table as rsc
from amp.remoteproc.image import EntryNote, Image, Segment
from amp.remoteproc.table import FW_RSC_ADDR_ANY, Table, decode
from amp.virtio.device import ID_RPMSG
from hostside.remoteproc.memory import DeviceMemory
from hostside.remoteproc.resources import Resources, VdevPlan, VendorAnswer, handle, negotiated
from hostside.remoteproc.session import Session, planned, table_of, taken_over
from hostside.remoteproc.vdev import RprocVdev
from hostside.rpmsg import rpmsg_driver

ANY: Final = FW_RSC_ADDR_ANY
TEXT_DA: Final = 0x1000_0000
TABLE_DA: Final = TEXT_DA + 0x400
POOLS: Final = {
    "vrings": (PAGE_SIZE, 9 * PAGE_SIZE),
    "buffers": (9 * PAGE_SIZE, 25 * PAGE_SIZE),
    "resources": (25 * PAGE_SIZE, 27 * PAGE_SIZE),
}
STEPS: Final = 2000  # accesses of a device that comes up

_RING: Final = rsc.Vring(ANY, 4096, 8, 0, 0)
_TEXT: Final = rsc.Carveout(TEXT_DA, 0, 8192, 0, "text")
_RPMSG: Final = rsc.Vdev(ID_RPMSG, 0, 1, 0, b"", 0, (_RING, _RING))
SOUND: Final = tuple(
    Table(entries).encode()
    for entries in (
        (_TEXT, _RPMSG),
        (_TEXT, rsc.Trace(TEXT_DA + 4096, 1024, "trace0"), _RPMSG, rsc.Vendor(200, b"12345678")),
        (
            _TEXT,
            rsc.Carveout(0x2000_0000, 0, 8192, 0, "vdev0vring0"),
            rsc.Devmem(0x3000_0000, 20 * PAGE_SIZE, 8192, 0, "vdev0vring1"),
            rsc.Carveout(ANY, 0, 16384, 0, "vdev0buffer"),
            rsc.Vdev(ID_RPMSG, 0, 1, 0, b"\1\2\3\4", 0, (rsc.Vring(0x2000_0000, 16, 16, 0, 0), _RING)),
        ),
        (_TEXT, rsc.Vdev(3, 0, 0, 0, bytes(8), 0, ()), _RPMSG, _RPMSG),
    )
)


def some_table(source: Input) -> bytes:
    kind = source.below(len(SOUND) + 1)
    return source.rest() if kind == len(SOUND) else overwritten(source, SOUND[kind])


def refused(act: Callable[[], object], *expected: type[AmpError]) -> bool:
    """Did it raise one of these? Anything else goes through, AccessFault above all."""
    try:
        act()
    except expected as error:
        if isinstance(error, AccessFault) or isinstance(error.__cause__, AccessFault):
            raise
        one_line(error)
        return True
    return False


def decoded(data: bytes) -> Table | None:
    """The table, checked against what `decode` promises; None if it was refused."""
    try:
        table = decode(data)
    except FirmwareError as error:
        one_line(error)
        return None
    again = decode(table.encode())
    assert again.offsets == table.offsets
    for first, second in zip(table.entries, again.entries, strict=True):
        if isinstance(first, rsc.Vendor):
            assert isinstance(second, rsc.Vendor)
            assert second.data.rstrip(b"\0") == first.data.rstrip(b"\0")
        else:
            assert first == second
    return table


_DRIVER: Final = rpmsg_driver(lambda _bus: None, clock=lambda: 0.0, buffer_bytes=64)


def handled(table: Table) -> Resources:
    hooks = {rsc.VENDOR_START: lambda _entry, _offset: VendorAnswer.HANDLED}
    return handle(table, hooks=hooks, buffer_bytes={ID_RPMSG: _DRIVER.buffer_bytes})


def image_of(data: bytes) -> Image:
    segments = (Segment(TEXT_DA, b"text", 16, 5), Segment(TABLE_DA, data, len(data), 6))
    return Image(32, "EM_ARM", TEXT_DA, segments, data, TABLE_DA, EntryNote("python", "main"))


def check_memory(session: Session) -> None:
    """Every entry lies in the pools; none shares a byte of the region or of the core's addresses with another."""
    entries = list(session.memory)
    start, end = POOLS["vrings"][0], POOLS["resources"][1]
    for entry in entries:
        assert start <= entry.pa < entry.pa + entry.length <= end, entry
        assert 0 <= entry.da < entry.da + entry.length <= 1 << 32, entry
    for ranges in ([each.pa_range for each in entries], [each.da_range for each in entries]):
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(ranges)))


def bring_up(source: Input, arena: Arena, port: WatchedPort, session: Session, *, used_before: bool) -> None:
    """The devices come up while the core writes to its table."""
    at = session.table_at
    assert at is not None
    table = at, at + session.boot.table_bytes
    for plan in session.resources.vdevs:
        if source.below(4) == 3:
            arena.arm(source.below(16), lambda: arena.scribble(source, table))
        port.begin(STEPS)
        refused(partial(one_device, port, session, plan, used_before=used_before), AmpError)
        arena.peer.clear()


def one_device(port: WatchedPort, session: Session, plan: VdevPlan, *, used_before: bool) -> None:
    assert session.table_at is not None
    vdev = RprocVdev(port, plan, session.memory, at=session.table_at + plan.offset)
    for ring in vdev.vrings():
        assert session.memory.holds(session.memory[ring.name].da, ring.layout.end - ring.layout.base)
        assert ring.layout.base % ring.layout.align == 0, "the core, which counts from da, sees its used ring elsewhere"
    bound = vdev.bring_up(_DRIVER if plan.entry.id == ID_RPMSG else None, used_before=used_before)
    if bound is not None:
        bound.interrupt()
        bound.down("over")
    if vdev.config_len:
        vdev.config_set(0, vdev.config_get(0, vdev.config_len))


def whole_range(memory: DeviceMemory) -> list[tuple[int, int]]:
    return [entry.pa_range for entry in memory]


def serve(source: Input, image: Image) -> Session | None:
    """What a start does with the image, short of a core; the session if there is one."""
    sessions: list[Session] = []
    plan = lambda: sessions.append(planned(image, handled(table_of(image)), POOLS, watchdog_s=0))  # noqa: E731
    if refused(plan, FirmwareError):
        return None
    session = sessions[0]
    check_memory(session)
    for segment in image.segments:
        assert session.memory.holds(segment.da, segment.memsz)
    if image.table is None:
        return session
    answered = negotiated(image.table, session.resources, session.memory)
    assert len(answered) == len(image.table)
    decode(answered)  # the core has to be able to read it
    arena = Arena(POOLS["resources"][1] - START)
    assert session.table_at is not None
    arena.fill(session.table_at, answered)
    mine = whole_range(session.memory)
    bring_up(source, arena, arena.port(HOST, loads=mine, stores=mine), session, used_before=False)
    take_over(source, arena, session)
    return session


def take_over(source: Input, arena: Arena, session: Session) -> None:
    """The core has written to its table, and another host attaches."""
    at, size = session.table_at, session.boot.table_bytes
    assert at is not None
    for _ in range(source.below(4)):
        arena.scribble(source, (at, at + size))
    mine = whole_range(session.memory)
    port = arena.port(HOST, loads=mine, stores=mine)
    port.begin(STEPS)
    found: list[Session] = []
    if not refused(lambda: found.append(taken_over(session.boot, port, handled, POOLS)), FirmwareError):
        check_memory(found[0])
        bring_up(source, arena, port, found[0], used_before=True)


def one_input(data: bytes) -> None:
    """Raises for a table that its reader or its host does not stand."""
    source = Input(data)
    table = some_table(source)
    if decoded(table) is not None:
        serve(source, image_of(table))
