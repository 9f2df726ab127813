"""The shapes of disorder: cycles of four accesses, two of one CPU and two of another.

Alglave, Maranget, Tautschnig, "Herding cats", 2014; the shapes' names are theirs. Each function here takes a load, and
finds the cycles that it closes: it returned something that it could not have returned with the pair in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from amp.ordering.barriers import Orders
from amp.report.history import GRANULE, History, covers
from amp.report.trace import Event, EventFlag, EventKind

_CHAIN = 32  # loads that may have led to one
_TRIED = 16  # loads, or stores, tried on the other side for each


class Shape(StrEnum):
    """What kind of disorder it was."""

    STORES = "message passing, stores out of order"
    LOADS = "message passing, loads out of order"
    DOORBELL = "the doorbell overtook the ring"
    BUFFERED = "store buffering, a load overtook a store"
    RELAYED = "message passing by way of a third, who did not pass it on in order"
    LATE_LOAD = "load buffering, a load was overtaken by a store"
    OVERWRITTEN = "a late store landed on a newer one"
    WIPED_OUT = "a load overtook a store, which landed on what announced the news"
    INTERLEAVED = "an interleaving: nothing is out of order"
    NOTHING = "no unordered pair found in the kept trace"


@dataclass(frozen=True, slots=True)
class Cycle:
    shape: Shape
    needs: Orders
    pair: tuple[Event, Event]
    other: tuple[Event, Event]
    bad: Event
    byte: int
    missed: Event | None
    barrier: Event | None = None


# --- the shapes -------------------------------------------------------------------------------------------------------


def message_passing(history: History, load: Event, byte: int) -> Cycle | None:
    """The writer stores x, then y; the reader saw y, then not x. Who was out of order?"""
    return next(passings(history, load, byte), None)


def passings(history: History, load: Event, byte: int) -> Iterator[Cycle]:
    """Every such cycle through this load, the likeliest first."""
    missed = history.missed(load, byte)
    # What a late load had to return is the oldest it missed: it may have been issued before the newer ones.
    for wanted in missed if load.flags & EventFlag.DEFERRED else reversed(missed):
        for news in _likeliest(history, load, _announcing(history, wanted, _news(history, load, wanted))):
            cycle = _passed(history, load, byte, wanted, news)
            if cycle:
                yield cycle


@dataclass(frozen=True, slots=True)
class _News:
    """A writer's STORE or KICK `later`, seen by a reader's LOAD, STATUS or TAKEN `saw`, visible since `visible`."""

    later: Event
    saw: Event
    visible: int

    @property
    def needs(self) -> Orders:
        """What the writer needs between an earlier store and this."""
        return Orders.WD if self.later.kind is EventKind.KICK else Orders.WW


def _news(history: History, load: Event, wanted: Event) -> list[_News]:
    """What the reader knew before `load` of the writer's doings after `wanted`, in the writer's program order.

    Doorbells come last: they say that there is news, what was read says which.
    """
    known: dict[int, _News] = {}
    looks = [
        (history.trace.event(look.store), look)
        for look in history.loads(load.cpu, after=wanted.number, before=load.number)
        if look.store > wanted.number
    ]
    took = [(kick, taken) for kick, taken in history.took(load.cpu, before=load.number) if kick.number > wanted.number]
    for later, saw in (*looks, *took):
        visible = history.visible_at(later, saw.address, load.cpu) if later else None
        if later and later.cpu == wanted.cpu and visible is not None:
            known.setdefault(later.number, _News(later, saw, visible))
    return sorted(known.values(), key=lambda news: (news.later.kind is EventKind.KICK, news.later.number))


def _announcing(history: History, wanted: Event, known: list[_News]) -> list[_News]:
    """Those that a site keeps behind `wanted`: a ring entry and its descriptor have no order, only the index does.

    Where there is no such site at all, its absence may be the bug: all of them.
    """
    sited = [
        news
        for news in known
        if any(history.site_needs(barrier) & news.needs for barrier in barriers_between(history, wanted, news.later))
    ]
    return sited or known


def _likeliest(history: History, load: Event, known: list[_News]) -> list[_News]:
    """First those that the chain of loads to this one began at: news of other rings led its CPU elsewhere."""
    loads = [
        each for each in history.loads(load.cpu, before=load.number)[-_CHAIN:] if not each.flags & EventFlag.DEFERRED
    ]
    led = next((each for each in reversed(loads) if each.size == GRANULE and each.value == load.address), load)
    barriers = history.of_kind(load.cpu, EventKind.BARRIER, before=led.number)
    passages = (each for each in reversed(barriers) if history.site_needs(each) & Orders.RR)
    passed = next(passages, None)
    look = history.access_before(passed) if passed else None
    return sorted(known, key=lambda news: look is None or not covers(look, news.saw.address))


def _passed(history: History, load: Event, byte: int, wanted: Event, news: _News) -> Cycle | None:
    """If y was visible before x, blame the writer; else the reader, who could have seen x since before y was there."""
    visible = history.visible_at(wanted, byte, load.cpu)
    writer, reader = (wanted, news.later), (news.saw, load)
    if visible is None or visible > news.visible:
        shape = Shape.DOORBELL if news.needs is Orders.WD else Shape.STORES
        return _cycle(history, Cycle(shape, news.needs, writer, reader, load, byte, wanted))
    if news.saw.kind is EventKind.TAKEN:
        return None  # taking an interrupt orders by itself
    return _cycle(history, Cycle(Shape.LOADS, Orders.RR, reader, writer, load, byte, wanted))


def relayed(history: History, load: Event, byte: int) -> Iterator[Cycle]:
    """The writer stores x; a third, who knew of it, stores y; the reader saw y, then not x. Who was out of order?"""
    for wanted in reversed(history.missed(load, byte)):
        for look in reversed(history.loads(load.cpu, before=load.number)[-_CHAIN:]):
            later = history.trace.event(look.store)
            if later is None or later.cpu in (wanted.cpu, load.cpu):
                continue
            for link in reversed(history.loads(later.cpu, before=later.number)[-_CHAIN:]):
                source = history.trace.event(link.store)
                if source is not None and source.cpu == wanted.cpu and source.number >= wanted.number:
                    yield from some(_relayed(history, (wanted, source), (link, later), (look, load), byte))


_Pair = tuple[Event, Event]


def _relayed(history: History, writer: _Pair, third: _Pair, reader: _Pair, byte: int) -> Cycle | None:
    """`writer` stored what the reader missed, and what the third saw; both may be the same store."""
    (wanted, source), (_, later), (look, load) = writer, third, reader
    at, since = history.visible_at(wanted, byte, load.cpu), history.visible_at(later, look.address, load.cpu)
    if at is not None and since is not None and at < since:
        return _cycle(history, Cycle(Shape.LOADS, Orders.RR, reader, third, load, byte, wanted))
    middle = later.cpu
    first, second = history.visible_at(wanted, byte, middle), history.visible_at(source, source.address, middle)
    if second is not None and (first is None or first > second):
        return _cycle(history, Cycle(Shape.STORES, Orders.WW, writer, third, load, byte, wanted))
    # What it has read of a sibling has to be carried along, as a store of its own would be.
    carries = history.are_siblings(wanted.cpu, middle) and not history.are_siblings(middle, load.cpu)
    needs = Orders.RW | Orders.WW if carries else Orders.RW
    return _cycle(history, Cycle(Shape.RELAYED, needs, third, reader, load, byte, wanted))


def late_load(history: History, load: Event, byte: int) -> Cycle | None:
    """A buffer was read, handed back, written by its new owner, and only then was the read performed.

    What it returned is too new for sure if its CPU knew of nothing that the new owner did after writing it.
    """
    origin = history.trace.event(history.read_from(load, byte) or 0)
    if not load.flags & EventFlag.DEFERRED or origin is None or origin.cpu == load.cpu:
        return None
    if _news(history, load, origin):
        return None
    looks = [
        (store, look)
        for look in history.loads(origin.cpu, before=origin.number)
        if (store := history.trace.event(look.store)) and store.cpu == load.cpu
    ]
    handed = max(looks, key=lambda item: item[0].number, default=None)
    if handed is None or handed[0].number > load.number:
        return None
    back, look = handed
    if load.number in history.trace.issued:
        return _late_behind(history, (load, back), (look, origin), byte)
    barriers = [
        barrier
        for barrier in history.of_kind(load.cpu, EventKind.BARRIER, before=back.number)
        if history.site_needs(barrier) & Orders.RW
    ][-1:]
    if any(ordered(history, barriers, orders, origin.cpu) for orders in (Orders.RW, Orders.RR)):
        return None  # that barrier would have performed the load: it was issued after it
    return Cycle(
        Shape.LATE_LOAD, Orders.RW, (load, back), (look, origin), load, byte, None, barriers[-1] if barriers else None
    )


def _late_behind(history: History, pair: _Pair, other: _Pair, byte: int) -> Cycle | None:
    """The same where it is known what stands between the load and the store in the program."""
    (load, back), (_, origin) = pair, other
    issued = history.trace.issued[load.number]
    between = history.of_kind(load.cpu, EventKind.BARRIER, after=issued - 1, before=back.number)
    if back.number < issued or ordered(history, between, Orders.RW, origin.cpu):
        return None
    return Cycle(Shape.LATE_LOAD, Orders.RW, pair, other, load, byte, None, between[-1] if between else None)


def some(cycle: Cycle | None) -> Iterator[Cycle]:
    if cycle is not None:
        yield cycle


def landed_late(history: History, load: Event, byte: int) -> Iterator[Cycle]:
    """What it read had been issued before what it should have read, and landed on it."""
    origin = history.trace.event(history.read_from(load, byte) or 0)
    landed = history.visible_at(origin, byte) if origin else None
    if origin is None or landed is None:
        return
    for lost in reversed(history.stores_to(byte, before=landed)):
        when = history.visible_at(lost, byte)
        if lost.cpu != origin.cpu and when is not None and when < landed:
            yield from _over(history, origin, lost, load, byte)


def overwritten(history: History, arrival: Event) -> Iterator[Cycle]:
    """A store arrived while an older one of another CPU to the same place was still on its way."""
    lost = history.trace.event(arrival.store)
    if lost is None:
        return
    for byte in range(arrival.address, arrival.address + GRANULE):
        for late in reversed(history.stores_to(byte, before=arrival.number)):
            landed = history.visible_at(late, byte)
            if covers(lost, byte) and late.cpu != lost.cpu and landed is not None and landed > arrival.number:
                yield from _over(history, late, lost, None, byte)


def _over(history: History, late: Event, lost: Event, bad: Event | None, byte: int) -> Iterator[Cycle]:
    """Who stored `lost` knew of news that `late`'s CPU had issued behind `late`: that should have landed by then."""
    looks = [
        (later, look)
        for look in history.loads(lost.cpu, after=late.number, before=lost.number)
        if look.store > late.number and (later := history.trace.event(look.store)) and later.cpu == late.cpu
    ]
    for later, look in looks:
        shown = look if bad is None else bad
        cycle = Cycle(Shape.OVERWRITTEN, Orders.WW, (late, later), (look, lost), shown, byte, lost)
        yield from some(_cycle(history, cycle))


