"""The ordering model in a region: how much room it takes, and how a platform gets into it.

Every machine with a model sets it up here; what its fields mean is in amp/_core/core.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amp._core import _bridge
from amp.machine.config import Mode
from amp.ordering.placement import PAIR, Placement, arrangement, reach_one_by_one
from amp.ordering.platforms import Platform
from amp.region import Region

if TYPE_CHECKING:
    from typing_extensions import Buffer

STORE_DEPTH: Final = 64  # pending stores of a CPU
LOG_WRITES: Final = 1 << 14  # visible writes that the model remembers
_CORE_MODE: Final = {Mode.FREE: _bridge.FREE, Mode.LOCKSTEP: _bridge.LOCKSTEP}

ModelConfig = tuple[int, int, int, int, int, int, int, int]  # struct amp_model_config, in its order


def model_config(
    mode: Mode, shared: tuple[int, int], seed: int, trace_events: int, cpus: int = len(PAIR)
) -> ModelConfig:
    """A model of so many CPUs. `shared` is Layout.shared; the trace keeps the newest `trace_events`, a power of two."""
    return (cpus, _CORE_MODE[mode], *shared, STORE_DEPTH, LOG_WRITES, trace_events, seed)


def model_bytes(config: ModelConfig) -> int:
    """The room it takes: what the region's carveout `model` must have."""
    return _bridge.model_room(config)


def prepare_model(region: Region, config: ModelConfig, platform: Platform, placement: Placement = PAIR) -> None:
    """The model as new, with the barriers of `platform` for the processors of `placement`. No CPU may run."""
    place_model(region.memory, region.layout["model"].offset, config, platform, placement)


def place_model(memory: Buffer, at: int, config: ModelConfig, platform: Platform, placement: Placement) -> None:
    """The same of a model that lies at that offset of any memory."""
    placement = placement.on(platform)
    _bridge.model_init(memory, at, config)
    rows = arrangement(platform, placement)
    for cpu, orders in enumerate(rows):
        _bridge.model_set_orders(memory, at, cpu, int(orders.implicit), bytes(orders.far))
    if placement.levels > 1:
        _bridge.model_set_domains(memory, at, bytes(placement.domains), tuple(bytes(orders.near) for orders in rows))
    if reach_one_by_one(platform, placement):
        copied = sum(1 << cpu for cpu, orders in enumerate(rows) if not orders.multi_copy_atomic)
        _bridge.model_set_copies(memory, at, copied)
