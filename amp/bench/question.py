"""The question of 2011: what do mandatory barriers cost a ring, and what does choosing at run time cost?

virtio had used SMP barriers; rpmsg needed mandatory ones. Mandatory barriers for everybody had been measured before,
and taken back; Linux 7b21e34fd1c2 ("virtio: harsher barriers for rpmsg.") put a branch on `weak_barriers` instead.
The figures its message cites, REPORTED, are a network benchmark's over virtio_net in 2011, without intervals; the
ring's own share in them is not known. Here the three builds run on the ring alone, in turn, and each turn gives one
ratio.

A fourth is the first once more. It differs from it in nothing, so what it shows is the run's own error: no difference
within its interval is called one.

This module knows no ring: `measure` runs a build and returns its samples.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from amp.bench.stats import PAIRS_MIN, Interval, Kept, Ratio, Sample, keep, percent, ratio


class Build(StrEnum):
    """How the ring's barriers are chosen."""

    SMP = "smp"  # smp_* at every site, when compiled
    MANDATORY = "mandatory"  # mb, rmb, wmb at every site, when compiled
    BRANCH = "branch"  # one or the other at every call, by a flag that says SMP: what weak_barriers does
    CONTROL = "control"  # SMP again

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS: Final = {
    Build.SMP: "SMP barriers",
    Build.MANDATORY: "mandatory barriers everywhere",
    Build.BRANCH: "run-time branch, SMP chosen",
    Build.CONTROL: "SMP barriers again (control)",
}
COMPARED: Final = (Build.MANDATORY, Build.BRANCH, Build.CONTROL)

# Commit message of Linux 7b21e34fd1c2.
REPORTED: Final[Mapping[Build, str]] = {
    Build.MANDATORY: "up to -14 % (TCP_RR over virtio_net)",
    Build.BRANCH: "“in the noise”",
}
REPORTED_MANDATORY: Final = 0.86  # of the throughput with SMP barriers, at the worst

SLEEPS_ALIKE: Final = 0.01  # per buffer

# Runs a build for a moment and returns its batches: values in ns per buffer, both sides' disturbances in each.
Measure = Callable[[Build], Sequence[Sample]]
Filter = Callable[[Sequence[Sample]], Kept[Sample]]  # which of them were undisturbed


@dataclass(frozen=True, slots=True)
class Answer:
    """What the turns say. `ratios` are throughputs, build / SMP: below 1 the build is slower."""

    ns: Mapping[Build, Interval]
    ratios: Mapping[Build, Ratio]
    turns: Kept[Mapping[Build, float]]  # ns per buffer, of each build
    batches_taken: int
    batches_kept: int
    seconds: float
    # Per buffer, both sides together, where the caller knows: looks at the other's index, and going to sleep.
    looks: Mapping[Build, float] = field(default_factory=dict)
    sleeps: Mapping[Build, float] = field(default_factory=dict)

    @property
    def discarded(self) -> float:
        """The share of batches that were disturbed."""
        return 1 - self.batches_kept / self.batches_taken if self.batches_taken else 0.0

    @property
    def error(self) -> float | None:
        """How far from 1 the control may be, at the worst; None if it has too few turns to tell."""
        control = self.ratios.get(Build.CONTROL)
        return max(abs(control.low - 1), abs(control.high - 1)) if control is not None and control.enough else None

    def differs(self, build: Build) -> bool:
        """Is there a difference from SMP beyond the noise and beyond what the control shows of itself?"""
        found, error = self.ratios.get(build), self.error
        if found is None or error is None or not found.shown:
            return False
        return found.high < 1 - error or found.low > 1 + error

    def as_dict(self) -> dict[str, Any]:
        """JSON values; times in ns per buffer."""
        return {
            "turns": {"taken": self.turns.taken, "kept": len(self.turns.kept)},
            "batches": {
                "taken": self.batches_taken,
                "kept": self.batches_kept,
                "discarded_share": self.discarded,
            },
            "seconds": round(self.seconds, 3),
            "ns_per_buffer": {build.value: found.as_dict() for build, found in self.ns.items()},
            "throughput_ratio": {
                build.value: {**found.as_dict(), "differs": self.differs(build), "text": found.text}
                for build, found in self.ratios.items()
            },
            "looks_per_buffer": {build.value: looks for build, looks in self.looks.items()},
            "sleeps_per_buffer": {build.value: sleeps for build, sleeps in self.sleeps.items()},
        }


