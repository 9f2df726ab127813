"""Stores on their way, drawn as lines between two columns: from where each is issued to where it becomes visible.

A flight has a lane of its own for as long as it lasts; lanes are used again. Time runs downwards, a row per event. A
store of the left column goes to the right and the other way round:

    ─╮     issued on the left            ╭─  issued on the right
     │     under way                    ◄┤   a part of it visible
     ╰─►   visible to the right         ◄╯   visible to the left
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def stack(spans: Iterable[tuple[int, int]]) -> list[int]:
    """A row for each (start, end), ordered by start, so that no two in a row touch: the lowest that is free."""
    ends: list[int] = []
    rows = []
    for start, end in spans:
        row = next((row for row, last in enumerate(ends) if last < start), len(ends))
        ends[row : row + 1] = [end]
        rows.append(row)
    return rows


@dataclass(frozen=True, slots=True)
class Flight:
    """A store from `start`, its number, to `end`, its last arrival's; `stops` are all its arrivals.

    `end` is None for one that never arrives: its line goes on to the bottom.
    """

    start: int
    stops: tuple[int, ...]
    rightwards: bool

    @property
    def end(self) -> int | None:
        return self.stops[-1] if self.stops else None


@dataclass(frozen=True, slots=True)
class Strokes:
    """What the lines are drawn with, one character each. `leave` and `arrive` are for (rightwards, leftwards)."""

    along: str
    down: str
    waiting: str
    cross: str
    leave: tuple[str, str]
    part: tuple[str, str]
    arrive: tuple[str, str]
    tip: tuple[str, str]


UNICODE = Strokes("─", "│", "┊", "┼", ("╮", "╭"), ("├", "┤"), ("╰", "╯"), ("►", "◄"))
ASCII = Strokes("-", "|", ":", "+", (".", "."), ("+", "+"), ("`", "'"), (">", "<"))


class Lanes:
    """Flights, each in its lane: the lowest that is free when it starts."""

    def __init__(self, flights: Sequence[Flight], strokes: Strokes = UNICODE) -> None:
        self.strokes = strokes
        flights = sorted(flights, key=lambda flight: flight.start)
        never = max((number for flight in flights for number in (flight.start, *flight.stops)), default=0) + 1
        rows = stack((flight.start, never if flight.end is None else flight.end) for flight in flights)
        self._lanes: list[list[Flight]] = [[] for _ in range(max(rows, default=-1) + 1)]
        for flight, row in zip(flights, rows, strict=True):
            self._lanes[row].append(flight)

    @property
    def width(self) -> int:
        """Characters of a row: the lanes, and two on each side for what leaves and arrives."""
        return len(self._lanes) + 4

    def row(self, number: int) -> str:
        """The line beside the event of that number."""
        cells = [self._cell(lane, number) for lane in self._lanes]
        turn = next((i for i, cell in enumerate(cells) if cell not in (" ", self.strokes.down)), None)
        if turn is None:
            return f"  {''.join(cells)}  "
        flight = next(flight for flight in self._lanes[turn] if number == flight.start or number in flight.stops)
        leaving = number == flight.start
        to_right_border = flight.rightwards != leaving
        along, cross = self.strokes.along, self.strokes.cross
        for i in range(turn + 1, len(cells)) if to_right_border else range(turn):
            cells[i] = along if cells[i] == " " else cross
        tip = along if leaving else self.strokes.tip[not flight.rightwards]
        body = "".join(cells)
        return f"  {body}{along}{tip}" if to_right_border else f"{tip}{along}{body}  "

    def below(self, number: int, *, gap: bool = False) -> str:
        """The line below the event of that number: its further text, or a gap in time."""
        stroke = self.strokes.waiting if gap else self.strokes.down
        return f"  {''.join(stroke if self._under_way(lane, number) else ' ' for lane in self._lanes)}  "

    def _cell(self, lane: list[Flight], number: int) -> str:
        for flight in lane:
            left = not flight.rightwards
            if number == flight.start:
                return self.strokes.leave[left]
            if number == flight.end:
                return self.strokes.arrive[left]
            if number in flight.stops:
                return self.strokes.part[left]
        return self.strokes.down if self._under_way(lane, number) else " "

    @staticmethod
    def _under_way(lane: list[Flight], number: int) -> bool:
        return any(flight.start <= number and (flight.end is None or number < flight.end) for flight in lane)
