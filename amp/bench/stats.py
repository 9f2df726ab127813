"""Statistics for a machine that others use too: what is kept, what is compared, and what the noise forbids to say.

A sample is kept for how it was taken, never for what it shows: its thread was not switched out against its will, and
got at least CPU_SHARE of the wall time. What is compared was measured in turn, and is compared turn by turn, so that
whatever drifts over the run (frequency, neighbours, caches) is on both sides of every ratio. Intervals are 95 %
percentile bootstraps of the median (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), drawn
from a fixed seed: the same samples give the same interval.

This module takes no sample and knows no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

NS_PER_S: Final = 1e9
CPU_SHARE: Final = 0.98  # of the wall time, at least: the rest was somebody else's
CONFIDENCE: Final = 0.95
# Below, no interval of the median has that confidence: 6 values all lie on one side of it with chance 2 * 0.5^6 = 3 %.
PAIRS_MIN: Final = 6
RESAMPLES: Final = 2000
_SEED: Final = 2011
_AT_ONCE: Final = 4_000_000  # resampled values held in memory

_T = TypeVar("_T")
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed batch. `value` is what was measured, in whatever unit the caller measures.

    cpu_s and wall_s are CLOCK_THREAD_CPUTIME_ID and CLOCK_MONOTONIC over the batch, taken by the thread that ran it;
    involuntary_switches is ru_nivcsw of getrusage(2).
    """

    value: float
    cpu_s: float
    wall_s: float
    involuntary_switches: int

    @classmethod
    def of_times(cls, units: float, wall_ns: int, cpu_ns: int, involuntary_switches: int) -> Sample:
        """ns of wall time per unit, of what one thread's clocks and switches say of `units`."""
        return cls(wall_ns / units, cpu_ns / NS_PER_S, wall_ns / NS_PER_S, involuntary_switches)

    @property
    def undisturbed(self) -> bool:
        """Did the thread have its CPU to itself? The value has no say in it."""
        return self.involuntary_switches == 0 and self.wall_s > 0 and self.cpu_s >= CPU_SHARE * self.wall_s

    @classmethod
    def of_sides(cls, value: float, sides: Sequence[Sample]) -> Sample:
        """One sample of several threads' work: as disturbed as the worst of them."""
        worst = min(sides, key=lambda side: side.cpu_s / side.wall_s if side.wall_s > 0 else 0.0)
        return cls(value, worst.cpu_s, worst.wall_s, sum(side.involuntary_switches for side in sides))


@dataclass(frozen=True, slots=True)
class Kept(Generic[_T]):
    """What is left of the samples, in their order, and how many there were."""

    kept: tuple[_T, ...]
    taken: int

    @property
    def discarded(self) -> float:
        """The share that was not kept, 0 to 1."""
        return 1 - len(self.kept) / self.taken if self.taken else 0.0


def keep(samples: Iterable[Sample]) -> Kept[Sample]:
    """The undisturbed ones."""
    taken = tuple(samples)
    return Kept(tuple(sample for sample in taken if sample.undisturbed), len(taken))


def keep_turns(turns: Iterable[Sequence[Sample]]) -> Kept[tuple[Sample, ...]]:
    """The turns of which every sample is undisturbed: half a comparison compares nothing."""
    taken = tuple(tuple(turn) for turn in turns)
    return Kept(tuple(turn for turn in taken if all(sample.undisturbed for sample in turn)), len(taken))


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and its 95 % confidence interval, over n values. Below PAIRS_MIN values there is no interval."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float] | _Floats) -> Self:
        """ValueError without values, or with one that is not finite."""
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
            raise ValueError(f"{array.size} values of shape {array.shape}: wanted one row of finite values")
        low, high = _bootstrap(array)
        return cls(float(np.median(array)), low, high, array.size)

    @property
    def enough(self) -> bool:
        """Are there values enough for an interval?"""
        return self.n >= PAIRS_MIN

    def as_dict(self) -> dict[str, float | int]:
        return {"median": self.median, "low": self.low, "high": self.high, "n": self.n}


def interval_data(found: Interval | None) -> dict[str, float | int] | None:
    """The interval as JSON values; None stays None."""
    return None if found is None else found.as_dict()


@dataclass(frozen=True, slots=True)
class Difference(Interval):
    """first - second, pair by pair, in the pairs' unit."""

    @property
    def shown(self) -> bool:
        """Is there a difference that the noise leaves standing?"""
        return self.enough and not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Ratio(Interval):
    """first / second, pair by pair."""

    @property
    def shown(self) -> bool:
        """Is there a difference from 1 that the noise leaves standing?"""
        return self.enough and not self.low <= 1 <= self.high

    @property
    def text(self) -> str:
        """The ratio with its interval; or, where the noise swallows it, that it does, and what it could hide."""
        if not self.enough:
            return f"too few undisturbed pairs to say anything: {self.n}, wanted {PAIRS_MIN}"
        low, high = _apart(self.low, self.high)
        if self.shown:
            middle = f"{self.median:.{len(low.partition('.')[2])}f}"
            return f"{middle} ({low} to {high})"
        return (
            f"the noise is larger than the difference: {percent(self.low)} to {percent(self.high)}"
            f" (95 %, {self.n} pairs)"
        )


def percent(ratio: float) -> str:
    """A ratio as its distance from 1: "-14.0 %"."""
    away = 100 * (ratio - 1)
    return f"{away:+.{1 if abs(away) >= 0.1 else 2}f} %"


def _apart(low: float, high: float) -> tuple[str, str]:
    """Both ends with as many digits as tell them from each other and from 1; 3 to 5."""
    for digits in range(3, 6):
        texts = f"{low:.{digits}f}", f"{high:.{digits}f}"
        if texts[0] != texts[1] and not {*texts} & {f"{1:.{digits}f}"}:
            break
    return texts


def difference(pairs: Iterable[tuple[float, float]]) -> Difference:
    """The median of first - second and its interval. ValueError without pairs."""
    return Difference.of([first - second for first, second in pairs])


def ratio(pairs: Iterable[tuple[float, float]]) -> Ratio:
    """The median of first / second and its interval. ValueError without pairs, or for a value that is not positive."""
    taken = list(pairs)
    for pair in taken:
        if min(pair) <= 0:
            raise ValueError(f"a ratio of {pair[0]} and {pair[1]}: both must be positive")
    return Ratio.of([first / second for first, second in taken])


def percentiles(values: Sequence[float] | _Floats, ranks: Sequence[float] = (50, 90, 99, 99.9)) -> dict[float, float]:
    """{rank: the smallest value that at least rank percent of the values do not exceed} (nearest rank)."""
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        raise ValueError("percentiles of nothing")
    return {rank: float(np.percentile(array, rank, method="inverted_cdf")) for rank in ranks}


def _bootstrap(values: _Floats) -> tuple[float, float]:
    generator = np.random.default_rng(_SEED)
    rows = max(1, min(RESAMPLES, _AT_ONCE // values.size))
    medians = [
        np.median(values[generator.integers(0, values.size, (rows, values.size))], axis=1)
        for _ in range(-(-RESAMPLES // rows))
    ]
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(np.concatenate(medians), [tail, 100 - tail])
    return float(low), float(high)
