"""Programs of two parts, written as functions of their port: what exploration says of them, merged and not."""

from __future__ import annotations

from collections.abc import Callable

from amp.errors import Violation
from amp.explore.explorer import Bounds, Exploration, Explorer, Machine
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import PLATFORMS
from amp.ordering.sites import SiteMap
from amp.port.port import Port
from amp.virtio.sites import SITES

X, Y, Z = 0x40, 0x80, 0xC0  # locations
MEMORY = (0, 4096)

Part = Callable[[Port], object]


class Bad(Violation):
    """What a part reports."""


def nothing(_: Port) -> None:
    """A part that makes no access."""


def exploration(host: Part, remote: Part, platform: str = "arm64", *, merging: bool = True) -> Exploration:
    machine = Machine(PLATFORMS[platform], SiteMap.for_class(BarrierClass.NONE, SITES), MEMORY)
    return Explorer(machine, [host, remote], merging).explore(Bounds(seconds=60))


def verdict(host: Part, remote: Part, platform: str = "arm64") -> str:
    """What is found, "" if nothing. Merging must not change it."""
    said = []
    for merging in (True, False):
        result = exploration(host, remote, platform, merging=merging)
        assert result.bound is None
        said.append("" if result.finding is None else str(result.finding.error))
    assert said[0] == said[1]
    return said[0]
