"""Explorations as one line of text, for two interpreters to be compared. Not a test: `explored_digest.py`."""

from __future__ import annotations

from explored_programs import explore

from amp.ordering.barriers import BarrierClass
from amp.programs import spsc_vring
from amp.virtio.sites import B1, S6


def line(name: str, platform: str, **options: object) -> str:
    result = explore(name, platform, **options)
    counts = (result.runs, result.executions, result.states, result.merged, result.redundant)
    found = result.finding
    return f"{name} {platform} {counts} {found and (found.cpu, str(found.error), found.choices)}"


if __name__ == "__main__":
    print(line("spsc-vring", "omap4-2011", messages=5, ring_size=4))
    print(line("vring", "arm64", messages=2))
    print(line("vring-event-idx", "arm64-domains", messages=1))
    print(line("spsc-vring", "paranoid", messages=3, weaken={spsc_vring.S3: BarrierClass.NONE}))
    print(line("vring", "paranoid", messages=3, weaken={B1: BarrierClass.NONE}))
    print(line("vring-flags", "arm64", messages=2, weaken={S6: BarrierClass.NONE}))
