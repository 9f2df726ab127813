"""The ring in C between two processes: a buffer's cost in line round trips of this machine, and how often it notifies.

What mandatory barriers and the run-time branch cost is compared with the same ring's SMP barriers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from saved import Reading

from amp.bench import yardstick
from amp.bench.question import COMPARED, Build
from amp.bench.ring import RingPair, RingSetup, measure
from amp.bench.ring_question import question_setups
from amp.bench.turns import Part, Turns, take_turns
from amp.bench.yardstick import Bounce

SETUPS = {
    "256 outstanding": RingSetup(),
    "1 outstanding": RingSetup(outstanding=1),
    "payload of 64 bytes": RingSetup(payload=64),
    "event index": RingSetup(event_idx=True),
    "indirect": RingSetup(payload=64, indirect=True),
    "without checks": RingSetup(checks=False),
}
LINE = "line round trip"
LOCKED = "locked add"
SAMPLE_S = 0.001
KEPT = 12  # samples of each part, if the machine lets it have them: some of their pairs are lost
COUNTED = 1_000_000  # buffers, for how often a polling ring with event indexes notifies


def part(pair: RingPair, setup: RingSetup) -> Part:
    count = pair.count_for(setup, SAMPLE_S)
    return Part(lambda: pair.run(setup, count).sample)


def yardsticks(bounce: Bounce) -> dict[str, Part]:
    return {LINE: Part(bounce.sample), LOCKED: Part(yardstick.locked)}


def distance(turns: Turns) -> float | None:
    """How far apart the CPUs are. The locked additions are this process's, which no CPU is kept for."""
    found = turns.ratio(LINE, LOCKED)
    return None if found is None else round(found.median, 1)


def read_ring(cpus: tuple[int, int]) -> Reading:
    with RingPair(SETUPS["indirect"], cpus) as pair, Bounce(cpus) as bounce:
        parts = {name: part(pair, setup) for name, setup in SETUPS.items()}
        turns = take_turns({**parts, **yardsticks(bounce)}, 6, kept_min=KEPT)
        counted = pair.run(RingSetup(event_idx=True), COUNTED)
    ratios = {f"{name} / {LINE}": turns.ratio(name, LINE) for name in SETUPS}
    ratios["checks / none"] = turns.ratio("256 outstanding", "without checks")
    counts = {"kicks": counted.driver["notifications"], "calls": counted.device["notifications"]}
    named = {f"event index, polling, {COUNTED} buffers: {key}": n for key, n in counts.items()}
    return Reading(ratios, named, distance(turns))


def read_question(cpus: tuple[int, int]) -> Reading:
    ratios = {}
    base = RingSetup(batch=1, payload=16)
    with RingPair(base, cpus) as pair, Bounce(cpus) as bounce:
        for outstanding in (1, 0):
            setups = question_setups(replace(base, outstanding=outstanding))
            parts = {build.value: part(pair, setup) for build, setup in setups.items()}
            turns = take_turns({**parts, **yardsticks(bounce)}, 4, kept_min=KEPT)
            for build in COMPARED:
                ratios[f"{build} / smp, {outstanding or 'all'} outstanding"] = turns.ratio(build, Build.SMP)
    return Reading(ratios, {}, distance(turns))


@pytest.mark.parametrize(("suite", "read"), [("ring", read_ring), ("question", read_question)])
def test_the_ring_costs_no_more_than_it_did(
    hold: Any, two_cpus: tuple[int, int], suite: str, read: Callable[[tuple[int, int]], Reading]
) -> None:
    hold(suite, lambda: read(two_cpus))


def test_what_a_polling_ring_tells_of_itself_is_the_same_each_time(benchmark: Any, two_cpus: tuple[int, int]) -> None:
    setup = RingSetup(event_idx=True)
    with RingPair(setup, two_cpus) as pair:
        measured = benchmark.pedantic(lambda: measure(pair, setup, 0.2, count=200_000), rounds=1)
    assert len(measured.each("driver")) == 1, "kicks"
    assert len(measured.each("device")) == 1, "calls"
