"""Numbers of things, as a reader says them."""

from __future__ import annotations


def count_of(number: int, what: str, ending: str = "s") -> str:
    """ "1 message", "2 messages", "1,204 states"."""
    return f"{number:,} {what}{'' if number == 1 else ending}"
