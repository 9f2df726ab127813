"""One process of a test with two: `port_side.py FD CPU DOOR ROLE [N]`. Not a test; `core_sides.py` starts it.

FD is a region, DOOR "modelled" or "direct". Prints `ready` before the role starts, then what came of it: a result, or
the name of the exception.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from amp._core._bridge import DirectPort, ModelledPort
from amp.errors import AmpError, Stall
from amp.ordering.barriers import Primitive
from amp.region import Region

Port = ModelledPort | DirectPort


def sleep(port: Port, _: int) -> object:
    return port.wait()


def sleep_for(port: Port, seconds: int) -> object:
    began, used = time.monotonic(), time.process_time()
    rung = port.wait(seconds / 1000)
    return f"{rung} wall {time.monotonic() - began:.6f} cpu {time.process_time() - used:.6f}"


def retire(port: Port, _: int) -> object:
    return port.retire()


def hammer(port: Port, _: int) -> object:
    while True:
        port.store_u32(base, 1)
        port.load_u32(base)


def idle(_port: Port, _: int) -> object:
    """Alive, awake, and never touches the machine; ends with its standard input."""
    return sys.stdin.read()


def ping(port: Port, rounds: int) -> object:
    for _ in range(rounds):
        port.kick(1 - cpu)
        port.wait()
    return rounds


def pong(port: Port, rounds: int) -> object:
    for _ in range(rounds):
        port.wait()
        port.kick(1 - cpu)
    return rounds


def racy(port: Port, rounds: int) -> object:
    """Accesses of every kind, no order kept, so that a run hangs on the choices."""
    for i in range(rounds):
        at = base + (i * 12 + cpu * 4) % 64
        port.store_u32(at, i << 8 | cpu)
        seen = port.load_u16(base + (i * 6) % 64)
        port.load_acquire_u8(base + (seen & 7))
        port.write(base + 64, bytes([i & 255]) * 24)
        port.read(base + 60, 12)
        port.fetch_add_u64(base + 128, 1)
        if i % 5 == cpu:
            port.fence(Primitive.MB)
    return int.from_bytes(region.memory[base + 128 : base + 136], "little") >= rounds


ROLES: dict[str, Callable[[Port, int], object]] = {
    role.__name__: role for role in (sleep, sleep_for, retire, hammer, idle, ping, pong, racy)
}

fd, cpu, door, name, number = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
region = Region.from_fd(fd)
base, end = region.layout.shared
side: Port
if door == "modelled":
    side = ModelledPort(region.memory, region.layout["model"].offset, cpu, bytes(32))
else:
    side = DirectPort(region.memory, base, end, region.layout["mailbox"].offset, cpu, 2, bytes(32))
try:
    print("ready", flush=True)
    result = ROLES[name](side, number)
    side.retire()
    print(result, flush=True)
except Stall:
    side.retire()
    print("Stall", flush=True)
except (AmpError, KeyboardInterrupt) as error:
    print(type(error).__name__, flush=True)
