"""The registers of the carveout `mailbox`: one page, reached by whoever maps the region, not through a port.

| offset | size | register  | written by                                                                  |
|--------|------|-----------|-----------------------------------------------------------------------------|
| 0      | 4    | doorbells | both sides and the machine, one atomic operation each (amp/_core/bell.h);   |
|        |      |           | only without an ordering model, which has a word of its own                 |
| 64     | 8    | heartbeat | the remote core alone; the machine clears it at power-on                    |

The heartbeat has a cache line of its own: to pet the watchdog disturbs no doorbell. It is in the machine's byte order,
and only compared: a core whose heartbeat changes is alive.
"""

from __future__ import annotations

from typing import Final

from amp.region import PAGE_SIZE, Region

DOORBELLS_AT: Final = 0
HEARTBEAT_AT: Final = 64
_HEARTBEAT_BYTES: Final = 8


class Heartbeat:
    """The watchdog's counter, a u64 that wraps. 0 until the core has come up."""

    def __init__(self, region: Region) -> None:
        at = region.layout["mailbox"].offset + HEARTBEAT_AT
        with memoryview(region.memory) as memory:
            self._register = memory[at : at + _HEARTBEAT_BYTES].cast("Q")

    @property
    def value(self) -> int:
        return self._register[0]

    def bump(self) -> None:
        """One more. Never 0: that is a core which has not come up."""
        self._register[0] = self._register[0] % ((1 << 64) - 1) + 1

    def release(self) -> None:
        """Let go of the region's memory, so that it can be unmapped."""
        self._register.release()


def clear(region: Region) -> None:
    """Every register as at power-on. No CPU may be running."""
    start = region.layout["mailbox"].offset
    region.memory[start : start + PAGE_SIZE] = bytes(PAGE_SIZE)
