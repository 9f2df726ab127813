"""vring-flags: one vring whose sides sleep, kicks and interrupts forgone by flags (virtio 1.2, 2.7.7 and 2.7.10)."""

from __future__ import annotations

from typing import Final

from amp.programs.one_ring import vring_program
from amp.programs.program import Program

PROGRAM: Final[Program] = vring_program(
    "vring-flags",
    "vring with kicks and interrupts forgone by NO_NOTIFY and NO_INTERRUPT; the two sides sleep",
    sleeps=True,
)
