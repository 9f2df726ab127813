"""Batches: many buffers, and many payloads, in one call, as numpy arrays.

Arrays are one row per buffer, C-contiguous, in this machine's byte order: addresses u64 [n] (offsets in the region),
lengths and numbers of bytes written u32 [n], heads u16 [n], payloads u8 [n, width], of which row i's first lengths[i]
bytes count. UsageError for an array of another type or shape.

A batch is what the same calls one at a time would do, in that order, but for one barrier and one store of the index
instead of one each. `DriverBatches` and `DeviceBatches` check and make the arrays, and leave the work to the queue's
`_add_many` and `_take_many`: in the C core, or `DriverLoops` and `DeviceLoops`, which are loops over the queue's other
methods. Nothing here notifies the other side: that is one `kick` or `call` for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from amp.errors import BadRing, UsageError
from amp.virtio.queue import OffersRings
from amp.virtio.split import Segment, SplitLayout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from amp.port.port import Port

    U8s: TypeAlias = NDArray[np.uint8]
    U16s: TypeAlias = NDArray[np.uint16]
    U32s: TypeAlias = NDArray[np.uint32]
    U64s: TypeAlias = NDArray[np.uint64]


@cache
def _dtype(kind: str) -> Any:
    import numpy as np  # noqa: PLC0415  (who sends no batches needs none)

    return np.dtype(kind)


def checked(name: str, array: Any, kind: str, rows: int | None = None, *, ndim: int = 1) -> Any:
    """The array, if it is one of `kind` ("uint16") with so many rows (None: any number). Raises UsageError."""
    try:
        if (
            array.dtype == _dtype(kind)
            and array.ndim == ndim
            and array.flags.c_contiguous
            and (rows is None or len(array) == rows)
        ):
            return array
    except AttributeError:
        raise UsageError(f"{name}: {type(array).__name__}, wanted an array of {kind}") from None
    wanted = ("any number of" if rows is None else str(rows), f"{ndim}-dimensional, contiguous")
    raise UsageError(f"{name}: {array.dtype}, shape {array.shape}; wanted {kind}, {wanted[0]} rows, {wanted[1]}")


def addresses_of(addresses: Sequence[int]) -> U64s:
    """As an array: offsets in the region."""
    import numpy as np  # noqa: PLC0415

    return np.array(addresses, _dtype("uint64"))


class DriverBatches:
    """add_many and take_many of a driver's queue."""

    if TYPE_CHECKING:

        @property
        def in_flight(self) -> int: ...
        def _add_many(self, addresses: Any, lengths: Any, heads: Any, writable: bool, /) -> int: ...
        def _take_many(self, heads: Any, written: Any, /) -> int: ...

    def add_many(self, addresses: U64s, lengths: U32s, *, writable: bool = False) -> U16s:
        """Expose buffers of one segment each, from the first on, as many as descriptors are free; returns their heads.

        A buffer's token is its head.
        """
        import numpy as np  # noqa: PLC0415

        n = len(checked("addresses", addresses, "uint64"))
        heads = np.empty(n, _dtype("uint16"))
        count = self._add_many(addresses, checked("lengths", lengths, "uint32", n), heads, writable)
        return heads if count == n else heads[:count]

    def take_many(self, most: int | None = None) -> tuple[U16s, U32s]:
        """The next buffers that the device gave back, at most so many: their heads, and how many bytes each has.

        Heads stand for tokens, whatever was given to `add`. Raises BadRing if the first is wrong; a later one that is
        wrong ends the batch, and is the next call's.
        """
        import numpy as np  # noqa: PLC0415

        room = max(self.in_flight, 1)  # with nothing in flight the index is looked at all the same: it may be wrong
        room = room if most is None else min(most, room)
        heads, written = np.empty(room, _dtype("uint16")), np.empty(room, _dtype("uint32"))
        count = self._take_many(heads, written)
        return (heads, written) if count == room else (heads[:count], written[:count])


class DeviceBatches:
    """take_many and add_many of a device's queue."""

    if TYPE_CHECKING:
        layout: SplitLayout

        def _take_many(self, heads: Any, addresses: Any, lengths: Any, writable: bool, /) -> int: ...
        def _add_many(self, heads: Any, written: Any, /) -> None: ...

    def take_many(self, most: int | None = None, *, writable: bool = False) -> tuple[U16s, U64s, U32s]:
        """The next buffers that the driver exposed, at most so many: their heads, addresses and lengths.

        Each is one segment, device-writable as asked. Another kind of buffer ends the batch, and so does what is wrong
        in the ring; if it is the first, UsageError (next_chain takes it) or BadRing is raised.
        """
        import numpy as np  # noqa: PLC0415

        room = self.layout.num if most is None else min(most, self.layout.num)
        heads, addresses = np.empty(room, _dtype("uint16")), np.empty(room, _dtype("uint64"))
        lengths = np.empty(room, _dtype("uint32"))
        count = self._take_many(heads, addresses, lengths, writable)
        if count == room:
            return heads, addresses, lengths
        return heads[:count], addresses[:count], lengths[:count]

    def add_many(self, heads: U16s, written: U32s) -> None:
        """Give buffers back, each with the number of bytes written to it."""
        self._add_many(checked("heads", heads, "uint16"), checked("written", written, "uint32", len(heads)))


