"""The ordering model as it runs, both CPUs in one process: who makes the next access is chance. Not a test."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet
from python_programs import MEMORY_BYTES, Fact, Functions, Place, Program, place_of

from amp._core import _bridge
from amp.errors import Stall
from amp.ordering.barriers import Primitive
from amp.ordering.platforms import Side
from amp.port.doors import site_bytes
from amp.virtio.sites import SITES

PATIENCE = 24  # times that a CPU finds nothing before it is asked whether it ever will
TURNS = 4000  # of a run; longer ones count for nothing
BOARD = MEMORY_BYTES  # the bare doors' mailbox, behind the shared memory
ROOM = MEMORY_BYTES + 64


class TurningPort:
    """A door that gives the turn away before each access."""

    def __init__(self, door: Any, bare: Any, cpu: int, machine: SampledMachine) -> None:
        self._door, self._bare, self._cpu, self._machine = door, bare, cpu, machine
        self._direct = self._kept = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real, bare, turn = getattr(self._door, name), getattr(self._bare, name), self._machine.turn

        def access(*arguments: Any) -> Any:
            if self._direct:
                return bare(*arguments)
            turn()
            return real(*arguments)

        setattr(self, name, access)
        return access

    def fence(self, primitive: int, /) -> None:
        if not self._direct:
            self._machine.turn()
            self._door.fence(primitive)

    def store_u16(self, address: int, value: int, /) -> None:
        self._machine.turn()
        self._door.store_u16(address, value)

    def kick(self, cpu: int, /) -> None:
        self._machine.turn()
        self._door.kick(cpu)

    def wait(self, _timeout_s: float | None = None, /) -> bool:
        while True:
            self._machine.turn()
            if self._taken():
                self._kept = False
                self._machine.found(self._cpu)
                return True
            self._machine.found_nothing(self._cpu, self._taken)

    def _taken(self) -> bool | None:
        """Is there an interrupt? It stays taken."""
        self._kept = self._kept or self._door.wait(0)
        return self._kept or None

    def poll(self, look: Callable[[], Any], /) -> Any:
        while True:
            found = look()
            if found is not None:
                self._machine.found(self._cpu)
                return found
            self._machine.found_nothing(self._cpu, lambda: self._looked(look))

    def _looked(self, look: Callable[[], Any]) -> Any:
        """What the look finds if it reads what is in memory."""
        self._direct = True
        try:
            return look()
        except LookupError:  # that is an end as well
            return True
        finally:
            self._direct = False


class SampledMachine:
    """A platform's model, for any number of programs and runs."""

    def __init__(self, program: Program) -> None:
        machine = program.machine()
        sizes = (2, _bridge.FREE, 0, MEMORY_BYTES, 64, 1024, 64, 0)
        self.memory = mmap.mmap(-1, ROOM + _bridge.model_room(sizes))
        _bridge.model_init(self.memory, ROOM, sizes)
        sites = site_bytes(machine.sites)
        for cpu, side in enumerate(Side):
            table = bytes(machine.platform.table(side))
            _bridge.model_set_orders(self.memory, ROOM, cpu, int(machine.platform.implicit(side)), table)
        self.doors = [_bridge.ModelledPort(self.memory, ROOM, cpu, sites, SITES.numbers) for cpu in range(2)]
        numbers = (sites, SITES.numbers)
        bare = [_bridge.DirectPort(self.memory, 0, MEMORY_BYTES, BOARD, cpu, 2, *numbers) for cpu in range(2)]
        for door in self.doors:
            door.set_spin_ns(0)
        self.ports = [TurningPort(self.doors[cpu], bare[cpu], cpu, self) for cpu in range(2)]
        self._hub = getcurrent()
        self._nothing = [0, 0]
        self._asked: list[Callable[[], Any] | None] = [None, None]

    def turn(self) -> None:
        self._hub.switch()

    def found(self, cpu: int) -> None:
        self._nothing[cpu] = 0

    def found_nothing(self, cpu: int, ask: Callable[[], Any]) -> None:
        self._nothing[cpu] += 1
        self._asked[cpu] = ask
        self._hub.switch()
        self._asked[cpu] = None

    def run(self, functions: Functions, seed: int) -> set[Fact]:
        """What one run shows. The empty set: it took too long to tell."""
        _bridge.model_reset(self.memory, ROOM, seed)
        self.memory[:MEMORY_BYTES] = bytes(MEMORY_BYTES)
        self._hub, self._nothing, self._asked = getcurrent(), [0, 0], [None, None]
        facts: set[Fact] = set()
        stuck: list[Place | None] = [None, None]

        def serve(cpu: int) -> None:
            try:
                facts.add(Fact(cpu, functions[cpu](self.ports[cpu])))
            except Stall as stall:
                stuck[cpu] = place_of(stall, functions[cpu])

        lets = [greenlet(serve) for _ in range(2)]
        if self._turns(lets, Random(seed)):
            return facts
        told = all(self._asked[cpu] is not None for cpu in range(2) if not lets[cpu].dead)
        for each in lets:
            if not each.dead:
                each.throw(*((Stall("nothing will come"),) if told else ()))
        return facts | {Fact(-1, tuple(stuck))} if told else set()

    def _turns(self, lets: list[greenlet], chance: Random) -> bool:
        """False: somebody is stuck. If nobody asks any more, that is for want of turns."""
        slack, bias = chance.choice((0.0, 0.3, 0.8)), chance.choice((0.5, 0.5, 0.15, 0.85))
        alive = [0, 1]
        for _ in range(TURNS):
            cpu = alive[0] if len(alive) == 1 else int(chance.random() > bias)
            if chance.random() < slack:
                self.doors[cpu].note(0, 0)  # time passes
            lets[cpu].switch(*(() if lets[cpu] else (cpu,)))
            if lets[cpu].dead:
                alive.remove(cpu)
            if not alive:
                return True
            if all(self._asked[each] is not None and self._nothing[each] > PATIENCE for each in alive):
                if self._nothing_will_come(alive):
                    return False
                self._nothing = [0, 0]
        self._asked = [None, None]
        return False

    def _nothing_will_come(self, alive: list[int]) -> bool:
        """All stores are visible, and nobody finds anything in what is in memory."""
        for door in self.doors:
            door.fence(Primitive.MB)
        return all((self._asked[each] or int)() is None for each in alive)
