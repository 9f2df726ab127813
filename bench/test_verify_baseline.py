"""Exploration: executions, runs and states (exactly as many), and what it costs in rounds of ordinary Python."""

from __future__ import annotations

import os
from typing import Any

from amp.bench.baselines import Reading
from amp.cli.bench_verify import MOST, ORDINARY, PLATFORM, measure

KEPT = 12  # samples of each part, if the machine lets it have them


def read_verify() -> Reading:
    measured = measure(MOST, PLATFORM, max(os.sched_getaffinity(0)), 10, kept_min=KEPT)
    ratios, counts = {}, {}
    for name, found in measured.counts.items():
        counts |= {f"{name}: {key}": getattr(found, key) for key in ("executions", "runs", "states")}
    for scenario, most in MOST.items():
        ratios[f"{scenario} {most} / {ORDINARY}"] = measured.turns.ratio(f"{scenario} {most}", ORDINARY)
    return Reading(ratios, counts)


def test_exploring_takes_no_more_than_it_did(hold: Any) -> None:
    hold("verify", read_verify)
