"""An explanation, drawn: host on the left, remote on the right, time downwards; then the same in words.

Each store is a line between the columns, from where it is issued to where the other side can see it. Of more parts than
two, or two of one side, each has a column; where there is no room for that, the part's name stands before each event.
There a store's arrivals are events of their own, in its part's column: with siblings and others there are two.

Only the events that matter are shown (`scene`). Plain text in a pipe, colour on a terminal, ASCII where the terminal
knows no better. Nothing here decides anything.
"""

from __future__ import annotations

from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from amp.ordering.platforms import Side
from amp.report import lanes
from amp.report.blame import Explanation
from amp.report.history import History, granule_of
from amp.report.lanes import Flight, Lanes
from amp.report.scene import arrivals, scene, times_looked
from amp.report.shapes import Shape
from amp.report.trace import Event, EventFlag, EventKind, Trace
from amp.report.words import SCALAR_BYTES, Names, Words, value_text

__all__ = ["Names", "render_timeline"]

_WIDTH: Final = 100  # wider than this, the eye loses the line
_GAP: Final = 8  # more events than these left out are shown as a gap
_NARROWEST: Final = 22  # a column of several
_PENDING: Final = 3  # pending stores named one by one
_STORES: Final = (EventKind.STORE, EventKind.KICK)
_ARRIVALS: Final = (EventKind.VISIBLE, EventKind.RUNG)


def render_timeline(
    console: Console, trace: Trace, explanation: Explanation, names: Names, replay: str | None = None
) -> None:
    """Print the finding, its timeline, and why it could happen.

    `names(address)` is what the reader calls that place of the region: "avail.ring[0]", "buffer 2 +0x10". `replay` is
    the command line that shows it again, if there is one.
    """
    width = min(console.width, _WIDTH)
    drawing = _Drawing(console, trace, explanation, names)
    console.print(Text(drawing.words.opening(), style="bold"), width=width)
    if explanation.pair is None and not explanation.story:
        console.print(Text("The last events before that, none of them seen to be out of order:"), width=width)
    console.print(drawing.table(width) if drawing.is_pair else drawing.crowd(width), width=width)
    console.print(drawing.story(), width=width)
    if replay is not None:
        console.print(Text(f"Replay: {replay}", style="bold"), soft_wrap=True)  # one line, to be copied


