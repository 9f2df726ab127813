"""A loop that waits for memory by loading it again and again: what it looks like in an execution, and what is said.

Such a loop has no end in an exploration: there is always an execution in which the other processor has not stored yet.
`port.poll` says the same and is one event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from amp.explore.schedule import READ, Event

ROUNDS: Final = 64  # loads in a row
PLACES: Final = 8  # granules that such a loop looks at, at most
ADVICE: Final = (
    "a loop loads the same memory again and again, and stores nothing: to wait for memory call "
    "poll(cell, predicate), or poll(look), which an exploration takes as one wait"
)


def spinner(events: Sequence[tuple[Any, ...]], cpus: int) -> int | None:
    """The CPU whose last accesses are loads of the same few places, which returned the same; None if there is none."""
    for cpu in range(cpus):
        last = list(islice(_backwards(events, cpu), ROUNDS))
        reads = [event for event in last if event.kind == READ]
        if (
            len(last) == ROUNDS == len(reads)
            and len({(each.address, each.mask, each.sources) for each in reads}) <= PLACES
        ):
            return cpu
    return None


def _backwards(events: Sequence[tuple[Any, ...]], cpu: int) -> Iterator[Event]:
    return (event for event in (Event(*each) for each in reversed(events)) if event.cpu == cpu)
