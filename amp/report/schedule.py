"""A traced run as a schedule: what a seeded run did by chance, processes do again by its schedule, on any machine.

The schedule has a goal for every store and doorbell that became visible (with siblings and others, for both times), for
every load, and for every interrupt taken, in the order of the trace. Of a bulk load only the first granule and the
stale ones need one: the others are read at that moment, too, and by default the newest value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from amp._core import _bridge
from amp.errors import UsageError
from amp.machine.schedule import Goal, Near, Read, Schedule, Taken, Visible
from amp.report.trace import AT_MAILBOX, Event, EventFlag, EventKind, Trace

GRANULE: Final[int] = _bridge.GRANULE  # bytes
PARTS_LIMIT: Final = 1 << 13  # events of one load: a granule each at most
_MISSED_LIMIT: Final = 255  # Event.primitive of a LOAD: so many writes missed, or more


def schedule_of(trace: Trace) -> Schedule:
    """The schedule of a run. Raises UsageError if the trace has lost its beginning, or has what no schedule can say."""
    return Schedule(tuple(goal for _, goal in goals_of(trace)))


def goals_of(trace: Trace) -> Iterator[tuple[Event, Goal]]:
    """The schedule's goals, each with its event. Raises UsageError as schedule_of does, or if the trace is no run's."""
    if not trace.complete:
        raise UsageError(f"schedule: the trace begins at event {trace.first}, the whole run is needed")
    run = _Run(trace.domains)
    for event in trace.events:
        try:
            goals = list(run.goals(event))
        except (KeyError, ValueError, IndexError):
            raise UsageError(f"schedule: event {event.number} does not follow from those before it") from None
        for goal in goals:
            yield event, goal


def with_load_at(trace: Trace, load: Event, moment: int) -> Schedule:
    """The schedule of the same run as far as that deferred load, which is performed just before event `moment` instead.

    It reads the newest of what is visible then. The trace must be complete.
    """
    run, goals = _Run(trace.domains), list[Goal]()
    for event in trace.events:
        if event.number == moment:
            goals += run.goals(load)
        mine = event.kind is EventKind.LOAD and (event.cpu, event.load) == (load.cpu, load.load)
        if mine and load.number - PARTS_LIMIT < event.number <= load.number:
            continue
        if event.number > load.number:
            break
        goals += run.goals(event)
    return Schedule(tuple(goals))


@dataclass(slots=True)
class _Store:
    """A STORE or KICK event: its CPU, its number among that CPU's, and where it begins."""

    cpu: int
    number: int
    address: int


class LoadNumbers:
    """Which load of its CPU's a LOAD event is, counted from 0 as they are issued. Asked of events in their order."""

    def __init__(self) -> None:
        self._newest: dict[int, int] = defaultdict(lambda: -1)

    def number(self, event: Event) -> int:
        """The load's number, of which the trace keeps 16 bits."""
        newest = self._newest[event.cpu]
        ahead = (event.load - newest) & 0xFFFF
        number = newest + ahead
        if event.flags & EventFlag.DEFERRED and ahead >= 0x8000:  # issued before one that has been performed
            number -= 0x10000
        self._newest[event.cpu] = max(newest, number)
        return number


@dataclass(slots=True)
class _Cpu:
    issued: int = 0  # stores
    waiting: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """By granule's address: (store's event, byte mask) that are pending, in program order."""


