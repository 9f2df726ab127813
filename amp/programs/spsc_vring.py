"""spsc-vring: the core of a vring in bare cells and C11 fences; the two sides poll."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amp.machine.config import RunConfig
from amp.machine.wiring import VRINGS_AT
from amp.ordering.platforms import Side
from amp.ordering.sites import Site, Sites
from amp.programs.program import Part, Program, Size
from amp.programs.room import GRANULE_BYTES, small_region
from amp.region import Layout

S1: Final = Site(
    "S1",
    "id, length and value before avail_idx",
    needs="WW",
    kind="release",
    pairs_with="S2",
    symptom="the device takes an id, a length or a value that is not there yet (avail_idx came first)",
    role="driver",
    side="host",
)
S2: Final = Site(
    "S2",
    "avail_idx before id, length and value",
    needs="RR",
    kind="acquire",
    pairs_with="S1",
    symptom="the device reads the id, the length or the value from before avail_idx moved",
    role="device",
    side="remote",
)
S3: Final = Site(
    "S3",
    "reads of the buffer, used_ring before used_idx",
    needs="WW",
    kind="release",
    pairs_with="S4",
    symptom="the driver takes a used id that is not there yet (used_idx came first)",
    role="device",
    side="remote",
)
S4: Final = Site(
    "S4",
    "used_idx before used_ring",
    needs="RR",
    kind="acquire",
    pairs_with="S3",
    symptom="the driver reads the used id from before used_idx moved",
    role="driver",
    side="host",
)


@dataclass(frozen=True, slots=True)
class Cells:
    """The ring of spsc-vring: u32 cells, one a granule. `size` is the entries of each array."""

    size: int

    @property
    def avail_idx(self) -> int:
        return VRINGS_AT

    @property
    def used_idx(self) -> int:
        return VRINGS_AT + GRANULE_BYTES

    def avail_ring(self, slot: int) -> int:
        return self._array(0) + GRANULE_BYTES * slot

    def used_ring(self, slot: int) -> int:
        return self._array(1) + GRANULE_BYTES * slot

    def length(self, buffer: int) -> int:
        return self._array(2) + GRANULE_BYTES * buffer

    def payload(self, buffer: int) -> int:
        return self._array(3) + GRANULE_BYTES * buffer

    def _array(self, number: int) -> int:
        return VRINGS_AT + GRANULE_BYTES * (2 + number * self.size)

    @property
    def end(self) -> int:
        return self._array(4)

    def layout(self, model_bytes: int) -> Layout:
        return small_region(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        number, byte = divmod(address - VRINGS_AT, GRANULE_BYTES)
        if not (VRINGS_AT <= address < self.end and byte < 4):
            return f"{address:#x}"
        if number < 2:
            return ("avail_idx", "used_idx")[number]
        array, index = divmod(number - 2, self.size)
        return f"{('avail_ring', 'used_ring', 'len', 'buf')[array]}[{index}]"


def cells(config: RunConfig) -> Cells:
    """The ring of a run."""
    config.check()
    return Cells(config.ring_size)


PROGRAM: Final = Program(
    name="spsc-vring",
    summary="the core of a vring in bare cells and C11 fences; the two sides poll",
    parts=(
        Part("host", Side.HOST, "hostside.small:spsc_vring"),
        Part("remote", Side.REMOTE, "remoteside.small:spsc_vring"),
    ),
    memory=cells,
    sites=Sites((S1, S2, S3, S4)),
    violations="an id that is not in the ring's bounds or not in flight; a length or a value of another message",
    sizes=MappingProxyType({"messages": Size(2, 1, 1_000_000), "ring_size": Size(2, 1, 8)}),
    fixed=MappingProxyType({"payload_bytes": 4}),
    shipped=True,
)
