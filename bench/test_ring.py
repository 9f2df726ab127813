"""What the ring costs through Python: one access, and messages there and back, direct and through the model.

Read the ratios within one run; the absolute times are this machine's, at this moment.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from amp.lab.machine import Machine
from amp.lab.plan import Plan, make_plan
from amp.machine.config import Mode
from amp.port.doors import open_direct
from amp.port.port import HOST
from amp.region import Layout, Region
from amp.virtio.sites import POLICIES, S1

MESSAGES = {Mode.DIRECT: 20_000, Mode.FREE: 4_000, Mode.LOCKSTEP: 2_000}


@pytest.fixture
def region() -> Iterator[Region]:
    with Region.create(Layout.plan(vrings=4096, buffers=4096, resources=1, model=1)) as region:
        yield region


@pytest.mark.parametrize("access", ["load_u16", "store_u16", "barrier"])
def test_one_access_through_the_direct_door(benchmark: Any, region: Region, access: str) -> None:
    port = open_direct(region, HOST, POLICIES["mandatory"])
    address = region.layout["vrings"].offset
    arguments = {"load_u16": (address,), "store_u16": (address, 7), "barrier": (S1,)}[access]
    benchmark(getattr(port, access), *arguments)


def plan(mode: Mode) -> Plan:
    platform = None if mode is Mode.DIRECT else "arm64-domains"
    sizes = {"messages": MESSAGES[mode], "ring_size": 256}
    return make_plan("echo", mode=mode, platform=platform, barriers="dma", options={"event_idx": True}, **sizes)


@pytest.mark.parametrize("mode", list(Mode))
def test_messages_there_and_back(benchmark: Any, mode: Mode) -> None:
    asked = plan(mode)
    with Machine(asked.config) as machine:
        outcome = benchmark.pedantic(
            machine.run, (asked.config, asked.platform, asked.sites), rounds=5, warmup_rounds=1
        )
    assert outcome.messages == asked.config.messages, "the work was done"
    assert outcome.finding is None
    benchmark.extra_info["round_trips_per_s"] = round(outcome.messages / outcome.elapsed_s)
