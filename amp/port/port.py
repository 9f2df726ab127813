"""Port: one CPU's accesses to the shared memory, its barriers and its doorbells. Three doors have this shape.

- `ModelledPort`: the ordering model; accesses are late, early and stale as far as the platform allows.
- `DirectPort`: the bare region, with this machine's own loads, stores and fences.
- `RecordingPort`: passes on to another door, and keeps a list of what was asked for.

Addresses are byte offsets in the region. Scalars are unsigned, little endian, aligned to their size; each is one
access.
`read` and `write` are bulk: any length and alignment; no order, no atomicity between granules of 8 bytes.

Every method may raise PeerDied. Accesses outside the shared memory, or not aligned, raise AccessFault; a value that
does not fit its width raises OverflowError. A modelled load returns a `Word`, which carries its dependency along.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, overload

from amp.errors import PeerFinished, Stall
from amp.port.cells import as_look

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from amp.layout import Area, Cell
    from amp.ordering.sites import Site

HOST: Final = 0
REMOTE: Final = 1
CPU_NAMES: Final[Sequence[str]] = ("host", "remote")


def cpu_name(cpu: int, names: Sequence[str] = CPU_NAMES) -> str:
    """What a processor is called: by its part's name, or by its number where none is known."""
    return names[cpu] if cpu < len(names) else f"CPU {cpu}"


T = TypeVar("T")


class Payload(Protocol):
    """What `read` returns: bytes that are loaded at the latest when they are used; `bytes(payload)` uses them."""

    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...


class Port(Protocol):
    """One processor's accesses to the shared memory, its barriers and its doorbells. All arguments are positional.

    `load(cell)`, `store(cell, value)`, `load_acquire`, `store_release`, and the atomics `xchg(cell, value)`,
    `cmpxchg(cell, old, new)` and `fetch_add(cell, addend)`, which return the old value and are fully ordered, take a
    cell of a layout; each is one access of the cell's width. Of an area (amp.Bytes) `load` gives its bytes, loaded at
    the latest when they are used, and `store` writes them. The same with addresses: `load_u8(address)` to `load_u64`,
    and so on, little endian, aligned to their size; `read` and `write` are bulk.

    Raises AccessFault for an access outside the shared memory or not aligned, OverflowError for a value that does not
    fit, PeerDied when another processor is gone.
    """

    def load_u8(self, address: int, /) -> int: ...
    def load_u16(self, address: int, /) -> int: ...
    def load_u32(self, address: int, /) -> int: ...
    def load_u64(self, address: int, /) -> int: ...

    def load_acquire_u8(self, address: int, /) -> int: ...
    def load_acquire_u16(self, address: int, /) -> int: ...
    def load_acquire_u32(self, address: int, /) -> int: ...
    def load_acquire_u64(self, address: int, /) -> int: ...

    def store_u8(self, address: int, value: int, /) -> None: ...
    def store_u16(self, address: int, value: int, /) -> None: ...
    def store_u32(self, address: int, value: int, /) -> None: ...
    def store_u64(self, address: int, value: int, /) -> None: ...

    def store_release_u8(self, address: int, value: int, /) -> None: ...
    def store_release_u16(self, address: int, value: int, /) -> None: ...
    def store_release_u32(self, address: int, value: int, /) -> None: ...
    def store_release_u64(self, address: int, value: int, /) -> None: ...

    # Atomics return the old value and are fully ordered, as Linux's value-returning ones are.
    def xchg_u8(self, address: int, value: int, /) -> int: ...
    def xchg_u16(self, address: int, value: int, /) -> int: ...
    def xchg_u32(self, address: int, value: int, /) -> int: ...
    def xchg_u64(self, address: int, value: int, /) -> int: ...

    def cmpxchg_u8(self, address: int, old: int, new: int, /) -> int: ...
    def cmpxchg_u16(self, address: int, old: int, new: int, /) -> int: ...
    def cmpxchg_u32(self, address: int, old: int, new: int, /) -> int: ...
    def cmpxchg_u64(self, address: int, old: int, new: int, /) -> int: ...

    def fetch_add_u8(self, address: int, addend: int, /) -> int: ...
    def fetch_add_u16(self, address: int, addend: int, /) -> int: ...
    def fetch_add_u32(self, address: int, addend: int, /) -> int: ...
    def fetch_add_u64(self, address: int, addend: int, /) -> int: ...

    # The same by name: a cell of a layout knows its width (amp.port.cells).
    def load(self, cell: Cell | Area, /) -> Any: ...
    def load_acquire(self, cell: Cell, /) -> int: ...
    def store(self, cell: Cell | Area, value: Any, /) -> None: ...
    def store_release(self, cell: Cell, value: int, /) -> None: ...
    def xchg(self, cell: Cell, value: int, /) -> int: ...
    def cmpxchg(self, cell: Cell, old: int, new: int, /) -> int: ...
    def fetch_add(self, cell: Cell, addend: int, /) -> int: ...

    def read(self, address: int, length: int, /) -> Payload:
        """Bulk load of `length` bytes."""
        ...

    def write(self, address: int, data: Buffer, /) -> None:
        """Bulk store."""
        ...

    def barrier(self, site: Site | int, /) -> None:
        """The primitive that stands at `site` (or at the site of that number) in this run.

        Raises UsageError for a site that is not of this program, ValueError for a number that is none of its sites'.
        """
        ...

    def fence(self, primitive: int, /) -> None:
        """One primitive (amp.ordering.barriers.Primitive), whatever the sites say."""
        ...

    def kick(self, cpu: int, /) -> None:
        """Ring the doorbell of `cpu`: a store to its mailbox. Never blocks; kicks not yet taken coalesce into one."""
        ...

    def rung(self) -> int:
        """1 if this CPU's doorbell has rung, and been neither taken nor acknowledged; else 0. It takes nothing.

        A load of Device memory, the status of its mailbox: it orders nothing by itself, and what was stored before the
        kick may not be visible to later loads, but for a barrier. A Word, as other loads'.
        """
        ...

    def acknowledge(self) -> None:
        """Take the doorbells that are there when this arrives: a store to its own mailbox, late as a kick may be.

        A later load may be performed before, but for a full barrier: then what rings between is lost.
        """
        ...

    def wait(self, timeout_s: float | None = None, /) -> bool:
        """Take the next kick for this CPU: spin briefly, then sleep. False if the time was up first.

        Raises Stall if every CPU waits without a limit and nothing is under way, PeerFinished if every other CPU has
        retired; a part of a program that waits with a limit is given that time instead. Under lockstep there is no
        clock: the limit is over when nobody else can go on.
        """
        ...

    @overload
    def poll(self, look: Callable[[], T | None], /) -> T: ...
    @overload
    def poll(self, cell: Cell, predicate: Callable[[int], object], /) -> int: ...
    def poll(self, look: Any, predicate: Any = None, /) -> Any:
        """Call `look` until it returns something else than None, and return that.

        `look` loads, and may stand at read barriers; while it returns None it stores nothing and leaves no state of its
        own changed, for a look in vain may count as one that was never made. Raises Stall after very many of those, and
        PeerFinished when every other CPU has retired.
        """
        ...

    def note(self, code: int, value: int, /) -> None:
        """Leave a mark in the trace (amp.port.notes.Note). No access."""
        ...

    def retire(self) -> None:
        """No more accesses from this CPU. Its pending stores become visible in their own time."""
        ...


