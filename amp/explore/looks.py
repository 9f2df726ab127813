"""Watches that a look in vain changes nothing of its program's (see amp.explore.purity).

Comparing everything that a look can reach, before and after, takes longer than the look. So it is done where the
program knows something that it never knew at a look before, and where a look takes another path than the one that was
watched there. A run that meets such a path is made again, watched; it is the same run, as a program is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from amp.explore.purity import REACH, State, TooMuch, changed, state_of


class Refused(BaseException):
    """The program breaks a rule of looks, and its run is given up. Programs do not catch it."""


@dataclass(slots=True)
class Looks:
    """`fresh`: this run met a look that was never watched. `said`: what a look changed, and where it stands."""

    watching: bool = False
    fresh: bool = False
    said: str | None = None
    _places: set[int] = field(default_factory=set)
    _known: set[int] = field(default_factory=set)

    def before(self, look: Callable[[], Any], place: int) -> State | None:
        """What the look can reach; None if it is not watched. `place` tells what the program knows."""
        if not self.watching and place in self._places:
            return None
        self._places.add(place)
        return self._state_of(look)

    def in_vain(self, look: Callable[[], Any], path: int, before: State | None) -> None:
        """A look found nothing, or was given up. Raises Refused if it has changed something."""
        if before is None:
            self.fresh = self.fresh or path not in self._known
            return
        self._known.add(path)
        where = changed(before, self._state_of(look))
        if where is not None:
            self.said = (
                f"{_place(look)}a look of poll() that finds nothing changes {where}: it may be made any number of "
                "times, and may only load"
            )
            raise Refused

    def _state_of(self, look: Callable[[], Any]) -> State:
        try:
            return state_of(look)
        except TooMuch:
            self.said = (
                f"{_place(look)}a look of poll() can reach more than {REACH} things: "
                "whether it changes one cannot be told"
            )
            raise Refused from None


def _place(look: Callable[[], Any]) -> str:
    code = getattr(getattr(look, "__func__", look), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}: "
