"""Which two accesses were not in order, at which site, and why the barrier there did not help.

Every outcome that needs reordering is a cycle of four accesses: two of one CPU, two of another (Alglave, Maranget,
Tautschnig, "Herding cats", 2014; the shapes' names are theirs). The trace shows when each store became visible and
what each load returned, so it shows which of the two pairs was out of order. That pair's CPU is to blame, and the site
of the barrier that stands between the pair and did not order it.

Blame is a claim about the kept trace, and true of it: a barrier that orders the needed pair is never blamed, and where
no unordered pair is found the explanation says so. It is not a proof that nothing else was wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from amp.errors import AmpError, Stall
from amp.ordering.barriers import BarrierClass, Kind, Orders, Primitive, primitive_for
from amp.ordering.platforms import Platform, Side
from amp.ordering.sites import SITES, Site
from amp.report.history import GRANULE, History, covers, granule_of
from amp.report.trace import Event, EventFlag, EventKind, Trace

_STEPS_BACK = 32  # loads to look back through from the one that was found wrong: some messages' worth
_TRIED = 16  # loads, or stores, tried on the other side for each


class Shape(StrEnum):
    """What kind of disorder it was."""

    STORES = "message passing, stores out of order"
    LOADS = "message passing, loads out of order"
    DOORBELL = "the doorbell overtook the ring"
    BUFFERED = "store buffering, a load overtook a store"
    LATE_LOAD = "load buffering, a load was overtaken by a store"
    NOTHING = "no unordered pair found in the kept trace"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known to be wrong: which CPU found it, and the bytes that were wrong, if it is about bytes."""

    cpu: int
    text: str
    address: int | None = None
    size: int = 1
    stall: bool = False

    @classmethod
    def from_error(cls, error: AmpError, cpu: int) -> Finding:
        """The finding that `error`, raised on `cpu`, reports."""
        return cls(cpu, str(error), getattr(error, "address", None), stall=isinstance(error, Stall))


@dataclass(frozen=True, slots=True)
class Explanation:
    """A finding, explained.

    `pair` is the blamed CPU's two accesses in program order, `needs` the order they needed and did not have; `other` is
    the other CPU's pair that shows it. `bad` is the load that returned `read` (a store's number, 0: older than the
    trace, None: unknown) at `byte` although `missed` was due. `barrier` is the event that stands between the pair,
    None if there is none. `primitive` and `why` are what it is and why it does not reach; `cure` is the primitive of
    the weakest class that would, None if no class does on this platform. All of these are None where nothing was found.
    """

    finding: Finding
    platform: Platform
    sides: tuple[Side, ...]
    shape: Shape
    side: Side | None = None
    site: Site | None = None
    needs: Orders | None = None
    pair: tuple[Event, Event] | None = None
    other: tuple[Event, Event] | None = None
    bad: Event | None = None
    byte: int | None = None
    read: int | None = None
    missed: Event | None = None
    barrier: Event | None = None
    primitive: Primitive | None = None
    why: str | None = None
    cure: Primitive | None = None
    cure_class: BarrierClass | None = None

    @property
    def accesses(self) -> tuple[Event, ...]:
        """The cycle's four accesses by number."""
        return tuple(sorted((*(self.pair or ()), *(self.other or ())), key=lambda event: event.number))


@dataclass(frozen=True, slots=True)
class _Cycle:
    shape: Shape
    needs: Orders
    pair: tuple[Event, Event]
    other: tuple[Event, Event]
    bad: Event
    byte: int
    missed: Event | None
    barrier: Event | None = None


def blame(
    trace: Trace, finding: Finding, platform: Platform, sides: Sequence[str] = ("host", "remote")
) -> Explanation | None:
    """The two accesses that were not ordered, and the site between them. None only if the trace is empty.

    `sides` names the machine of each CPU. The first cycle found is reported, looking from the finding backwards.
    """
    if not len(trace):
        return None
    history = History(trace)
    named = tuple(Side(side) for side in sides)
    cycles = _stalled(history) if finding.stall else _wrong_bytes(history, finding)
    cycle = next(cycles, None)
    if cycle is None:
        return Explanation(finding, platform, named, Shape.NOTHING)
    return _explain(history, finding, platform, named, cycle)


# --- where to look ----------------------------------------------------------------------------------------------------