def wiped_out(history: History, arrival: Event) -> Iterator[Cycle]:
    """The same, but that CPU has looked behind its late store: too early for the news that the lost store announced.

    "R" in the book: had the load waited for the store, it would have landed before, or the load would have seen more.
    """
    lost = history.trace.event(arrival.store)
    if lost is None or lost.size > GRANULE:
        return
    byte = lost.address
    for late in reversed(history.stores_to(byte, before=arrival.number)):
        landed = history.visible_at(late, byte) or history.trace.last + 1
        if late.cpu == lost.cpu or landed < arrival.number:
            continue
        for look in history.loads(late.cpu, after=late.number, before=landed)[:_TRIED]:
            news = _unread(history, look, lost)
            if news is not None and not covers(look, byte):
                place = look.address
                cycle = Cycle(Shape.WIPED_OUT, Orders.WR, (late, look), (news, lost), look, place, news)
                yield from some(_cycle(history, cycle))


def _unread(history: History, look: Event, announced: Event) -> Event | None:
    """What the CPU of `announced` had stored before it to the place of `look`, and became visible after that."""
    for store in reversed(history.stores_to(look.address, before=announced.number)):
        visible = history.visible_at(store, look.address)
        if store.cpu == announced.cpu and (visible is None or visible > look.number):
            return store
    return None


