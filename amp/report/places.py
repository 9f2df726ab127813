"""Where in the program each event of a trace stands: its events, matched with the lines that the parts kept.

Both count a CPU's loads, stores and barriers in the order of issue (amp.machine.config.Lines). Nothing is guessed: an
event whose number was not kept has no place, and a trace that has lost its beginning has none at all. Of compiled code
its instruction is known as well, and the registers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple

from amp.machine.config import Lines
from amp.port.lines import Place
from amp.report.schedule import LoadNumbers
from amp.report.trace import Event, EventKind, Trace

_COUNTED = {
    **dict.fromkeys((EventKind.STORE, EventKind.KICK, EventKind.ACKNOWLEDGE), "stores"),
    EventKind.BARRIER: "barriers",
}


class Instruction(NamedTuple):
    """One of compiled code: its function, how an assembler writes it, and the registers before it, (name, value)."""

    function: str
    text: str
    registers: tuple[tuple[str, int], ...]


def place(trace: Trace, lines: Sequence[Lines | None]) -> None:
    """Tell the trace where its events stand: `places`, and `code`. `lines` has an entry a CPU."""
    places: dict[int, Place] = {}
    code: dict[int, Instruction] = {}
    for event, kind, number in _numbered(trace) if trace.complete else ():
        kept = lines[event.cpu] if event.cpu < len(lines) else None
        found = None if kept is None else kept.place(kind, number)
        if found is not None:
            places[event.number] = found
        instruction = kept.code.at(kind, number) if kept is not None and kept.code is not None else None
        if instruction is not None:
            function, _, text = instruction[0].partition(": ")
            code[event.number] = Instruction(function, text, instruction[1])
    trace.places, trace.code = MappingProxyType(places), MappingProxyType(code)


def _numbered(trace: Trace) -> Iterator[tuple[Event, str, int]]:
    """The events that stand somewhere: each with its kind's name, and its number among those of its CPU."""
    loads, counts = LoadNumbers(), Counter[tuple[int, str]]()
    for event in trace.events:
        if event.kind in (EventKind.LOAD, EventKind.STATUS):
            yield event, "loads", loads.number(event)
        elif event.kind in _COUNTED:
            kind = _COUNTED[event.kind]
            yield event, kind, counts[event.cpu, kind]
            counts[event.cpu, kind] += 1
