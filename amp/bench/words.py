"""Measured values as the tables of `amp bench` have them: with what is known of their spread, or "?"."""

from __future__ import annotations

from typing import Final

from amp.bench.stats import PAIRS_MIN, Interval, Ratio
from amp.bench.turns import Turns

UNKNOWN: Final = "?"


def figure(value: float) -> str:
    """With three digits that count, and thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(found: Interval | None) -> str:
    """A median and its interval."""
    if found is None:
        return UNKNOWN
    return figure(found.median) + (f" ({figure(found.low)} to {figure(found.high)})" if found.enough else " (?)")


def rate(found: Interval | None, per: float = 1e9) -> str:
    """How many a second, of a time in ns or of what `per` says."""
    if found is None:
        return UNKNOWN
    each = per / found.median
    return f"{each / 1e6:.2f} M/s" if each >= 1e6 else f"{each:,.0f}/s"


def times(found: Ratio | None) -> str:
    """A ratio in a cell; the noise may forbid it."""
    if found is None or not found.enough:
        return UNKNOWN
    return spread(found) if found.shown else "noise"


def count_line(*all_turns: Turns) -> str:
    """How many samples count."""
    taken = sum(turns.taken for turns in all_turns)
    kept = sum(int(turns.counts()["kept"]) for turns in all_turns)
    return (
        f"{kept:,} of {taken:,} samples kept; {1 - kept / taken:.0%} were disturbed and discarded. "
        f"{UNKNOWN}: fewer than {PAIRS_MIN} to say it from"
    )
