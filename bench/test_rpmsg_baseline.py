"""rpmsg through a booted firmware: in rounds of ordinary Python, and one way of running it against another."""

from __future__ import annotations

from typing import Any

from saved import Reading

from amp.bench.rpmsg import ORDINARY, Wait, Way, measure, ways_of
from amp.machine.config import Mode

PLAIN = Way(Mode.DIRECT, Wait.SPIN, 16)
KEPT = 12  # samples of each part, if the machine lets it have them


def read_rpmsg(cpus: tuple[int, int]) -> Reading:
    measured = measure(ways_of(["direct", "free"], ["spin", "block"], [16, 496]), cpus, 20, kept_min=KEPT)
    turns = measured.turns
    against = {
        "size, 496 / 16": Way(Mode.DIRECT, Wait.SPIN, 496),
        "wait, block / spin": Way(Mode.DIRECT, Wait.BLOCK, 16),
        "mode, free / direct": Way(Mode.FREE, Wait.SPIN, 16),
        "mode and size, free 496 / direct 16": Way(Mode.FREE, Wait.SPIN, 496),
    }
    ratios = {f"round trip, {name}": turns.ratio(way.trip, PLAIN.trip) for name, way in against.items()}
    ratios |= {f"flood, {name}": turns.ratio(way.flood, PLAIN.flood) for name, way in against.items()}
    ratios[f"round trip / {ORDINARY}"] = turns.ratio(PLAIN.trip, ORDINARY)
    ratios[f"flood / {ORDINARY}"] = turns.ratio(PLAIN.flood, ORDINARY)
    return Reading(ratios, {})


def test_rpmsg_costs_no_more_than_it_did(hold: Any, two_cpus: tuple[int, int]) -> None:
    hold("rpmsg", lambda: read_rpmsg(two_cpus))