def _wrong_bytes(history: History, finding: Finding) -> Iterator[_Cycle]:
    """The load that returned the wrong bytes; the loads that led to it; those that led to the store it read."""
    found = _found_load(history, finding)
    if found is not None:
        for byte in _suspects(history, found, finding):
            yield from _cycles(history, found, byte)
        yield from _on_the_way(history, finding.cpu, found.number)
    yield from _on_the_way(history, finding.cpu, history.trace.last + 1)
    if found is not None and finding.address is not None:
        origin = history.trace.event(history.read_from(found, finding.address) or 0)
        if origin and origin.cpu != finding.cpu:
            yield from _on_the_way(history, origin.cpu, origin.number)


def _found_load(history: History, finding: Finding) -> Event | None:
    if finding.address is None:
        return None
    loads = history.loads(finding.cpu)
    return next((load for load in reversed(loads) if covers(load, finding.address)), None)


def _suspects(history: History, load: Event, finding: Finding) -> Iterator[int]:
    """The bytes that may be wrong: of a scalar all, of a bulk load the named ones, then one of each granule.

    A message that fails its checksum is wrong somewhere; the address may be no more than where it starts.
    """
    assert finding.address is not None
    end = load.address + load.size
    if load.size <= GRANULE:
        yield from range(load.address, end)
        return
    yield from range(finding.address, min(finding.address + finding.size, end))
    yield from (part.address for part in history.parts(load))
    yield load.address
    yield from range(granule_of(load.address) + GRANULE, end, GRANULE)


def _on_the_way(history: History, cpu: int, before: int) -> Iterator[_Cycle]:
    """Earlier loads that returned an older value than their order allows, latest first.

    A wrong head or descriptor sends the reader to bytes that are not stale themselves. A deferred load is left out: the
    trace does not say what it follows.
    """
    for load in reversed(history.loads(cpu, before=before)[-_STEPS_BACK:]):
        if load.flags & EventFlag.DEFERRED:
            continue
        parts = history.parts(load) or [load]
        for part in parts:
            cycle = _message_passing(history, load, part.address)
            if cycle and (
                cycle.missed is None or cycle.missed.address != load.address or cycle.missed.value != load.value
            ):
                yield cycle


def _cycles(history: History, load: Event, byte: int) -> Iterator[_Cycle]:
    cycle = _message_passing(history, load, byte) or _late_load(history, load, byte)
    if cycle:
        yield cycle


def _stalled(history: History) -> Iterator[_Cycle]:
    """Each CPU's last look at each location before it went to sleep for good."""
    last = [(load, cpu) for cpu in history.cpus for load in _last_looks(history, cpu)]
    last.sort(key=lambda item: item[0].number, reverse=True)
    for search in (_store_buffering, _stranded, _looked_in_vain):
        for load, _ in last:
            cycle = search(history, load)
            if cycle:
                yield cycle


def _last_looks(history: History, cpu: int) -> list[Event]:
    taken = history.of_kind(cpu, EventKind.TAKEN)
    loads = history.loads(cpu, after=taken[-1].number if taken else 0)
    return list({load.address: load for load in loads if load.size <= GRANULE}.values())


# --- the shapes -------------------------------------------------------------------------------------------------------


def _message_passing(history: History, load: Event, byte: int) -> _Cycle | None:
    """The writer stores x, then y; the reader saw y, then not x. Who was out of order?"""
    return next(_passings(history, load, byte), None)


def _passings(history: History, load: Event, byte: int) -> Iterator[_Cycle]:
    """Every such cycle through this load, the likeliest first."""
    missed = history.missed(load, byte)
    # What a late load had to return is the oldest it missed: it may have been issued before the newer ones.
    for wanted in missed if load.flags & EventFlag.DEFERRED else reversed(missed):
        for news in _announcing(history, wanted, _news(history, load, wanted)):
            cycle = _passed(history, load, byte, wanted, news)
            if cycle:
                yield cycle


@dataclass(frozen=True, slots=True)
class _News:
    """A writer's STORE or KICK `later`, known to a reader by its LOAD or TAKEN `saw`, and visible since `visible`."""

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
        visible = history.visible_at(later, saw.address) if later else None
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
        if any(
            barrier.site in SITES and SITES[Site(barrier.site)].needs & news.needs
            for barrier in _between(history, wanted, news.later)
        )
    ]
    return sited or known


