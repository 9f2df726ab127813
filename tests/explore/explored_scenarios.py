"""Scenarios of the catalogue in the explorer. Not a test."""

from __future__ import annotations

from collections.abc import Mapping

from amp.explore.explorer import Bounds, Exploration, Explorer, Machine
from amp.machine.config import Mode, Tally
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import PLATFORMS, Platform
from amp.ordering.sites import Site, SiteMap
from amp.scenarios import SCENARIOS

BOUNDS = Bounds(executions=200_000, seconds=60)
NOTHING: Mapping[Site, BarrierClass] = {}


def scenario_explorer(
    name: str,
    platform: str | Platform,
    *,
    messages: int,
    ring_size: int | None = None,
    barriers: BarrierClass = BarrierClass.MANDATORY,
    weaken: Mapping[Site, BarrierClass] = NOTHING,
    merging: bool = True,
) -> Explorer:
    scenario = SCENARIOS[name]
    config = scenario.config(Mode.LOCKSTEP, messages=messages, ring_size=ring_size)
    sites = SiteMap.for_class(barriers, scenario.kinds)
    for site, to in weaken.items():
        sites = sites.weaken(site, to, scenario.kinds)
    memory = scenario.plan(config).layout(model_bytes=8).shared
    machine = Machine(PLATFORMS[platform] if isinstance(platform, str) else platform, sites, memory)
    parts = [lambda port, part=part: part(port, config, Tally()) for part in (scenario.host, scenario.remote)]
    return Explorer(machine, parts, merging)


def explore(name: str, platform: str | Platform, *, plant: str = "", **options: object) -> Exploration:
    explorer = scenario_explorer(name, platform, **options)  # type: ignore[arg-type]
    if plant:
        explorer.core.plant(plant)
    return explorer.explore(BOUNDS)
