"""What the services have in common: a loop that serves several of them, and answers that nobody waits long for.

The host is not trusted: no message that it sends, and no message that it does not take, ends the firmware. What breaks
the ring itself does (BadRing), for nothing can be said to the host then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from amp.errors import BadMessage, LinkDown, RpmsgError

if TYPE_CHECKING:
    from amp.rpmsg import Bus, Endpoint
    from remoteside.firmware import Firmware

ANSWER_LIMIT_S: Final = 2.0  # a host that takes no message for so long keeps the others waiting: it gets no answer

Tick = Callable[[], float | None]
"""Does what is due, and says in how many seconds to be called again; None: after the next message."""

Start = Callable[["Firmware", "Bus"], Tick | None]
"""Makes a service's endpoint; returns its tick if it does anything by itself."""


def serve(firmware: Firmware, *services: Start) -> None:
    """Start the services on the firmware's first rpmsg device, and serve them for ever."""
    bus = firmware.rpmsg()

    def malformed(error: BadMessage) -> None:
        firmware.print(f"{error} ({bus.counts.malformed} so far)")

    bus.on_malformed = malformed
    ticks = [tick for start in services if (tick := start(firmware, bus)) is not None]
    while ticks:
        bus.wait(min((due for tick in ticks if (due := tick()) is not None), default=None))
    bus.serve()


def answer(firmware: Firmware, endpoint: Endpoint, dest: int, data: bytes) -> bool:
    """Send to whom a message came from. False, and a line in the trace, if that cannot be or is not taken in time."""
    try:
        endpoint.sendto(data, dest, ANSWER_LIMIT_S)
    except LinkDown:
        raise
    except RpmsgError as error:
        firmware.print(f"{endpoint}: no answer to {dest:#x}: {error}")
        return False
    return True
