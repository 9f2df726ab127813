"""vring-indirect: messages that are request and reply in one, through indirect tables (VIRTIO_F_INDIRECT_DESC)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from amp.machine.stamps import STAMP_BYTES
from amp.programs.one_ring import vring_program
from amp.programs.program import Program, Reuse, Size
from amp.virtio.sites import B1

PROGRAM: Final[Program] = vring_program(
    "vring-indirect",
    "vring with messages that are request and reply in one, through an indirect table; the two sides poll",
    fixed=MappingProxyType({"payload_bytes": 2 * STAMP_BYTES, "indirect": True, "segments": 2}),
    ring_size=Size(2, 2, 8, power_of_two=True),
    reuse=Reuse(B1, beyond=1, entries=1),
)
