"""Where in the program each event of a trace stands: its events, matched with the lines that the parts kept.

Both count a CPU's loads, stores and barriers in the order of issue (amp.machine.config.Lines). Nothing is guessed: an
event whose number was not kept has no place, and a trace that has lost its beginning has none at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from amp.machine.config import Lines
from amp.report.schedule import LoadNumbers
from amp.report.trace import EventKind, Trace

Place: TypeAlias = tuple[str, int]  # (path, line)
_COUNTED = {EventKind.STORE: "stores", EventKind.KICK: "stores", EventKind.BARRIER: "barriers"}


def places_of(trace: Trace, lines: Sequence[Lines | None]) -> Mapping[int, Place]:
    """(path, line) by event number. `lines` has an entry a CPU."""
    if not trace.complete:
        return MappingProxyType({})
    loads, counts = LoadNumbers(), Counter[tuple[int, str]]()
    found: dict[int, Place] = {}
    for event in trace.events:
        kept = lines[event.cpu] if event.cpu < len(lines) else None
        if event.kind is EventKind.LOAD:
            kind, number = "loads", loads.number(event)
        elif event.kind in _COUNTED:
            kind = _COUNTED[event.kind]
            number = counts[event.cpu, kind]
            counts[event.cpu, kind] += 1
        else:
            continue
        place = None if kept is None else kept.place(kind, number)
        if place is not None:
            found[event.number] = place
    return MappingProxyType(found)


def place_text(place: Place) -> str:
    """As a reader is told: "handover.py:12"; a place without a line is named by itself: "send+0x1c"."""
    path, line = place
    return f"{Path(path).name}:{line}" if line else path
