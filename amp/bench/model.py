"""The ordering model from inside one process: what an access costs from C, from Python, and without the model.

A model in free mode, of which only one CPU works: every access takes the model's lock, draws its chances and leaves its
event, but meets nobody. `load` and `store` are of 4 bytes; `mixed` is one of each, to two granules, and counts as two
accesses; `barrier` is dma_wmb. From Python an access is one call of a port's method, the loop around it included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import repeat
from types import TracebackType
from typing import Any, Final, Self

from amp._core import _bridge
from amp.bench.stats import Sample
from amp.bench.turns import timed
from amp.machine.config import Mode
from amp.machine.model_room import model_bytes, model_config, prepare_model
from amp.ordering import platform
from amp.ordering.barriers import Primitive
from amp.ordering.platforms import Platform
from amp.port.doors import open_direct, open_modelled
from amp.port.port import HOST
from amp.region import Layout, Region
from amp.virtio.sites import linux_choice

KINDS: Final[Mapping[str, tuple[int, int]]] = {  # in C, and accesses a round
    "load": (_bridge.BENCH_LOAD, 1),
    "store": (_bridge.BENCH_STORE, 1),
    "mixed": (_bridge.BENCH_MIXED, 2),
    "barrier": (_bridge.BENCH_BARRIER, 1),
}
PLATFORM: Final = "arm64-domains"
TRACE_EVENTS: Final = 1 << 12
ROUNDS_IN_C: Final = 5_000
ROUNDS_IN_PYTHON: Final = 5_000


class LoneModel:
    """The model, and a bare region to compare with. A context manager."""

    def __init__(self, on: Platform | None = None, seed: int = 1) -> None:
        on = platform(PLATFORM) if on is None else on
        pools = {"vrings": 4096, "buffers": 4096, "resources": 1}
        shared = Layout.plan(**pools, model=1).shared
        config = model_config(Mode.FREE, shared, seed, TRACE_EVENTS)
        self._region = Region.create(Layout.plan(**pools, model=model_bytes(config)))
        self.room_offset = self._region.layout["model"].offset
        self.memory = self._region.memory
        prepare_model(self._region, config, on)
        self._address = self._region.layout["vrings"].offset
        sites = linux_choice(weak_barriers=False)
        self._ports = {
            "modelled": open_modelled(self._region, HOST, sites),
            "direct": open_direct(self._region, HOST, sites),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._ports.clear()
        self._region.close()

    def from_c(self, kind: str) -> Sample:
        """ns per access, through the model."""
        access, each = KINDS[kind]
        what = (access, int(Primitive.DMA_WMB), self._address, ROUNDS_IN_C)
        return Sample.of_times(ROUNDS_IN_C * each, *_bridge.bench_model(self.memory, self.room_offset, HOST, what))

    def from_python(self, kind: str, door: str = "modelled") -> Sample:
        """ns per access, through that port: "modelled" or "direct"."""
        work = _loop(self._ports[door], kind, self._address)
        return timed(work, ROUNDS_IN_PYTHON * KINDS[kind][1])

    @property
    def events(self) -> int:
        """What the model has recorded so far."""
        return _bridge.model_state(self.memory, self.room_offset)["events"]


def _loop(port: Any, kind: str, address: int) -> Callable[[], None]:
    load, store, fence, primitive = port.load_u32, port.store_u32, port.fence, int(Primitive.DMA_WMB)

    def loads() -> None:
        for _ in repeat(None, ROUNDS_IN_PYTHON):
            load(address)

    def stores() -> None:
        for value in range(ROUNDS_IN_PYTHON):
            store(address, value)

    def mixed() -> None:
        for value in range(ROUNDS_IN_PYTHON):
            store(address, value)
            load(address + _bridge.GRANULE)

    def barriers() -> None:
        for _ in repeat(None, ROUNDS_IN_PYTHON):
            fence(primitive)

    return {"load": loads, "store": stores, "mixed": mixed, "barrier": barriers}[kind]
