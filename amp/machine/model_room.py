"""The ordering model in a region: how much room it takes, and how a platform gets into it.

Every machine with a model sets it up here; what its fields mean is in amp/_core/core.h.
"""

from __future__ import annotations

from typing import Final

from amp._core import _bridge
from amp.machine.config import Mode
from amp.ordering.platforms import Platform, Side
from amp.port.port import CPU_NAMES
from amp.region import Region

STORE_DEPTH: Final = 64  # pending stores of a CPU
LOG_WRITES: Final = 1 << 14  # visible writes that the model remembers
_CORE_MODE: Final = {Mode.FREE: _bridge.FREE, Mode.LOCKSTEP: _bridge.LOCKSTEP}

ModelConfig = tuple[int, int, int, int, int, int, int, int]  # struct amp_model_config, in its order


def model_config(mode: Mode, shared: tuple[int, int], seed: int, trace_events: int) -> ModelConfig:
    """A model of both CPUs. `shared` is Layout.shared; the trace keeps the newest `trace_events`, a power of two."""
    return (len(CPU_NAMES), _CORE_MODE[mode], *shared, STORE_DEPTH, LOG_WRITES, trace_events, seed)


def model_bytes(config: ModelConfig) -> int:
    """The room it takes: what the region's carveout `model` must have."""
    return _bridge.model_room(config)


def prepare_model(region: Region, config: ModelConfig, platform: Platform) -> None:
    """The model as new, with the barriers of `platform`. No CPU may run."""
    memory, at = region.memory, region.layout["model"].offset
    _bridge.model_init(memory, at, config)
    for cpu, side in enumerate(Side):
        _bridge.model_set_orders(memory, at, cpu, int(platform.implicit(side)), platform.core_table(side))