LOOKS_LIMIT: Final = 20_000  # of a poll, before it asks whether anybody is left who could write what it looks for
ROUNDS_LIMIT: Final = 100_000  # only a run with a clock gets that far
ALONE_LIMIT: Final = 1000  # waits with a limit of who is left alone, before it is told so
YIELD_EVERY: Final = 64  # looks; a power of two
LISTEN_S: Final = 0.001  # how long a poll listens for the end of the others, once a round


class Polling:
    """`poll` for a door that has loads and `wait`; stands before the door in its class's bases.

    Between two rounds of looks the CPU waits for an interrupt, since `wait` knows who is left. With a clock that is for
    LISTEN_S. Under lockstep the turn goes to the others until they ring, or nobody can go on: then memory has all that
    will come, and a few more looks in vain are a stall. An interrupt that comes meanwhile is kept for the program's
    next `wait`. The first round has LOOKS_LIMIT looks, those behind it few.

    With a clock a poll gives up after ROUNDS_LIMIT rounds, some minutes.
    """

    limits_end = False  # of who is left alone a wait with a limit ends by that, not by PeerFinished
    _kept = False  # an interrupt taken by a poll
    _alone = 0  # waits with a limit since all others have retired

    def wait(self, timeout_s: float | None = None, /) -> bool:
        if self._kept:
            self._kept = False
            return True
        try:
            return super().wait(timeout_s)  # type: ignore[misc,no-any-return]  # the door's own, the next of the bases
        except PeerFinished:
            self._alone += 1
            if timeout_s is None or not self.limits_end or self._alone > ALONE_LIMIT:
                raise
            return False  # nobody is left to ring: the time is up

    def rung(self) -> int:
        rung: int = super().rung()  # type: ignore[misc]
        return 1 if self._kept else rung

    def acknowledge(self) -> None:
        self._kept = False
        super().acknowledge()  # type: ignore[misc]

    def poll(self, look: Any, predicate: Any = None, /) -> Any:
        look = as_look(self, look, predicate)
        ended: PeerFinished | None = None
        made, looks = 0, LOOKS_LIMIT
        for _ in range(ROUNDS_LIMIT):
            for number in range(1, looks + 1):
                found = look()
                if found is not None:
                    return found
                if not number & (YIELD_EVERY - 1):
                    os.sched_yield()  # what we look for may be waiting for this very processor
            made += looks
            if ended is not None:
                raise ended
            ended = self._listen(made)  # what they stored last may have come behind our last look: one more round
            looks = LOOKS_LIMIT if ended is not None else YIELD_EVERY
        raise Stall(f"poll: {made} looks, and nothing came")

    def _listen(self, made: int) -> PeerFinished | None:
        """That all others have ended; raises Stall or PeerDied if nobody is left to write what is looked for."""
        try:
            self._kept = super().wait(LISTEN_S) or self._kept  # type: ignore[misc]
        except PeerFinished as error:
            return error
        except Stall as error:
            raise Stall(f"poll: {made} looks, and nothing came: {error}") from None
        return None
