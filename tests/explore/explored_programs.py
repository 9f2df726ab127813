"""Shipped programs in the explorer. Not a test."""

from __future__ import annotations

from collections.abc import Mapping

from amp.explore.explorer import Bounds, Exploration, Explorer, Machine
from amp.machine.config import Mode, Tally
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import PLATFORMS, Platform
from amp.ordering.sites import Site, SiteMap
from amp.programs import EXPLORABLE

BOUNDS = Bounds(executions=200_000, seconds=60)
NOTHING: Mapping[Site, BarrierClass] = {}


def program_explorer(
    name: str,
    platform: str | Platform,
    *,
    messages: int,
    ring_size: int | None = None,
    barriers: BarrierClass = BarrierClass.MANDATORY,
    weaken: Mapping[Site, BarrierClass] = NOTHING,
    merging: bool = True,
) -> Explorer:
    program = EXPLORABLE[name]
    config = program.config(Mode.LOCKSTEP, messages=messages, ring_size=ring_size)
    sites = SiteMap.for_class(barriers, program.sites)
    for site, to in weaken.items():
        sites = sites.weaken(site, to)
    memory = program.memory(config).layout(model_bytes=8).shared
    machine = Machine(PLATFORMS[platform] if isinstance(platform, str) else platform, sites, memory)
    codes = [part.load() for part in program.parts]
    parts = [lambda port, code=code: code(port, config, Tally()) for code in codes]
    return Explorer(machine, parts, merging)


def explore(name: str, platform: str | Platform, *, plant: str = "", **options: object) -> Exploration:
    explorer = program_explorer(name, platform, **options)  # type: ignore[arg-type]
    if plant:
        explorer.core.plant(plant)
    return explorer.explore(BOUNDS)
