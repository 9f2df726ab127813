"""vring-event-idx: one vring whose sides sleep, kicks and interrupts forgone by event index (VIRTIO_F_EVENT_IDX)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from amp.programs.one_ring import vring_program
from amp.programs.program import Program

PROGRAM: Final[Program] = vring_program(
    "vring-event-idx",
    "vring with kicks and interrupts forgone by event index; the two sides sleep",
    sleeps=True,
    fixed=MappingProxyType({"event_idx": True}),
)
