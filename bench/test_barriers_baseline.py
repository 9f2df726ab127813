"""What a barrier costs, in locked additions of this CPU; and how many of them are an instruction here at all."""

from __future__ import annotations

import mmap
import os
import platform
from typing import Any

from amp._core import _bridge
from amp.bench import yardstick
from amp.bench.barriers import executed, instruction
from amp.bench.baselines import Reading
from amp.bench.stats import Sample
from amp.bench.turns import NS_PER_S, Part, take_turns
from amp.cli.bench_barriers import bound_to
from amp.ordering.barriers import Primitive

BARRIERS = (Primitive.SMP_MB, Primitive.SMP_WMB, Primitive.DMA_MB, Primitive.MB, Primitive.RMB, Primitive.WMB)
ROUNDS = 10_000
KEPT = 12  # samples of each part, if the machine lets it have them
STORES = {"alone": (_bridge.BENCH_NOTHING, 0), "after a store": (_bridge.BENCH_NEAR, 1)}
LOCKED = "locked add"


def read_barriers() -> Reading:
    room = mmap.mmap(-1, 1 << 16)

    def sample(primitive: Primitive, before: int, lines: int) -> Sample:
        wall_ns, cpu_ns, switches = _bridge.bench_barrier(room, (int(primitive), before, lines, ROUNDS))
        return Sample(wall_ns / ROUNDS, cpu_ns / NS_PER_S, wall_ns / NS_PER_S, switches)

    parts = {LOCKED: Part(yardstick.locked)}
    for primitive in BARRIERS:
        for name, stores in STORES.items():
            parts[f"{primitive.label} {name}"] = Part(lambda it=primitive, stores=stores: sample(it, *stores))
    with bound_to(max(os.sched_getaffinity(0))):
        turns = take_turns(parts, 3, kept_min=KEPT)
    ratios = {f"{name} / {LOCKED}": turns.ratio(name, LOCKED) for name in parts if name != LOCKED}
    instructions = sum(bool(instruction(each)) for each in executed())
    return Reading(ratios, {f"primitives with an instruction on {platform.machine()}": instructions})


def test_barriers_cost_no_more_than_they_did(hold: Any) -> None:
    hold("barriers", read_barriers)
