"""Several things measured in turn: every one once a turn, so that what disturbs the run for a second disturbs them all.

A `Part` takes one sample when it is called. What each is alone is an Interval over its kept samples; how two compare is
a Ratio, pair by pair, over the turns in which both were kept. Every other turn runs backwards.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amp.bench.stats import Interval, Ratio, Sample, ratio

PATIENCE: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One of the things measured; `take` takes a sample.

    One that `sleeps` leaves its CPU by itself: only being switched out disturbs it, not how little of the CPU it got.
    """

    take: Callable[[], Sample]
    sleeps: bool = False

    def undisturbed(self, sample: Sample) -> bool:
        return sample.involuntary_switches == 0 if self.sleeps else sample.undisturbed


@dataclass(frozen=True, slots=True)
class Turns:
    """What came of them: for each part one sample a turn, in the turns' order."""

    parts: Mapping[str, Part]
    samples: Mapping[str, Sequence[Sample]]
    seconds: float

    def kept(self, name: str) -> list[bool]:
        """Whether that part's sample counts, turn by turn."""
        return [self.parts[name].undisturbed(sample) for sample in self.samples[name]]

    def values(self, name: str) -> list[float]:
        """The kept ones."""
        kept = self.kept(name)
        return [sample.value for sample, keep in zip(self.samples[name], kept, strict=True) if keep]

    def interval(self, name: str) -> Interval | None:
        """None if nothing was kept."""
        values = self.values(name)
        return Interval.of(values) if values else None

    def ratio(self, first: str, second: str) -> Ratio | None:
        """first / second; None if no turn has both."""
        rows = zip(self.samples[first], self.kept(first), self.samples[second], self.kept(second), strict=True)
        pairs = [(one.value, other.value) for one, keep_one, other, keep_other in rows if keep_one and keep_other]
        return ratio(pairs) if pairs else None

    @property
    def taken(self) -> int:
        return sum(map(len, self.samples.values()))

    @property
    def discarded(self) -> float:
        """The share of samples that do not count, 0 to 1."""
        return 1 - sum(sum(self.kept(name)) for name in self.samples) / self.taken if self.taken else 0.0

    def counts(self) -> dict[str, Any]:
        """JSON values: how many samples there were."""
        kept = sum(sum(self.kept(name)) for name in self.samples)
        return {"taken": self.taken, "kept": kept, "discarded_share": self.discarded}


def take_turns(
    parts: Mapping[str, Part],
    time_s: float,
    progress: Callable[[float], None] | None = None,
    *,
    turns_min: int = 1,
    kept_min: int = 0,
) -> Turns:
    """Turns until `time_s` is over, at least `turns_min`; a turn that has begun is finished.

    It goes on as long as some part has fewer than `kept_min` samples that count, at most for PATIENCE times that time:
    for how they were taken, whatever they show.
    """
    began = time.monotonic()
    samples: dict[str, list[Sample]] = {name: [] for name in parts}
    turns = 0

    def is_over() -> bool:
        taken_s = time.monotonic() - began
        if turns < turns_min or taken_s < time_s:
            return False
        return taken_s >= PATIENCE * time_s or all(
            sum(map(part.undisturbed, samples[name])) >= kept_min for name, part in parts.items()
        )

    while not is_over():
        names = list(parts)
        for name in names[::-1] if turns % 2 else names:
            samples[name].append(parts[name].take())
        turns += 1
        if progress is not None:
            progress(min(1.0, (time.monotonic() - began) / time_s))
    return Turns(parts, samples, time.monotonic() - began)


def timed(work: Callable[[], object], units: int, others: Sequence[int] = ()) -> Sample:
    """Do it, and say how many ns a unit took; `units` are what there is in it.

    Clocks and switches are the calling thread's. `others` are processes that work along: the involuntary switches of
    their main threads count as ours.
    """
    assert units > 0, units
    switches = involuntary_switches(others)
    wall, cpu = time.monotonic_ns(), time.thread_time_ns()
    work()
    cpu, wall = time.thread_time_ns() - cpu, time.monotonic_ns() - wall
    return Sample.of_times(units, wall, cpu, involuntary_switches(others) - switches)


def involuntary_switches(others: Sequence[int] = ()) -> int:
    """How often this thread (ru_nivcsw) and the others' main threads (/proc/PID/status) were switched out so far."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw + sum(map(_switches_of, others))


def _switches_of(pid: int) -> int:
    name = "nonvoluntary_ctxt_switches:"
    for line in Path(f"/proc/{pid}/task/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.removeprefix(name))
    raise ValueError(f"/proc/{pid}/task/{pid}/status has no {name}")
