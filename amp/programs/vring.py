"""vring: one vring, driver and device as they are coded; the two sides poll."""

from __future__ import annotations

from typing import Final

from amp.programs.one_ring import vring_program
from amp.programs.program import Program

PROGRAM: Final[Program] = vring_program(
    "vring",
    "one vring, driver and device as they are coded; requests and replies by turns; the two sides poll",
)
