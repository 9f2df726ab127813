"""A machine of two processors in one process, for tests: two ModelledPorts, litmus programs as text, seeded runs.

The test's own generator decides which processor makes its next access; the core's generators, seeded by the try's
number, decide what the model lets happen. So a try is its number.

A thread is words separated by blanks. Locations: `x`, `y` are u32 in granules of their own; `xl`, `xh` the u16 halves
of `x`, `xb` its lowest byte, likewise for `y`; `xx` is the u64 at `x`.
    x=1           store            rel:x=1      store-release
    r0=x          load             r0=acq:x     load-acquire        r1=x@r0   load, its address computed from r0
    r0=lazy:x     bulk load, used after the last access of all
    r0=add:x,1    fetch_add        r0=xchg:x,1  r0=cas:x,0,1
    smp_wmb ...   a barrier, by its primitive's label; `none` is no access at all
    kick          ring the other   r0=wait      take the interrupt if it comes, else the thread ends (r0 = 0)
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from random import Random

from amp._core import _bridge
from amp._core._bridge import ModelledPort
from amp.ordering import platform
from amp.ordering.barriers import Primitive
from amp.ordering.platforms import Side

SHARED = 4096
ROOM = SHARED
HOST, REMOTE = 0, 1
LOCATIONS = {
    **{
        f"{name}{part}": (at + offset, size)
        for name, at in (("x", 0x40), ("y", 0x80), ("z", 0xC0))
        for part, offset, size in (("", 0, 4), ("l", 0, 2), ("h", 2, 2), ("b", 0, 1), ("c", 1, 1), ("x", 0, 8))
    },
}
FINAL = ("x", "y", "z")  # the locations whose last value belongs to an outcome

Registers = dict[str, int]
Step = Callable[[ModelledPort, Registers], object]
Outcome = Mapping[str, int]


def config(  # noqa: PLR0917
    cpus: int = 2, mode: int = _bridge.FREE, depth: int = 64, writes: int = 1024, events: int = 1024, seed: int = 0
) -> tuple[int, int, int, int, int, int, int, int]:
    """The core's configuration over SHARED bytes from address 0; see `amp_model_config` in core.h."""
    return (cpus, mode, 0, SHARED, depth, writes, events, seed)


class Machine:
    """Shared memory of SHARED bytes, the model's room behind it, one port per processor: host, remote, host, ..."""

    def __init__(self, name: str = "paranoid", *, cpus: int = 2, swapped: bool = False, **sizes: int) -> None:
        configuration = config(cpus, **sizes)
        self.memory = mmap.mmap(-1, ROOM + _bridge.model_room(configuration))
        _bridge.model_init(self.memory, ROOM, configuration)
        machine = platform(name)
        sides = [Side.HOST, Side.REMOTE]
        for cpu in range(cpus):
            side = sides[(cpu + swapped) % 2]
            self.set_orders(cpu, machine.implicit(side), bytes(machine.table(side)))
        self.ports = [ModelledPort(self.memory, ROOM, cpu, bytes(range(32))) for cpu in range(cpus)]
        for port in self.ports:
            port.set_spin_ns(0)

    def set_orders(self, cpu: int, implicit: int, orders: bytes) -> None:
        _bridge.model_set_orders(self.memory, ROOM, cpu, implicit, orders)

    def reset(self, seed: int) -> None:
        _bridge.model_reset(self.memory, ROOM, seed)
        self.memory[:SHARED] = bytes(SHARED)

    def state(self) -> dict[str, int]:
        return _bridge.model_state(self.memory, ROOM)

    def settle(self) -> None:
        """Every pending store becomes visible."""
        for port in self.ports:
            port.fence(Primitive.MB)

    def peek(self, location: str) -> int:
        """The visible value, past the model."""
        address, size = LOCATIONS[location]
        return int.from_bytes(self.memory[address : address + size], "little")

    def run(self, threads: Sequence[Sequence[Step]], seed: int, turns: Random) -> Registers:
        """One try: registers and last values. Between accesses any processor may let time pass."""
        self.reset(seed)
        registers: Registers = {}
        left = [list(reversed(thread)) for thread in threads]
        alive = [cpu for cpu, steps in enumerate(left) if steps]
        while alive:
            cpu = alive[int(turns.random() * len(alive))]
            port, steps = self.ports[cpu], left[cpu]
            if turns.random() < 0.3:
                port.note(0, 0)
                continue
            if steps.pop()(port, registers) is False:
                steps.clear()
            if not steps:
                alive.remove(cpu)
        for name, value in registers.items():
            registers[name] = int(value) if isinstance(value, int | _bridge.Word) else int.from_bytes(value, "little")
        self.settle()
        for name in FINAL:
            registers[name] = self.peek(name)
        return registers

    def tries(self, program: Sequence[str], n: int, seed: int = 1) -> Iterator[Registers]:
        """`n` tries of a program: one text per processor."""
        threads, turns = [parse(text) for text in program], Random(seed)
        return (self.run(threads, seed * 1_000_003 + i, turns) for i in range(n))

    def seen(self, program: Sequence[str], outcome: Outcome, n: int, seed: int = 1) -> bool:
        """Does one of `n` tries end in `outcome`?"""
        wanted = outcome.items()
        return any(wanted <= registers.items() for registers in self.tries(program, n, seed))


@cache
def parse(text: str) -> tuple[Step, ...]:
    return tuple(_step(word) for word in text.split() if word != "none")


def parse_outcome(text: str) -> Outcome:
    """`r0=1 x=2` as a mapping."""
    return {name: int(value, 0) for name, value in (word.split("=") for word in text.split())}


def _step(word: str) -> Step:
    left, equals, right = word.partition("=")
    if word == "kick":
        return lambda port, _: port.kick(REMOTE)
    if not equals:
        primitive = Primitive[word.upper()]
        return lambda port, _: port.fence(primitive)
    if not left.startswith("r") or left.startswith("rel:"):
        return _store(left, int(right, 0))
    kind, colon, rest = right.partition(":")
    return _read(left, kind, rest) if colon else _load(left, right)


def _store(target: str, value: int) -> Step:
    release, _, name = target.rpartition(":")
    address, size = LOCATIONS[name]
    method = f"store_{'release_' if release else ''}u{8 * size}"
    return lambda port, _: getattr(port, method)(address, value)


def _load(register: str, source: str) -> Step:
    if source == "wait":

        def wait(port: ModelledPort, registers: Registers) -> bool:
            registers[register] = port.wait(0)
            return bool(registers[register])

        return wait
    name, _, dependency = source.partition("@")
    address, size = LOCATIONS[name]
    method = f"load_u{8 * size}"

    def load(port: ModelledPort, registers: Registers) -> None:
        at = address + (registers[dependency] & 0) if dependency else address
        registers[register] = getattr(port, method)(at)

    return load


def _read(register: str, kind: str, rest: str) -> Step:
    name, *numbers = rest.split(",")
    address, size = LOCATIONS[name]
    values = [int(number, 0) for number in numbers]
    method = {
        "acq": f"load_acquire_u{8 * size}",
        "add": f"fetch_add_u{8 * size}",
        "xchg": f"xchg_u{8 * size}",
        "cas": f"cmpxchg_u{8 * size}",
        "lazy": "read",
    }[kind]
    arguments = (address, size) if kind == "lazy" else (address, *values)

    def read(port: ModelledPort, registers: Registers) -> None:
        registers[register] = getattr(port, method)(*arguments)

    return read