class _Drawing:
    """One explanation on its way to the console."""

    def __init__(self, console: Console, trace: Trace, explanation: Explanation, names: Names) -> None:
        unicode = console.encoding.lower().startswith("utf")
        self._console, self._explanation, self._history = console, explanation, History(trace)
        self.words = Words(self._history, explanation, names, "→" if unicode else "->")
        self._unicode = unicode
        self._bar, self._gap = ("──", "⋮") if unicode else ("--", ":")
        self._events = scene(self._history, explanation, names)
        self._lanes = Lanes([self._flight(e) for e in self._events if e.kind in _STORES], _strokes(unicode))

    # --- the picture

    @property
    def is_pair(self) -> bool:
        """A host and a remote."""
        return self._explanation.sides == tuple(Side)

    def crowd(self, width: int) -> Table:
        """Event number, a column for each part that does something here: or one for all, with their names."""
        digits = max([5, *(len(str(event.number)) + 1 for event in self._events)])
        cpus = sorted({event.cpu for event in self._events})
        names = [self.words.cpu(cpu) for cpu in cpus]
        each = (width - digits) // max(len(cpus), 1)
        apart = each >= _NARROWEST
        table = Table(box=None, pad_edge=False, show_edge=False, padding=0)
        table.add_column("event", justify="right", width=digits, style="dim", no_wrap=True)
        if apart:
            for name in names:
                table.add_column(f" {self._edge} {name}", width=each, overflow="fold")
        else:
            table.add_column(f" {self._edge} part", width=max(map(len, ("part", *names)), default=4) + 4, no_wrap=True)
            table.add_column("", ratio=1, overflow="fold")
        previous = 0
        for event in self._events:
            if previous and event.number - previous > _GAP:
                table.add_row(self._gap, *[f" {self._edge}"] * (len(cpus) if apart else 1))
            previous = event.number
            if apart:
                self._add_to_columns(table, event, cpus, each - 3)
            else:
                part = f" {self._edge} {self.words.cpu(event.cpu)}"
                table.add_row(f"#{event.number}", part, self._cell(event))
        return table

    def _add_to_columns(self, table: Table, event: Event, cpus: list[int], width: int) -> None:
        lines = self._lines(self._cell(event), width)
        framed = Text("\n").join(Text(f" {self._edge} ", style="dim").append_text(line) for line in lines)
        empty = Text("\n".join([f" {self._edge}"] * len(lines)), style="dim")
        table.add_row(f"#{event.number}", *(framed if cpu == event.cpu else empty for cpu in cpus))

    def table(self, width: int) -> Table:
        """Event number, host, the stores on their way, remote: a row per event, its column widths fixed."""
        digits = max([5, *(len(str(event.number)) + 1 for event in self._events)])
        between = self._lanes.width
        room = width - digits - between - len(f" {self._edge} ") - len(" ")
        left, right = room // 2, room - room // 2
        table = Table(box=None, pad_edge=False, show_edge=False, padding=0)
        table.add_column("event", justify="right", width=digits, style="dim", no_wrap=True)
        table.add_column(f" {self._edge} host", width=left + 3, overflow="fold")
        table.add_column("", width=between, no_wrap=True, style="cyan")
        table.add_column(" remote", width=right + 1, overflow="fold")
        previous = 0
        for event in self._events:
            if previous and event.number - previous > _GAP:
                table.add_row(self._gap, f" {self._edge}", self._lanes.below(previous, gap=True), "")
            previous = event.number
            self._add(table, event, left, right)
        return table

    @property
    def _edge(self) -> str:
        return self._lanes.strokes.down

    def _add(self, table: Table, event: Event, left: int, right: int) -> None:
        """A row of as many lines as its fuller side needs; the edge and the stores under way go all the way down."""
        cells: dict[Side, RenderableType] = dict.fromkeys(Side, "")
        cells[self._shown_at(event)] = self._cell(event)
        note = self._pending_elsewhere(event)
        if note is not None:
            cells[self._other(self.words.side(event.cpu))] = note
        host = self._lines(cells[Side.HOST], left)
        remote = self._lines(cells[Side.REMOTE], right)
        height = max(len(host), len(remote))
        lane = Text("\n".join([self._lanes.row(event.number), *[self._lanes.below(event.number)] * (height - 1)]))
        host += [Text()] * (height - len(host))
        framed = Text("\n").join(Text(f" {self._edge} ", style="dim").append_text(line) for line in host)
        table.add_row(f"#{event.number}", framed, lane, Text("\n").join(Text(" ").append_text(line) for line in remote))

    def _lines(self, cell: RenderableType, width: int) -> list[Text]:
        """The cell, wrapped to the width, line by line."""
        lines = self._console.render_lines(cell, self._console.options.update(width=width), pad=False)
        return [Text.assemble(*((part.text, part.style or "") for part in line)) for line in lines]

    def _flight(self, store: Event) -> Flight:
        stops = tuple(event.number for event in arrivals(self._history, store, self._explanation.byte))
        return Flight(store.number, stops, rightwards=self.words.side(store.cpu) is Side.HOST)

    def _shown_at(self, event: Event) -> Side:
        """A store arrives at the other side, everything else happens where it is done."""
        side = self.words.side(event.cpu)
        return self._other(side) if event.kind in _ARRIVALS else side

    @staticmethod
    def _other(side: Side) -> Side:
        return Side.REMOTE if side is Side.HOST else Side.HOST

    # --- one event

    def _cell(self, event: Event) -> RenderableType:
        """What it is, and below, indented, what there is to say about it."""
        if event.kind in _ARRIVALS:
            return self._arrival(event)
        blamed = self._explanation.barrier is not None and event.number == self._explanation.barrier.number
        label = self.words.label(event)
        text = Text(f"{label} " if label else "", style="bold" if label else "")
        if event.kind is EventKind.BARRIER:
            text = Text(f"{self._bar} ", style="bold yellow" if blamed else "dim")
        text.append(self.words.said(event)).append(self._source(event), style="dim")
        where = self.words.where(event)
        if where:
            text.append(f"  {where}", style="dim")
        times = times_looked(self._history, event) if self._explanation.pair is None else 1
        if times > 1:
            text.append(f" … {times} times" if self._unicode else f" ... {times} times", style="dim")
        lines: list[RenderableType] = [text]
        mark = self.words.mark(event)
        if mark is not None:
            lines.append(_indented(Text(mark, style="bold yellow" if blamed else "bold red")))
        if event.kind in _STORES and not self._flight(event).stops:
            lines.append(_indented(Text("not visible by the end of the trace", style="red")))
        if self._is_bad(event) and self._pending_cpu() == event.cpu and self._waiting():
            lines.append(_indented(self._pending()))
        return Group(*lines)

    def _arrival(self, event: Event) -> Text:
        label = self.words.label(event)
        visible = "visible: "
        if self._history.trace.domains and event.kind is EventKind.VISIBLE:
            visible = "siblings see: " if event.flags & EventFlag.SIBLINGS else "all see: "
        text = Text(f"{label} {visible}" if label else visible, style="green")
        text.append(self.words.said(event))
        if self.words.overtook(event):
            text.append("; A is not", style="bold red")
        return text

    def _source(self, event: Event) -> str:
        """Which of the pair a load returned."""
        pair = self._explanation.pair or ()
        scalar = event.kind is EventKind.LOAD and event.size <= SCALAR_BYTES
        read = (label for label, store in zip("AB", pair, strict=False) if scalar and store.number == event.store)
        return next((f" ({label})" for label in read), "")

    # --- what waited meanwhile

    def _is_bad(self, event: Event) -> bool:
        e = self._explanation
        return e.pair is not None and e.bad is not None and event.number == e.bad.number

    def _pending_cpu(self) -> int:
        """The CPU whose late stores are the point: the writer of what was missed."""
        e = self._explanation
        assert e.pair is not None
        return e.pair[0].cpu if e.shape in (Shape.BUFFERED, Shape.WIPED_OUT) or e.missed is None else e.missed.cpu

    def _pending_elsewhere(self, event: Event) -> Text | None:
        """Beside the bad load: what was still on its way to it. None if what it missed had arrived."""
        missed = self._explanation.missed
        if not self._is_bad(event) or missed is None or self._pending_cpu() == event.cpu:
            return None
        return self._pending() if missed.number in [store.number for store, _ in self._waiting()] else None

    def _waiting(self) -> list[tuple[Event, int]]:
        assert self._explanation.bad is not None
        bad = self._explanation.bad
        return self._history.pending(self._pending_cpu(), bad.number, bad.cpu)

    def _pending(self) -> Text:
        e = self._explanation
        # Those the finding is about first: of dozens pending, they are what the reader looks for.
        mine = {event.number for event in (*(e.pair or ()), *(e.other or ()))}
        waiting = sorted(self._waiting(), key=lambda item: item[0].number not in mine)
        lines = [f"pending: {self._pending_store(*waiting[0])}"]
        lines += [f"         {self._pending_store(*item)}" for item in waiting[1:_PENDING]]
        if len(waiting) > _PENDING:
            lines.append(f"         and {len(waiting) - _PENDING} more")
        return Text("\n".join(lines), style="cyan")

    def _pending_store(self, store: Event, granules: int) -> str:
        if store.kind is EventKind.KICK:
            return f"#{store.number} doorbell"
        name = self.words.name(store.address)
        if store.size <= SCALAR_BYTES:
            return f"#{store.number} {name} = {value_text(store.value)}"
        total = len(range(granule_of(store.address), store.address + store.size, 8))
        return f"#{store.number} {name}, {granules} of {total} granules"

    # --- the words

    def story(self) -> Table:
        """What happened, the site, the barrier, why it does not reach, what would."""
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(ratio=1)
        for heading, text in self.words.paragraphs():
            grid.add_row(heading, Text(text))
        return grid


def _strokes(unicode: bool) -> lanes.Strokes:
    return lanes.UNICODE if unicode else lanes.ASCII


def _indented(renderable: RenderableType) -> Padding:
    return Padding(renderable, (0, 0, 0, 2))
