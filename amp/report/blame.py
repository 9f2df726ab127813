"""Which two accesses were not in order, at which site, and why the barrier there did not help.

Every outcome that needs reordering is a cycle of four accesses: two of one CPU, two of another (Alglave, Maranget,
Tautschnig, "Herding cats", 2014; the shapes' names are theirs). The trace shows when each store became visible and
what each load returned, so it shows which of the two pairs was out of order. That pair's CPU is to blame, and the site
of the barrier that stands between the pair and did not order it.

Thousands of pairs of a run are out of order and harmless. Which one did it is not guessed: a `Judge` repeats the run
and tells the step that decided it (amp.lab.trial). Blame starts at that step's load, and names a pair only if that load
could not have returned what it did with the pair in order. Where the run cannot be repeated, only the load that the
finding itself names is looked at, and those that led to it; the explanation says that it was not tried.

A barrier that orders the needed pair is never blamed. Where no pair is found the explanation says so: of an execution
that is a mere interleaving, that no barrier repairs it. It is not a proof that nothing else was wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

from amp.ordering.architectures import NO_INSTRUCTION
from amp.ordering.barriers import Orders
from amp.ordering.instructions import Barrier, barrier_of
from amp.ordering.platforms import Platform, Side
from amp.report.cure import cure_for
from amp.report.explanation import Explanation, Finding, Judge
from amp.report.history import GRANULE, History, covers, granule_of
from amp.report.interleaving import is_sequential, lost_update
from amp.report.shapes import (
    Cycle,
    Shape,
    barriers_between,
    landed_late,
    late_load,
    looked_in_vain,
    message_passing,
    ordered,
    out_of_order_before,
    overwritten,
    passage,
    passings,
    relayed,
    some,
    store_buffering,
    stranded,
    wiped_out,
)
from amp.report.trace import Event, EventFlag, EventKind, Trace

__all__ = ["Explanation", "Finding", "Judge", "blame"]

_AFTER_TAKEN = 8  # loads that an interrupt may have led to
_STEPS_BACK = 32  # loads to look back through from the one that was found wrong: those of one chain


def blame(
    trace: Trace,
    finding: Finding,
    platform: Platform,
    sides: Sequence[str] = ("host", "remote"),
    judge: Judge | None = None,
    *,
    names: Sequence[str] = (),
    beyond: str = "",
) -> Explanation | None:
    """The two accesses that were not ordered, and the site between them. None only if the trace is empty.

    `sides` names the machine of each CPU, `names` the part. With a judge only what decided the run is blamed. `beyond`
    says why there can be none, of a trace that is the explorer's: there a load that came late is looked at first.
    """
    if not len(trace):
        return None
    history = History(trace)
    deciding = judge.deciding() if judge is not None else None
    plain = Explanation(
        finding,
        platform,
        tuple(Side(side) for side in sides),
        Shape.NOTHING,
        deciding=deciding,
        tried=judge is not None,
        beyond=beyond,
        sites=trace.sites,
        names=tuple(names),
    )
    cycles: Iterator[Cycle]
    if judge is not None:
        cycles = chain(_at(history, finding, deciding), _late_loads(history, finding, judge))
    else:
        found = _stalled(history) if finding.stall else _wrong_bytes(history, finding)
        cycles = chain(_any_late(history, finding), found, _last_loads(history, finding)) if beyond else found
    cycle = next(cycles, None)
    if cycle is not None:
        return _explain(history, plain, cycle)
    sequential = is_sequential(history)
    if sequential or (judge is not None and judge.fails_in_order()):
        return _interleaved(history, replace(plain, sequential=sequential))
    if deciding is None or finding.address is not None:  # bytes are wrong that no pair explains, or nothing decided
        return plain
    cycle = next(out_of_order_before(history, deciding), None)
    return plain if cycle is None else replace(_explain(history, plain, cycle), elsewhere=True)


# --- where to look ----------------------------------------------------------------------------------------------------


def _at(history: History, finding: Finding, deciding: Event | None) -> Iterator[Cycle]:
    """The cycles through the step that decided the run."""
    if deciding is None:
        return
    if deciding.kind is EventKind.VISIBLE:
        yield from overwritten(history, deciding)
        yield from wiped_out(history, deciding)
    if deciding.kind is EventKind.TAKEN:
        for load in history.loads(deciding.cpu, after=deciding.number)[:_AFTER_TAKEN]:
            for byte in _suspects(history, load, finding):
                yield from (cycle for cycle in passings(history, load, byte) if deciding in cycle.other)
    if deciding.kind is not EventKind.LOAD:
        return
    load = _whole(history, deciding)
    bytes_ = list(_suspects(history, load, finding))
    small = load.size <= GRANULE
    if finding.stall and small:
        yield from some(store_buffering(history, load))
        yield from (c for c in passings(history, load, load.address) if c.shape is Shape.DOORBELL)
    for byte in bytes_:
        yield from some(message_passing(history, load, byte))
    if small:
        yield from some(store_buffering(history, load))
    for byte in bytes_:
        yield from landed_late(history, load, byte)
    for byte in bytes_:
        yield from relayed(history, load, byte)


def _whole(history: History, load: Event) -> Event:
    """The load that a part belongs to."""
    number = load.number
    while load.flags & EventFlag.PART and (event := history.trace.event(number)):
        load, number = event, number + 1
    return load


def _late_loads(history: History, finding: Finding, judge: Judge) -> Iterator[Cycle]:
    """A buffer was handed back before it was read: the run holds if the read comes first."""
    for load in reversed(history.loads(finding.cpu)[-_STEPS_BACK:]):
        if not load.flags & EventFlag.DEFERRED:
            continue
        late = (late_load(history, load, byte) for byte in _suspects(history, load, finding))
        cycle = next((cycle for cycle in late if cycle), None)
        if cycle is not None and judge.holds_if_performed(load, cycle.pair[1]):
            yield cycle


def _any_late(history: History, finding: Finding) -> Iterator[Cycle]:
    """Of an execution that is beyond processes: whichever load came too late, the last first."""
    loads = [load for cpu in history.cpus for load in history.loads(cpu) if load.flags & EventFlag.DEFERRED]
    for load in sorted(loads, key=lambda each: each.number, reverse=True):
        for byte in _suspects(history, load, finding):
            yield from some(late_load(history, load, byte))


def _last_loads(history: History, finding: Finding) -> Iterator[Cycle]:
    """Of an execution that is beyond processes, and as small as can be: what the finder loaded last."""
    for load in reversed(history.loads(finding.cpu)[-_STEPS_BACK:]):
        for byte in _suspects(history, load, finding):
            yield from some(message_passing(history, load, byte))


def _wrong_bytes(history: History, finding: Finding) -> Iterator[Cycle]:
    """Without a judge: the load that returned the wrong bytes, then those that led to it."""
    found = _found_load(history, finding)
    if found is None:
        return
    for byte in _suspects(history, found, finding):
        yield from _cycles(history, found, byte)
    for load in _chain(history, found):
        for part in history.parts(load) or [load]:
            yield from some(message_passing(history, load, part.address))


def _found_load(history: History, finding: Finding) -> Event | None:
    if finding.address is None:
        return None
    loads = history.loads(finding.cpu)
    return next((load for load in reversed(loads) if covers(load, finding.address)), None)


def _suspects(history: History, load: Event, finding: Finding) -> Iterator[int]:
    """The bytes that may be wrong: of a scalar all, of a bulk load the named ones, then one of each granule.

    A message that fails its checksum is wrong somewhere; the address may be no more than where it starts.
    """
    end = load.address + load.size
    if load.size <= GRANULE:
        yield from range(load.address, end)
        return
    if finding.address is not None and covers(load, finding.address):
        yield from range(finding.address, min(finding.address + finding.size, end))
    yield from (part.address for part in history.parts(load))
    yield load.address
    yield from range(granule_of(load.address) + GRANULE, end, GRANULE)


def _chain(history: History, found: Event) -> Iterator[Event]:
    """The loads that led to this one, latest first: a stale head or descriptor sends the reader to the wrong place.

    They stand together, behind a barrier that orders loads and the look at the index before that. Where the address of
    this one is what an earlier load returned, the chain goes on there. A deferred load is left out: the trace does not
    say what it follows.
    """
    loads = history.loads(found.cpu, before=found.number)[-_STEPS_BACK:]
    origin = next((load for load in reversed(loads) if load.value == found.address and load.size == GRANULE), None)
    for start in (origin, found):
        if start is None:
            continue
        if start is origin:
            yield start
        barriers = [
            barrier.number
            for barrier in history.of_kind(found.cpu, EventKind.BARRIER, before=start.number)
            if history.site_needs(barrier) & Orders.RR
        ]
        behind = barriers[-1] if barriers else 0
        earlier = [load for load in loads if load.number < start.number and not load.flags & EventFlag.DEFERRED]
        yield from reversed([load for load in earlier if load.number > behind])
        yield from [load for load in earlier if load.number < behind][-1:]


def _cycles(history: History, load: Event, byte: int) -> Iterator[Cycle]:
    cycle = message_passing(history, load, byte) or late_load(history, load, byte)
    if cycle:
        yield cycle
    yield from relayed(history, load, byte)


def _stalled(history: History) -> Iterator[Cycle]:
    """Each CPU's last look at each location before it went to sleep for good."""
    last = [(load, cpu) for cpu in history.cpus for load in _last_looks(history, cpu)]
    last.sort(key=lambda item: item[0].number, reverse=True)
    for search in (store_buffering, stranded, looked_in_vain):
        for load, _ in last:
            cycle = search(history, load)
            if cycle:
                yield cycle


