"""An explorer's execution as a trace: what no run of processes shows can be drawn and explained as one that they do.

The execution is told in an order in which it may happen (amp.explore.schedule.order_of). A store is issued before
whatever of its processor comes behind it in the program; a load that comes later than that is a deferred one, and
`Trace.issued` says where it stood in the program. With siblings and others on a machine there is no trace, nor where
a store reaches one observer before another: a trace has one moment for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from amp.explore.schedule import DOORBELL, READ, Event, Execution, order_of
from amp.ordering.placement import Orders2
from amp.ordering.sites import Sites
from amp.port.lines import Place
from amp.report.trace import EVENT, EventFlag, EventKind, Trace

Passage = tuple[int, int, int, int]  # (cpu, the event it stands before, barrier, site)


def traced(
    execution: Execution,
    passages: Sequence[Passage],
    sites: Sites,
    arrangement: Sequence[Orders2],
    lines: Mapping[tuple[int, str, int], Place],
) -> Trace | None:
    """The trace; None of an execution with siblings and others, or with a store that some see before others do.

    `lines` says where the accesses stand: by (cpu, "loads" or "stores" or "barriers", number).
    """
    if execution.staged or execution.one_by_one:
        return None
    return _Telling(execution, passages, sites, arrangement, lines).trace()


@dataclass(slots=True)
class _Telling:
    execution: Execution
    passages: Sequence[Passage]
    sites: Sites
    arrangement: Sequence[Orders2]
    lines: Mapping[tuple[int, str, int], Place]
    records: list[bytes] = field(default_factory=list)
    places: dict[int, Place] = field(default_factory=dict)
    issued: dict[int, int] = field(default_factory=dict)  # by load: of the first thing behind it in the program
    numbers: dict[int, int] = field(default_factory=dict)  # of stores, by event
    behind: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # by CPU: (event, number) of what is told
    newest: dict[tuple[int, int], int] = field(default_factory=dict)  # by granule and byte: the last visible event
    waiting: dict[int, list[tuple[int, int, Passage | None]]] = field(default_factory=dict)

    def trace(self) -> Trace:
        """See `traced`."""
        counts: dict[int, int] = {}
        for passage in self.passages:
            self.waiting.setdefault(passage[0], []).append((passage[1], 0, passage))
        for at, each in enumerate(self.execution.events, 1):
            if each.kind != READ:
                self.waiting.setdefault(each.cpu, []).append((at, 1, None))
        for queue in self.waiting.values():
            queue.sort(key=lambda item: item[:2])
        for number in order_of(self.execution):
            event = self.execution.events[number - 1]
            self._issue(event.cpu, number, counts)
            self._load(number, event) if event.kind == READ else self._arrive(number, event)
        for cpu in list(self.waiting):
            self._issue(cpu, len(self.execution.events) + 1, counts)
        found = Trace(b"".join(self.records), first=1, digest=0, sites=self.sites)
        found.places = MappingProxyType(self.places)
        found.issued = MappingProxyType(self.issued)
        return found

    def _issue(self, cpu: int, up_to: int, counts: dict[int, int]) -> None:
        """What stands in the CPU's program up to that event, and is no load."""
        queue = self.waiting.get(cpu, [])
        while queue and queue[0][0] <= up_to:
            event, _, passage = queue.pop(0)
            if passage is None:
                self._store(event, self.execution.events[event - 1])
            else:
                number = counts.get(cpu, 0)
                counts[cpu] = number + 1
                self._barrier(passage, number)

    def _add(self, kind: EventKind, event: int, cpu: int, place: tuple[str, int] | None = None, **fields: int) -> int:
        """An event of the trace: its number. `place`: which access of its kind it is."""
        record = EVENT.pack(
            fields.get("value", 0),
            fields.get("store", 0),
            fields.get("newest", 0),
            fields.get("address", 0),
            fields.get("size", 0),
            cpu,
            kind,
            fields.get("site", 0),
            fields.get("primitive", 0),
            fields.get("orders", 0),
            fields.get("flags", 0),
            fields.get("load", 0),
        )
        self.records.append(record)
        number = len(self.records)
        line = None if place is None else self.lines.get((cpu, *place))
        if line is not None:
            self.places[number] = line
        if kind not in (EventKind.VISIBLE, EventKind.RUNG):
            self.behind.setdefault(cpu, []).append((event, number))
        return number

    def _store(self, number: int, event: Event) -> None:
        place = ("stores", event.call)
        if event.kind == DOORBELL:
            self.numbers[number] = self._add(EventKind.KICK, number, event.cpu, place, address=event.address)
            return
        address, size, value = _scalar(event)
        self.numbers[number] = self._add(
            EventKind.STORE,
            number,
            event.cpu,
            place,
            address=address,
            size=size,
            value=value,
            flags=int(_atomic(event)),
        )

    def _arrive(self, number: int, event: Event) -> None:
        kind = EventKind.RUNG if event.kind == DOORBELL else EventKind.VISIBLE
        self._add(kind, number, event.cpu, address=event.address, size=event.mask, store=self.numbers[number])
        for byte in _bytes(event):
            self.newest[event.address, byte] = number

    def _load(self, number: int, event: Event) -> None:
        sources = [source for source in event.sources if source > 0]
        if sources and self.execution.events[sources[0] - 1].kind == DOORBELL:
            self._add(EventKind.TAKEN, number, event.cpu)
            return
        source = max(sources, default=0)
        newest = max((self.newest.get((event.address, byte), 0) for byte in _bytes(event)), default=0)
        own = source > 0 and self.execution.events[source - 1].cpu == event.cpu
        pending = own and source not in self.newest.values()
        later = [mine for at, mine in self.behind.get(event.cpu, []) if at > number]
        flags = _atomic(event)
        if newest and newest != source and not pending:
            flags |= EventFlag.STALE
        if pending:
            flags |= EventFlag.FORWARDED
        if later:
            flags |= EventFlag.DEFERRED
        address, size, value = _scalar(event)
        mine = self._add(
            EventKind.LOAD,
            number,
            event.cpu,
            ("loads", event.call),
            address=address,
            size=size,
            value=value,
            store=self.numbers.get(source, 0),
            newest=self.numbers.get(newest, 0) if flags & EventFlag.STALE else 0,
            flags=int(flags),
            load=event.call & 0xFFFF,
        )
        if later:
            self.issued[mine] = min(later)

    def _barrier(self, passage: Passage, number: int) -> None:
        cpu, event, barrier, site = passage
        orders = self.arrangement[cpu]
        self._add(
            EventKind.BARRIER,
            event,
            cpu,
            ("barriers", number),
            site=site,
            primitive=barrier,
            orders=int(orders.far[barrier]),
            value=int(orders.near[barrier]),
        )


def _atomic(event: Event) -> EventFlag:
    return EventFlag.ATOMIC if event.partner else EventFlag(0)


def _bytes(event: Event) -> list[int]:
    return [byte for byte in range(8) if event.mask >> byte & 1]


def _scalar(event: Event) -> tuple[int, int, int]:
    """(address of the first byte, bytes, value)"""
    found = _bytes(event)
    first, size = found[0], found[-1] - found[0] + 1
    return event.address + first, size, event.value >> 8 * first & (1 << 8 * size) - 1
