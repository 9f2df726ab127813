"""Saved figures to compare with: ratios and counts, never times. What is slower beyond the noise is a regression.

A ratio is a cost against a yardstick's (`amp.bench.yardstick`) or against the same thing done otherwise, measured in
turn: more is worse. A count belongs to the program alone: any other is a change, wanted or not. A baseline is made of
several whole runs, and keeps the widest interval that they span: what differs between two runs of the same code is
noise, and no single run's interval shows it. A ratio has regressed if its interval lies above that span by more than
half the span's width, and by more than MARGIN.

Ratios are compared on the kind of machine that the baseline was made on: MACHINE_KEYS, and CPUs as far apart (NEAR).
Counts are compared everywhere.
Measures nothing; the files are JSON, one for each suite.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from amp.bench.stats import Interval
from amp.errors import UsageError
from amp.files import write_whole

MARGIN: Final = 0.05  # of the span's upper end: less is nobody's regression on a machine that others use too
DIGITS: Final = 4  # that a saved ratio keeps
# Two virtual CPUs are sometimes siblings and sometimes far apart, on one machine in one hour: a line went to
# and fro in 63 ns and in 310 ns, and a ring's barriers cost another share of its time.
NEAR: Final = 1.5
MACHINE_KEYS: Final = ("machine", "cpu_model", "cpus_online", "python")
KEPT_FACTS: Final = (*MACHINE_KEYS, "date", "kernel", "hypervisor", "governor", "load_1m", "amp_version", "commit")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run of a suite found. A ratio that the run could say nothing of is None."""

    ratios: Mapping[str, Interval | None]
    counts: Mapping[str, int]
    distance: float | None = None  # between the two CPUs, where it matters: a line's round trip in locked additions

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        ratios = {name: None if found is None else found.as_dict() for name, found in self.ratios.items()}
        return {"ratios": ratios, "counts": dict(self.counts), "distance": self.distance}


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ratio over all runs of a baseline: each run's median, and the ends of all their intervals."""

    medians: list[float]
    low: float
    high: float

    @property
    def median(self) -> float:
        return statistics.median(self.medians)

    @property
    def limit(self) -> float:
        """Above it a ratio has regressed."""
        return self.high + max(MARGIN * self.high, (self.high - self.low) / 2)

    @property
    def floor(self) -> float:
        """Below it a ratio has become better, by the same measure."""
        return self.low - max(MARGIN * self.low, (self.high - self.low) / 2)


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file. `machine` are KEPT_FACTS of amp.bench.facts, as the first run had them."""

    suite: str
    machine: dict[str, Any]
    ratios: dict[str, Span]
    counts: dict[str, int]
    distance: float | None = None

    def differs(self, reading: Reading, known: Mapping[str, Any]) -> list[str]:
        """In what the reading is of another kind of machine; nothing: ratios can be compared."""
        found = [
            f"{key} {self.machine.get(key)!r}, here {known.get(key)!r}"
            for key in MACHINE_KEYS
            if self.machine.get(key) != known.get(key)
        ]
        if self.distance and reading.distance and not 1 / NEAR <= reading.distance / self.distance <= NEAR:
            found.append(f"CPUs {self.distance:.0f} locked additions apart, here {reading.distance:.0f}")
        return found


class Verdict(StrEnum):
    """What there is to say of one figure."""

    HOLDS = "holds"
    REGRESSED = "regressed"
    CHANGED = "changed"  # a count
    NEW = "not in the baseline"
    GONE = "only in the baseline"
    BETTER = "better"
    UNKNOWN = "too few undisturbed samples"
    ELSEWHERE = "not compared"  # another kind of machine

    @property
    def fails(self) -> bool:
        return self in {Verdict.REGRESSED, Verdict.CHANGED, Verdict.NEW, Verdict.GONE}


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure's verdict, and why."""

    name: str
    verdict: Verdict
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}: {self.text}"


def compare(baseline: Baseline, reading: Reading, known: Mapping[str, Any]) -> list[Compared]:
    """Every figure of either. `known` are the facts of the machine that `reading` was taken on."""
    elsewhere = baseline.differs(reading, known)
    found = []
    for name, interval in reading.ratios.items():
        span = baseline.ratios.get(name)
        if span is None:
            found.append(Compared(name, Verdict.NEW, _renew(baseline)))
        else:
            found.append(_compare_ratio(name, span, interval, elsewhere))
    for name, count in reading.counts.items():
        before = baseline.counts.get(name)
        verdict = Verdict.NEW if before is None else Verdict.HOLDS if count == before else Verdict.CHANGED
        text = _renew(baseline) if before is None else f"{count:,}, baseline {before:,}"
        found.append(Compared(name, verdict, text))
    gone = [name for name in baseline.ratios if name not in reading.ratios]
    gone += [name for name in baseline.counts if name not in reading.counts]
    return found + [Compared(name, Verdict.GONE, _renew(baseline)) for name in gone]


