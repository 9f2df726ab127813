"""What a barrier costs this CPU, in locked additions."""

from __future__ import annotations

import mmap
import os
from typing import Any

from saved import Reading

from amp._core import _bridge
from amp.bench import yardstick
from amp.bench.cpus import bound_to
from amp.bench.stats import NS_PER_S, Sample
from amp.bench.turns import Part, take_turns
from amp.ordering.barriers import Primitive

BARRIERS = (Primitive.SMP_MB, Primitive.SMP_WMB, Primitive.DMA_MB, Primitive.MB, Primitive.RMB, Primitive.WMB)
TRIAL_ROUNDS = 10_000
BATCH_NS = 200_000  # long beside reading the clocks, short beside a time slice
KEPT = 12  # samples of each part, if the machine lets it have them
STORES = {"alone": (_bridge.BENCH_NOTHING, 0), "after a store": (_bridge.BENCH_NEAR, 1)}
LOCKED = "locked add"


def read_barriers() -> Reading:
    room = mmap.mmap(-1, 1 << 16)

    def sample(primitive: Primitive, stores: tuple[int, int], rounds: int) -> Sample:
        return Sample.of_times(rounds, *_bridge.bench_barrier(room, (int(primitive), *stores, rounds)))

    def part(primitive: Primitive, stores: tuple[int, int]) -> Part:
        trial_s = min(sample(primitive, stores, TRIAL_ROUNDS).cpu_s for _ in range(3))
        rounds = int(TRIAL_ROUNDS * BATCH_NS / NS_PER_S / trial_s)
        return Part(lambda: sample(primitive, stores, rounds))

    parts = {LOCKED: Part(yardstick.locked)}
    for primitive in BARRIERS:
        for name, stores in STORES.items():
            parts[f"{primitive.label} {name}"] = part(primitive, stores)
    with bound_to(max(os.sched_getaffinity(0))):
        turns = take_turns(parts, 3, kept_min=KEPT)
    ratios = {f"{name} / {LOCKED}": turns.ratio(name, LOCKED) for name in parts if name != LOCKED}
    return Reading(ratios, {})


def test_barriers_cost_no_more_than_they_did(hold: Any) -> None:
    hold("barriers", read_barriers)
