"""echo and stream: messages of any number and size go to the remote and come back, and are checked on both sides.

Two vrings as rpmsg has them (amp.machine.wiring). Too large to be explored: `vring` is the same rings, small.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from amp.machine.wiring import plan
from amp.ordering.platforms import Side
from amp.programs.program import Part, Program, Size
from amp.virtio.sites import LINUX, SITES
from amp.virtio.split import RING_SIZE_LIMIT

MESSAGES: Final = 1000
RING_SIZE: Final = 8


def _exchange(name: str, summary: str, host: str) -> Program:
    return Program(
        name=name,
        summary=summary,
        parts=(Part("host", Side.HOST, host), Part("remote", Side.REMOTE, "remoteside.exchange:echo")),
        memory=plan,
        sites=SITES,
        violations="a message that comes back wrong, twice, never or out of order; a ring rule broken; both asleep",
        sizes=MappingProxyType({"messages": Size(MESSAGES), "ring_size": Size(RING_SIZE, 1, RING_SIZE_LIMIT)}),
        policies=LINUX,
        exchange=True,
        shipped=True,
    )


ECHO: Final = _exchange("echo", "messages of a pattern go to the remote and come back", "hostside.exchange:echo")
STREAM: Final = _exchange("stream", "the bytes of a file go to the remote and come back", "hostside.exchange:stream")
