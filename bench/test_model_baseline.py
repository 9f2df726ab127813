"""The ordering model: an access in locked additions (C) or rounds of ordinary Python, a whole exchange against direct.

The counts are of runs that chance decides, from one seed: the same everywhere.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from saved import Reading

from amp.bench.cpus import bound_to
from amp.bench.model import KINDS, LoneModel
from amp.bench.overhead import FROM_C, FROM_PYTHON, LOCKED, ORDINARY, WITHOUT, Exchange, alone_parts, measure_exchange
from amp.bench.turns import take_turns
from amp.machine.config import Mode

MESSAGES = 100  # of a sample: short, so that a busy machine leaves some alone; making the rings ready is in them
KEPT = 12  # samples of each part, if the machine lets it have them


def read_model(cpus: tuple[int, int]) -> Reading:
    with LoneModel() as model, bound_to(cpus[0]):
        alone = take_turns(alone_parts(model), 4, kept_min=KEPT)
    exchange = measure_exchange(cpus, 10, messages=MESSAGES, kept_min=KEPT)
    yardsticks = {FROM_C: LOCKED, FROM_PYTHON: ORDINARY, WITHOUT: ORDINARY}
    ratios = {
        f"{origin}, {kind} / {against}": alone.ratio(f"{origin} {kind}", against)
        for origin, against in yardsticks.items()
        for kind in KINDS
    }
    ratios["round trip, free / direct"] = exchange.ratio(Mode.FREE, Mode.DIRECT)
    ratios[f"round trip, direct / {ORDINARY}"] = exchange.ratio(Mode.DIRECT, ORDINARY)
    ratios[f"turn in lockstep / {ORDINARY}"] = exchange.ratio(Mode.LOCKSTEP, ORDINARY)
    return Reading(ratios, counts())


def counts() -> dict[str, int]:
    """What the model records of the same accesses, and of the same exchange in lockstep."""
    with LoneModel() as model:
        for kind in KINDS:
            model.from_c(kind)
        found = {"events of one process": model.events}
    with ExitStack() as stack:
        exchange = Exchange(Mode.LOCKSTEP, stack)
        exchange.sample()
        return {**found, "turns of an exchange in lockstep": exchange.turns}


def test_the_model_costs_no_more_than_it_did(hold: Any, two_cpus: tuple[int, int]) -> None:
    hold("model", lambda: read_model(two_cpus))
