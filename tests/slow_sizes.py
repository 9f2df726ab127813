"""What is left to the slow tests, and how much they do: a part, or all of it with AMP_SLOW=full. Not a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def size(usual: int, full: int) -> int:
    return full if os.environ.get("AMP_SLOW") == "full" else usual


def some_of(cases: int, few: int) -> list[int]:
    """So many of the numbers below `cases`, in even steps, the first and the last among them."""
    if few >= cases:
        return list(range(cases))
    return [0] if few == 1 else [round(number * (cases - 1) / (few - 1)) for number in range(few)]


def slow_unless(quick: Callable[..., bool], cases: Iterable[Any]) -> list[Any]:
    """The cases, a value or a tuple of them each; those that `quick` is not true of are slow."""
    every = [each if isinstance(each, tuple) else (each,) for each in cases]
    return [pytest.param(*each, marks=() if quick(*each) else pytest.mark.slow) for each in every]