def _last_looks(history: History, cpu: int) -> list[Event]:
    taken = history.of_kind(cpu, EventKind.TAKEN)
    loads = history.loads(cpu, after=taken[-1].number if taken else 0)
    return list({load.address: load for load in loads if load.size <= GRANULE}.values())


# --- what is said of it -----------------------------------------------------------------------------------------------


def _explain(history: History, plain: Explanation, cycle: Cycle) -> Explanation:
    side, platform = plain.sides[cycle.pair[0].cpu], plain.platform
    barrier = cycle.barrier
    primitive = barrier_of(barrier.primitive) if barrier else None
    site = history.trace.site(barrier) if barrier else None
    kind = None if site is None else site.kind
    near = history.are_siblings(cycle.pair[0].cpu, cycle.other[0].cpu)
    cure, cure_class = cure_for(platform, side, cycle.needs, kind, primitive, near=near) or (None, None)
    return replace(
        plain,
        shape=cycle.shape,
        side=side,
        site=site,
        needs=cycle.needs,
        pair=cycle.pair,
        other=cycle.other,
        bad=cycle.bad,
        byte=cycle.byte,
        read=history.read_from(cycle.bad, cycle.byte),
        missed=cycle.missed,
        barrier=barrier,
        primitive=primitive,
        why=None if primitive is None else _why(platform, side, primitive, cycle.needs),
        cure=cure,
        cure_class=cure_class,
        also=_also(history, cycle),
    )


