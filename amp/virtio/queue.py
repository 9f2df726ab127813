"""What a virtqueue offers to its driver and to its device: the interface that every queue of the machine has.

`hostside.virtqueue` and `remoteside.virtqueue` have the rules in Python, by way of a port. The door to the bare region
has both in the C core (amp/_core/virtio/ring.h), for speed: the same methods, the same bytes in the ring, the same
refusals.
The factories `driver_queue` and `device_queue` of the two sides choose; a door that is modelled, recorded or explored
sees every access, so there it is always the Python one.

This module has no queue, and touches no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from amp.virtio.split import Segment, SplitLayout

if TYPE_CHECKING:
    from amp.port.port import Port
    from amp.virtio.batch import U16s, U32s, U64s

Token = TypeVar("Token")


class IndirectTables(NamedTuple):
    """Room for one indirect table per ring entry: entry `head` has the table at base + head * entries * 16."""

    base: int
    entries: int


class Chain(NamedTuple):
    """One buffer: what the device may read, then what it may write. `head` gives it back."""

    head: int
    readable: tuple[Segment, ...]
    writable: tuple[Segment, ...]


class DriverSide(Protocol[Token]):
    """One virtqueue as its driver sees it; hostside.virtqueue.DriverQueue says what each method does."""

    @property
    def layout(self) -> SplitLayout: ...
    @property
    def free(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def kicks(self) -> int: ...
    def add(self, readable: Sequence[Segment], writable: Sequence[Segment], token: Token, /) -> int: ...
    def get_used(self) -> tuple[Token, int] | None: ...
    def add_many(self, addresses: U64s, lengths: U32s, *, writable: bool = False) -> U16s: ...
    def take_many(self, most: int | None = None) -> tuple[U16s, U32s]: ...
    def finish_reading(self) -> None: ...
    def look_through(self, port: Port, /) -> None: ...
    def kick_prepare(self) -> bool: ...
    def notify(self) -> None: ...
    def kick(self) -> bool: ...
    def disable_interrupts(self) -> None: ...
    def enable_interrupts(self) -> bool: ...


class DeviceSide(Protocol):
    """One virtqueue as its device sees it; remoteside.virtqueue.DeviceQueue says what each method does."""

    @property
    def layout(self) -> SplitLayout: ...
    @property
    def held(self) -> int: ...
    @property
    def calls(self) -> int: ...
    def next_chain(self) -> Chain | None: ...
    def push_used(self, head: int, written: int, /) -> None: ...
    def take_many(self, most: int | None = None, *, writable: bool = False) -> tuple[U16s, U64s, U32s]: ...
    def add_many(self, heads: U16s, written: U32s) -> None: ...
    def finish_reading(self) -> None: ...
    def call_prepare(self) -> bool: ...
    def notify(self) -> None: ...
    def call(self) -> bool: ...
    def disable_notifications(self) -> None: ...
    def enable_notifications(self) -> bool: ...


class OffersRings:
    """A door to bare memory, which can run a virtqueue, and copy many payloads, in the core.

    Raises AccessFault for a ring that does not lie in the shared memory. write_rows and read_rows: amp.virtio.batch.
    """

    def driver_ring(
        self, layout: SplitLayout, *, event_idx: bool, indirect: IndirectTables | None, device_cpu: int
    ) -> DriverSide[Any]:
        raise NotImplementedError

    def device_ring(
        self, layout: SplitLayout, memory: tuple[int, int], *, event_idx: bool, indirect: bool, driver_cpu: int
    ) -> DeviceSide:
        raise NotImplementedError

    if TYPE_CHECKING:

        def write_rows(self, addresses: Any, lengths: Any, rows: Any, /) -> None: ...
        def read_rows(self, addresses: Any, lengths: Any, rows: Any, /) -> None: ...