def ask(
    measure: Measure,
    time_s: float,
    progress: Callable[[float], None] | None = None,
    *,
    turns_min: int = 1,
    undisturbed: Filter = keep,
) -> Answer:
    """Turns of all four builds until `time_s` is over, at least `turns_min`. A turn counts if each has a batch left.

    Every two turns another build goes first, and the second of them runs backwards: none always follows the same one.
    A Ctrl-C says how many turns there were.
    """
    began = time.monotonic()
    builds = tuple(Build)
    kept: list[Mapping[Build, float]] = []
    turns = batches_taken = batches_kept = 0
    while turns < turns_min or time.monotonic() - began < time_s:
        first = turns // 2 % len(builds)
        order = builds[first:] + builds[:first]
        try:
            batches = {build: undisturbed(measure(build)) for build in (order[::-1] if turns % 2 else order)}
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"after {turns} turns of all four, {len(kept)} of them undisturbed") from None
        turns += 1
        batches_taken += sum(each.taken for each in batches.values())
        batches_kept += sum(len(each.kept) for each in batches.values())
        if all(each.kept for each in batches.values()):
            kept.append({build: _median_ns(each) for build, each in batches.items()})
        if progress is not None:
            progress(min(1.0, (time.monotonic() - began) / time_s))
    return Answer(
        ns={build: Interval.of([turn[build] for turn in kept]) for build in builds} if kept else {},
        ratios={build: ratio((turn[Build.SMP], turn[build]) for turn in kept) for build in COMPARED} if kept else {},
        turns=Kept(tuple(kept), turns),
        batches_taken=batches_taken,
        batches_kept=batches_kept,
        seconds=time.monotonic() - began,
    )


def _median_ns(batches: Kept[Sample]) -> float:
    return statistics.median(sample.value for sample in batches.kept)


def conclusion(answers: Mapping[str, Answer]) -> str:
    """One sentence, no stronger than the intervals. The keys say how the ring was used."""
    return "; ".join(f"{name}: {says(answer)}" for name, answer in answers.items()) + "."


def says(answer: Answer) -> str:
    """What follows from one answer."""
    if len(answer.turns.kept) < PAIRS_MIN:
        return (
            f"nothing can be said, since {len(answer.turns.kept)} of {answer.turns.taken} turns were undisturbed "
            f"and it takes {PAIRS_MIN}"
        )
    return f"{_part(answer, Build.MANDATORY)}, and {_part(answer, Build.BRANCH)}"


def _part(answer: Answer, build: Build) -> str:
    name = {Build.MANDATORY: "mandatory barriers everywhere", Build.BRANCH: "the run-time branch"}[build]
    found = answer.ratios[build]
    interval = f"95 %: {percent(found.low)} to {percent(found.high)}"
    if found.shown and not answer.differs(build):
        own_error = f"±{100 * (answer.error or 0):.1f} %"
        return f"{name} changed the throughput by nothing beyond what the control shows ({interval}; {own_error})"
    if not answer.differs(build):
        return f"{name} changed the throughput by nothing beyond the noise ({interval})"
    return f"{name} changed the throughput by {percent(found.median)} ({interval}{_sleeping(answer, build)})"


def _sleeping(answer: Answer, build: Build) -> str:
    """Sides of other speeds sleep more often, or less; that may outweigh what their barriers cost."""
    with_it, without = answer.sleeps.get(build, 0.0), answer.sleeps.get(Build.SMP, 0.0)
    if abs(with_it - without) <= SLEEPS_ALIKE:
        return ""
    return f"; the sides slept {with_it:.2f} times per buffer, not {without:.2f}"
