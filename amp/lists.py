"""A list of names as a user writes it: "arm64,omap4-2011", or ["arm64", "omap4-2011"], or "all". Loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

ALL: Final = "all"


def listed(value: Any) -> tuple[Any, ...]:
    """One, or several: "a,b" is two. What is no text, a Platform say, is itself."""
    values = value if isinstance(value, list | tuple | set) else [value]
    return tuple(
        part
        for each in values
        for part in (filter(None, map(str.strip, each.split(","))) if isinstance(each, str) else [each])
    )


def chosen(value: Any, every: Callable[[], Iterable[Any]]) -> tuple[Any, ...]:
    """Each once, in their order; for "all" those of `every`, which is only then asked."""
    values = listed(value)
    once = {each if isinstance(each, str) else id(each): each for each in values}  # a Platform has no hash
    return tuple(every() if ALL in values else once.values())