def _why(platform: Platform, side: Side, primitive: Barrier, needs: Orders) -> str:
    """Why it does not keep what is needed here: "dmb reaches OUTER; PL310 write buffer needs SYSTEM"."""
    explained = platform.explain(side, primitive, needs)
    return "; ".join(explained.reasons) if explained.row.instruction == NO_INSTRUCTION else explained.text


OTHER_NEEDS: Final = {Shape.STORES: Orders.RR, Shape.BUFFERED: Orders.WR, Shape.WIPED_OUT: Orders.WW}


def _also(history: History, cycle: Cycle) -> Event | None:
    """The barrier between the other pair, if that does not order its pair either.

    Then the same can be read although the blamed pair is in order: the load was free to return the old value.
    """
    needs = OTHER_NEEDS.get(cycle.shape)
    if needs is None:
        return None
    barriers = barriers_between(history, *cycle.other)
    observer = cycle.pair[0].cpu
    return None if ordered(history, barriers, needs, observer) else passage(history, *cycle.other, needs)


def _interleaved(history: History, plain: Explanation) -> Explanation:
    """What was read, and who wrote it, of a run in which nothing is out of order."""
    finding, deciding = plain.finding, plain.deciding
    bad = _found_load(history, finding) or (deciding if deciding and deciding.kind is EventKind.LOAD else None)
    if bad is None:
        return replace(plain, shape=Shape.INTERLEAVED)
    byte = finding.address if finding.address is not None and covers(bad, finding.address) else bad.address
    for load in (bad, *reversed(history.loads(finding.cpu)[-_STEPS_BACK:])):
        place = byte if load is bad else load.address
        story = lost_update(history, load, place)
        if story:
            bad, byte = load, place
            break
    return replace(plain, shape=Shape.INTERLEAVED, bad=bad, byte=byte, read=history.read_from(bad, byte), story=story)
