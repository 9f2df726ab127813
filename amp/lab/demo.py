"""The bug of the 2011 thread on real input: the four acts of `amp demo`, run, and what they gave as data.

SMP barriers on omap4-2011 at many seeds, of which one witness of S1 is shown and repeated; at its seed the whole file
with mandatory barriers, and with SMP barriers on x86-wb; this machine's bare silicon. The model runs in lockstep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from amp.lab import silicon
from amp.lab.plan import Plan, make_plan
from amp.lab.run import Result, SideFailed, Witness, by_symptom, finding_data, run
from amp.ordering.barriers import Primitive
from amp.virtio.sites import S1

PAYLOAD_BYTES: Final = 4096
RING_SIZE: Final = 16
SEEDS: Final = 128  # act one tries so many; each takes some twenty milliseconds, the search for its cause included


@dataclass(frozen=True, slots=True)
class Stage:
    """What the acts run: three plans over one file of `size` bytes, and the sha256 that must come back."""

    weak: Plan
    strong: Plan
    x86: Plan
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the closing table."""

    where: str
    barriers: str
    messages: int
    violations: int
    seconds: float
    remark: str


@dataclass(frozen=True, slots=True)
class Acts:
    """What the four acts gave. `shown` is the witness of S1, `repeated`: running it again gave the same trace."""

    searched: Result
    shown: Witness | None
    repeated: bool
    cured: Result
    harmless: Result
    bare: list[silicon.SiliconResult]

    @property
    def as_they_must(self) -> bool:
        """Corruption without sfence is the CPU's to show or not; with it there must be none."""
        fenced = [result.corrupted for result in self.bare if result.primitive is Primitive.WMB]
        return self.shown is not None and self.repeated and self.cured.holds and self.harmless.holds and not any(fenced)


def stage(file: str | None, seed: int) -> Stage:
    """The plans for that file, or for this Python's own binary. Raises UsageError."""
    options = {"payload_bytes": PAYLOAD_BYTES, "file": file, "seed": seed}
    stream = partial(make_plan, "stream", ring_size=RING_SIZE, options=options)
    weak = stream(platform="omap4-2011", barriers="smp")
    strong = stream(platform="omap4-2011", barriers="mandatory")
    x86 = stream(platform="x86-wb", barriers="smp")
    assert weak.config.file is not None, weak
    content = Path(weak.config.file).read_bytes()
    return Stage(weak, strong, x86, len(content), hashlib.sha256(content).hexdigest())


def search(plan: Plan, seed: int, progress: Callable[[int], None] | None) -> Result:
    """SMP barriers at all seeds, with the cause of every violation."""
    return run(plan, range(seed, seed + SEEDS), progress, explained=SEEDS)


def most_telling(searched: Result) -> Witness | None:
    """The witness of S1 that shows most; None if there is none."""
    names = searched.plan.name_of
    at_s1 = [each for each in searched.witnesses if each.site == S1.name and each.trace is not None]
    return max(at_s1, key=lambda each: _telling(each, names), default=None)


def _telling(found: Witness, names: Callable[[int], str]) -> tuple[bool, int]:
    """The thread's own symptom first: idx there, and the ring entry not. Then one that went well for a while."""
    pair = found.explanation.pair if found.explanation is not None else None
    return pair is not None and "avail.ring" in names(pair[0].address), found.outcome.messages


def whole_file(plan: Plan, seed: int, digest: str) -> Result:
    """The file at one seed. SideFailed if every message was right and another file came back."""
    result = run(plan, range(seed, seed + 1))
    unless_interrupted(result)
    if result.holds and (arrived := result.outcomes[0].reports[0].sha256) != digest:
        raise SideFailed(f"every message was right, but the file's sha256 is {digest}, and {arrived} came back")
    return result


def unless_interrupted(result: Result) -> None:
    """KeyboardInterrupt if it was: what there is to see was told act by act, and half of it makes no table."""
    if result.interrupted:
        raise KeyboardInterrupt


def bare_silicon() -> tuple[list[silicon.SiliconResult], str | None]:
    """This machine without and with its fence; or nothing, and why."""
    reason = silicon.available()
    if reason is not None:
        return [], reason
    try:
        return [silicon.run(primitive) for primitive in (Primitive.SMP_WMB, Primitive.WMB)], None
    except silicon.SiliconUnfinished as error:
        return [], str(error)


def rows(acts: Acts) -> list[Row]:
    """The closing table."""
    searched = acts.searched
    remark = f"{SEEDS} seeds, each to its first violation"
    found = [_row(searched, remark)]
    found += [
        _row(act, "whole file, sha256 equal" if act.holds else "VIOLATION") for act in (acts.cured, acts.harmless)
    ]
    for each in acts.bare:
        barriers = "smp" if each.primitive is Primitive.SMP_WMB else "mandatory"
        share = f"{100 * each.corrupted / each.messages:.1f} % of the messages corrupted"
        found.append(Row("this CPU", barriers, each.messages, each.corrupted, each.seconds, share))
    return found


def _row(act: Result, remark: str) -> Row:
    name = act.plan.platform_name
    assert name is not None, act.plan
    return Row(name, act.plan.barriers, act.messages, len(act.witnesses), act.seconds, remark)


def as_data(acts: Acts, digest: str) -> dict[str, Any]:
    """The --json object."""
    plan, table = acts.searched.plan, rows(acts)
    outcomes = [outcome for act in (acts.searched, acts.cured, acts.harmless) for outcome in act.outcomes]
    return {
        "command": "demo",
        "status": "holds" if acts.as_they_must else "violation",
        "violations": len(acts.searched.witnesses),
        "executions": len(outcomes),
        "states": sum(outcome.events for outcome in outcomes),
        "seconds": round(sum(row.seconds for row in table), 3),
        "file": plan.config.file,
        "sha256": digest,
        "seed": plan.config.seed,
        "by_symptom": by_symptom(acts.searched.witnesses),
        "shown": None if acts.shown is None else finding_data(plan, acts.shown),
        "replayed_identically": acts.repeated,
        "silicon": silicon.available() or "run",
        "rows": [msgspec.to_builtins(row) for row in table],
    }
