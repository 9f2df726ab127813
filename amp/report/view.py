"""A trace as data for the page: every event in a few numbers, every text once, and who read what.

`view` gives plain lists, strings and numbers: what JSON can hold. Event numbers are the trace's; times are event
numbers. Numbers above 2^53 would lose digits in a browser, so values go as text.
"""

from __future__ import annotations

from typing import Any, Final

from amp.ordering.barriers import orders_text
from amp.ordering.platforms import Side
from amp.report.blame import Explanation
from amp.report.lanes import stack
from amp.report.scene import scene
from amp.report.trace import TO_MAILBOX, Event, EventFlag, EventKind, Trace
from amp.report.words import SCALAR_BYTES, Words, value_text

_STORES: Final = (EventKind.STORE, *TO_MAILBOX)
_ACCESSES: Final = (EventKind.STORE, EventKind.LOAD)
_LOCATIONS: Final = 4  # rows of memory shown by name
_SHOWN_FLAGS: Final = (EventFlag.FORWARDED, EventFlag.DEFERRED, EventFlag.RELEASE, EventFlag.ACQUIRE, EventFlag.ATOMIC)


class _Texts:
    """Texts by number: a run of thousands of events says a few hundred different things."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str]:
        return list(self._numbers)


def view(trace: Trace, explanation: Explanation, words: Words) -> dict[str, Any]:
    """The page's data.

    `events` is columns, an entry per event from `first` on: `cpu`; `kind`, the EventKind's number; `text`, `place`,
    `value`, `site`, `line` (of the program), `code` (its instruction) and `more` (its flags), numbers in `texts`;
    `address` and `size` in bytes; `store`, an arrival's; `part`, 1 for a part of the bulk load that follows. By event
    number, and only where there is something: `arrivals` of a store, its (time, address) pairs; `bars`, the row of its
    bar among its CPU's, and where that ends; `registers` of compiled code, (name, value); `sources`, the stores a load
    read; `newest`, the store a stale load did not read; `marks`, what is wrong. `roles` names the events of the
    explanation, `story` is the scene, `span` the times that the finding is about, and `locations` says what its places
    held since when: (time, value, store).
    """
    texts, events = _Texts(), trace.events
    loads = [event for event in events if event.kind is EventKind.LOAD and not event.flags & EventFlag.PART]
    story = scene(words.history, explanation, words.name)
    return {
        "first": trace.first,
        "last": trace.last,
        "cpus": [{"name": words.cpu(cpu), "host": words.side(cpu) is Side.HOST} for cpu in _cpus(words)],
        "events": {
            "cpu": [event.cpu for event in events],
            "kind": [int(event.kind) for event in events],
            "text": [texts.number(words.said(event)) for event in events],
            "place": [texts.number(words.name(event.address) if event.kind in _ACCESSES else "") for event in events],
            "more": [texts.number(_flags(event)) for event in events],
            "address": [event.address for event in events],
            "size": [event.size for event in events],
            "value": [texts.number(_value(event)) for event in events],
            "site": [texts.number(_site(words, event)) for event in events],
            "line": [texts.number(words.where(event)) for event in events],
            "code": [texts.number(words.instruction(event)) for event in events],
            "store": [event.store for event in events],
            "part": [int(EventFlag.PART in event.flags) for event in events],
        },
        "texts": texts.all(),
        "registers": _registers(words),
        "arrivals": _arrivals(words, events),
        "bars": _bars(words),
        "sources": {load.number: sources for load in loads if (sources := words.history.sources(load))},
        "newest": {load.number: load.newest for load in loads if load.flags & EventFlag.STALE and load.newest},
        "marks": {event.number: mark for event in story if (mark := words.mark(event))},
        "roles": _roles(explanation),
        "story": [event.number for event in story],
        "span": _span(words, explanation, story),
        "locations": _locations(words, explanation),
    }


def _cpus(words: Words) -> range:
    return range(len(words.explanation.sides))


def _flags(event: Event) -> str:
    return ", ".join(str(flag.name).lower() for flag in _SHOWN_FLAGS if flag in event.flags)


def _value(event: Event) -> str:
    """Of a scalar access: decimal and hexadecimal."""
    if event.kind not in _ACCESSES or event.size > SCALAR_BYTES:
        return ""
    return f"{event.value} (0x{event.value:x})"


def _site(words: Words, event: Event) -> str:
    """A barrier's site, and what it stands there for."""
    site = words.history.trace.site(event)
    return "" if site is None else f"{site.name}: {site.orders}; needs {orders_text(site.needs)}"


def _registers(words: Words) -> dict[int, list[tuple[str, str]]]:
    """What compiled code has in its registers before an access, by event number."""
    return {
        number: [(name, f"{value:#x}") for name, value in each.registers]
        for number, each in words.history.trace.code.items()
        if each.registers
    }


def _arrivals(words: Words, events: tuple[Event, ...]) -> dict[int, list[tuple[int, int]]]:
    stores = (event for event in events if event.kind in _STORES)
    found = {
        store.number: [(event.number, event.address) for event in words.history.visible_events(store)]
        for store in stores
    }
    return {number: arrivals for number, arrivals in found.items() if arrivals}


def _bars(words: Words) -> dict[int, tuple[int, int]]:
    """(row, end) of each store and kick."""
    bars: dict[int, tuple[int, int]] = {}
    for cpu in _cpus(words):
        spans = [words.history.pending_span(store) for store in words.history.of_kind(cpu, *_STORES)]
        bars |= {start: (row, end) for (start, end), row in zip(spans, stack(spans), strict=True)}
    return bars


def _roles(explanation: Explanation) -> dict[str, int]:
    e = explanation
    a, b = e.pair or (None, None)
    named = {"A": a, "B": b, "bad": e.bad, "barrier": e.barrier, "missed": e.missed}
    return {role: event.number for role, event in named.items() if event}


def _span(words: Words, explanation: Explanation, story: list[Event]) -> tuple[int, int]:
    """From the first to the last of the accesses and their arrivals: what the page shows first."""
    trace = words.history.trace
    if not explanation.accesses:
        return (story[0].number, story[-1].number) if story else (trace.first, trace.last)
    times = [event.number for event in (*explanation.accesses, explanation.barrier) if event]
    times += [min(words.visible_at(event), trace.last) for event in explanation.accesses if event.kind in _STORES]
    return min(times), max(times)


def _locations(words: Words, explanation: Explanation) -> list[dict[str, Any]]:
    """The places of the explanation's accesses, and what each held since when."""
    accesses = [event for event in explanation.accesses if event.kind in _ACCESSES]
    places = {event.address: event.size for event in accesses}
    return [_location(words, address, size, explanation.byte) for address, size in list(places.items())[:_LOCATIONS]]


def _location(words: Words, address: int, size: int, wrong: int | None) -> dict[str, Any]:
    """A place by its first byte, or by the one that was wrong: the granules of a bulk store arrive one by one."""
    byte = wrong if wrong is not None and address <= wrong < address + size else address
    steps = [(words.history.trace.first, "as at the start" if words.history.trace.complete else "older", 0)]
    for store in words.history.stores_to(byte, before=words.history.trace.last + 1):
        at = words.history.visible_at(store, byte)
        if at is not None:
            whole = store.size <= SCALAR_BYTES and store.address == address
            steps.append((at, value_text(store.value) if whole else f"#{store.number}", store.number))
    return {"name": words.name(address), "address": address, "size": size, "steps": sorted(steps)}
