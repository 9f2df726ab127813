"""An explanation, drawn: host on the left, remote on the right, time downwards; then the same in words.

Only the events that matter are shown. "A" and "B" mark the pair that was not in order: A comes first in the program.
Plain text in a pipe, colour on a terminal, ASCII where the terminal knows no better. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from amp.ordering.barriers import ALL_ORDERS, Orders, Primitive, orders_text
from amp.ordering.platforms import Side
from amp.ordering.sites import SITES, Role, Site, SiteRow
from amp.port.notes import Note
from amp.report.blame import Explanation, Shape
from amp.report.history import History, covers, granule_of
from amp.report.trace import Event, EventFlag, EventKind, Trace

Names = Callable[[int], str]

_WIDTH = 100  # wider than this, the eye loses the line
_CONTEXT = 3  # events shown between the two accesses of a pair
_GAP = 8  # more events than these left out are shown as a gap
_PENDING = 3  # pending stores named one by one
_NOTES: dict[int, str] = {
    Note.SEND: "sends message {}",
    Note.RECEIVE: "receives message {}",
    Note.CHECKED: "message {} proved right",
    Note.FAIL: "message {} is wrong",
}
_WORDS = {
    Orders.WW: "a later store behind an earlier store",
    Orders.RR: "a later load behind an earlier load",
    Orders.WR: "a later load behind an earlier store",
    Orders.RW: "a later store behind an earlier load",
    Orders.WD: "the doorbell behind the stores before it",
}


@dataclass(frozen=True, slots=True)
class _Glyphs:
    elbow: str
    gives: str
    bar: str
    gap: str


_UNICODE = _Glyphs("└─", "→", "──", "⋮")
_ASCII = _Glyphs("`-", "->", "--", ":")


def render_timeline(
    console: Console, trace: Trace, explanation: Explanation, names: Names, replay: str | None = None
) -> None:
    """Print the finding, its timeline, and why it could happen.

    `names(address)` is what the reader calls that place of the region: "avail.ring[0]", "buffer 2 +0x10". `replay` is
    the command line that shows it again, if there is one.
    """
    width = min(console.width, _WIDTH)
    finder = explanation.sides[explanation.finding.cpu]
    console.print(Text(f"Found by the {finder}: {explanation.finding.text}", style="bold"), width=width)
    if explanation.pair is None:
        console.print(Text(f"Not explained: {explanation.shape}, events {trace.first} to {trace.last}."), width=width)
    else:
        drawing = _Drawing(console, History(trace), explanation, names)
        console.print(drawing.table(), width=width)
        console.print(drawing.words(), width=width)
    if replay is not None:
        console.print(Text(f"Replay: {replay}", style="bold"), soft_wrap=True)  # one line, to be copied


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """The explanation as data for `--json`. Events by number and fields; orders and barriers by name."""
    e = explanation
    return {
        "finding": {
            "cpu": e.finding.cpu,
            "side": str(e.sides[e.finding.cpu]),
            "text": e.finding.text,
            "address": e.finding.address,
            "size": e.finding.size,
            "stall": e.finding.stall,
        },
        "platform": e.platform.name,
        "shape": e.shape.name.lower(),
        "side": str(e.side) if e.side else None,
        "site": e.site.name if e.site else None,
        "needs": orders_text(e.needs) if e.needs else None,
        "pair": [_event_dict(event) for event in e.pair] if e.pair else None,
        "other": [_event_dict(event) for event in e.other] if e.other else None,
        "bad": _event_dict(e.bad) if e.bad else None,
        "byte": e.byte,
        "read": e.read,
        "missed": e.missed.number if e.missed else None,
        "barrier": _event_dict(e.barrier) if e.barrier else None,
        "primitive": e.primitive.label if e.primitive is not None else None,
        "why": e.why,
        "cure": e.cure.label if e.cure is not None else None,
        "cure_class": e.cure_class.value if e.cure_class else None,
    }


def _event_dict(event: Event) -> dict[str, Any]:
    return {
        "number": event.number,
        "cpu": event.cpu,
        "kind": event.kind.name.lower(),
        "address": event.address,
        "size": event.size,
        "value": event.value,
        "store": event.store,
        "newest": event.newest,
        "site": Site(event.site).name if event.site in SITES else None,
        "orders": orders_text(event.orders),
        "flags": [flag.name for flag in EventFlag if flag in event.flags],
    }


class _Drawing:
    """One explanation on its way to the console."""

    def __init__(self, console: Console, history: History, explanation: Explanation, names: Names) -> None:
        assert explanation.pair
        assert explanation.other
        assert explanation.bad
        assert explanation.needs
        self._history, self._explanation, self._names = history, explanation, names
        self._pair, self._other, self._bad = explanation.pair, explanation.other, explanation.bad
        self._needs = explanation.needs
        self._glyphs = _UNICODE if console.encoding.lower().startswith("utf") else _ASCII

    # --- the picture

    def table(self) -> Table:
        """Three columns: event number, host, remote."""
        table = Table(box=box.MINIMAL, pad_edge=False, expand=True, show_edge=False)
        table.add_column("event", justify="right", style="dim", no_wrap=True)
        for side in Side:
            table.add_column(Text(str(side)), ratio=1, overflow="fold")
        previous = 0
        for event in self._events():
            if previous and event.number - previous > _GAP:
                table.add_row(self._glyphs.gap, "", "")
            previous = event.number
            cells: dict[Side, RenderableType] = dict.fromkeys(Side, "")
            cells[self._side(event)] = self._cell(event)
            if event.number == self._bad.number and self._pending_cpu() != event.cpu:
                cells[self._side_of(self._pending_cpu())] = self._pending()
            table.add_row(f"#{event.number}", *(cells[side] for side in Side))
        return table

    def _events(self) -> list[Event]:
        """Everything worth a line, by number."""
        cycle = (*self._pair, *self._other, self._bad)
        behind = (self._explanation.barrier, self._explanation.missed, self._origin())
        shown = {event.number: event for event in (*cycle, *behind) if event}
        arrived = [
            visible
            for event in shown.values()
            if event.kind in (EventKind.STORE, EventKind.KICK)
            for visible in self._arrivals(event)
        ]
        shown |= {visible.number: visible for visible in arrived}
        for first, second in (self._pair, self._other):
            for event in self._between(first, second):
                shown[event.number] = event
        return [shown[number] for number in sorted(shown)]

    def _between(self, first: Event, second: Event) -> list[Event]:
        """The barriers at sites between a pair, and a few of the accesses, the latest ones."""
        low, high = sorted((first.number, second.number))
        history, cpu = self._history, first.cpu
        sited = [event for event in history.of_kind(cpu, EventKind.BARRIER, after=low, before=high) if event.site]
        kinds = (EventKind.STORE,) if second.kind is not EventKind.LOAD else (EventKind.LOAD,)
        others = [
            event for event in history.of_kind(cpu, *kinds, after=low, before=high) if not event.flags & EventFlag.PART
        ]
        notes = history.of_kind(cpu, EventKind.NOTE, after=low, before=high)
        return sited[-2:] + others[-_CONTEXT:] + notes[-1:]

    def _arrivals(self, store: Event) -> list[Event]:
        """When it became visible: the granule that matters, or the first and the last."""
        events = self._history.visible_events(store)
        byte = self._explanation.byte
        mattering = [event for event in events if byte is not None and event.address == granule_of(byte)]
        return mattering[:1] if mattering else events[:1] if len(events) == 1 else events[:1] + events[-1:]

    def _origin(self) -> Event | None:
        return self._history.trace.event(self._explanation.read or 0)

    def _side_of(self, cpu: int) -> Side:
        return self._explanation.sides[cpu]

    def _side(self, event: Event) -> Side:
        return self._side_of(event.cpu)

    def _label(self, event: Event) -> str:
        number = event.store if event.kind in (EventKind.VISIBLE, EventKind.RUNG) else event.number
        return next((f"{label} " for label, mine in zip("AB", self._pair, strict=True) if mine.number == number), "")

    def _cell(self, event: Event) -> RenderableType:
        """One event's cell: what it is, and below, indented, what there is to say about it."""
        label = self._label(event)
        if event.kind in (EventKind.VISIBLE, EventKind.RUNG):
            text = Text(f"{self._glyphs.elbow} {label}visible: {self._arrived(event)}", style="green")
            overtakes = self._explanation.shape in (Shape.STORES, Shape.DOORBELL)
            if overtakes and event.store == self._pair[1].number and self._visible_at(self._pair[0]) > event.number:
                text.append("; A is not", style="bold red")
            return _indented(text)
        if event.kind is EventKind.BARRIER:
            return self._barrier(event)
        lines: list[RenderableType] = [Text(f"{label}{self._said(event)}", style="bold" if label else "")]
        if event.number == self._bad.number:
            lines.append(_indented(Text(self._mark(), style="bold red")))
            if self._pending_cpu() == event.cpu and self._waiting():
                lines.append(_indented(self._pending()))
        elif self._explanation.shape is Shape.BUFFERED and event.number == self._other[1].number:
            lines.append(_indented(Text(self._unseen(event, self._pair[0]), style="red")))
        return Group(*lines)

    def _said(self, event: Event) -> str:
        """An access in words: "store avail.idx = 1"."""
        if event.kind is EventKind.NOTE:
            return _NOTES.get(event.primitive, f"note {event.primitive}: {{}}").format(event.value)
        if event.kind is EventKind.KICK:
            return f"ring the {self._side_of(event.address)}'s doorbell"
        if event.kind is EventKind.TAKEN:
            return "take the interrupt"
        name = self._names(event.address)
        if event.size > 8:
            late = " (performed late)" if event.flags & EventFlag.DEFERRED else ""
            return f"{'write' if event.kind is EventKind.STORE else 'read'} {name}, {event.size} bytes{late}"
        if event.kind is EventKind.STORE:
            return f"store {name} = {_value(event.value)}"
        return f"load {name} {self._glyphs.gives} {_value(event.value)}"

    def _arrived(self, event: Event) -> str:
        """What a VISIBLE or RUNG event brought."""
        if event.kind is EventKind.RUNG:
            return "the doorbell rings"
        store = self._history.trace.event(event.store)
        if store and store.size <= 8:
            return f"{self._names(store.address)} = {_value(store.value)}"
        low = max(event.address, store.address) if store else event.address
        return f"{self._names(low)}, {event.size.bit_count()} bytes"

    def _barrier(self, event: Event) -> RenderableType:
        blamed = self._explanation.barrier is not None and event.number == self._explanation.barrier.number
        where = f"{Site(event.site).name} " if event.site in SITES else ""
        name = self._named(self._side(event), Primitive(event.primitive))
        orders = "all" if event.orders == ALL_ORDERS else orders_text(event.orders)
        text = Text(f"{self._glyphs.bar} {where}{name}: orders {orders}", style="bold yellow" if blamed else "dim")
        if not blamed:
            return text
        return Group(text, _indented(Text(f"needed here: {orders_text(self._needs)}", style="bold yellow")))

    def _named(self, side: Side, primitive: Primitive) -> str:
        """A barrier with what it is on this platform: "smp_wmb (dmb)"."""
        if primitive is Primitive.NONE:
            return "no barrier"
        instruction = self._explanation.platform.processor(side).architecture.rows[primitive].instruction
        return primitive.label if instruction == primitive.label else f"{primitive.label} ({instruction})"

    def _mark(self) -> str:
        """What is wrong with the bad load."""
        e = self._explanation
        if e.missed is None:
            return f"too new: {self._origin_text()}, stored after the buffer was handed back"
        if e.shape is Shape.BUFFERED and self._visible_at(self._pair[0]) > self._bad.number:
            return "too early: A is still pending"
        return self._unseen(self._bad, e.missed, self._origin_text())

    def _unseen(self, load: Event, store: Event, source: str = "the old value") -> str:
        """Why the load did not return the store's value."""
        if self._visible_at(store) > load.number:
            return f"early: {source}; #{store.number} is still pending at the {self._side(store)}"
        return f"stale: {source}, newest is #{store.number}"

    def _origin_text(self) -> str:
        origin = self._explanation.read
        if origin is None:
            return "an older value"
        if origin:
            return f"value of #{origin}"
        return "the value it had at the start" if self._history.trace.complete else "a value older than this trace"

    def _visible_at(self, store: Event) -> int:
        """When the store's granule that matters became visible; after the trace's end if it never did."""
        byte = self._explanation.byte
        assert byte is not None
        at = self._history.visible_at(store, byte if covers(store, byte) else store.address)
        return self._history.trace.last + 1 if at is None else at

    def _pending_cpu(self) -> int:
        """The CPU whose late stores are the point: the writer of what was missed."""
        missed = self._explanation.missed
        if self._explanation.shape is Shape.BUFFERED or missed is None:
            return self._pair[0].cpu
        return missed.cpu

    def _waiting(self) -> list[tuple[Event, int]]:
        return self._history.pending(self._pending_cpu(), self._bad.number)

    def _pending(self) -> Text:
        waiting = self._waiting()
        if not waiting:
            return Text("pending: nothing", style="dim")
        # Those the finding is about first: of dozens pending, they are what the reader looks for.
        mine = {event.number for event in (*self._pair, *self._other)}
        waiting.sort(key=lambda item: item[0].number not in mine)
        lines = [f"pending: {self._pending_store(*waiting[0])}"]
        lines += [f"         {self._pending_store(*item)}" for item in waiting[1:_PENDING]]
        if len(waiting) > _PENDING:
            lines.append(f"         and {len(waiting) - _PENDING} more")
        return Text("\n".join(lines), style="cyan")

    def _pending_store(self, store: Event, granules: int) -> str:
        if store.kind is EventKind.KICK:
            return f"#{store.number} doorbell"
        name = self._names(store.address)
        if store.size <= 8:
            return f"#{store.number} {name} = {_value(store.value)}"
        total = len(range(granule_of(store.address), store.address + store.size, 8))
        return f"#{store.number} {name}, {granules} of {total} granules"

    # --- the words

    def words(self) -> Table:
        """What happened, the site, the barrier, why it does not reach, what would."""
        e = self._explanation
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(ratio=1)
        assert e.side is not None
        grid.add_row("What", Text(self._what()))
        if e.site is not None:
            row = SITES[e.site]
            grid.add_row(
                "Site",
                Text(
                    f"{e.site.name}, at the {e.side} ({_role(row)}): {row.orders}; needs "
                    f"{orders_text(row.needs)}. If missing: {row.if_missing}."
                ),
            )
        missing = f"{_WORDS[self._needs]} ({orders_text(self._needs)})"
        if e.primitive is None:
            grid.add_row("Barrier", Text(f"none between A and B; the hardware does not keep {missing}"))
        else:
            other = self._side(self._other[0])
            named = "none" if e.primitive is Primitive.NONE else self._named(e.side, e.primitive)
            keeps = "without one the hardware does not keep" if e.primitive is Primitive.NONE else "does not keep"
            grid.add_row("Barrier", Text(f"{named} on {e.platform.name}: {keeps} {missing} for the {other}"))
        if e.primitive not in (None, Primitive.NONE):
            grid.add_row("Why", Text(e.why or ""))
        grid.add_row("Cure", Text(self._cure()))
        return grid

    def _cure(self) -> str:
        e = self._explanation
        assert e.side is not None
        if e.cure is None or e.cure_class is None:
            return f"no barrier class orders {orders_text(self._needs)} on {e.platform.name}"
        where = f"at {e.site.name}" if e.site else "between A and B"
        return f"{self._named(e.side, e.cure)} {where}; {e.cure_class.value} is the weakest class that orders it here"

    def _what(self) -> str:
        """One or two sentences for the shape."""
        a, b = (self._short(event) for event in self._pair)
        side, other = self._side(self._pair[0]), self._side(self._other[0])
        match self._explanation.shape:
            case Shape.STORES:
                return (
                    f"The {side} stored {a} (A), then {b} (B). B became visible first, so the {other} could see B "
                    "without A."
                )
            case Shape.DOORBELL:
                return (
                    f"The {side} stored {a} (A), then rang (B). The doorbell arrived first: the {other} woke, "
                    "looked, and found nothing new."
                )
            case Shape.LOADS:
                return (
                    f"The {side} loaded {a} (A), then {b} (B). A returned the new value and B an old one: B was "
                    f"performed before A. The {other}'s stores arrived in order."
                )
            case Shape.BUFFERED:
                c, d = (self._short(event) for event in self._other)
                return (
                    f"The {side} stored {a} (A) and then looked at {b} (B), but B was performed before A was "
                    f"visible; the {other} stored {c} and looked at {d}. Each saw the other's old value."
                )
            case Shape.LATE_LOAD:
                return (
                    f"The {side} read {a} (A), then handed it back with {b} (B). A was performed after B: the "
                    f"{other} had written the buffer again."
                )
            case Shape.NOTHING:
                raise AssertionError("there is no pair to speak of")

    def _short(self, event: Event) -> str:
        return "the doorbell" if event.kind in (EventKind.KICK, EventKind.TAKEN) else self._names(event.address)


def _indented(renderable: RenderableType) -> Padding:
    return Padding(renderable, (0, 0, 0, 2))


def _role(row: SiteRow) -> str:
    return "driver or device" if row.role is Role.BOTH else str(row.role)


def _value(value: int) -> str:
    return str(value) if value < 1 << 16 else f"0x{value:x}"
