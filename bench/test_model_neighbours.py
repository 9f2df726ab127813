"""A load through the model costs the same however often its neighbours in the granule were written.

A ring's flags and index share a granule. The index is written once a message, the flags hardly ever, and both are read
once a message. A model that looks for the newest write of the flags among all those of the index gets slower by the
message, up to the length of its log.
"""

import time
from typing import cast

from amp.bench.model import LoneModel
from amp.ordering.barriers import Primitive
from amp.port.port import Port

BESIDE = 8_000  # writes to the neighbour, half of what the log holds
LOADS, TRIES = 200, 5
WORST = 5  # times; a walk over the whole of the log is some hundred


def load_ns(port: Port, address: int) -> float:
    """CPU time of one load: the least of some tries."""

    def once() -> int:
        start = time.process_time_ns()
        for _ in range(LOADS):
            port.load_u16(address)
        return time.process_time_ns() - start

    return min(once() for _ in range(TRIES)) / LOADS


def test_a_load_costs_the_same_after_many_writes_beside_it() -> None:
    with LoneModel() as model:
        port, address = cast(Port, model._ports["modelled"]), model._address
        port.store_u16(address, 1)
        port.store_u16(address + 2, 0)
        port.fence(Primitive.MB)
        alone = load_ns(port, address)
        for value in range(BESIDE):
            port.store_u16(address + 2, value)
            port.fence(Primitive.MB)
        beside = load_ns(port, address)
    assert beside < WORST * alone, f"{beside:.0f} ns, {alone:.0f} ns before"
