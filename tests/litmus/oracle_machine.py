"""One thread of a litmus test, run with chosen values for its loads: its accesses, and what it keeps in order.

Not a test. Written from herd7's aarch64deps.cat, aarch64hwreqs.cat (dob, pob, aob, bob, pick-lob) and from Arm ARM
DDI 0487, B2.3. It shares nothing with the product. An access is a set of bytes; relations are between (access, byte),
as herd's are with `-variant mixed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

NOBODY: frozenset[int] = frozenset()
Pair = tuple[str, str]  # ("R", "W"): a read before, a write after
FULL: frozenset[Pair] = frozenset({("R", "R"), ("R", "W"), ("W", "R"), ("W", "W")})
LOADS: frozenset[Pair] = frozenset({("R", "R"), ("R", "W")})
STORES: frozenset[Pair] = frozenset({("W", "W")})
NO_PAIRS: frozenset[Pair] = frozenset()


@dataclass(frozen=True)
class Val:
    """A value, the reads it was computed from, and those that picked it (the former are among the latter)."""

    n: int
    data: frozenset[int] = NOBODY
    pick: frozenset[int] = NOBODY

    def of(self, n: int, *others: Val) -> Val:
        """`n`, computed from this and the others."""
        return Val(n, self.data.union(*(o.data for o in others)), self.pick.union(*(o.pick for o in others)))


@dataclass
class Access:
    kind: str  # R or W
    where: range  # the bytes
    value: int
    address: Val
    data: Val
    control: frozenset[int]
    waited: frozenset[int]  # addresses of earlier accesses came from these
    synchronised: frozenset[int]  # an isb stood behind branches or addresses that came from these
    acquire: str = ""  # A, Q
    release: bool = False
    unwanted: bool = False  # an atomic's read of which nobody sees the result
    partner: int | None = None
    picked: frozenset[int] = NOBODY  # W: reads that decide whether it happens, or with what
    through: dict[int, int] = field(default_factory=dict)  # R: of each byte, the thread's own latest write

    def byte(self, at: int) -> int:
        return self.value >> 8 * (at - self.where.start) & 0xFF


class NeedsValue(Exception):
    """The run has come to a read for which no value is chosen yet."""

    def __init__(self, where: range) -> None:
        self.where = where


class BadAddressError(Exception):
    """An access that is not in one location."""


class Run:
    """The thread so far. `bytes_of(address, size)` gives the bytes of an access."""

    def __init__(self, chosen: tuple[int, ...], implicit: frozenset[Pair], granules: Mapping[int, range]) -> None:
        self.accesses: list[Access] = []
        self.fences: list[tuple[int, frozenset[Pair]]] = []
        self.registers: dict[str, Val] = {}
        self.implicit = implicit
        self._values = iter(chosen)
        self._granules = granules
        self._control = self._waited = self._synchronised = NOBODY
        self._memory: dict[int, int] = {}
        self._stored: dict[int, Val] = {}  # what flows out of memory where a write is read again

    def _bytes(self, address: int, size: int) -> range:
        granule = self._granules.get(address & ~7)
        if granule is None or address % size:
            raise BadAddressError(hex(address))
        return range(address, address + size)

    def _add(self, access: Access) -> int:
        self.accesses.append(access)
        self._waited |= access.address.pick
        return len(self.accesses) - 1

    def next_value(self, address: Val, size: int) -> int:
        where = self._bytes(address.n, size)
        for value in self._values:
            return value
        raise NeedsValue(where)

    def read(self, address: Val, size: int, acquire: str = "", *, unwanted: bool = False) -> Val:
        return self.read_chosen(self.next_value(address, size), address, size, acquire, unwanted=unwanted)

    def read_chosen(self, value: int, address: Val, size: int, acquire: str = "", *, unwanted: bool = False) -> Val:
        where = self._bytes(address.n, size)
        through = {at: self._memory[at] for at in where if at in self._memory}
        state = (self._control, self._waited, self._synchronised)
        number = self._add(
            Access("R", where, value, address, Val(0), *state, acquire, False, unwanted, through=through)
        )
        flow = [self._stored[write] for write in through.values()]
        itself = frozenset({number})
        return Val(value, itself.union(*(f.data for f in flow)), itself.union(*(f.pick for f in flow)))

    def write(
        self,
        address: Val,
        value: Val,
        size: int,
        *,
        release: bool = False,
        partner: int | None = None,
        picked: frozenset[int] = NOBODY,
        flow: Val | None = None,
    ) -> None:
        """`flow`: what a later read of this write gets by way of memory, besides its operands."""
        where = self._bytes(address.n, size)
        state = (self._control, self._waited, self._synchronised)
        masked = value.n & (1 << 8 * size) - 1
        access = Access("W", where, masked, address, value, *state, "", release, False, partner, picked)
        number = self._add(access)
        if partner is not None:
            self.accesses[partner].partner = number
        more = flow or Val(0)
        self._stored[number] = Val(
            0, address.data | value.data | more.data, address.pick | value.pick | picked | more.pick
        )
        self._memory.update(dict.fromkeys(where, number))

    def fence(self, pairs: frozenset[Pair]) -> None:
        self.fences.append((len(self.accesses), pairs))

    def branch(self, value: Val) -> None:
        self._control |= value.pick

    def isb(self) -> None:
        self._synchronised |= self._control | self._waited


Node = tuple[int, int]  # an access of the thread, and a byte
Cells = Mapping[int, tuple[int, ...]]


def kept(run: Run, representatives: list[list[int]]) -> set[tuple[Node, Node]]:  # noqa: PLR0912
    """What the thread keeps in order, closed. `representatives`: of each access, one byte for each of its cells."""
    events = run.accesses
    local: set[tuple[Node, Node]] = set()

    def add(before: int, after: int, at: int | None = None) -> None:
        """Every part of the one before every part of the other, or before its byte `at` alone."""
        for a in representatives[before]:
            for b in representatives[after] if at is None else [at]:
                local.add(((before, a), (after, b)))

    picks: set[tuple[int, int]] = set()
    for later, b in enumerate(events):
        for read in b.address.data | b.data.data | b.synchronised:
            add(read, later)
        picks |= {(read, later) for read in b.address.pick | b.data.pick | b.picked}
        if b.kind == "W":
            for read in b.control | b.waited | b.address.pick | b.data.pick | b.picked:
                add(read, later)
            if b.partner is not None:
                add(b.partner, later)
        for at in representatives[later]:
            _through_memory(run, later, at, add, picks)
        for earlier, a in enumerate(events[:later]):
            if _barred(run, earlier, later):
                add(earlier, later)
            for at in representatives[earlier]:
                if b.kind == "W" and at in b.where:
                    local |= {((earlier, at), (later, to)) for to in representatives[later]}
            # The read of an atomic and its write, in the way of what is behind both.
            if a.kind == "W" and a.release and a.partner is not None and events[a.partner].acquire == "A":
                add(earlier, later)
    local = closure(local)
    # pick-lob: what picks an access comes before the writes that the access comes before
    for read, picked in picks:
        for (a, _), (b, to) in list(local):
            if a == picked and events[b].kind == "W":
                local |= {((read, at), (b, to)) for at in representatives[read]}
    return closure(local)


def _through_memory(run: Run, later: int, at: int, add: object, picks: set[tuple[int, int]]) -> None:
    assert callable(add)
    b = run.accesses[later]
    write = b.through.get(at)
    if write is None:
        return
    w = run.accesses[write]
    for read in w.address.data | w.data.data:
        add(read, later, at)
    if b.acquire and w.partner is not None:
        add(w.partner, later, at)
    picks.update((read, later) for read in run._stored[write].pick)


def _barred(run: Run, earlier: int, later: int) -> bool:
    a, b = run.accesses[earlier], run.accesses[later]
    pair = (a.kind, b.kind)
    if pair in run.implicit or a.acquire or b.release or (a.release and b.acquire == "A"):
        return True
    for position, pairs in run.fences:
        if earlier < position <= later and pair in pairs and not (a.unwanted and pairs <= LOADS):
            return True
    return False


def fenced(run: Run) -> set[tuple[int, int]]:
    """Accesses of which a fence, a release or the machine keeps the second behind the first, and behind stores as well.

    Where a store reaches one observer before another it waits until those that it reaches see the first, or what that
    has read: herd7's ppc-checks.cat, with arm.cat's fences, all of them strong.
    """
    found = set()
    for later, b in enumerate(run.accesses):
        for earlier, a in enumerate(run.accesses[:later]):
            between = [pairs for at, pairs in run.fences if earlier < at <= later]
            orders = [pairs for pairs in between if not (a.unwanted and pairs <= LOADS)]
            orders += [run.implicit, frozenset({("R", "W"), ("W", "W")}) if b.release else NO_PAIRS]
            if any((a.kind, b.kind) in pairs and ("W", b.kind) in pairs for pairs in orders):
                found.add((earlier, later))
    return found


def closure(pairs: set[tuple[Node, Node]]) -> set[tuple[Node, Node]]:
    after: dict[Node, set[Node]] = {}
    for a, b in pairs:
        after.setdefault(a, set()).add(b)
    for middle in list(after):
        for targets in after.values():
            if middle in targets:
                targets.update(after[middle])
    return {(a, b) for a, targets in after.items() for b in targets}


def cells(accesses: Iterator[range], granules: Mapping[int, range]) -> dict[int, int]:
    """The first byte of its cell, for each byte: the granules, cut where accesses begin and end."""
    cuts = {edge for where in accesses for edge in (where.start, where.stop)}
    found = {}
    for granule in granules.values():
        edges = sorted({granule.start, granule.stop, *(cut for cut in cuts if cut in granule)})
        for first, end in pairwise(edges):
            found.update(dict.fromkeys(range(first, end), first))
    return found