def confirmed(
    baseline: Baseline, reading: Reading, measure: Callable[[], Reading], known: Mapping[str, Any]
) -> list[Compared]:
    """As `compare`; but what has regressed in `reading` is measured again, and has regressed if it shows both times."""
    found = compare(baseline, reading, known)
    if not any(each.verdict is Verdict.REGRESSED for each in found):
        return found
    again = {each.name: each for each in compare(baseline, measure(), known)}
    return [again[each.name] if each.verdict is Verdict.REGRESSED else each for each in found]


def _compare_ratio(name: str, span: Span, found: Interval | None, elsewhere: Sequence[str]) -> Compared:
    if found is None or not found.enough:
        return Compared(name, Verdict.UNKNOWN, f"{0 if found is None else found.n} pairs; baseline {_text(span)}")
    if elsewhere:
        return Compared(name, Verdict.ELSEWHERE, f"{_text(found)}; the baseline is of {'; '.join(elsewhere)}")
    verdict = (
        Verdict.REGRESSED if found.low > span.limit else Verdict.BETTER if found.high < span.floor else Verdict.HOLDS
    )
    return Compared(name, verdict, f"{_text(found)}, baseline {_text(span)}, limit {span.limit:.{DIGITS}g}")


def _text(found: Interval | Span) -> str:
    return f"{found.median:.{DIGITS}g} ({found.low:.{DIGITS}g} to {found.high:.{DIGITS}g})"


def _renew(baseline: Baseline) -> str:
    return f"renew the baseline of {baseline.suite}"


def made_of(suite: str, reading: Reading, known: Mapping[str, Any]) -> Baseline:
    """A new baseline, of one run. UsageError if that run has nothing to say of a ratio."""
    kept = {key: known[key] for key in KEPT_FACTS}
    return Baseline(
        suite,
        kept,
        {name: _span(suite, reading, name) for name in reading.ratios},
        dict(reading.counts),
        reading.distance,
    )


def widened(baseline: Baseline, reading: Reading, known: Mapping[str, Any]) -> Baseline:
    """The baseline with one more run in it. UsageError if that run does not belong to it, or has nothing to say."""
    suite = baseline.suite
    elsewhere = baseline.differs(reading, known)
    if elsewhere:
        raise UsageError(f"baseline of {suite} is of another machine: {'; '.join(elsewhere)}")
    if baseline.counts != dict(reading.counts):
        raise UsageError(f"baseline of {suite}: counts differ: {baseline.counts} and {dict(reading.counts)}")
    if baseline.ratios.keys() != reading.ratios.keys():
        raise UsageError(f"baseline of {suite} has other ratios: {', '.join(baseline.ratios)}")
    spans = {}
    for name, before in baseline.ratios.items():
        now = _span(suite, reading, name)
        spans[name] = Span([*before.medians, *now.medians], min(before.low, now.low), max(before.high, now.high))
    return Baseline(suite, baseline.machine, spans, baseline.counts, baseline.distance)


def _span(suite: str, reading: Reading, name: str) -> Span:
    found = reading.ratios[name]
    if found is None or not found.enough:
        raise UsageError(f"baseline of {suite}: {name}: too few undisturbed samples in this run")
    return Span([_rounded(found.median)], _rounded(found.low), _rounded(found.high))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def read(folder: Path, suite: str) -> Baseline | None:
    """The suite's file in that folder; None if there is none. UsageError for a file that is no baseline of it."""
    path = _path(folder, suite)
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except msgspec.DecodeError as error:
        raise UsageError(f"baseline {path}: {error}") from None
    if found.suite != suite:
        raise UsageError(f"baseline {path}: is of {found.suite!r}, expected {suite!r}")
    return found


def write(folder: Path, baseline: Baseline) -> Path:
    """Its file, over an older one."""
    path = _path(folder, baseline.suite)
    folder.mkdir(exist_ok=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode(baseline), indent=2) + b"\n")
    return path


def _path(folder: Path, suite: str) -> Path:
    return folder / f"{suite}.json"
