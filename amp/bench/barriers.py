"""What each barrier costs the CPU that issues it, in ns: fences.h's instructions in the timed loops of the C core.

A barrier has no cost of its own: it has one in a place. So each is measured in situations, rows of SITUATIONS, and its
cost there is a round with it less the same round without, pair by pair, the two in turn (`amp.bench.stats`). A cost may
come out below zero: stores that a fence makes leave in order may flow better than unordered ones.

Primitives without an instruction on this CPU are measured like all others. They must come out as nothing: what they
show instead is the error of the measurement.

This module binds no CPU, and looks at the clock only to know when to stop.
"""

from __future__ import annotations

import errno
import mmap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from amp._core import _bridge
from amp.bench.facts import result_data
from amp.bench.stats import NS_PER_S, Difference, Kept, Sample, difference, interval_data, keep_turns
from amp.ordering.barriers import Primitive

ROOM_BYTES: Final = 8 << 20  # several times the second-level caches of today's servers (0.5 to 2 MiB)
BATCH_NS: Final = 300_000  # long beside reading the clocks (about 1 µs), short beside a time slice (milliseconds)
TRIAL_ROUNDS: Final = 64
NO_INSTRUCTION: Final = "no instruction"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a round does before its barrier: `lines` stores of 8 bytes, each to another cache line."""

    name: str
    before: int
    lines: int
    what: str


_NEAR = "stores that hit dirty lines of this CPU's first-level cache"
_FAR = "stores that miss this CPU's caches, in a scattered order: the lines come from afar"
_STREAM = "non-temporal stores (movnti), which leave through the write-combining buffers"
LINES: Final = (1, 8, 64)

SITUATIONS: Final = (
    Situation("back to back", _bridge.BENCH_NOTHING, 0, "nothing: the barrier alone, again and again"),
    *(Situation(f"{lines} near", _bridge.BENCH_NEAR, lines, _NEAR) for lines in LINES),
    *(Situation(f"{lines} far", _bridge.BENCH_FAR, lines, _FAR) for lines in LINES),
    *(Situation(f"{lines} streamed", _bridge.BENCH_STREAM, lines, _STREAM) for lines in LINES),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """One barrier in one situation. `cost_ns` is None when no pair was undisturbed."""

    primitive: Primitive
    situation: Situation
    cost_ns: Difference | None
    turns: Kept[tuple[Sample, ...]]  # (with, without) each, ns per round


@dataclass(frozen=True, slots=True)
class Costs:
    """A whole run: one Cost for each primitive and situation, situation by situation."""

    costs: tuple[Cost, ...]
    seconds: float
    left_out: dict[str, str] = field(default_factory=dict)  # situation -> why this machine has none

    @property
    def taken(self) -> int:
        return sum(cost.turns.taken for cost in self.costs)

    @property
    def kept(self) -> int:
        return sum(len(cost.turns.kept) for cost in self.costs)

    @property
    def discarded(self) -> float:
        """The share of pairs that were disturbed, 0 to 1."""
        return 1 - self.kept / self.taken if self.taken else 0.0

    @property
    def situations(self) -> list[Situation]:
        """Those that this machine has."""
        return [each for each in SITUATIONS if each.name not in self.left_out]

    @property
    def exit_status(self) -> int:
        """3 if nothing could be kept in some situation: there is no figure to print."""
        return 0 if all(cost.cost_ns is not None for cost in self.costs) else 3

    def of_instruction(self, text: str, situation: Situation) -> Difference | None:
        """The cost in ns over the pairs of all primitives that are this instruction: they run the same code."""
        return _cost_ns(
            turn
            for cost in self.costs
            if cost.situation == situation and instruction(cost.primitive) == text
            for turn in cost.turns.kept
        )

    def error_ns(self, situation: Situation) -> float | None:
        """How far from 0 the primitives that are no instruction here came out, at the worst: nothing less is a cost."""
        controls = (
            cost.cost_ns for cost in self.costs if cost.situation == situation and not instruction(cost.primitive)
        )
        return max((abs(each.median) for each in controls if each is not None and each.enough), default=None)


def _cost_ns(turns: Iterable[tuple[Sample, ...]]) -> Difference | None:
    values = [(with_it.value, without.value) for with_it, without in turns]
    return difference(values) if values else None


def executed() -> tuple[Primitive, ...]:
    """The primitives for which fences.h has a row, in their order; NONE, what they are compared with, is not one."""
    return tuple(each for each in Primitive if each and _bridge.bench_instruction(each) is not None)


def instruction(primitive: Primitive) -> str:
    """What this CPU executes for it: "mfence"; "" is nothing. ValueError without a row in fences.h."""
    text = _bridge.bench_instruction(primitive)
    if text is None:
        raise ValueError(f"{primitive.label} has no row in fences.h")
    return text.replace("%%", "%")


def instructions() -> dict[str, tuple[Primitive, ...]]:
    """What this CPU executes, and for which primitives; "" (no instruction) comes last."""
    found: dict[str, list[Primitive]] = {}
    for primitive in executed():
        found.setdefault(instruction(primitive), []).append(primitive)
    return {text: tuple(found[text]) for text in sorted(found, key=lambda text: not text)}


def names(primitives: Sequence[Primitive]) -> str:
    """Their names in a row."""
    return ", ".join(primitive.label for primitive in primitives)


def as_data(costs: Costs, known: dict[str, Any]) -> dict[str, Any]:
    """The --json object. Costs in ns."""
    return {
        **result_data("barriers", costs.exit_status, costs.seconds, known),
        "samples": {"taken": 2 * costs.taken, "kept": 2 * costs.kept, "discarded_share": costs.discarded},
        "situations": [
            {"name": each.name, "lines": each.lines, "before": each.what, "error_ns": costs.error_ns(each)}
            for each in costs.situations
        ],
        "left_out": costs.left_out,
        "costs": [
            {
                "primitive": cost.primitive.label,
                "instruction": instruction(cost.primitive),
                "situation": cost.situation.name,
                "cost_ns": interval_data(cost.cost_ns),
                "taken": cost.turns.taken,
            }
            for cost in costs.costs
        ],
    }


def measure(
    time_s: float,
    situations: tuple[Situation, ...] = SITUATIONS,
    primitives: tuple[Primitive, ...] = (),
    progress: Callable[[float], None] | None = None,
) -> Costs:
    """All pairs once, and again until `time_s` is over; at least once. `progress` gets the share of the time used.

    Each pass takes all of them, so that a disturbance of a second hits a little of everything. Which of a pair goes
    first changes from pass to pass. The calling thread should be bound to one CPU.
    """
    began = time.monotonic()
    room = mmap.mmap(-1, ROOM_BYTES)
    room.write(bytes(ROOM_BYTES))  # every page is there before anything is timed
    left_out = {}
    loops = []
    for situation in situations:
        try:
            loops += [_Loop(room, situation, each) for each in primitives or executed()]
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            left_out[situation.name] = "this CPU has no such stores"
    turns: dict[_Loop, list[tuple[Sample, Sample]]] = {loop: [] for loop in loops}
    swapped = False
    for loop in _until(began + time_s, loops):
        turns[loop].append(loop.pair(swapped=swapped))
        if loop is loops[-1]:
            swapped = not swapped
            if progress is not None:
                progress(min(1.0, (time.monotonic() - began) / time_s))
    return Costs(tuple(loop.cost(turns[loop]) for loop in loops), time.monotonic() - began, left_out)


def _until(deadline_s: float, loops: list[_Loop]) -> Iterator[_Loop]:
    """The loops round and round, each at least once."""
    yield from loops
    while loops:
        for loop in loops:
            if time.monotonic() >= deadline_s:
                return
            yield loop


class _Loop:
    """A primitive in a situation, with as many rounds a batch as take about BATCH_NS; and the same without it."""

    def __init__(self, room: mmap.mmap, situation: Situation, primitive: Primitive) -> None:
        self._room, self._situation, self._primitive = room, situation, primitive
        self._rounds = {each: self._fitting(each) for each in (primitive, Primitive.NONE)}

    def _fitting(self, primitive: Primitive) -> int:
        """The rounds that take about BATCH_NS, from a trial on the CPU's clock, which stops when others run."""
        rounds = TRIAL_ROUNDS
        while (cpu_ns := self._batch(primitive, rounds).cpu_s * NS_PER_S) < BATCH_NS / 4:
            rounds *= 2
        return max(1, int(BATCH_NS * rounds / cpu_ns))

    def _batch(self, primitive: Primitive, rounds: int) -> Sample:
        what = (int(primitive), self._situation.before, self._situation.lines, rounds)
        return Sample.of_times(rounds, *_bridge.bench_barrier(self._room, what))

    def pair(self, *, swapped: bool) -> tuple[Sample, Sample]:
        """(with, without), in ns per round."""
        order = (Primitive.NONE, self._primitive) if swapped else (self._primitive, Primitive.NONE)
        first, second = (self._batch(each, self._rounds[each]) for each in order)
        return (second, first) if swapped else (first, second)

    def cost(self, taken: list[tuple[Sample, Sample]]) -> Cost:
        turns = keep_turns(taken)
        return Cost(self._primitive, self._situation, _cost_ns(turns.kept), turns)
