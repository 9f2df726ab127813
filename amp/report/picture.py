"""What a picture of an explanation shows beside each event: the stores on their way, and those that waited."""

from __future__ import annotations

from typing import Final

from amp.ordering.platforms import Side
from amp.report.blame import Explanation
from amp.report.history import History, granule_of
from amp.report.lanes import Flight
from amp.report.scene import arrivals, scene, times_looked
from amp.report.shapes import Shape
from amp.report.trace import AT_MAILBOX, TO_MAILBOX, Event, EventFlag, EventKind, Trace
from amp.report.words import SCALAR_BYTES, Names, Words, value_text

GAP: Final = 8  # more events than these left out are shown as a gap
_PENDING: Final = 3  # pending stores named one by one
STORES: Final = (EventKind.STORE, *TO_MAILBOX)
ARRIVALS: Final = (EventKind.VISIBLE, *AT_MAILBOX)


class Picture:
    """One explanation's events, and what there is to say about each."""

    def __init__(self, trace: Trace, explanation: Explanation, names: Names, gives: str) -> None:
        self.explanation, self._history = explanation, History(trace)
        self.words = Words(self._history, explanation, names, gives)
        self.events = scene(self._history, explanation, names)

    @property
    def is_pair(self) -> bool:
        """A host and a remote, and nobody else."""
        return self.explanation.sides == tuple(Side)

    def flights(self) -> list[Flight]:
        """Every store that is shown, from where it is issued to where it arrives."""
        return [self.flight(event) for event in self.events if event.kind in STORES]

    def flight(self, store: Event) -> Flight:
        """The store on its way."""
        stops = tuple(event.number for event in arrivals(self._history, store, self.explanation.byte))
        return Flight(store.number, stops, rightwards=self.words.side(store.cpu) is Side.HOST)

    def shown_at(self, event: Event) -> Side:
        """A store arrives at the other side, everything else happens where it is done."""
        side = self.words.side(event.cpu)
        return other(side) if event.kind in ARRIVALS else side

    def seen(self, arrival: Event) -> str:
        """By whom: of siblings and others, each see a store in their own time."""
        if not self._history.trace.domains or arrival.kind is not EventKind.VISIBLE:
            return "visible"
        return "siblings see" if arrival.flags & EventFlag.SIBLINGS else "all see"

    def is_blamed(self, event: Event) -> bool:
        """Is it the barrier that was too weak?"""
        return self.explanation.barrier is not None and event.number == self.explanation.barrier.number

    def times(self, event: Event) -> int:
        """How often that was looked at, where no pair explains it; else once."""
        return times_looked(self._history, event) if self.explanation.pair is None else 1

    def source(self, event: Event) -> str:
        """Which of the pair a load returned."""
        pair = self.explanation.pair or ()
        scalar = event.kind is EventKind.LOAD and event.size <= SCALAR_BYTES
        read = (label for label, store in zip("AB", pair, strict=False) if scalar and store.number == event.store)
        return next((f" ({label})" for label in read), "")

    def pending_here(self, event: Event) -> list[str]:
        """Below the bad event of the CPU whose stores are late: which of them waited. Empty elsewhere."""
        return self._pending() if self._is_bad(event) and self._pending_cpu() == event.cpu and self._waiting() else []

    def pending_elsewhere(self, event: Event) -> list[str]:
        """Beside the bad load: what was still on its way to it. Empty if what it missed had arrived."""
        missed = self.explanation.missed
        if not self._is_bad(event) or missed is None or self._pending_cpu() == event.cpu:
            return []
        return self._pending() if missed.number in [store.number for store, _ in self._waiting()] else []

    def _is_bad(self, event: Event) -> bool:
        e = self.explanation
        return e.pair is not None and e.bad is not None and event.number == e.bad.number

    def _pending_cpu(self) -> int:
        """The CPU whose late stores are the point: the writer of what was missed."""
        e = self.explanation
        assert e.pair is not None
        return e.pair[0].cpu if e.shape in (Shape.BUFFERED, Shape.WIPED_OUT) or e.missed is None else e.missed.cpu

    def _waiting(self) -> list[tuple[Event, int]]:
        bad = self.explanation.bad
        assert bad is not None
        return self._history.pending(self._pending_cpu(), bad.number, bad.cpu)

    def _pending(self) -> list[str]:
        e = self.explanation
        # Those the finding is about first: of dozens pending, they are what the reader looks for.
        mine = {event.number for event in (*(e.pair or ()), *(e.other or ()))}
        waiting = sorted(self._waiting(), key=lambda item: item[0].number not in mine)
        lines = [f"pending: {self._pending_store(*waiting[0])}"]
        lines += [f"         {self._pending_store(*item)}" for item in waiting[1:_PENDING]]
        if len(waiting) > _PENDING:
            lines.append(f"         and {len(waiting) - _PENDING} more")
        return lines

    def _pending_store(self, store: Event, granules: int) -> str:
        if store.kind in TO_MAILBOX:
            return f"#{store.number} {'doorbell' if store.kind is EventKind.KICK else 'acknowledgement'}"
        name = self.words.name(store.address)
        if store.size <= SCALAR_BYTES:
            return f"#{store.number} {name} = {value_text(store.value)}"
        total = len(range(granule_of(store.address), store.address + store.size, 8))
        return f"#{store.number} {name}, {granules} of {total} granules"


def other(side: Side) -> Side:
    """The side that it talks to."""
    return Side.REMOTE if side is Side.HOST else Side.HOST