def store_buffering(history: History, asleep: Event) -> Cycle | None:
    """Each side stores, then looks at the other's location, and both see the old value: nobody rings.

    `asleep` is the sleeper's last look. A side was in order if its store was visible when it looked, and if what it did
    not see became visible after its own store.
    """
    sleeper = asleep.cpu
    for store in history.missed(asleep, asleep.address)[: -_TRIED - 1 : -1]:
        waker = store.cpu
        for look in history.loads(waker, after=store.number)[:_TRIED]:
            if any(kick.address == sleeper for kick in history.of_kind(waker, EventKind.KICK, after=look.number)):
                break
            unseen = _unseen_by(history, look, asleep)
            if unseen is None or look.size > GRANULE:
                continue
            one, two = (store, look), (unseen, asleep)
            when_one = history.visible_at(store, asleep.address, sleeper)
            when_two = history.visible_at(unseen, look.address, waker)
            both = ((one, two, when_one, when_two), (two, one, when_two, when_one))
            # Who looked first had stored before the other looked: in order, the other would have seen that.
            for pair, other, mine, theirs in sorted(both, key=lambda each: each[0][1].number):
                if mine is not None and mine < pair[1].number and (theirs is None or theirs > mine):
                    continue
                cycle = _cycle(
                    history, Cycle(Shape.BUFFERED, Orders.WR, pair, other, pair[1], pair[1].address, other[0])
                )
                if cycle:
                    return cycle
    return None