class _Run:
    """The run as far as it has been read."""

    def __init__(self, domains: tuple[int, ...]) -> None:
        self._domains = domains  # Trace.domains
        self._stores: dict[int, _Store] = {}
        self._cpus: dict[int, _Cpu] = defaultdict(_Cpu)
        self._loads = LoadNumbers()
        # Visible ones by granule: (event, mask), and with siblings and others what each arrival says of who sees it.
        self._writes: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._arrivals: dict[int, list[Event]] = defaultdict(list)
        self._parts: list[Event] = []  # stale ones of the bulk load that follows

    def goals(self, event: Event) -> Iterator[Goal]:
        match event.kind:
            case EventKind.STORE | EventKind.KICK | EventKind.ACKNOWLEDGE:
                self._issue(event)
            case EventKind.VISIBLE | EventKind.RUNG | EventKind.ACKNOWLEDGED:
                yield self._make_visible(event)
            case EventKind.SEEN:
                raise UsageError(
                    f"schedule: at event {event.number} a store reached one observer, which no schedule says"
                )
            case EventKind.TAKEN:
                yield Taken(event.cpu)
            case EventKind.STATUS:
                yield Read(event.cpu, self._loads.number(event), 0, self._name(event.store) if event.store else None)
            case EventKind.LOAD if event.flags & EventFlag.PART:
                self._parts.append(event)
            case EventKind.LOAD:
                yield from self._load(event)

    def _issue(self, event: Event) -> None:
        cpu = self._cpus[event.cpu]
        self._stores[event.number] = _Store(event.cpu, cpu.issued, event.address)
        cpu.issued += 1
        if event.kind is EventKind.STORE:
            for granule, mask in _granules(event):
                cpu.waiting[granule].append((event.number, mask))

    def _make_visible(self, event: Event) -> Goal:
        store = self._stores[event.store]
        if self._domains:
            return self._make_step(event, store)
        if event.kind in AT_MAILBOX:
            return Visible(store.cpu, store.number)
        self._cpus[event.cpu].waiting[event.address].remove((event.store, event.size))
        self._writes[event.address].append((event.store, event.size))
        return Visible(store.cpu, store.number, (event.address - _down(store.address)) // GRANULE)

    def _make_step(self, event: Event, store: _Store) -> Goal:
        """The same with siblings and others: which of the two sees it."""
        if event.kind in AT_MAILBOX:
            near = self._domains[event.address] == self._domains[store.cpu]
            return (Near if near else Visible)(store.cpu, store.number)
        step = Near if event.flags & EventFlag.SIBLINGS else Visible
        if not event.size:
            return step(store.cpu, store.number)
        if step is Near:
            self._cpus[event.cpu].waiting[event.address].remove((event.store, event.size))
        self._arrivals[event.address].append(event)
        return step(store.cpu, store.number, (event.address - _down(store.address)) // GRANULE)

    def _load(self, event: Event) -> Iterator[Goal]:
        number = self._loads.number(event)
        stale = {_down(part.address): part for part in self._parts} or {_down(event.address): event}
        self._parts = []
        for i, (granule, mask) in enumerate(_granules(event)):
            if i == 0 or granule in stale:
                if self._domains:
                    yield Read(event.cpu, number, i, self._staged_source(stale.get(granule, event), granule, mask))
                    continue
                missed = stale[granule].primitive if granule in stale else 0
                yield Read(event.cpu, number, i, self._source(event, granule, mask, missed))

    def _source(self, event: Event, granule: int, mask: int, missed: int) -> tuple[int, int] | None:
        own = [(store, bytes_) for store, bytes_ in self._cpus[event.cpu].waiting[granule] if bytes_ & mask]
        missing = mask
        for _, bytes_ in own:
            missing &= ~bytes_
        if not missing:
            return self._name(own[-1][0])
        if missed >= _MISSED_LIMIT:
            raise UsageError(
                f"schedule: event {event.number} missed {missed} or more writes, the trace does not say which"
            )
        writes = [store for store, bytes_ in self._writes[granule] if bytes_ & missing]
        return self._name(writes[-1 - missed]) if missed < len(writes) else None

    def _staged_source(self, event: Event, granule: int, mask: int) -> tuple[int, int] | None:
        """With siblings and others: a scalar, and a granule of a bulk load that is stale, name their store."""
        own = [(store, bytes_) for store, bytes_ in self._cpus[event.cpu].waiting[granule] if bytes_ & mask]
        missing = mask
        for _, bytes_ in own:
            missing &= ~bytes_
        if not missing:
            return self._name(own[-1][0])
        if event.flags & EventFlag.STALE:
            if own:
                raise UsageError(f"schedule: event {event.number} mixes bytes that the trace does not tell apart")
            return self._name(event.store) if event.store else None
        seen = [each.store for each in self._arrivals[granule] if each.size & missing and self._sees(event.cpu, each)]
        return self._name(seen[-1]) if seen else None

    def _sees(self, cpu: int, arrival: Event) -> bool:
        return bool(arrival.flags & EventFlag.SIBLINGS) == (self._domains[cpu] == self._domains[arrival.cpu])

    def _name(self, event: int) -> tuple[int, int]:
        return self._stores[event].cpu, self._stores[event].number


def _down(address: int) -> int:
    return address - address % GRANULE


def _granules(event: Event) -> Iterator[tuple[int, int]]:
    """Of a STORE or LOAD: each granule's address, and the mask of the bytes there, bit i for byte i."""
    end = event.address + event.size
    for granule in range(_down(event.address), end, GRANULE) if event.size else ():
        first, last = max(event.address, granule), min(end, granule + GRANULE)
        yield granule, ((1 << last - first) - 1) << first - granule