def _passed(history: History, load: Event, byte: int, wanted: Event, news: _News) -> _Cycle | None:
    """If y was visible before x, blame the writer; else the reader, who could have seen x since before y was there."""
    visible = history.visible_at(wanted, byte)
    writer, reader = (wanted, news.later), (news.saw, load)
    if visible is None or visible > news.visible:
        shape = Shape.DOORBELL if news.needs is Orders.WD else Shape.STORES
        return _cycle(history, _Cycle(shape, news.needs, writer, reader, load, byte, wanted))
    if news.needs is Orders.WD:
        return None  # taking an interrupt orders by itself
    return _cycle(history, _Cycle(Shape.LOADS, Orders.RR, reader, writer, load, byte, wanted))


def _late_load(history: History, load: Event, byte: int) -> _Cycle | None:
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
    barriers = [
        barrier
        for barrier in history.of_kind(load.cpu, EventKind.BARRIER, before=back.number)
        if barrier.site == Site.B1
    ][-1:]
    if _ordered(barriers, Orders.RW) or _ordered(barriers, Orders.RR):
        return None  # that barrier would have performed the load: it was issued after it
    return _Cycle(
        Shape.LATE_LOAD, Orders.RW, (load, back), (look, origin), load, byte, None, barriers[-1] if barriers else None
    )


def _store_buffering(history: History, asleep: Event) -> _Cycle | None:
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
            when_one, when_two = history.visible_at(store, asleep.address), history.visible_at(unseen, look.address)
            for pair, other, mine, theirs in ((one, two, when_one, when_two), (two, one, when_two, when_one)):
                if mine is not None and mine < pair[1].number and (theirs is None or theirs > mine):
                    continue
                cycle = _cycle(
                    history, _Cycle(Shape.BUFFERED, Orders.WR, pair, other, pair[1], pair[1].address, other[0])
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


def _stranded(history: History, asleep: Event) -> _Cycle | None:
    """Woken, it looked too early: the doorbell came before what it announced."""
    return next((cycle for cycle in _passings(history, asleep, asleep.address) if cycle.shape is Shape.DOORBELL), None)


def _looked_in_vain(history: History, asleep: Event) -> _Cycle | None:
    """Its last look was stale, or what it looked for came late, though it knew of later news."""
    return _message_passing(history, asleep, asleep.address)


# --- the barrier ------------------------------------------------------------------------------------------------------


def _between(history: History, first: Event, second: Event) -> list[Event]:
    return history.of_kind(first.cpu, EventKind.BARRIER, after=first.number, before=history.placed(second))


def _cycle(history: History, cycle: _Cycle) -> _Cycle | None:
    """The cycle with its barrier filled in; None if a barrier between the pair orders it after all."""
    barriers = _between(history, *cycle.pair)
    return None if _ordered(barriers, cycle.needs) else replace(cycle, barrier=_choose(barriers, cycle.needs))


def _ordered(barriers: Sequence[Event], needs: Orders) -> bool:
    return any(barrier.orders & needs for barrier in barriers)


def _choose(barriers: Sequence[Event], needs: Orders) -> Event | None:
    """The last of those that stand there for this; else the last at any site; else the last."""
    meant = [barrier for barrier in barriers if barrier.site in SITES and SITES[Site(barrier.site)].needs & needs]
    sited = [barrier for barrier in barriers if barrier.site in SITES]
    return next((group[-1] for group in (meant, sited, barriers) if group), None)


_KIND_FOR = {Orders.WW: Kind.WMB, Orders.WD: Kind.WMB, Orders.RR: Kind.RMB, Orders.WR: Kind.MB, Orders.RW: Kind.MB}
_CLASSES = (BarrierClass.SMP, BarrierClass.DMA, BarrierClass.MANDATORY)


def _explain(
    history: History, finding: Finding, platform: Platform, sides: tuple[Side, ...], cycle: _Cycle
) -> Explanation:
    side = sides[cycle.pair[0].cpu]
    barrier = cycle.barrier
    site = Site(barrier.site) if barrier and barrier.site in SITES else None
    primitive = Primitive(barrier.primitive) if barrier else None
    kind = SITES[site].kind if site else _KIND_FOR[cycle.needs]
    cures = [(primitive_for(cls, kind), cls) for cls in _CLASSES]
    cure, cure_class = next(
        ((cure, cls) for cure, cls in cures if cycle.needs in platform.orders(side, cure)), (None, None)
    )
    return Explanation(
        finding,
        platform,
        sides,
        cycle.shape,
        side,
        site,
        cycle.needs,
        cycle.pair,
        cycle.other,
        cycle.bad,
        cycle.byte,
        history.read_from(cycle.bad, cycle.byte),
        cycle.missed,
        barrier,
        primitive,
        platform.explain(side, primitive).text if primitive is not None else None,
        cure,
        cure_class,
    )
