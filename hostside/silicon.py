"""The driver on the bare silicon: no port, no model; see amp/_core/bench/silicon.h for what it shows."""

from amp._core import _bridge
from amp.machine.config import Report, RunConfig
from amp.region import Region


def driver(region: Region, _config: RunConfig) -> Report:
    """The sending half. The room was prepared in the carveout `vrings`; the ring's sizes stand in it."""
    _bridge.silicon_driver(region.memory, region.layout["vrings"].offset)
    return Report(outcome="done")
