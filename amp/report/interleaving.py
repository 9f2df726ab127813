"""Runs in which nothing is out of order: is an execution sequentially consistent, and whose update was lost?

An execution is sequentially consistent if one order of all its accesses explains it: each CPU's in program order, and
each load returns what the last store before it left. Such a one happens on every platform, so no barrier repairs it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from amp.report.history import GRANULE, History, covers, granule_of
from amp.report.trace import Event, EventFlag, EventKind

_ACCESSES = (EventKind.STORE, EventKind.KICK, EventKind.LOAD, EventKind.TAKEN, EventKind.STATUS, EventKind.ACKNOWLEDGE)


def is_sequential(history: History) -> bool:
    """Is the run sequentially consistent? False where the trace cannot tell: cut off, a late load, a mixed origin."""
    if not history.trace.complete:
        return False
    before: dict[int, set[int]] = defaultdict(set)
    order = _Coherence(history)
    for cpu in history.cpus:
        previous = 0
        for access in history.of_kind(cpu, *_ACCESSES):
            if access.flags & EventFlag.PART:
                continue
            if access.flags & EventFlag.DEFERRED or (
                access.kind is EventKind.STATUS and access.flags & EventFlag.STALE
            ):
                return False
            if previous:
                before[access.number].add(previous)
            previous = access.number
            if access.kind is EventKind.LOAD and not _add_load(history, order, access, before):
                return False
    for kick, taken in (pair for cpu in history.cpus for pair in history.took(cpu, before=history.trace.last + 1)):
        before[taken.number].add(kick.number)
    for earlier, later in order.pairs():
        before[later].add(earlier)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return False
    return True


def _add_load(history: History, order: _Coherence, load: Event, before: dict[int, set[int]]) -> bool:
    """What the load comes after, and what comes after it. False if the trace does not tell where its bytes are from."""
    for byte in _bytes_of(load):
        origin = history.read_from(load, byte)
        if origin is None:
            return False
        if origin:
            before[load.number].add(origin)
        following = order.after(byte, origin)
        if following:
            before[following].add(load.number)
    return True


def _bytes_of(access: Event) -> Iterator[int]:
    """Of a scalar every byte, of a bulk access one of each granule."""
    end = access.address + access.size
    if access.size <= GRANULE:
        yield from range(access.address, end)
        return
    yield access.address
    yield from range(granule_of(access.address) + GRANULE, end, GRANULE)


class _Coherence:
    """The stores to each byte in the order in which they became visible; those that never did come last."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._known: dict[int, list[int]] = {}

    def of(self, byte: int) -> list[int]:
        if byte not in self._known:
            stores = self._history.stores_to(byte, before=self._history.trace.last + 1)
            never = self._history.trace.last + 1
            moments = [
                (
                    self._history.visible_at(store, byte) or never,
                    self._history.visible_at(store, byte, store.cpu) or never,  # all of one domain, or not yet there
                    store.number,
                )
                for store in stores
            ]
            self._known[byte] = [number for *_, number in sorted(moments)]
        return self._known[byte]

    def after(self, byte: int, origin: int) -> int:
        """The store behind `origin`; 0: there is none. `origin` 0 is what was there before all of them."""
        stores = self.of(byte)
        at = stores.index(origin) + 1 if origin in stores else 0
        return stores[at] if at < len(stores) else 0

    def pairs(self) -> Iterator[tuple[int, int]]:
        for stores in self._known.values():
            yield from pairwise(stores)


def lost_update(history: History, bad: Event, byte: int) -> tuple[Event, ...]:
    """(look, lost store, store): who wrote what was read had looked, and wrote over a store that came in between.

    In between in the order in which stores became visible: behind what the look returned. Empty if nothing was lost.
    """
    origin = history.trace.event(history.read_from(bad, byte) or 0)
    if origin is None:
        return ()
    looks = [load for load in history.loads(origin.cpu, before=origin.number) if covers(load, byte)]
    when = history.visible_at(origin, byte) or history.trace.last + 1
    for look in looks[-1:]:
        seen = history.read_from(look, byte)
        if seen is None:
            continue
        first = history.trace.event(seen)
        since = (history.visible_at(first, byte) or when) if first else 0
        lost = [
            store
            for store in history.stores_to(byte, before=when)
            if store.cpu != origin.cpu and since < (history.visible_at(store, byte) or 0) < when
        ]
        if lost:
            return look, lost[-1], origin
    return ()
