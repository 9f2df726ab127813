"""What figures are compared with: work that nothing in amp can make slower or faster.

A time divided by a yardstick's, measured in turn on the same CPU, is a ratio that a change of clock rate leaves alone,
and that shows when amp itself has become slower. Three of them: a locked instruction (C in one process), a cache line
handed to the other CPU and back (C in two), and a piece of ordinary Python (Python).
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from amp._core import _bridge
from amp.bench.pairs import Pair, sample_of
from amp.bench.stats import Sample
from amp.bench.turns import timed
from amp.region import Layout

LOCKED_ROUNDS: Final = 100_000
BOUNCE_ROUNDS: Final = 5_000
PYTHON_ROUNDS: Final = 2_000
BUDGET_NS: Final = 10_000_000_000


def locked() -> Sample:
    """ns of one atomic addition."""
    return Sample.of_times(LOCKED_ROUNDS, *_bridge.bench_locked(LOCKED_ROUNDS))


def python() -> Sample:
    """ns of one round of `ordinary`."""
    return timed(lambda: ordinary(PYTHON_ROUNDS), PYTHON_ROUNDS)


def ordinary(rounds: int) -> int:
    """Calls, attributes, integers, bytes and dictionaries: what protocol code in Python is made of."""
    counter = _Counter()
    for number in range(rounds):
        counter.add(number.to_bytes(4, "little"))
    return counter.total


class _Counter:
    def __init__(self) -> None:
        self.total = 0
        self._seen: dict[int, bytes] = {}

    def add(self, data: bytes) -> None:
        value = int.from_bytes(data, "little")
        self._seen[value & 0xFF] = data
        if len(self._seen[value & 0xFF]) == 4:
            self.total = (self.total + value) & 0xFFFF_FFFF


class Bounce:
    """Two processes that hand a cache line to and fro. A context manager."""

    def __init__(self, cpus: tuple[int, int]) -> None:
        self.pair = Pair(Layout.plan(vrings=1, buffers=1, resources=1, model=1), cpus)
        self.word = self.pair.region.layout["vrings"].offset
        self._done = 0

    def __enter__(self) -> Self:
        self.pair.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pair.close()

    def sample(self) -> Sample:
        """ns of one round: there and back."""
        figures = self.pair.do("bench_bounce", self.word, 2 * self._done, BOUNCE_ROUNDS, BUDGET_NS)
        self._done += BOUNCE_ROUNDS + _bridge.BENCH_WARM_UP
        return sample_of(figures[0]["wall_ns"] / BOUNCE_ROUNDS, figures)
