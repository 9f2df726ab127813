"""Accesses of any address and width through both doors: what is in the shared memory and aligned works, everything else
is an AccessFault, and touches nothing. Not a test.

Code that checks what a peer wrote never gets there; a firmware with a wild pointer does.
"""

from __future__ import annotations

import mmap
from typing import Any, Final

from fuzz_input import Input

from amp._core import _bridge
from amp.errors import AccessFault
from amp.ordering import platform
from amp.ordering.platforms import Side
from amp.port.doors import site_bytes
from amp.port.port import HOST
from amp.virtio.sites import linux_choice

OPERATIONS: Final = 64
START: Final = 64
END: Final = START + 256
PLATFORM: Final = platform("arm64-domains")
CONFIG: Final = (2, _bridge.FREE, START, END, 4, 64, 64, 1)
SITES: Final = site_bytes(linux_choice(weak_barriers=False))
ROOM_AT: Final = 512  # behind END; what lies between belongs to nobody
SCALARS: Final = ("load", "load_acquire", "store", "store_release", "xchg", "cmpxchg", "fetch_add")
ARGUMENTS: Final = {"load": 0, "load_acquire": 0, "cmpxchg": 2}


def open_door(memory: bytearray | mmap.mmap, *, modelled: bool) -> Any:
    if not modelled:
        return _bridge.DirectPort(memory, START, END, 0, HOST, 2, SITES)
    _bridge.model_init(memory, ROOM_AT, CONFIG)
    for cpu, side in enumerate(Side):
        orders = bytes(int(value) for value in PLATFORM.table(side))
        _bridge.model_set_orders(memory, ROOM_AT, cpu, int(PLATFORM.implicit(side)), orders)
    return _bridge.ModelledPort(memory, ROOM_AT, HOST, SITES)


def access(door: Any, source: Input) -> None:
    near = START + source.number(2) % (END - START + 16)
    address = near if source.below(4) else source.value(8)
    size = source.choice((1, 2, 4, 8))
    what = source.below(len(SCALARS) + 2)
    if what < len(SCALARS):
        name, length = SCALARS[what], size
        arguments: tuple[Any, ...] = tuple(source.value(size) for _ in range(ARGUMENTS.get(name, 1)))
        call, aligned = getattr(door, f"{name}_u{8 * size}"), not address % size
    else:
        length, aligned = source.value(2), True
        call, arguments = (door.read, (length,)) if what == len(SCALARS) else (door.write, (bytes(length),))
    inside = aligned and START <= address <= address + length <= END
    try:
        found = call(address, *arguments)
        if what == len(SCALARS):
            bytes(found)
    except AccessFault:
        assert not inside, f"{call} of {length} bytes at {address:#x} was refused"
        return
    assert inside, f"{call} of {length} bytes at {address:#x} went through"


def one_input(data: bytes) -> None:
    """Raises for an access that is answered otherwise."""
    source = Input(data)
    modelled = bool(source.below(2))
    # The model's room begins at a cache line; what has none can lie anywhere, and its end be an allocation's end.
    memory = mmap.mmap(-1, ROOM_AT + _bridge.model_room(CONFIG)) if modelled else bytearray(END)
    door = open_door(memory, modelled=modelled)
    for _ in range(OPERATIONS):
        if not source.left:
            break
        access(door, source)
    assert not any(memory[END:ROOM_AT]), "stored behind the shared memory"
