"""The registers of the carveout `mailbox`: one page, reached by whoever maps the region, not through a port.

| offset | size | register  | written by                                                                  |
|--------|------|-----------|-----------------------------------------------------------------------------|
| 0      | 4    | doorbells | both sides and the machine, one atomic operation each (amp/_core/model/bell.h);   |
|        |      |           | only without an ordering model, which has a word of its own                 |
| 64     | 8    | heartbeat | the remote core alone; the machine clears it at power-on                    |
| 128    | 8    | links     | the remote core alone: how many virtio devices its firmware uses right now  |

Each has a cache line of its own: to pet the watchdog disturbs no doorbell. They are in the machine's byte order. A core
whose heartbeat changes is alive; one that uses no link touches no ring.
"""

from __future__ import annotations

from typing import Final

from amp.region import PAGE_SIZE, Region

DOORBELLS_AT: Final = 0
HEARTBEAT_AT: Final = 64
LINKS_AT: Final = 128
_REGISTER_BYTES: Final = 8


class _Register:
    """A u64 of the mailbox's page. Nothing orders its accesses but the instructions themselves."""

    AT: int

    def __init__(self, region: Region) -> None:
        at = region.layout["mailbox"].offset + self.AT
        with memoryview(region.memory) as memory:
            self._register = memory[at : at + _REGISTER_BYTES].cast("Q")

    @property
    def value(self) -> int:
        return self._register[0]

    def release(self) -> None:
        """Let go of the region's memory, so that it can be unmapped."""
        self._register.release()


class Heartbeat(_Register):
    """The watchdog's counter, which wraps. 0 until the core has come up."""

    AT = HEARTBEAT_AT

    def bump(self) -> None:
        """One more. Never 0: that is a core which has not come up."""
        self._register[0] = self._register[0] % ((1 << 64) - 1) + 1


class Links(_Register):
    """The virtio devices in use: a host that has reset its devices makes their rings anew once this is 0."""

    AT = LINKS_AT

    def open(self) -> None:
        self._register[0] += 1

    def close(self) -> None:
        self._register[0] -= 1


class Mailbox:
    """The registers of a region's mailbox; `release` lets go of them."""

    def __init__(self, region: Region) -> None:
        self.heartbeat, self.links = Heartbeat(region), Links(region)

    def release(self) -> None:
        self.heartbeat.release()
        self.links.release()


def clear(region: Region) -> None:
    """Every register as at power-on. No CPU may be running."""
    start = region.layout["mailbox"].offset
    region.memory[start : start + PAGE_SIZE] = bytes(PAGE_SIZE)
