"""Every interleaving of two programs, one access at a time: sequential consistency by brute force. Not a test.

It knows no graph, no coherence order and no state key: memory is bytes, a doorbell is a flag. The programs are run
again from the start for every order of their accesses. Two accesses that do not interfere are tried in one order only
(sleep sets, Godefroid 1996), and an access that interferes with none of the other CPU's is no place to switch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from greenlet import getcurrent, greenlet
from python_programs import MEMORY_BYTES, Fact, Functions, Place, Program, place_of

from amp._core import _bridge
from amp.errors import Stall
from amp.port.doors import site_bytes
from amp.virtio.sites import SITES

GRANULE = _bridge.GRANULE
BELLS = -1, -2  # the doorbells, as if they were granules
LONG = 10_000  # accesses of a run; a program that makes more does not end


@dataclass(frozen=True)
class Access:
    """What is about to be done: the granule, and does it change it?"""

    granule: int
    writes: bool

    def interferes(self, other: Access) -> bool:
        return self.granule == other.granule and (self.writes or other.writes)


class SteppedPort:
    """One CPU's accesses at once on bare memory, each after it has been said which it will be."""

    def __init__(self, door: Any, cpu: int, machine: InterleavedMachine) -> None:
        self._door, self._cpu, self._machine = door, cpu, machine

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real, loads = getattr(self._door, name), name.startswith(("load", "xchg", "cmpxchg", "fetch_add"))
        writes = not name.startswith("load")
        size = int(name.rpartition("_u")[2]) // 8

        def access(*arguments: Any) -> Any:
            self._step(arguments[0], size, writes)
            result = real(*arguments)
            return _bridge.Word(result) if loads else result

        setattr(self, name, access)
        return access

    def store_u16(self, address: int, value: int, /) -> None:
        self._step(address, 2, True)
        self._door.store_u16(address, value)

    def _step(self, address: Any, size: int, writes: bool) -> None:
        """An access that the port refuses is none."""
        if int(address) % size == 0 and 0 <= int(address) <= MEMORY_BYTES - size:
            self._machine.step(self._cpu, int(address) // GRANULE, writes)

    def _pieces(self, address: int, length: int) -> Iterable[tuple[int, int]]:
        at, end = int(address), int(address) + int(length)
        while at < end:
            size = min(GRANULE - at % GRANULE, end - at)
            yield at, size
            at += size

    def read(self, address: int, length: int, /) -> bytes:
        if int(address) + int(length) > MEMORY_BYTES:
            return bytes(self._door.read(address, length))
        data = b""
        for at, size in self._pieces(address, length):
            self._machine.step(self._cpu, at // GRANULE, False)
            data += bytes(self._door.read(at, size))
        return data

    def write(self, address: int, data: Any, /) -> None:
        data, done = bytes(data), 0
        if int(address) + len(data) > MEMORY_BYTES:
            self._door.write(address, data)
        for at, size in self._pieces(address, len(data)):
            self._machine.step(self._cpu, at // GRANULE, True)
            self._door.write(at, data[done : done + size])
            done += size

    def fence(self, primitive: int, /) -> None:
        """Everything is in order."""

    def barrier(self, site: int, /) -> None:
        """Everything is in order."""

    def note(self, code: int, value: int, /) -> None:
        """No access."""

    def kick(self, cpu: int, /) -> None:
        self._machine.step(self._cpu, BELLS[cpu], True)
        self._machine.rung[cpu] = True

    def wait(self, _timeout_s: float | None = None, /) -> bool:
        self._machine.step(self._cpu, BELLS[self._cpu], True, lambda: self._machine.rung[self._cpu])
        self._machine.rung[self._cpu] = False
        return True

    def poll(self, look: Callable[[], Any], /) -> Any:
        return self._machine.poll(self._cpu, look)


@dataclass
class Branch:
    """A place where either CPU could go on. `asleep`: whose next access was tried here first, or before, in vain."""

    cpu: int
    left: list[int]
    asleep: dict[int, Access]


@dataclass
class Run:
    """Where a run stands."""

    lets: list[greenlet]
    next: list[Access | None] = field(default_factory=lambda: [None, None])
    ready: list[Callable[[], bool] | None] = field(default_factory=lambda: [None, None])
    looking: list[dict[int, int] | None] = field(default_factory=lambda: [None, None])
    stuck: list[Place | None] = field(default_factory=lambda: [None, None])
    facts: set[Fact] = field(default_factory=set)
    steps: int = 0


class InterleavedMachine:
    """All facts of one program."""

    def __init__(self, program: Program) -> None:
        self.memory, self.rung = bytearray(MEMORY_BYTES + 64), [False, False]
        sites = (site_bytes(program.machine().sites), SITES.numbers)
        doors = [_bridge.DirectPort(self.memory, 0, MEMORY_BYTES, MEMORY_BYTES, cpu, 2, *sites) for cpu in range(2)]
        self.ports = [SteppedPort(door, cpu, self) for cpu, door in enumerate(doors)]
        self.changes = dict.fromkeys(BELLS, 0)
        self.known: list[set[Access]] = [set(), set()]  # what each CPU has ever done
        self.news = False
        self._run = Run([])
        self._hub = getcurrent()

    # --- called by the ports ---

    def step(self, cpu: int, granule: int, writes: bool, ready: Callable[[], bool] | None = None) -> None:
        """Returns when this access may happen now."""
        run, access = self._run, Access(granule, writes)
        run.steps += 1
        if run.steps > LONG:
            raise RuntimeError("the program does not end")
        if access not in self.known[cpu]:
            self.known[cpu].add(access)
            self.news = True
        if ready is not None or any(access.interferes(other) for other in self.known[1 - cpu]):
            run.next[cpu], run.ready[cpu] = access, ready
            self._hub.switch()
            run.next[cpu] = run.ready[cpu] = None
        looking = run.looking[cpu]
        if looking is not None:
            looking.setdefault(granule, self.changes.get(granule, 0))
        if writes:
            self.changes[granule] = self.changes.get(granule, 0) + 1

    def poll(self, cpu: int, look: Callable[[], Any]) -> Any:
        while True:
            seen: dict[int, int] = {}
            self._run.looking[cpu] = seen
            try:
                found = look()
            finally:
                self._run.looking[cpu] = None
            if found is not None:
                return found
            if not self._changed(seen):
                granule = next(iter(seen), 0)
                self._run.next[cpu] = Access(granule, False)
                self._run.ready[cpu] = partial(self._changed, seen)
                self._hub.switch()
                self._run.next[cpu] = self._run.ready[cpu] = None

    def _changed(self, seen: dict[int, int]) -> bool:
        return any(self.changes.get(granule, 0) != count for granule, count in seen.items())

    # --- the orders ---

    def facts(self, functions: Functions, most_runs: int) -> set[Fact] | None:
        """None if there are more orders than that."""
        stack: list[Branch] = []
        found: set[Fact] = set()
        for _ in range(most_runs):
            self.news = False
            found |= self._one(functions, stack)
            if self.news:  # accesses that were not known to interfere: what was tried so far may lack places to switch
                stack.clear()
                found.clear()
                continue
            while stack and not stack[-1].left:
                stack.pop()
            if not stack:
                return found
            stack[-1].cpu = stack[-1].left.pop()
        return None

    def _one(self, functions: Functions, stack: list[Branch]) -> set[Fact]:
        self.memory[:] = bytes(len(self.memory))
        self.rung[:] = [False, False]
        self.changes.clear()
        self._hub = getcurrent()

        def serve(cpu: int) -> None:
            try:
                run.facts.add(Fact(cpu, functions[cpu](self.ports[cpu])))
            except Stall as stall:
                run.stuck[cpu] = place_of(stall, functions[cpu])

        self._run = run = Run([greenlet(serve) for _ in range(2)])
        for cpu, each in enumerate(run.lets):
            each.switch(cpu)
        whole = self._go(run, stack)
        alive = [each for each in run.lets if not each.dead]
        for each in alive:
            each.throw(*((Stall("nobody can go on"),) if whole else ()))
        if not whole:
            return set()
        return run.facts | {Fact(-1, tuple(run.stuck))} if alive else run.facts

    def _go(self, run: Run, stack: list[Branch]) -> bool:
        """By the choices of `stack`, which grows. False: another run shows the same."""
        depth, asleep = 0, dict[int, Access]()
        while True:
            can = [cpu for cpu in range(2) if not run.lets[cpu].dead and self._may_go(run, cpu)]
            if not can:
                return True
            awake = [cpu for cpu in can if cpu not in asleep]
            if not awake:
                return False
            cpu = awake[0]
            if len(awake) > 1:
                if depth == len(stack):
                    stack.append(Branch(awake[0], awake[1:], dict(asleep)))
                cpu = stack[depth].cpu
                first = [other for other in awake if other not in stack[depth].left and other != cpu]
                for other in first:
                    access = run.next[other]
                    assert access is not None
                    asleep[other] = access
                depth += 1
            done = run.next[cpu]
            assert done is not None
            run.lets[cpu].switch()
            asleep = {other: access for other, access in asleep.items() if other != cpu and not access.interferes(done)}

    def _may_go(self, run: Run, cpu: int) -> bool:
        ready = run.ready[cpu]
        return ready is None or ready()
