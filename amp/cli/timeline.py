"""An explanation, drawn: host on the left, remote on the right, time downwards; then the same in words.

Each store is a line between the columns, from where it is issued to where the other side can see it. Of more parts than
two, or two of one side, each has a column, or where there is no room its name before each event; there a store's
arrivals are events of its part. Only the events that matter are shown (`scene`), in ASCII where it must be.
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
from amp.report.lanes import Lanes
from amp.report.picture import ARRIVALS, GAP, STORES, Picture, other
from amp.report.trace import Event, EventKind, Trace
from amp.report.words import Names

_WIDTH: Final = 100  # wider than this, the eye loses the line
_NARROWEST: Final = 22  # a column of several


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
    console.print(drawing.picture(width), width=width)
    console.print(drawing.story(), width=width)
    if explanation.repair is not None and explanation.repair.command:
        console.print(Text(f"Repaired: {explanation.repair.command}"), soft_wrap=True)
    if replay is not None:
        console.print(Text(f"Replay: {replay}", style="bold"), soft_wrap=True)  # one line, to be copied


class _Drawing:
    """One explanation on its way to the console."""

    def __init__(self, console: Console, trace: Trace, explanation: Explanation, names: Names) -> None:
        self._console, self._unicode = console, console.encoding.lower().startswith("utf")
        self._bar, self._gap = ("──", "⋮") if self._unicode else ("--", ":")
        self._picture = Picture(trace, explanation, names, "→" if self._unicode else "->")
        self.words = self._picture.words
        self._lanes = Lanes(self._picture.flights(), lanes.UNICODE if self._unicode else lanes.ASCII)

    def picture(self, width: int) -> Table:
        """The events, one a row."""
        return self._pair(width) if self._picture.is_pair else self._crowd(width)

    def _crowd(self, width: int) -> Table:
        """Event number, a column for each part that does something here: or one for all, with their names."""
        events = self._picture.events
        digits = max([5, *(len(str(event.number)) + 1 for event in events)])
        cpus = sorted({event.cpu for event in events})
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
        for event in events:
            if previous and event.number - previous > GAP:
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

    def _pair(self, width: int) -> Table:
        """Event number, host, the stores on their way, remote: a row per event, its column widths fixed."""
        digits = max([5, *(len(str(event.number)) + 1 for event in self._picture.events)])
        between = self._lanes.width
        room = width - digits - between - len(f" {self._edge} ") - len(" ")
        left, right = room // 2, room - room // 2
        table = Table(box=None, pad_edge=False, show_edge=False, padding=0)
        table.add_column("event", justify="right", width=digits, style="dim", no_wrap=True)
        table.add_column(f" {self._edge} host", width=left + 3, overflow="fold")
        table.add_column("", width=between, no_wrap=True, style="cyan")
        table.add_column(" remote", width=right + 1, overflow="fold")
        previous = 0
        for event in self._picture.events:
            if previous and event.number - previous > GAP:
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
        cells[self._picture.shown_at(event)] = self._cell(event)
        note = self._picture.pending_elsewhere(event)
        if note:
            cells[other(self.words.side(event.cpu))] = _pending(note)
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

    def _cell(self, event: Event) -> RenderableType:
        """What it is, and below, indented, what there is to say about it."""
        if event.kind in ARRIVALS:
            return self._arrival(event)
        picture, blamed = self._picture, self._picture.is_blamed(event)
        label = self.words.label(event)
        text = Text(f"{label} " if label else "", style="bold" if label else "")
        if event.kind is EventKind.BARRIER:
            text = Text(f"{self._bar} ", style="bold yellow" if blamed else "dim")
        text.append(self.words.said(event)).append(picture.source(event), style="dim")
        where = self.words.standing(event)
        if where:
            text.append(f"  {where}", style="dim")
        times = picture.times(event)
        if times > 1:
            text.append(f" … {times} times" if self._unicode else f" ... {times} times", style="dim")
        lines: list[RenderableType] = [text]
        mark = self.words.mark(event)
        if mark is not None:
            lines.append(_indented(Text(mark, style="bold yellow" if blamed else "bold red")))
        if event.kind in STORES and not picture.flight(event).stops:
            lines.append(_indented(Text("not visible by the end of the trace", style="red")))
        note = picture.pending_here(event)
        if note:
            lines.append(_indented(_pending(note)))
        return Group(*lines)

    def _arrival(self, event: Event) -> Text:
        label = self.words.label(event)
        seen = self._picture.seen(event)
        text = Text(f"{label} {seen}: " if label else f"{seen}: ", style="green")
        text.append(self.words.said(event))
        if self.words.overtook(event):
            text.append("; A is not", style="bold red")
        return text

    def story(self) -> Table:
        """What happened, the site, the barrier, why it does not reach, what would."""
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(ratio=1)
        for heading, text in self.words.paragraphs():
            grid.add_row(heading, Text(text))
        return grid


def _pending(lines: list[str]) -> Text:
    return Text("\n".join(lines), style="cyan")


def _indented(renderable: RenderableType) -> Padding:
    return Padding(renderable, (0, 0, 0, 2))
