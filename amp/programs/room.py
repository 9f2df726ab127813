"""The room of the small programs: a few dozen bytes, so that every access of theirs can be thought through.

Both sides compute it from the same record, nothing is sent, and an address says what it is. All of it lies from
VRINGS_AT on. Outside a vring, whose layout is virtio's, what is written by itself has a granule of its own, as separate
variables have: no two accesses meet by accident.
"""

from __future__ import annotations

from typing import Final

from amp.machine.wiring import VRINGS_AT
from amp.region import PAGE_SIZE, Layout

GRANULE_BYTES: Final = 8


def small_region(end: int, model_bytes: int) -> Layout:
    """The region's layout for shared data from VRINGS_AT to `end`."""
    layout = Layout.plan(vrings=end - VRINGS_AT, buffers=1, resources=PAGE_SIZE, model=max(model_bytes, 1))
    assert layout["vrings"].offset == VRINGS_AT, layout
    return layout


def plus(offset: int) -> str:
    """An offset behind a name: " +0x4"; nothing for 0."""
    return f" +{offset:#x}" if offset else ""
