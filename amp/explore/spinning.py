"""A loop that waits for memory by loading it again and again: what it looks like in an execution, and what is said.

Such a loop has no end in an exploration: there is always an execution in which the other processor has not stored yet.
`port.poll` says the same and is one event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from types import FrameType
from typing import Any, Final

from amp.explore.schedule import READ, Event
from amp.explore.standing import place_of

ROUNDS: Final = 64  # loads in a row
PLACES: Final = 8  # granules that such a loop looks at, at most, and what it finds there
ADVICE: Final = (
    "a loop loads the same memory again and again, and stores nothing: to wait for memory call "
    "poll(cell, predicate), or poll(look), which an exploration takes as one wait"
)


def spinner(events: Sequence[tuple[Any, ...]], cpus: int) -> int | None:
    """The CPU whose last accesses are loads of the same few places, which returned the same; None if there is none."""
    for cpu in range(cpus):
        last = list(islice(_backwards(events, cpu), ROUNDS))
        found = {(event.address, event.mask, event.sources) for event in last if event.kind == READ}
        if len(last) == ROUNDS and all(event.kind == READ for event in last) and len(found) <= PLACES:
            return cpu
    return None


def _backwards(events: Sequence[tuple[Any, ...]], cpu: int) -> Iterator[Event]:
    return (event for event in (Event(*each) for each in reversed(events)) if event.cpu == cpu)


class Loads:
    """Counts a run's loads by the line that makes them, for sys.setprofile."""

    def __init__(self) -> None:
        self._lines: Counter[tuple[Any, str]] = Counter()

    def watch(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and getattr(argument, "__name__", "").startswith(("load", "rung")):
            self._lines[getattr(argument, "__self__", None), place_of(frame)] += 1

    def commonest(self, port: object) -> str:
        """ "FILE:LINE: " of the line that loads most often by that port; "" if none does."""
        mine = {place: count for (owner, place), count in self._lines.items() if owner is port}
        return max(mine, key=mine.__getitem__, default="")
