"""Ctrl-C in a long command: the work stops where it is consistent, what was found so far is told, the status is 130."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Final

from amp.explore.explorer import Bounds, Exploration, Explorer

BY_USER: Final = "Ctrl-C"  # the bound that was reached

Progress = Callable[[Exploration], None]


@dataclass(slots=True)
class Stop:
    """`asked`: the user has had enough."""

    asked: bool = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """While this lasts the first Ctrl-C is noted, not raised. A second one is raised, as ever."""
    stop, before = Stop(), signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, as nohup has it; or somebody else's
        yield stop
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class _Stopped(Exception):
    """Raised between two runs of an exploration."""


def explore(explorer: Explorer, bounds: Bounds, stop: Stop, progress: Progress | None = None) -> Exploration:
    """`explorer.explore`, which Ctrl-C ends: with what there is so far, and BY_USER as its bound."""
    latest = Exploration(bound=BY_USER)

    def look(so_far: Exploration) -> None:
        nonlocal latest
        latest = so_far
        if stop.asked:
            raise _Stopped
        if progress is not None:
            progress(so_far)

    if stop.asked:
        return latest
    try:
        return explorer.explore(bounds, look)
    except _Stopped:
        return replace(latest, bound=BY_USER)
