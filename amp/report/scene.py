"""Which events tell the story: of thousands, those that a reader needs to see what was not in order, and why.

The terminal draws these and nothing else; the page steps through them first. A scene is only a choice: it says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from amp.ordering.barriers import Orders
from amp.report.blame import Explanation
from amp.report.history import GRANULE, History, covers, granule_of
from amp.report.shapes import passage
from amp.report.trace import AT_MAILBOX, TO_MAILBOX, Event, EventFlag, EventKind
from amp.report.words import Names

_CONTEXT = 3  # accesses shown between the two of a pair
_LAST = 16  # events shown where nothing could be explained
_WINDOW = 1024  # events that those are looked for in: a poll makes many that are the same
_STORES = (EventKind.STORE, *TO_MAILBOX)
_ACCESSES = (EventKind.STORE, EventKind.LOAD)
_ARRIVALS = (EventKind.VISIBLE, *AT_MAILBOX)
_RING = re.compile(r"(\w+) (?:avail|used|desc|buffer|indirect)\b")


def scene(history: History, explanation: Explanation, names: Names) -> list[Event]:
    """The events worth showing, by number. Where no pair was found: the last ones before the finding.

    `names` tells the rings apart: what a CPU did to another one meanwhile did not lead it to the bad load.
    """
    if explanation.story:
        told = _by_number(event for event in (*explanation.story, explanation.bad) if event)
        return _with_arrivals(history, told, explanation.byte)
    if explanation.pair is None or explanation.other is None:
        return _last_looks(history, explanation)
    origin = history.trace.event(explanation.read or 0)
    newest = None
    if explanation.bad is not None and explanation.byte is not None:
        newest = history.trace.event(history.newer_visible(explanation.bad, explanation.byte) or 0)
    about = (explanation.bad, explanation.barrier, explanation.missed, explanation.also, origin, newest)
    named = (*explanation.pair, *explanation.other, *about)
    shown = _by_number(event for event in named if event)
    for first, second in (explanation.pair, explanation.other):
        shown |= _by_number(_between(history, first, second, names))
    return _with_arrivals(history, shown, explanation.byte)


def arrivals(history: History, store: Event, byte: int | None) -> list[Event]:
    """When the store became visible: its granule that matters, or the first and the last one. Empty if it never did."""
    events = history.visible_events(store)
    mattering = [event for event in events if byte is not None and event.address == granule_of(byte)]
    if mattering and store.kind is EventKind.STORE:
        return mattering[:1]
    return events[:1] if len(events) == 1 else events[:1] + events[-1:]


def _with_arrivals(history: History, shown: dict[int, Event], byte: int | None) -> list[Event]:
    for event in list(shown.values()):
        if event.kind in _STORES:
            shown |= _by_number(arrivals(history, event, byte))
    return [shown[number] for number in sorted(shown)]


def ring_of(name: str) -> str | None:
    """The ring that a place belongs to, "to_remote"; None if its name says none: then there is but one."""
    found = _RING.match(name)
    return found[1] if found else None


def _between(history: History, first: Event, second: Event, names: Names) -> list[Event]:
    """The pair's own barrier and the last, and a few accesses to its rings: the latest, each kind of look once."""
    low, high = sorted((first.number, second.number))
    cpu = first.cpu
    rings = {ring_of(names(event.address)) for event in (first, second) if event.kind in _ACCESSES} - {None}

    def of_theirs(access: Event | None) -> bool:
        ring = None if access is None else ring_of(names(access.address))
        return not rings or ring is None or ring in rings

    own = passage(history, first, second, _needed(first, second))
    sited = [
        event
        for event in history.of_kind(cpu, EventKind.BARRIER, after=low, before=high)
        if event.site and of_theirs(history.access_before(event))
    ]
    kinds = (EventKind.STORE,) if second.kind is not EventKind.LOAD else (EventKind.LOAD,)
    others = [
        event
        for event in history.of_kind(cpu, *kinds, after=low, before=high)
        if not event.flags & EventFlag.PART and _seen(event) not in (_seen(first), _seen(second)) and of_theirs(event)
    ]
    latest = list({_seen(event): event for event in others}.values())
    led = [at for at, event in enumerate(latest, 1) if event.size == GRANULE and event.value == second.address]
    if second.flags & EventFlag.DEFERRED and led:  # it was issued behind the load of its address, and performed later
        latest = latest[: led[-1] + 1]
    notes = history.of_kind(cpu, EventKind.NOTE, after=low, before=high)
    return [own for own in (own,) if own] + sited[-1:] + latest[-_CONTEXT:] + notes[-1:]


def _needed(first: Event, second: Event) -> Orders:
    """The pair of accesses, by what it is made of."""
    if second.kind is EventKind.KICK:
        return Orders.WD
    reads = (first.kind is not EventKind.STORE, second.kind is EventKind.LOAD)
    return {(True, True): Orders.RR, (True, False): Orders.RW, (False, True): Orders.WR}.get(reads, Orders.WW)


def _seen(event: Event) -> tuple[EventKind, int, int, int]:
    """Polls that return the same are the same to a reader."""
    return event.kind, event.address, event.size, event.value


def _last_looks(history: History, explanation: Explanation) -> list[Event]:
    """What happened just before the finding: its load, if it is about bytes, where that came from, and the last events.

    The core's own events (VISIBLE, RUNG) are shown for the stores among them only.
    """
    finding = explanation.finding
    loads = [
        load for load in history.loads(finding.cpu) if finding.address is not None and covers(load, finding.address)
    ][-1:]
    end = loads[0].number if loads else history.trace.last
    window = history.trace.events[: end - history.trace.first + 1][-_WINDOW:]
    last = _polls_once([event for event in window if event.kind not in _ARRIVALS and not event.flags & EventFlag.PART])[
        -_LAST:
    ]
    origins = [
        origin
        for load in loads
        if finding.address is not None
        and (origin := history.trace.event(history.read_from(load, finding.address) or 0))
    ]
    return _with_arrivals(history, _by_number((*last, *loads, *origins)), finding.address)


def times_looked(history: History, look: Event) -> int:
    """How often its CPU has made this look, this time included, since it did anything else than look."""
    if look.kind is not EventKind.LOAD:
        return 1
    times, number = 0, look.number
    while event := history.trace.event(number):
        number -= 1
        if event.cpu != look.cpu or event.kind in _ARRIVALS:
            continue
        if event.kind is not EventKind.LOAD:
            break
        times += _seen(event) == _seen(look)
    return times


def _polls_once(events: list[Event]) -> list[Event]:
    """Of looks that a CPU makes again and again the last: `times_looked` says how many there were."""
    kept: list[Event] = []
    later: dict[int, set[tuple[EventKind, int, int, int]]] = {}  # looks of each CPU since, from behind
    for event in reversed(events):
        looks = later.setdefault(event.cpu, set())
        if event.kind is not EventKind.LOAD:
            looks.clear()
        elif _seen(event) in looks:
            continue
        else:
            looks.add(_seen(event))
        kept.append(event)
    return kept[::-1]


def _by_number(events: Iterable[Event]) -> dict[int, Event]:
    return {event.number: event for event in events}
