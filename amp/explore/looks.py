"""Watches that a look in vain changes nothing of its program's (see amp.explore.purity).

Comparing everything that a look can reach, before and after, takes longer than the look. So it is done where the
program knows something that it never knew at a look before, and where a look takes another path than the one that was
watched there. A run that meets such a path is made again, watched: all its looks in vain are compared. Unless chance
chose it, it is the same run, as a program is deterministic, and its looks are told by their numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from amp.errors import AmpError, UsageError
from amp.explore.purity import REACH, State, TooMuch, changed, state_of
from amp.explore.terms import Nondeterministic

ALL: Final = None  # looks that are watched: any may be in vain
Before = tuple[int, State | None]  # a look's number in its run, and what it can reach; None if it is not watched


class Refused(BaseException):
    """The program breaks a rule of looks, and its run is given up. Programs do not catch it."""


@dataclass(slots=True)
class Looks:
    """`fresh`: this run met a look that was never watched. `refusal`: of one that breaks a rule, and where it stands.

    `profile` is what watches the calls of this run (sys.setprofile); None: nothing does.
    """

    watching: bool = False
    fresh: bool = False
    refusal: AmpError | None = None
    profile: Callable[[FrameType, str, Any], object] | None = None
    _made: int = 0  # in this run
    _vain: set[int] = field(default_factory=set)  # of the last run that was not watched
    _watched: Set[int] | None = ALL
    _places: set[int] = field(default_factory=set)
    _known: set[int] = field(default_factory=set)

    def begin(self) -> None:
        """A run that was never made."""
        self.fresh, self._made, self._vain = False, 0, set()

    def begin_again(self, *, same: bool) -> None:
        """A run whose looks in vain are watched: those of the last run if it is the `same`."""
        self._made, self._watched = 0, self._vain if same else ALL

    def before(self, look: Callable[[], Any], place: int) -> Before:
        """What the look can reach. `place` tells what the program knows."""
        self._made += 1
        due = self._may_be_in_vain() if self.watching else place not in self._places
        self._places.add(place)
        return self._made, self._state_of(look) if due else None

    def _may_be_in_vain(self) -> bool:
        return self._watched is ALL or self._made in self._watched

    def in_vain(self, look: Callable[[], Any], path: int, before: Before) -> None:
        """A look found nothing, or was given up. Raises Refused if it has changed something."""
        number, state = before
        if not self.watching:
            self._vain.add(number)
        if state is None:
            self._unwatched(look, path)
            return
        self._known.add(path)
        where = changed(state, self._state_of(look))
        if where is not None:
            self.refusal = UsageError(
                f"{_place(look)}a look of poll() that finds nothing changes {where}: it may be made any number of "
                "times, and may only load"
            )
            raise Refused

    def _unwatched(self, look: Callable[[], Any], path: int) -> None:
        if self.watching:
            self.refusal = Nondeterministic(
                f"{_place(look)}the program is not deterministic: run again with the same values read, a look of "
                "poll() that had found something found nothing"
            )
            raise Refused
        self.fresh = self.fresh or path not in self._known

    def _state_of(self, look: Callable[[], Any]) -> State:
        if self.profile is not None:
            sys.setprofile(None)  # these calls are not the program's
        try:
            return state_of(look)
        except TooMuch:
            self.refusal = UsageError(
                f"{_place(look)}a look of poll() can reach more than {REACH} things: "
                "whether it changes one cannot be told"
            )
            raise Refused from None
        finally:
            if self.profile is not None:
                sys.setprofile(self.profile)


def _place(look: Callable[[], Any]) -> str:
    code = getattr(getattr(look, "__func__", look), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}: "
