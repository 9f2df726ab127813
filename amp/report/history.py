"""A trace, indexed: which store each byte of a load came from, which stores it missed, what was pending when.

Event order is the order in which things happened. A CPU's program order is the order of its STORE, LOAD, BARRIER, KICK
and TAKEN events, with one exception: a load with the flag DEFERRED was issued earlier, at a point the trace does not
hold. VISIBLE and RUNG are the memory's events, not the CPU's. Nothing here decides whether anything is wrong.

On a machine of siblings and others a store has two arrivals: at the siblings of its CPU, then at the others. What a CPU
sees goes by its own: `observer` says whose; None: everybody's.

The trace may have lost its beginning. What happened before the first kept event is store 0 here: "older".
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from amp._core import _bridge
from amp.ordering.barriers import ALL_ORDERS, NO_ORDERS, Orders
from amp.report.trace import AT_MAILBOX, TO_MAILBOX, Event, EventFlag, EventKind, Trace

GRANULE: Final[int] = _bridge.GRANULE  # bytes


def granule_of(address: int) -> int:
    return address - address % GRANULE


def covers(event: Event, byte: int) -> bool:
    """Does this STORE or LOAD touch the byte at that address?"""
    return event.address <= byte < event.address + event.size


class History:
    """`trace`, indexed once. Times are event numbers."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.cpus: tuple[int, ...] = tuple(sorted({event.cpu for event in trace.events}))
        self._of_kind: dict[tuple[int, EventKind], list[Event]] = defaultdict(list)
        self._stores: dict[int, list[Event]] = defaultdict(list)  # by granule, STORE events
        self._writes: dict[int, list[Event]] = defaultdict(list)  # by granule, VISIBLE events
        self._visible: dict[tuple[int, int], int] = {}  # (store, granule) -> when; a KICK's granule is -1
        self._near: dict[tuple[int, int], int] = {}  # the same, at the siblings, where there are some
        for event in trace.events:
            self._add(event)

    def _add(self, event: Event) -> None:
        if event.kind is EventKind.VISIBLE and event.size:
            self._writes[event.address].append(event)
            arrivals = self._near if event.flags & EventFlag.SIBLINGS else self._visible
            arrivals[event.store, event.address] = event.number
        elif event.kind is EventKind.SEEN:
            self._writes[event.address].append(event)
        elif event.kind is EventKind.VISIBLE:
            pass  # a doorbell that rings nobody by it
        elif event.kind in AT_MAILBOX:
            self._visible[event.store, -1] = event.number
            self._of_kind[event.cpu, event.kind].append(event)
        else:
            self._of_kind[event.cpu, event.kind].append(event)
        if event.kind is EventKind.STORE and event.size:
            for granule in range(granule_of(event.address), event.address + event.size, GRANULE):
                self._stores[granule].append(event)

    def site_needs(self, barrier: Event) -> Orders:
        """The pairs that the site of `barrier` must keep; none for a bare fence."""
        site = self.trace.site(barrier)
        return NO_ORDERS if site is None else site.needs

    def are_siblings(self, cpu: int, other: int) -> bool:
        """Do these see one another's stores first?"""
        domains = self.trace.domains
        return max(cpu, other) < len(domains) and domains[cpu] == domains[other]

    def orders_for(self, barrier: Event, observer: int) -> Orders:
        """What a barrier orders of its CPU's accesses as that other CPU sees them."""
        near = self.are_siblings(barrier.cpu, observer)
        return Orders(barrier.value) & ALL_ORDERS if near else barrier.orders

    def of_kind(self, cpu: int, *kinds: EventKind, after: int = 0, before: int | None = None) -> list[Event]:
        """The CPU's events of these kinds with after < number < before, in order."""
        end = self.trace.last + 1 if before is None else before
        found: list[Event] = []
        for kind in kinds:
            events = self._of_kind[cpu, kind]
            low = bisect_left(events, after + 1, key=_number)
            found += events[low : bisect_left(events, end, key=_number)]
        return sorted(found, key=_number) if len(kinds) > 1 else found

    def loads(self, cpu: int, *, after: int = 0, before: int | None = None) -> list[Event]:
        """The CPU's loads without the PART events of bulk ones."""
        return [
            event
            for event in self.of_kind(cpu, EventKind.LOAD, after=after, before=before)
            if not event.flags & EventFlag.PART
        ]

    def visible_at(self, store: Event, byte: int, observer: int | None = None) -> int | None:
        """When the byte of this store (a KICK: the doorbell) became visible; None if it never did."""
        granule = -1 if store.kind in TO_MAILBOX else granule_of(byte)
        return self._arrivals(store.cpu, granule, observer).get((store.number, granule))

    def _arrivals(self, owner: int, granule: int, observer: int | None) -> dict[tuple[int, int], int]:
        near = granule >= 0 and observer is not None and self.are_siblings(owner, observer)
        return self._near if near else self._visible

    def visible_events(self, store: Event) -> list[Event]:
        """The VISIBLE events of a STORE, at siblings before those at the others; the RUNG event of a KICK."""
        granules = [-1] if store.kind in TO_MAILBOX else _granules(store)
        numbers = (level.get((store.number, granule)) for level in (self._near, self._visible) for granule in granules)
        events = (self.trace.event(number) for number in numbers if number is not None)
        return sorted((event for event in events if event), key=_number)

    def pending_span(self, store: Event) -> tuple[int, int]:
        """(issue, last arrival) of a STORE or KICK; one that is never wholly visible is pending beyond the trace."""
        granules = [-1] if store.kind in TO_MAILBOX else _granules(store)
        times = [self._visible.get((store.number, granule), self.trace.last + 1) for granule in granules]
        return store.number, max(times, default=self.trace.last + 1)

    def stores_to(self, byte: int, *, before: int) -> list[Event]:
        """Every CPU's STORE events that touch the byte, issued before that time."""
        return [event for event in self._stores[granule_of(byte)] if event.number < before and covers(event, byte)]

    def pending(self, cpu: int, at: int, observer: int | None = None) -> list[tuple[Event, int]]:
        """The CPU's stores that are not wholly visible at that time, in program order, and how many granules wait."""
        waiting = []
        for store in self.of_kind(cpu, EventKind.STORE, EventKind.KICK, before=at):
            granules = [-1] if store.kind in TO_MAILBOX else _granules(store)
            left = sum(
                self._arrivals(cpu, granule, observer).get((store.number, granule), at) >= at for granule in granules
            )
            if left:
                waiting.append((store, left))
        return waiting

    def placed(self, access: Event) -> int:
        """A number that the access comes before in program order, as close as the trace tells.

        A barrier that orders loads performs those that are deferred: they follow it in the trace, and were issued
        before it.
        """
        if not access.flags & EventFlag.DEFERRED:
            return access.number
        number = access.number - 1
        while (
            (event := self.trace.event(number))
            and event.cpu == access.cpu
            and event.kind is EventKind.LOAD
            and event.flags & (EventFlag.PART | EventFlag.DEFERRED)
        ):
            number -= 1
        performs = (
            event
            and event.cpu == access.cpu
            and event.kind is EventKind.BARRIER
            and event.orders & (Orders.RR | Orders.RW)
        )
        return number if performs else access.number

    def access_before(self, event: Event) -> Event | None:
        """The access that its CPU made last before it in program order; None if the trace does not hold it."""
        accesses = self._of_kind[event.cpu, EventKind.LOAD], self._of_kind[event.cpu, EventKind.STORE]
        found: list[Event] = []
        for events in accesses:
            at = bisect_left(events, event.number, key=_number) - 1
            while at >= 0 and events[at].flags & (EventFlag.PART | EventFlag.DEFERRED):
                at -= 1
            found += events[at : at + 1] if at >= 0 else []
        return max(found, key=_number, default=None)

    def parts(self, load: Event) -> list[Event]:
        """The stale granules of a bulk load, in order."""
        found = []
        number = load.number - 1
        while (
            (event := self.trace.event(number))
            and event.cpu == load.cpu
            and event.flags & EventFlag.PART
            and load.address <= event.address < load.address + load.size
        ):
            found.append(event)
            number -= 1
        return found[::-1]

    def read_from(self, load: Event, byte: int) -> int | None:
        """The number of the store that this byte of the load came from; 0: older; None: the trace cannot tell."""
        own = self._own_newest(load.cpu, byte, load.number)
        if own and self._unseen(own, byte, load.number):
            return own.number
        part = next((part for part in self.parts(load) if covers(part, byte)), None)
        source = part or load
        if not source.flags & EventFlag.STALE:
            return self._newest(byte, load.number, load.cpu) or (load.store if _single(load) else 0)
        if source.flags & EventFlag.FORWARDED:
            return None  # of mixed origin: the event names only the forwarded one
        if source.store == 0:
            return 0
        written = self.trace.event(source.store)
        if self.trace.domains and written is not None and not covers(written, byte):
            return None  # as of two moments: the event names only the newest
        moment = None if written is None else self.visible_at(written, byte, load.cpu)
        return source.store if moment is None else self._newest(byte, moment + 1, load.cpu)

    def sources(self, load: Event) -> tuple[int, ...]:
        """The numbers of the stores that a load read, in the order of its bytes; without "older" and "cannot tell".

        Of a bulk load one byte of each granule is looked at, so a store of less than that may go unnamed.
        """
        end = load.address + load.size
        bytes_ = range(load.address, end) if load.size <= GRANULE else [load.address, *_granules(load)[1:]]
        return tuple(dict.fromkeys(store for byte in bytes_ if (store := self.read_from(load, byte))))

    def missed(self, load: Event, byte: int) -> list[Event]:
        """Other CPUs' stores to the byte, issued before the load and newer than what it returned, oldest first."""
        origin = self.read_from(load, byte)
        if origin is None:
            return []
        source = self.trace.event(origin)
        if source and source.cpu == load.cpu and self._unseen(source, byte, load.number):
            return []
        since = (self.visible_at(source, byte, load.cpu) or 0) if source else 0
        return [
            store
            for store in self.stores_to(byte, before=load.number)
            if store.cpu != load.cpu
            and store.number != origin
            and ((when := self.visible_at(store, byte, load.cpu)) is None or when > since)
        ]

    def newer_visible(self, load: Event, byte: int) -> int | None:
        """The store that memory's byte held when the load returned another, older value; None if it was the newest."""
        origin, newest = self.read_from(load, byte), self._newest(byte, load.number, load.cpu)
        own = self._own_newest(load.cpu, byte, load.number)
        if origin is None or newest in (0, origin) or (own and self._unseen(own, byte, load.number)):
            return None
        return newest

    def took(self, cpu: int, *, before: int) -> Iterator[tuple[Event, Event]]:
        """Doorbells this CPU has taken, or found in its mailbox: (KICK event, TAKEN or STATUS event), in order."""
        rung = sorted(
            (
                event
                for other in self.cpus
                for event in self._of_kind[other, EventKind.RUNG]
                if event.address == cpu and event.number < before
            ),
            key=_number,
        )
        told = self.of_kind(cpu, EventKind.TAKEN, EventKind.STATUS, before=before)
        for taken in (event for event in told if event.kind is EventKind.TAKEN or event.value):
            while rung and rung[0].number < taken.number:
                kick = self.trace.event(rung.pop(0).store)
                if kick:
                    yield kick, taken

    def _unseen(self, store: Event, byte: int, at: int) -> bool:
        when = self.visible_at(store, byte, store.cpu)
        return when is None or when >= at

    def _own_newest(self, cpu: int, byte: int, before: int) -> Event | None:
        """The CPU's last store to the byte before that time: stores to one place become visible in program order."""
        stores = self._stores[granule_of(byte)]
        for i in range(bisect_left(stores, before, key=_number) - 1, -1, -1):
            if stores[i].cpu == cpu and covers(stores[i], byte):
                return stores[i]
        return None

    def _newest(self, byte: int, before: int, observer: int) -> int:
        """The store that the memory's byte holds for that CPU just before that time; 0: older than the trace."""
        bit, writes = 1 << byte % GRANULE, self._writes[granule_of(byte)]
        for i in range(bisect_left(writes, before, key=_number) - 1, -1, -1):
            if writes[i].size & bit and self._reaches(writes[i], observer):
                return writes[i].store
        return 0

    def _reaches(self, arrival: Event, observer: int) -> bool:
        """Is this the arrival by which that CPU sees the store?"""
        if arrival.kind is EventKind.SEEN:
            return arrival.primitive == observer != arrival.cpu
        return bool(arrival.flags & EventFlag.SIBLINGS) == self.are_siblings(arrival.cpu, observer)


def _number(event: Event) -> int:
    return event.number


def _single(load: Event) -> bool:
    """A scalar load names its store; a bulk one does not."""
    return load.store != 0 and load.size <= GRANULE


def _granules(access: Event) -> range:
    return range(granule_of(access.address), access.address + access.size, GRANULE)
