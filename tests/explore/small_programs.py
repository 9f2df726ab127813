"""Small programs for several CPUs, as text, that run in the explorer and on the ordering model alike. Not a test.

A program is words separated by blanks. Locations: `x`, `y`, `z` are u32 in granules of their own; `xl`, `xh` the halves
of `x`, `xb` its lowest byte, `xx` the u64 at `x`; likewise for the others. Registers are `r0`, `r1`, ...
    x=1             store               rel:x=1        store-release       x=r0      store what was loaded
    x@r0=1          store, its address computed from r0                    x=r0^     store 1, computed from r0
    r0=x            load                r0=acq:x       load-acquire        r1=x@r0   load, its address computed from r0
    r0=bulk:x,N     bulk load of N bytes from x on, used last of all       use:r0    ... or here
    bulk:x,N=5      bulk store of N bytes: 5, 6, ...
    r0=add:x,1      fetch_add           r0=xchg:x,2    r0=cas:x,0,1
    r0=1?x=2        the word behind the mark, if r0 is 1
    r0=poll:x       poll until x is not 0
    kick0           ring the doorbell of CPU 0         r0=wait             wait for an interrupt; r0 is 1
    smp_wmb ...     a barrier, by its primitive's label

An outcome is all registers in order of their names, bulk loads as numbers, CPU by CPU, then the last values of x, y, z.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from random import Random
from typing import Any

from amp._core import _bridge
from amp._core._bridge import ExploredBytes, LazyBytes, ModelledPort
from amp.errors import UsageError, Violation
from amp.explore.explorer import Bounds, Ending, Exploration, Explorer, Machine
from amp.machine.model_room import place_model
from amp.ordering.barriers import BarrierClass, Primitive
from amp.ordering.placement import Place, Placement
from amp.ordering.platforms import PLATFORMS, Platform, Side
from amp.ordering.sites import SiteMap
from amp.virtio.sites import SITES

MEMORY_BYTES = 4096
LOCATIONS = {
    f"{name}{part}": (at + offset, size)
    for name, at in (("x", 0x40), ("y", 0x80), ("z", 0xC0))
    for part, offset, size in (("", 0, 4), ("l", 0, 2), ("h", 2, 2), ("b", 0, 1), ("x", 0, 8))
}
FINAL = ("x", "y", "z")
RESULTS, RESULTS_STEP = 0x400, 0x100  # where a CPU leaves its registers for CPU 0, in the explorer
DONE, DONE_STEP = 0x300, 0x20
UNSET = (1 << 64) - 1  # a register that was never loaded

Registers = dict[str, Any]
Outcome = tuple[int, ...]
Step = Callable[[Any, Registers], bool]  # False: nothing done yet, try again


@dataclass(frozen=True)
class Code:
    """One CPU's program. `words` (registers that are bulk loads of so many u64) is by register, in order."""

    steps: tuple[Step, ...]
    registers: tuple[str, ...]
    bulk_words: tuple[int, ...]  # u64 that a register's value takes, 1 for a scalar


@cache
def parse(text: str) -> Code:
    words = [word for word in text.split() if word != "none"]
    sizes = dict(_register_of(word.rpartition("?")[2]) for word in words if _is_read(word.rpartition("?")[2]))
    names = sorted(sizes, key=lambda name: int(name[1:]))
    return Code(tuple(map(_step, words)), tuple(names), tuple(sizes[name] for name in names))


def _is_read(word: str) -> bool:
    left, equals, _ = word.partition("=")
    return bool(equals) and left.startswith("r") and not left.startswith("rel:")


