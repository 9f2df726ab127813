"""The ring on bare silicon: what smp_wmb() and wmb() are worth on this machine's own CPU: amp/_core/bench/silicon.h.

x86-64 with two processors only: elsewhere `available` says why not.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Final

from amp._core import _bridge
from amp.errors import AmpError
from amp.lab.machine import Machine
from amp.machine.config import Mode, RunConfig
from amp.ordering.barriers import Primitive
from amp.port.port import CPU_NAMES

MESSAGES: Final = 200_000
RING_SIZE: Final = 4  # small, so that a buffer comes round before chance has drained its last words
PAYLOAD_BYTES: Final = 40  # not a whole cache line: a full one leaves its write-combining buffer at once
BUDGET_NS: Final = 5_000_000_000


@dataclass(frozen=True, slots=True)
class SiliconResult:
    """One run. `first` is (message, word, value read, value due) of the first corrupted message; None without one."""

    primitive: Primitive
    messages: int
    corrupted: int
    first: tuple[int, int, int, int] | None
    seconds: float


class SiliconUnfinished(AmpError):
    """The run on the silicon did not come to its end: a machine too busy, most likely."""


def available() -> str | None:
    """None if the silicon can show it; else the reason why not, in one line."""
    if platform.machine() != "x86_64":
        return f"this machine is {platform.machine()}: non-temporal stores against sfence are x86-64's"
    if len(os.sched_getaffinity(0)) < 2:
        return "only one processor is usable: a switch between processes drains its buffers"
    return None


def run(primitive: Primitive, messages: int = MESSAGES) -> SiliconResult:
    """Driver and device in two processes on two processors, `primitive` between payload and announcement."""
    config = RunConfig(program="silicon", mode=Mode.DIRECT, messages=messages, pin=True)
    numbers = (messages, RING_SIZE, PAYLOAD_BYTES, int(primitive), BUDGET_NS)
    with Machine(config) as machine:
        assert _bridge.silicon_room(numbers) <= machine.region.layout["vrings"].size, "the ring fits into its carveout"
        reports = machine.run_bare(config, numbers).reports
    for name, report in zip(CPU_NAMES, reports, strict=True):
        if report.outcome != "done":
            raise SiliconUnfinished(f"the {name}'s side did not finish: {report.text}")
    data = reports[1].data
    first = (data["first_number"], data["first_word"], data["first_value"], data["first_expected"])
    corrupted = data["corrupted"]
    return SiliconResult(primitive, data["messages"], corrupted, first if corrupted else None, data["elapsed_ns"] / 1e9)