def _unseen_by(history: History, look: Event, asleep: Event) -> Event | None:
    """The sleeper's last store to what `look` read, made before it looked itself, that `look` did not see."""
    mine = [store for store in history.stores_to(look.address, before=asleep.number) if store.cpu == asleep.cpu]
    if not mine:
        return None
    store = mine[-1]
    return store if store.number > look.number or store in history.missed(look, look.address) else None


def stranded(history: History, asleep: Event) -> Cycle | None:
    """Woken, it looked too early: the doorbell came before what it announced."""
    return next((cycle for cycle in passings(history, asleep, asleep.address) if cycle.shape is Shape.DOORBELL), None)


def looked_in_vain(history: History, asleep: Event) -> Cycle | None:
    """Its last look was stale, or what it looked for came late, though it knew of later news."""
    return message_passing(history, asleep, asleep.address)


# --- the barrier ------------------------------------------------------------------------------------------------------


def barriers_between(history: History, first: Event, second: Event) -> list[Event]:
    return history.of_kind(first.cpu, EventKind.BARRIER, after=first.number, before=history.placed(second))


def _cycle(history: History, cycle: Cycle) -> Cycle | None:
    """The cycle with its barrier filled in; None if a barrier between the pair orders it after all."""
    if ordered(history, barriers_between(history, *cycle.pair), cycle.needs, cycle.other[0].cpu):
        return None
    return replace(cycle, barrier=passage(history, *cycle.pair, cycle.needs))


def ordered(history: History, barriers: Sequence[Event], needs: Orders, observer: int) -> bool:
    """Does one of these keep all that is needed, as that CPU sees it?"""
    return any(needs in history.orders_for(barrier, observer) for barrier in barriers)


def passage(history: History, first: Event, second: Event, needs: Orders) -> Event | None:
    """The barrier that stands between the pair for this; else one at any site; else any.

    A CPU that serves two rings passes a site once for each. Behind a store the last passage is the one before its
    announcement. Behind a load, or before one, it is the first behind `first`: one that follows its place at once if
    there is such, for others may be of another ring.
    """
    barriers = barriers_between(history, first, second)
    meant = [barrier for barrier in barriers if history.site_needs(barrier) & needs]
    sited = [barrier for barrier in barriers if history.trace.site(barrier)]
    found = next((group for group in (meant, sited, barriers) if group), None)
    if found is None:
        return None
    if not needs & (Orders.RR | Orders.WR):
        return found[-1]
    mine = (
        barrier for barrier in found if (access := history.access_before(barrier)) and covers(access, first.address)
    )
    return next(mine, None) or next(barrier for barrier in found if barrier.site == found[-1].site)


def out_of_order_before(history: History, deciding: Event) -> Iterator[Cycle]:
    """The cycles before the step that decided the run, the latest first.

    What decides may be in order itself: both have passed a lock that a load let them pass, and now they meet.
    """
    loads = [load for cpu in history.cpus for load in history.loads(cpu, before=deciding.number)]
    small = sorted((load for load in loads if load.size <= GRANULE), key=lambda load: load.number, reverse=True)
    for load in small[:_TRIED]:
        yield from some(store_buffering(history, load))
        yield from some(message_passing(history, load, load.address))
        yield from landed_late(history, load, load.address)
