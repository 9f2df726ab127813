"""Numbers of things, as a reader says them."""

from __future__ import annotations

from typing import Final


def count_of(number: int, what: str, ending: str = "s") -> str:
    """ "1 message", "2 messages", "1,204 states"."""
    return f"{number:,} {what}{'' if number == 1 else ending}"


_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six")


def processes(parts: int) -> str:
    """The processes that a program runs in, one a part: "two processes"."""
    return f"{_NUMBERS[parts]} process{'' if parts == 1 else 'es'}"