class DriverLoops(DriverBatches):
    """The batches of a driver's queue that has only add and get_used."""

    if TYPE_CHECKING:
        free: int

        def add(self, readable: Any, writable: Any, token: Any, /) -> int: ...
        def take_head(self) -> tuple[int, Any, int] | None: ...

    _tokens: list[Any]

    def _add_many(self, addresses: U64s, lengths: U32s, heads: U16s, writable: bool, /) -> int:
        count = min(self.free, len(addresses))
        for number, (address, length) in enumerate(
            zip(addresses[:count].tolist(), lengths[:count].tolist(), strict=True)
        ):
            segments = (Segment(address, length),)
            head = self.add(() if writable else segments, segments if writable else (), None)
            self._tokens[head] = heads[number] = head
        return count

    def _take_many(self, heads: U16s, written: U32s, /) -> int:
        for number in range(len(heads)):
            try:
                taken = self.take_head()
            except BadRing:
                if number:
                    return number
                raise
            if taken is None:
                return number
            heads[number], _, written[number] = taken
        return len(heads)


class DeviceLoops(DeviceBatches):
    """The batches of a device's queue that has only next_chain and push_used."""

    if TYPE_CHECKING:

        def next_chain(self) -> Any: ...
        def push_used(self, head: int, written: int, /) -> None: ...
        def untake(self) -> None: ...

    def _take_many(self, heads: U16s, addresses: U64s, lengths: U32s, writable: bool, /) -> int:
        for number in range(len(heads)):
            try:
                chain = self.next_chain()
            except BadRing:
                if number:
                    return number
                raise
            if chain is None:
                return number
            right, wrong = (chain.writable, chain.readable) if writable else (chain.readable, chain.writable)
            if len(right) != 1 or wrong:
                self.untake()
                if number:
                    return number
                kind = "writable" if writable else "readable"
                raise UsageError(f"take_many: the next buffer is not one device-{kind} segment: use next_chain")
            heads[number] = int(chain.head)
            addresses[number], lengths[number] = map(int, right[0])
        return len(heads)

    def _add_many(self, heads: U16s, written: U32s, /) -> None:
        for head, length in zip(heads.tolist(), written.tolist(), strict=True):
            self.push_used(head, length)


def write_rows(port: Port, addresses: U64s, lengths: U32s, rows: U8s) -> None:
    """Bulk stores: row i's first lengths[i] bytes to addresses[i]. Raises AccessFault, UsageError (a row too short)."""
    n = _check_rows(addresses, lengths, rows)
    if isinstance(port, OffersRings):
        port.write_rows(addresses, lengths, rows)
        return
    _check_widths("write_rows", lengths, rows)
    for number in range(n):
        port.write(int(addresses[number]), rows[number, : lengths[number]].tobytes())


def read_rows(port: Port, addresses: U64s, lengths: U32s, rows: U8s) -> None:
    """Bulk loads: lengths[i] bytes at addresses[i] to the start of row i. Raises AccessFault, UsageError."""
    import numpy as np  # noqa: PLC0415

    n = _check_rows(addresses, lengths, rows)
    if isinstance(port, OffersRings):
        port.read_rows(addresses, lengths, rows)
        return
    _check_widths("read_rows", lengths, rows)
    for number in range(n):
        length = int(lengths[number])
        rows[number, :length] = np.frombuffer(bytes(port.read(int(addresses[number]), length)), np.uint8)


def _check_rows(addresses: U64s, lengths: U32s, rows: U8s) -> int:
    n = len(checked("addresses", addresses, "uint64"))
    checked("lengths", lengths, "uint32", n)
    checked("rows", rows, "uint8", n, ndim=2)
    return n


def _check_widths(name: str, lengths: U32s, rows: U8s) -> None:
    width = rows.shape[1]
    for number, length in enumerate(lengths.tolist()):
        if length > width:
            raise UsageError(f"{name}: lengths[{number}] is {length}, a row has {width} bytes")