def _register_of(word: str) -> tuple[str, int]:
    left, _, right = word.partition("=")
    return left, -(-int(right.partition(",")[2]) // 8) if right.startswith("bulk:") else 1


def _step(word: str) -> Step:
    condition, mark, rest = word.partition("?")
    if mark:
        register, _, number = condition.partition("=")
        then = _step(rest)
        return lambda port, r: then(port, r) if _scalar(r.get(register, UNSET)) == int(number) else True
    left, equals, right = word.partition("=")
    if word.startswith("kick"):
        return _plainly("kick", int(word.removeprefix("kick")))
    if word.startswith("use:"):
        return lambda _, r: r.update({word[4:]: _used(r.get(word[4:], UNSET))}) is None
    if not equals:
        return _plainly("fence", Primitive[word.upper()])
    if not _is_read(word):
        return _store(left, right)
    kind, colon, rest = right.partition(":")
    return _READS[kind](left, rest) if colon else _wait(left) if right == "wait" else _load(left, right, "load")


def _plainly(method: str, *arguments: Any) -> Step:
    return lambda port, _: getattr(port, method)(*arguments) is None


def _scalar(value: Any) -> Any:
    return value if not isinstance(value, tuple) else value[0]


def _used(value: Any) -> Any:
    if not isinstance(value, LazyBytes | ExploredBytes):
        return value
    whole = bytes(value)
    return tuple(int.from_bytes(whole[at : at + 8], "little") for at in range(0, len(whole), 8))


def _at(name: str) -> Callable[[Registers], Any]:
    """The address of a location, perhaps by way of a register."""
    name, _, register = name.partition("@")
    address = LOCATIONS[name][0]
    return lambda r: address + (_scalar(r.get(register, 0)) & 0) if register else address


def _bits(name: str) -> int:
    return 8 * LOCATIONS[name.partition("@")[0]][1]


def _store(target: str, value: str) -> Step:
    release, _, name = target.rpartition(":")
    if release == "bulk":
        name, _, length = name.partition(",")
        data = bytes((int(value) + i) & 255 for i in range(int(length)))
        return _plainly("write", LOCATIONS[name][0], data)
    address, mask = _at(name), (1 << _bits(name)) - 1
    method = f"store_{'release_' if release else ''}u{_bits(name)}"

    def store(port: Any, r: Registers) -> bool:
        what: Any = int(value) if value.isdigit() else _scalar(r.get(value.rstrip("^"), 1))
        if value.endswith("^"):
            what = (what & 0) + 1
        getattr(port, method)(address(r), what & mask)
        return True

    return store


def _load(register: str, name: str, method: str) -> Step:
    address = _at(name)

    def load(port: Any, r: Registers) -> bool:
        r[register] = getattr(port, f"{method}_u{_bits(name)}")(address(r))
        return True

    return load


def _atomic(method: str) -> Callable[[str, str], Step]:
    def make(register: str, rest: str) -> Step:
        name, *numbers = rest.split(",")
        address, values = _at(name), [int(number) for number in numbers]

        def atomic(port: Any, r: Registers) -> bool:
            r[register] = getattr(port, f"{method}_u{_bits(name)}")(address(r), *values)
            return True

        return atomic

    return make


def _bulk(register: str, rest: str) -> Step:
    name, _, length = rest.partition(",")
    address = _at(name)

    def read(port: Any, r: Registers) -> bool:
        r[register] = port.read(address(r), int(length))
        return True

    return read


def _waits_itself(port: Any) -> bool:
    """An explored port, and one in a process of its own; the core's bare one is asked again by `Model`."""
    return hasattr(port, "poll")


def _wait(register: str) -> Step:
    def wait(port: Any, r: Registers) -> bool:
        r[register] = int(port.wait() if _waits_itself(port) else port.wait(0))
        return bool(r[register])

    return wait


def _poll(register: str, name: str) -> Step:
    return _polling(register, name, bool)


def _until(register: str, rest: str) -> Step:
    name, _, number = rest.partition(",")
    return _polling(register, name, lambda value: value == int(number))


def _polling(register: str, name: str, wanted: Callable[[Any], bool]) -> Step:
    method, address = f"load_u{_bits(name)}", LOCATIONS[name][0]

    def poll(port: Any, r: Registers) -> bool:
        def look() -> Any:
            value = getattr(port, method)(address)
            return value if wanted(value) else None

        r[register] = port.poll(look) if _waits_itself(port) else look()
        return r[register] is not None

    return poll


_READS: dict[str, Callable[[str, str], Step]] = {
    "acq": lambda register, name: _load(register, name, "load_acquire"),
    "add": _atomic("fetch_add"),
    "xchg": _atomic("xchg"),
    "cas": _atomic("cmpxchg"),
    "bulk": _bulk,
    "poll": _poll,
    "until": _until,
}


def flat(code: Code, registers: Registers) -> list[Any]:
    """All registers' values as the program has them, in order; of a bulk load several."""
    values: list[Any] = []
    for name, words in zip(code.registers, code.bulk_words, strict=True):
        value = _used(registers.get(name, UNSET))
        values += value if isinstance(value, tuple) else [value] + [UNSET] * (words - 1)
    return values


# --- in the explorer --------------------------------------------------------------------------------------------------


class Seen(Violation):
    """The outcome that was asked for."""


@dataclass
class Part:
    """One CPU's part in the explorer. CPU 0 brings all registers together, by way of shared memory."""

    cpu: int
    codes: Sequence[Code]
    report: Callable[[list[Any]], None]

    def __call__(self, port: Any) -> None:
        registers: Registers = {}
        for step in self.codes[self.cpu].steps:
            assert step(port, registers), "an explored port waits by itself"
        own = flat(self.codes[self.cpu], registers)
        if self.cpu:
            self._leave(port, own)
        else:
            self.report(own + self._collect(port))

    def _leave(self, port: Any, values: list[Any]) -> None:
        for number, value in enumerate(values):
            port.store_u64(RESULTS + RESULTS_STEP * self.cpu + 8 * number, value)
        port.fence(Primitive.MB)
        port.store_u32(DONE + DONE_STEP * self.cpu, 1)

    def _collect(self, port: Any) -> list[Any]:
        values: list[Any] = []
        for cpu in range(1, len(self.codes)):
            port.poll(lambda at=DONE + DONE_STEP * cpu: True if port.load_u32(at) else None)
        port.fence(Primitive.MB)
        for cpu in range(1, len(self.codes)):
            at = RESULTS + RESULTS_STEP * cpu
            values += [port.load_u64(at + 8 * number) for number in range(sum(self.codes[cpu].bulk_words))]
        return values + [port.load_u32(LOCATIONS[name][0]) for name in FINAL]


def crowd(cpus: int) -> Placement:
    """One apart from the other: host, remote, host, ..."""
    return Placement(tuple(Place(f"cpu{cpu}", tuple(Side)[cpu % 2], cpu) for cpu in range(cpus)))


def as_if_multi_copy_atomic(platform: Platform) -> Platform:
    """The same orders on a machine where all at one distance see a store at once."""
    host, remote = (
        replace(each, architecture=replace(each.architecture, multi_copy_atomic=True))
        for each in (platform.host, platform.remote)
    )
    return replace(platform, host=host, remote=remote)


def explorer_of(
    programs: Sequence[str],
    platform: Platform | str,
    report: Callable[[list[Any]], None] = lambda _: None,
    *,
    merging: bool = True,
    placement: Placement | None = None,
) -> Explorer:
    codes = [parse(text) for text in programs]
    known = PLATFORMS[platform] if isinstance(platform, str) else platform
    machine = Machine(
        known,
        SiteMap.for_class(BarrierClass.NONE, SITES),
        (0, MEMORY_BYTES),
        placement or crowd(len(codes)),
    )
    parts = [Part(cpu, codes, report) for cpu in range(len(codes))]
    return Explorer(machine, parts, merging)


@dataclass
class Outcomes:
    """What the explorer met. `stalls`: did a run end with everybody asleep?"""

    found: set[Outcome] = field(default_factory=set)
    runs: int = 0
    executions: int = 0
    stalls: bool = False


def explored(
    programs: Sequence[str],
    platform: Platform | str,
    *,
    merging: bool = True,
    most_runs: int = 100_000,
    plant: str = "",
    placement: Placement | None = None,
) -> Outcomes | None:
    """Every outcome; None if it takes more runs than that."""
    reported: list[Outcome] = []
    explorer = explorer_of(
        programs,
        platform,
        lambda values: reported.append(tuple(map(int, values))),
        merging=merging,
        placement=placement,
    )
    if plant:
        explorer.core.plant(plant)
    outcomes = Outcomes()
    explorer.core.restart()
    for runs in count(1):
        if runs > most_runs:
            return None
        reported.clear()
        ending = explorer.run()
        outcomes.stalls |= ending is Ending.STALL
        if ending is Ending.COMPLETE:
            outcomes.found.add(reported[0])
            outcomes.executions += 1
        if explorer.core.advance():
            continue
        try:
            again = explorer._start_again()
        except UsageError:  # its executions are too large
            return None
        if not again:
            outcomes.runs = runs
            return outcomes
        outcomes = Outcomes()  # a cell was split, or found to have another reader or writer
    raise AssertionError


def sought(programs: Sequence[str], platform: Platform | str, outcome: Outcome) -> Exploration:
    """An exploration of the program that ends in a violation at exactly this outcome."""

    def report(values: list[Any]) -> None:
        for value, wanted in zip(values, outcome, strict=True):
            if value != wanted:
                return
        raise Seen("as asked for")

    return explorer_of(programs, platform, report).explore(Bounds(seconds=60))


# --- on the model -----------------------------------------------------------------------------------------------------


class Model:
    """Ports on a model in this process; which CPU makes its next access is the test's own chance."""

    def __init__(self, cpus: int, platform: Platform | str, placement: Placement | None = None) -> None:
        known = PLATFORMS[platform] if isinstance(platform, str) else platform
        sizes = (cpus, _bridge.FREE, 0, MEMORY_BYTES, 64, 1024, 64, 0)
        self.memory = mmap.mmap(-1, MEMORY_BYTES + _bridge.model_room(sizes))
        place_model(self.memory, MEMORY_BYTES, sizes, known, placement or crowd(cpus))
        self.ports = [ModelledPort(self.memory, MEMORY_BYTES, cpu, bytes(32)) for cpu in range(cpus)]
        for port in self.ports:
            port.set_spin_ns(0)

    def outcome(self, codes: Sequence[Code], seed: int, turns: Random) -> Outcome | None:
        """One run. None if somebody waits too long."""
        _bridge.model_reset(self.memory, MEMORY_BYTES, seed)
        self.memory[:MEMORY_BYTES] = bytes(MEMORY_BYTES)
        registers: list[Registers] = [{} for _ in codes]
        left = [list(reversed(code.steps)) for code in codes]
        alive = [cpu for cpu, steps in enumerate(left) if steps]
        slack = turns.choice((0.0, 0.3, 0.8))
        for _ in range(400):
            if not alive:
                break
            cpu = alive[int(turns.random() * len(alive))]
            if turns.random() < slack:
                self.ports[int(turns.random() * len(self.ports))].note(0, 0)  # time passes, also for who has ended
            elif left[cpu][-1](self.ports[cpu], registers[cpu]):
                left[cpu].pop()
                if not left[cpu]:
                    alive.remove(cpu)
        else:
            return None
        values = [int(value) for code, each in zip(codes, registers, strict=True) for value in flat(code, each)]
        for port in self.ports:
            port.fence(Primitive.MB)
        for name in FINAL:
            at = LOCATIONS[name][0]
            values.append(int.from_bytes(self.memory[at : at + 4], "little"))
        return tuple(values)

    def outcomes(self, programs: Sequence[str], runs: int, seed: int = 1) -> Iterator[Outcome]:
        """What `runs` runs end in; those that do not end are left out."""
        codes, turns = [parse(text) for text in programs], Random(seed)
        for number in range(runs):
            outcome = self.outcome(codes, seed * 1_000_003 + number, turns)
            if outcome is not None:
                yield outcome
