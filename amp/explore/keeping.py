"""What a program keeps from one run to the next: every run starts anew, so nothing may be left of the one before.

A part that remembers what an earlier run has done, on its class or in its module, may leave out a check without another
access: its runs look alike, and a verdict would speak of fewer executions than it says. So what can be reached from the
parts is compared before the first run and behind the last (amp.explore.purity says what is seen, and what is not).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amp.explore.purity import State, TooMuch, changed, state_of


class Kept:
    """What can be reached from classes: their attributes, and what their functions name."""

    def __init__(self, classes: Sequence[type]) -> None:
        self._classes = list(dict.fromkeys(classes))
        self._attributes: dict[str, Any] = {}
        self._before = self._state()

    def changed(self) -> str | None:
        """The attribute, or what else can be reached, that is not as it was; None if all is, or it is too much."""
        now = self._state()
        if self._before is None or now is None:
            return None
        where = changed(self._before, now)
        return None if where is None else where.removeprefix("attributes['").replace("']", "", 1)

    def _state(self) -> State | None:
        attributes = self._attributes
        attributes.clear()
        for each in self._classes:
            for above in reversed(each.__mro__[:-1]):
                attributes.update(
                    (f"{each.__name__}.{name}", value)
                    for name, value in vars(above).items()
                    if not name.startswith("__")
                )

        def parts() -> dict[str, Any]:
            return attributes

        try:
            return [row for row in state_of(parts) if row[1] is not parts]
        except TooMuch:
            return None
