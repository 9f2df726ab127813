"""The device on the bare silicon: no port, no model; see amp/_core/bench/silicon.h for what it shows."""

from amp._core import _bridge
from amp.machine.config import Report, RunConfig
from amp.region import Region


def device(region: Region, _config: RunConfig) -> Report:
    """The receiving half; the report's data is struct amp_silicon_result."""
    return Report(outcome="done", data=_bridge.silicon_device(region.memory, region.layout["vrings"].offset))
