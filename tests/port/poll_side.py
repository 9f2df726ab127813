"""One process of a test with two: `poll_side.py FD DOOR CPU ROLE`. Not a test; `test_poll.py` starts it.

Prints `ready`, then what came of the role: a result, or the exception.
"""

from __future__ import annotations

import sys

from amp.errors import AmpError
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.port.doors import open_direct, open_modelled
from amp.port.port import LOOKS_LIMIT
from amp.region import Region
from amp.virtio.sites import SITES

fd, door, cpu, role = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
region = Region.from_fd(fd)
port = (open_direct if door == "direct" else open_modelled)(
    region, cpu, SiteMap.for_class(BarrierClass.MANDATORY, SITES)
)
mine, yours = (region.layout["buffers"].offset + 8 * each for each in (cpu, 1 - cpu))


def in_vain() -> object:
    return port.poll(lambda: port.load_u32(yours) or None)


def by_turns() -> object:
    """Each waits for the other's number and answers with the next one."""
    for number in range(1, 101):
        if number > 1 or cpu:
            due = number - 1 + cpu
            port.poll(lambda due=due: True if port.load_u32(yours) == due else None)
        port.store_u32(mine, number)
    return 100


def polls_then_rings() -> object:
    port.poll(lambda: port.load_u32(yours) or None)
    port.kick(1 - cpu)
    return "rang"


def works_then_sleeps() -> object:
    """More accesses than a poll looks in its first round."""
    for _ in range(3 * LOOKS_LIMIT):
        port.load_u32(mine)
    port.store_u32(mine, 1)
    port.wait()
    return "woken"


ROLES = {
    "in_vain": in_vain,
    "by_turns": by_turns,
    "retire": lambda: None,
    "polls_then_rings": polls_then_rings,
    "works_then_sleeps": works_then_sleeps,
}

print("ready", flush=True)
try:
    result = ROLES[role]()
    port.retire()
    print(result, flush=True)
except AmpError as error:
    port.retire()
    print(f"{type(error).__name__}: {error}", flush=True)
