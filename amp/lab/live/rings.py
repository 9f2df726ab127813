"""The state of every ring: what its driver counts, and what its memory reads at this moment, past every port.

Memory is read as a debugger reads it, while both sides run: the fields of one ring need not be of one instant.
When a driver kicked last is known to the tick of whoever calls `look`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amp.errors import PeerDied
from amp.lab.live.protocol import RingInfo
from amp.machine.soc import Soc
from amp.rpmsg.bus import Bus
from amp.virtio.queue import DriverSide
from amp.virtio.split import RING_F_EVENT_IDX
from hostside.remoteproc.rproc import Rproc
from hostside.remoteproc.vdev import RprocVdev, VdevVring
from hostside.rpmsg import DriverLink


@dataclass(slots=True)
class _Ring:
    vdev: str
    ring: VdevVring
    queue: DriverSide[Any]
    event_idx: bool
    kicks: int = 0
    kicked_s: float | None = None


class Rings:
    """The rings of one machine; `booted` is called after every boot."""

    def __init__(self, soc: Soc) -> None:
        self._soc = soc
        self._rings: list[_Ring] = []

    def booted(self, rproc: Rproc, buses: Sequence[Bus]) -> None:
        """Take the rings of every rpmsg device that a driver serves."""
        queues: dict[int, DriverSide[Any]] = {}
        for bus in buses:
            assert isinstance(bus.link, DriverLink), bus.link
            queues |= {queue.layout.base: queue for queue in (bus.link.rx, bus.link.tx)}
        self._rings = [
            _Ring(vdev.name, ring, queues[ring.layout.base], _has_event_idx(vdev))
            for vdev in rproc.vdevs
            for ring in vdev.vrings()
            if ring.layout.base in queues
        ]

    def look(self) -> None:
        """Has anybody kicked since the last look?"""
        now = time.monotonic()
        for each in self._rings:
            if each.queue.kicks != each.kicks:
                each.kicks, each.kicked_s = each.queue.kicks, now

    def describe(self) -> tuple[RingInfo, ...]:
        """The rings of the last boot, as they are or as a crash has left them."""
        self.look()
        return tuple(map(self._describe, self._rings))

    def _describe(self, each: _Ring) -> RingInfo:
        layout, queue = each.ring.layout, each.queue
        start = layout.base
        memory = self._soc.dump(start, layout.end - start)

        def u16(address: int) -> int:
            return int.from_bytes(memory[address - start : address - start + 2], "little")

        return RingInfo(
            name=each.ring.name,
            vdev=each.vdev,
            num=layout.num,
            align=layout.align,
            notifyid=each.ring.notifyid,
            desc=layout.desc,
            avail=layout.avail,
            used=layout.used,
            avail_idx=u16(layout.avail_idx),
            used_idx=u16(layout.used_idx),
            avail_flags=u16(layout.avail_flags),
            used_flags=u16(layout.used_flags),
            used_event=u16(layout.used_event),
            avail_event=u16(layout.avail_event),
            event_idx=each.event_idx,
            free=queue.free,
            in_flight=queue.in_flight,
            kicks=queue.kicks,
            last_kick_s=None if each.kicked_s is None else round(time.monotonic() - each.kicked_s, 3),
        )


def _has_event_idx(vdev: RprocVdev) -> bool:
    try:
        return bool(vdev.gfeatures & 1 << RING_F_EVENT_IDX)
    except PeerDied:  # at once: its rings tell nothing yet
        return False
