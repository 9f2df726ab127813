"""Which events tell the story: of thousands, those that a reader needs to see what was not in order, and why.

The terminal draws these and nothing else; the page steps through them first. A scene is only a choice: it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from amp.report.blame import Explanation
from amp.report.history import History, covers, granule_of
from amp.report.trace import Event, EventFlag, EventKind

_CONTEXT = 3  # accesses shown between the two of a pair
_LAST = 16  # events shown where nothing could be explained
_WINDOW = 1024  # events that those are looked for in: a poll makes many that are the same
_STORES = (EventKind.STORE, EventKind.KICK)
_ARRIVALS = (EventKind.VISIBLE, EventKind.RUNG)


def scene(history: History, explanation: Explanation) -> list[Event]:
    """The events worth showing, by number. Where no pair was found: the last ones before the finding."""
    if explanation.story:
        told = _by_number(event for event in (*explanation.story, explanation.bad) if event)
        return _with_arrivals(history, told, explanation.byte)
    if explanation.pair is None or explanation.other is None:
        return _last_looks(history, explanation)
    origin = history.trace.event(explanation.read or 0)
    about = (explanation.bad, explanation.barrier, explanation.missed, explanation.also, origin)
    named = (*explanation.pair, *explanation.other, *about)
    shown = _by_number(event for event in named if event)
    for first, second in (explanation.pair, explanation.other):
        shown |= _by_number(_between(history, first, second))
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


def _between(history: History, first: Event, second: Event) -> list[Event]:
    """The barriers at sites between a pair, and a few of the accesses: the latest, each kind of look once."""
    low, high = sorted((first.number, second.number))
    cpu = first.cpu
    sited = [event for event in history.of_kind(cpu, EventKind.BARRIER, after=low, before=high) if event.site]
    kinds = (EventKind.STORE,) if second.kind is not EventKind.LOAD else (EventKind.LOAD,)
    others = [
        event
        for event in history.of_kind(cpu, *kinds, after=low, before=high)
        if not event.flags & EventFlag.PART and _seen(event) not in (_seen(first), _seen(second))
    ]
    latest = list({_seen(event): event for event in others}.values())
    notes = history.of_kind(cpu, EventKind.NOTE, after=low, before=high)
    return sited[-2:] + latest[-_CONTEXT:] + notes[-1:]


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
