"""The words for a trace: each event in a line, each mark in place, and the explanation in five short paragraphs.

The terminal, the page and the Perfetto file say the same things of the same events, so they ask here. "A" and "B" are
the pair that was not in order: A comes first in the program. Nothing here draws, and nothing decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amp.ordering.architectures import NO_INSTRUCTION
from amp.ordering.barriers import ALL_ORDERS, Orders, Primitive, orders_text
from amp.ordering.instructions import Barrier, Instruction, barrier_of
from amp.ordering.platforms import Side
from amp.ordering.sites import Site
from amp.port.lines import place_text
from amp.port.notes import Note
from amp.report.blame import OTHER_NEEDS, Explanation
from amp.report.history import History, covers
from amp.report.interleaving_words import in_order, interleaving
from amp.report.repair import paragraphs as repair_paragraphs
from amp.report.shape_words import shape_text
from amp.report.shapes import Shape
from amp.report.trace import AT_MAILBOX, Event, EventFlag, EventKind, Trace
from amp.report.watched import watched

Names = Callable[[int], str]

SCALAR_BYTES: Final = 8  # a larger access is a bulk one: it is named by its length, not by its value
_NOTES: Final[dict[int, str]] = {
    Note.SEND: "sends message {}",
    Note.RECEIVE: "receives message {}",
    Note.CHECKED: "message {} proved right",
    Note.FAIL: "message {} is wrong",
}
_PAIRS: Final = {
    Orders.WW: "a later store behind an earlier store",
    Orders.RR: "a later load behind an earlier load",
    Orders.WR: "a later load behind an earlier store",
    Orders.RW: "a later store behind an earlier load",
    Orders.WD: "the doorbell behind the stores before it",
    Orders.RW | Orders.WW: "a later store behind what was read of a sibling",
}
_PLAIN: Final = {
    EventKind.RUNG: "the doorbell rings",
    EventKind.TAKEN: "take the interrupt",
    EventKind.ACKNOWLEDGE: "acknowledge its doorbell",
    EventKind.ACKNOWLEDGED: "the acknowledgement arrives",
    EventKind.WAIT: "wait for a doorbell",
    EventKind.STALL: "stalled: everybody waits, nothing is under way",
    EventKind.RETIRE: "done: no more accesses",
}


class Words:
    """Says what there is to say of one explanation and its trace.

    `names(address)` is what the reader calls that place of the region: "avail.ring[0]", "buffer 2 +0x10". `gives`
    stands between a load and its value.
    """

    def __init__(self, history: History, explanation: Explanation, names: Names, gives: str = "→") -> None:
        self.history, self.explanation, self.name = history, explanation, names
        self._gives = gives
        sides = explanation.sides
        self._shared = {side for side in sides if sides.count(side) > 1}

    # --- who

    def side(self, cpu: int) -> Side:
        return self.explanation.sides[cpu]

    def cpu(self, cpu: int) -> str:
        """The part's name; if it is not known "host", and "host 2" where several CPUs are the host's."""
        if self.explanation.names:
            return self.explanation.names[cpu]
        side = self.side(cpu)
        return f"{side} {cpu}" if side in self._shared else str(side)

    def label(self, event: Event) -> str:
        """ "A" or "B" if the event is of the pair, or the arrival of one of its stores."""
        arrival = event.kind in (EventKind.VISIBLE, *AT_MAILBOX)
        number = event.store if arrival else event.number
        pair = self.explanation.pair or ()
        return next((label for label, mine in zip("AB", pair, strict=False) if mine.number == number), "")

    # --- one event

    def said(self, event: Event) -> str:
        """The event in a line: "store avail.idx = 1"."""
        match event.kind:
            case EventKind.NOTE:
                said = _NOTES.get(event.primitive, f"note {event.primitive}: {{}}").format(event.value)
            case EventKind.KICK:
                said = f"ring the {self._rung(event)}'s doorbell"
            case EventKind.STATUS:
                said = f"load status of its mailbox {self._gives} {event.value}"
            case EventKind.BARRIER:
                said = self.barrier(event)
            case EventKind.STORE | EventKind.LOAD:
                said = self._access(event)
            case EventKind.VISIBLE:
                said = self._arrived(event)
            case EventKind.SEEN if event.primitive == event.cpu:
                said = f"{self._arrived(event)}, out of its domain"
            case EventKind.SEEN:
                said = f"{self._arrived(event)}, seen by the {self.cpu(event.primitive)}"
            case _:
                said = _PLAIN[event.kind]
        return said

    def _rung(self, kick: Event) -> str:
        known = kick.address < len(self.explanation.sides)
        return self.cpu(kick.address) if known else f"CPU {kick.address}"

    def _access(self, event: Event) -> str:
        name = self.name(event.address)
        if event.size > SCALAR_BYTES:
            late = " (performed late)" if event.flags & EventFlag.DEFERRED else ""
            return f"{'write' if event.kind is EventKind.STORE else 'read'} {name}, {event.size} bytes{late}"
        if event.kind is EventKind.STORE:
            return f"store {name} = {value_text(event.value)}"
        return f"load {name} {self._gives} {value_text(event.value)}"

    def _arrived(self, event: Event) -> str:
        """What became visible."""
        store = self.history.trace.event(event.store)
        if store and store.size <= SCALAR_BYTES:
            return f"{self.name(store.address)} = {value_text(store.value)}"
        low = max(event.address, store.address) if store else event.address
        return f"{self.name(low)}, {event.size.bit_count()} bytes"

    def barrier(self, event: Event) -> str:
        """ "S1 smp_wmb (dmb): orders RR RW"."""
        site = self.history.trace.site(event)
        where = f"{site.name} " if site else ""
        orders = _orders_said(event.orders)
        near = Orders(event.value) & ALL_ORDERS
        if self.history.trace.domains and near != event.orders:
            orders += f", for siblings {_orders_said(near)}"
        return f"{where}{self.named(self.side(event.cpu), barrier_of(event.primitive))}: orders {orders}"

    def named(self, side: Side, primitive: Barrier) -> str:
        """A barrier with what it is on this platform: "smp_wmb (dmb)"; an instruction of compiled code by itself."""
        if isinstance(primitive, Instruction):
            return primitive.name
        if primitive is Primitive.NONE:
            return "no barrier"
        if primitive is Primitive.COMPILER:
            return "a compiler barrier"
        instruction = self.explanation.platform.processor(side).architecture.rows[primitive].instruction
        if instruction == NO_INSTRUCTION:
            return f"{primitive.label} (a compiler barrier only)"
        return primitive.label if instruction == primitive.label else f"{primitive.label} ({instruction})"

    # --- what is wrong with an event, said in place

    def where(self, event: Event) -> str:
        """Where in the program the event stands: "handover.py:12"; "" if that is not known."""
        place = self.history.trace.places.get(event.number)
        return "" if place is None else place_text(place)

    def instruction(self, event: Event) -> str:
        """Of compiled code: "send: str w1, [x0]"; "" of anything else."""
        found = self.history.trace.code.get(event.number)
        return "" if found is None else f"{found.function}: {found.text}"

    def standing(self, event: Event) -> str:
        """Both: "ring.c:31 send: str w1, [x0]". Of a barrier that is named by its line the line is not said again."""
        site, where = self.history.trace.site(event), self.where(event)
        if site is not None and site.name == where and self.instruction(event):
            where = ""
        return " ".join(filter(None, (where, self.instruction(event))))

    def mark(self, event: Event) -> str | None:
        """What is wrong with this load or barrier, None if nothing is; "stale: value of #17, newest is #29"."""
        e = self.explanation
        if e.bad is not None and event.number == e.bad.number:
            return self._bad_load(e.bad)
        if e.shape is Shape.BUFFERED and e.other and e.pair and event.number == e.other[1].number:
            return self._unseen(event, e.pair[0], "the old value")
        if e.barrier is not None and e.needs is not None and event.number == e.barrier.number:
            waits = "; A was issued before this" if e.shape is Shape.LATE_LOAD else ""
            return f"needed here: {orders_text(e.needs)}{waits}"
        return None

    def overtook(self, event: Event) -> bool:
        """Is this the arrival of B while A, which comes first in the program, is still on its way?"""
        e = self.explanation
        if e.shape not in (Shape.STORES, Shape.DOORBELL) or e.pair is None:
            return False
        arrival = event.kind in (EventKind.VISIBLE, *AT_MAILBOX)
        return arrival and event.store == e.pair[1].number and self.visible_at(e.pair[0]) > event.number

    def _bad_load(self, bad: Event) -> str | None:
        e = self.explanation
        if e.shape in (Shape.OVERWRITTEN, Shape.INTERLEAVED) or e.pair is None:
            return None
        if e.missed is None:
            return f"too new: {self.origin(e.read)}, stored after the buffer was handed back"
        if e.shape in (Shape.BUFFERED, Shape.WIPED_OUT) and self.visible_at(e.pair[0]) > bad.number:
            return "; ".join(("too early: A is still pending", *self._stale(bad)))
        return self._unseen(bad, e.missed, self.origin(e.read))

    def _unseen(self, load: Event, store: Event, source: str) -> str:
        """Why the load did not return the store's value; also that it is older than what was visible, if it is."""
        stale = self._stale(load)
        if store.number > load.number:
            why = [f"#{store.number} is stored later"]
        elif self.visible_at(store) > load.number:
            why = [f"#{store.number} is still pending at the {self.cpu(store.cpu)}"]
        else:
            return next(iter(stale), f"stale: {source}, newest is #{store.number}")
        if stale:
            return "; ".join((*stale, *why))
        return f"{source}: {why[0]}" if store.number > load.number else f"early: {source}; {why[0]}"

    def _stale(self, load: Event) -> list[str]:
        """That something newer than what the load returned was visible; empty if nothing was."""
        byte = self.explanation.byte
        byte = byte if byte is not None and covers(load, byte) else load.address
        newest = self.history.newer_visible(load, byte)
        source = self.origin(self.history.read_from(load, byte))
        return [] if newest is None else [f"stale: {source}, newest is #{newest}"]

    def origin(self, origin: int | None) -> str:
        """Where the value of a load is from."""
        if origin is None:
            return "an older value"
        if origin:
            return f"value of #{origin}"
        return "the value it had at the start" if self.history.trace.complete else "a value older than this trace"

    def visible_at(self, store: Event) -> int:
        """When the store's granule that matters became visible to the other CPU; after the trace's end if never."""
        byte = self.explanation.byte
        place = byte if byte is not None and covers(store, byte) else store.address
        at = self.history.visible_at(store, place, self._observer(store))
        return self.history.trace.last + 1 if at is None else at

    def _observer(self, store: Event) -> int | None:
        """Who had to see the store, of those that the explanation is about."""
        e = self.explanation
        cpus = (event[0].cpu for event in (e.other, e.pair) if event)
        bad = () if e.bad is None else (e.bad.cpu,)
        return next((cpu for cpu in (*bad, *cpus) if cpu != store.cpu), None)

    # --- the whole

    def opening(self) -> str:
        """Who found what."""
        finding = self.explanation.finding
        return f"Found by the {self.cpu(finding.cpu)}: {finding.text}"

    def paragraphs(self) -> list[tuple[str, str]]:
        """(heading, text): what happened, the site, its barrier, why that does not reach, what would."""
        e = self.explanation
        if e.shape is Shape.INTERLEAVED:
            what, order = ("What", interleaving(self)), ("Order", in_order(e))
            return [what, *self._ends(), order, *self._repair(), *cut_off(self.history.trace)]
        if e.pair is None or e.other is None or e.needs is None or e.side is None:
            text = f"Not found: {e.shape}, events {self.history.trace.first} to {self.history.trace.last}."
            ends = [*self._ends(), ("Tried", self._tried()), *self._repair()]
            return [("Not explained", text), *ends, *cut_off(self.history.trace)]
        said = [("What", shape_text(self, e.pair, e.other)), *self._ends()]
        if e.site is not None:
            said.append(
                ("Site", _site_text(e.site, self.cpu(e.pair[0].cpu), self.where(e.barrier) if e.barrier else ""))
            )
        said.append(("Barrier", self._barrier_text(e.side, e.needs, self.cpu(e.other[0].cpu))))
        if e.primitive not in (None, Primitive.NONE):
            said.append(("Why", e.why or ""))
        if e.repair is None or e.site is not None:
            said.append(("Cure", self._cure(e.side, e.needs)))
        if e.also is not None:
            said.append(("Also", self._not_alone(e.also)))
        return [*said, ("Tried", self._tried()), *self._repair(), *cut_off(self.history.trace)]

    def _repair(self) -> list[tuple[str, str]]:
        """What repairs the whole program, where it was looked for."""
        return [] if self.explanation.repair is None else repair_paragraphs(self.explanation.repair)

    def _ends(self) -> list[tuple[str, str]]:
        """Of a stall: how each CPU's part ended, and what those that did not wait for."""
        finding = self.explanation.finding
        if not finding.stall or not finding.ends:
            return watched(self)
        ends = "; ".join(f"{self.cpu(cpu)}: {said}" for cpu, said in enumerate(finding.ends))
        return [("Ends", ends), *watched(self)]

    def _tried(self) -> str:
        """What the judge's trials say."""
        e = self.explanation
        if e.beyond:
            sure = "" if e.shape in (Shape.LATE_LOAD, Shape.NOTHING) else "; that this pair did it is not certain"
            return f"no: this is the explorer's own execution, for processes do not repeat it: {e.beyond}{sure}"
        if not e.tried:
            return "no: this run's trace does not tell enough to repeat it, so that this pair did it is not certain"
        if e.shape is Shape.LATE_LOAD:
            return "the same run, with A performed before B arrives, ends well"
        if e.deciding is None:
            return "no single step decides this run"
        pair = "; the pair had been out of order before that" if e.elsewhere else ""
        return (
            f"as it was up to #{e.deciding.number} and in order from there, the run ends badly; "
            f"as it was up to just before #{e.deciding.number}, it ends well{pair}"
        )

    def _not_alone(self, also: Event) -> str:
        """The other side's barrier, which would let the same happen."""
        e = self.explanation
        found, side = self.history.trace.site(also), self.side(also.cpu)
        site = found.name if found else "a barrier"
        needs = OTHER_NEEDS[e.shape]
        mended = f"{e.site.name} mended" if e.site else "A and B kept in order"
        return (
            f"{site}, {self.named(side, barrier_of(also.primitive))} at the {self.cpu(also.cpu)}, does not keep "
            f"{_PAIRS[needs]} ({orders_text(needs)}) either: with {mended} alone the same may still be read"
        )

    def looked(self, load: Event) -> str:
        """ "The host loaded flag at a.py:7 and got 0 (#4)"."""
        what = value_text(load.value) if load.size <= SCALAR_BYTES else f"{load.size} bytes"
        return f"The {self.cpu(load.cpu)} loaded {self.short(load)} and got {what} (#{load.number})"

    def placed(self, event: Event) -> str:
        """ "store flag = 1 at a.py:7 (#4)"."""
        where = self.where(event)
        return f"{self.said(event)}{f' at {where}' if where else ''} (#{event.number})"

    def _barrier_text(self, side: Side, needs: Orders, other: str) -> str:
        e = self.explanation
        missing = f"{_PAIRS[needs]} ({orders_text(needs)})"
        if e.primitive is None:
            return f"none between A and B; the hardware does not keep {missing}"
        if e.primitive is Primitive.NONE:
            return f"none on {e.platform.name}: without one the hardware does not keep {missing} for the {other}"
        return f"{self.named(side, e.primitive)} on {e.platform.name}: does not keep {missing} for the {other}"

    def _cure(self, side: Side, needs: Orders) -> str:
        e = self.explanation
        if e.cure is None:
            return f"no barrier whose contract it is orders {orders_text(needs)} on {e.platform.name}"
        if e.site is None:
            return f"{self.named(side, e.cure)} between A and B: the least that orders it here"
        said = f"{self.named(side, e.cure)} at {e.site.name}: the least of its kind that orders it here"
        if e.cure_class is None:
            return (
                f"{said}; no class gives {e.site.name} one that does, so by name: --weaken {e.site.name}={e.cure.label}"
            )
        return f"{said}, class {e.cure_class.value}"

    def short(self, event: Event) -> str:
        """The place that is accessed, and the line that does it."""
        rings = event.kind in (EventKind.KICK, EventKind.TAKEN, EventKind.STATUS)
        name, where = "the doorbell" if rings else self.name(event.address), self.where(event)
        return f"{name} at {where}" if where else name


def _orders_said(orders: Orders) -> str:
    return "all" if orders == ALL_ORDERS else orders_text(orders)


def cut_off(trace: Trace) -> list[tuple[str, str]]:
    """What to say of a trace that has lost its beginning; nothing of a whole one."""
    if trace.complete:
        return []
    return [("Trace", f"begins at #{trace.first}: the {trace.first - 1} events before it were not kept")]


def value_text(value: int) -> str:
    """Indexes and lengths in decimal, addresses and larger things in hexadecimal."""
    return str(value) if value < 1 << 16 else f"0x{value:x}"


def _site_text(site: Site, side: str, where: str) -> str:
    about = ", ".join(text for text in (site.role, where) if text)
    role = f" ({about})" if about else ""
    symptom = f" If missing: {site.symptom}." if site.symptom else ""
    return f"{site.name}, at the {side}{role}: {site.orders}; needs {orders_text(site.needs)}.{symptom}"
