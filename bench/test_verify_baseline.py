"""Exploration: executions, runs and states (exactly as many), and what it costs in rounds of ordinary Python."""

from __future__ import annotations

import os
from typing import Any

from saved import Reading

from amp.bench.verify import MOST, ORDINARY, PLATFORM, explored, measure, plan_of

TIMED = {"spsc-vring": 4, "vring": 3, "vring-flags": 1}  # messages; a few milliseconds each
KEPT = 12  # samples of each part, if the machine lets it have them


def read_verify() -> Reading:
    measured = measure(TIMED, PLATFORM, max(os.sched_getaffinity(0)), 6, kept_min=KEPT)
    names = {scenario: f"{scenario} {most}" for scenario, most in TIMED.items()}
    ratios = {f"{name} / {ORDINARY}": measured.turns.ratio(name, ORDINARY) for name in names.values()}
    counts = {}
    for scenario, most in MOST.items():
        found = explored(plan_of(scenario, most, None, PLATFORM))
        counts |= {f"{scenario} {most}: {key}": getattr(found, key) for key in ("executions", "runs", "states")}
    return Reading(ratios, counts)


def test_exploring_takes_no_more_than_it_did(hold: Any) -> None:
    hold("verify", read_verify)
