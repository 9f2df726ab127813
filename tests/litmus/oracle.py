"""All outcomes of a litmus test, the slow way: every execution is written down, and the axioms decide. Not a test.

It works on the text of the test (`oracle_text`, `oracle_threads`) and shares no table, no parser and no compiled form
with the product. Each thread is run with every value that each of its reads might return; then every reads-from
relation that fits the values, every coherence order of every cell; what passes three axioms counts (herd7's
aarch64.cat):
 - internal: per cell, program order, reads-from, from-reads and coherence have no cycle;
 - atomic: no other write comes between the two halves of a read-modify-write;
 - external: the same relations between threads, and what a thread keeps in order, have no cycle. What comes before a
   part of an access by being seen comes before all of it (sca-class), and a read that shares bytes with a later read of
   its thread comes before the writes that the later one missed (Exp-haz-ob).
Where a store may reach one observer before another, three threads can tell: then a write is, for each other thread,
also seen there, or a newer one is, and from-reads and coherence are of what is seen; what a fence keeps behind a write,
or behind a read of one, comes when all threads see it (herd7's arm.cat).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations, product
from math import prod
from typing import Final

from oracle_machine import BadAddressError, NeedsValue, Run, cells, fenced, kept
from oracle_text import Test, read_test
from oracle_threads import Machine, machine, run_thread

TRACES_LIMIT: Final = 30_000  # ways to pick one trace of each thread
WORK_LIMIT: Final = 20_000  # coherence orders and executions looked at, of one test
ORDERS_LIMIT: Final = 3_000  # of coherence, in one of them
Outcome = frozenset[tuple[str, object]]


class TooLargeError(Exception):
    """The oracle tries everything, and here that is too much."""


@dataclass(frozen=True)
class Trace:
    run: Run
    registers: Mapping[str, int]


def outcomes(text: str, platform: str, *, apart: bool = False) -> frozenset[Outcome]:
    """The observed values at the end of every execution that the axioms allow. Raises TooLargeError."""
    test = read_test(text)
    kind = machine(platform, apart=apart)
    return frozenset().union(*(_outcomes(test, kind, choices) for choices in _choices(test)))


def _choices(test: Test) -> list[tuple[bool, ...]]:
    """Each successful compare-and-swap of an assembly thread has its result from memory, or from its register."""
    count = sum(word.upper().startswith("CAS") for thread in test.assembly for word, _ in thread)
    return list(product((False, True), repeat=count if test.dialect == "AArch64" else 0))


def _outcomes(test: Test, kind: Machine, choices: tuple[bool, ...]) -> frozenset[Outcome]:
    granules = test.granules
    written: dict[int, set[tuple[range, int]]] = {start: set() for start in granules}
    read_at: set[range] = set()
    traces: list[list[Trace]] = []
    rounds = 0
    while True:  # dependencies are acyclic: no value has come through more reads than there are
        before = (sum(map(len, written.values())), len(read_at))
        traces = [list(_traces(test, kind, number, choices, written, read_at)) for number in range(test.threads)]
        for access in (a for thread in traces for trace in thread for a in trace.run.accesses):
            if access.kind == "W":
                written[access.where.start & ~7].add((access.where, access.value))
        rounds += 1
        most = sum(max((_reads(trace) for trace in thread), default=0) for thread in traces)
        if (sum(map(len, written.values())), len(read_at)) == before or rounds > most + 1:
            break
    if prod(map(len, traces)) > TRACES_LIMIT:
        raise TooLargeError
    accesses = (a.where for thread in traces for trace in thread for a in trace.run.accesses)
    first_of = cells(accesses, granules)
    found: set[Outcome] = set()
    parts: dict[int, _Parts] = {}
    work = _Work()
    for chosen in _plausible(test, traces):
        executions = _Executions(test, first_of, chosen, parts, one_by_one=kind.one_by_one and test.threads > 2)
        for memory in executions.memories(work):
            found.add(test.outcome([trace.registers for trace in chosen], memory))
    return frozenset(found)


def _reads(trace: Trace) -> int:
    return sum(access.kind == "R" for access in trace.run.accesses)


def _traces(  # noqa: PLR0917
    test: Test,
    kind: Machine,
    number: int,
    choices: tuple[bool, ...],
    written: Mapping[int, set[tuple[range, int]]],
    read_at: set[range],
) -> Iterator[Trace]:
    """The thread's runs, for every choice of what its reads return."""
    pending: list[tuple[int, ...]] = [()]
    tried = 0
    while pending:
        tried += 1
        if tried > TRACES_LIMIT:
            raise TooLargeError
        chosen = pending.pop()
        run = Run(chosen, kind.implicit, test.granules)
        try:
            yield Trace(run, run_thread(test, kind, number, run, choices))
        except NeedsValue as need:
            read_at.add(need.where)
            pending += [(*chosen, value) for value in _values(test, need.where, written)]
        except BadAddressError:
            continue  # from a value that nobody writes in the end; the generators take care of it


def _values(test: Test, where: range, written: Mapping[int, set[tuple[range, int]]]) -> list[int]:
    """What a read of these bytes might return: of each of their pieces, any write's."""
    writes = written[where.start & ~7]
    edges = sorted({where.start, where.stop, *(e for w, _ in writes for e in (w.start, w.stop) if e in where)})
    pieces = []
    for first, end in pairwise(edges):
        of_piece = {test.first_bytes(first, end)}
        of_piece |= {value >> 8 * (first - w.start) & (1 << 8 * (end - first)) - 1 for w, value in writes if first in w}
        pieces.append([piece << 8 * (first - where.start) for piece in of_piece])
    return sorted({sum(parts) for parts in product(*pieces)})


def _plausible(test: Test, traces: Sequence[Sequence[Trace]]) -> Iterator[tuple[Trace, ...]]:
    """One trace of each thread, in every way in which somebody writes each byte that is read."""
    there = {(at, test.first_bytes(at, at + 1)) for granule in test.granules.values() for at in granule}
    wanted = [[_bytes(trace, "R") - there for trace in each] for each in traces]
    offered = [[_bytes(trace, "W") for trace in each] for each in traces]
    for numbers in product(*(range(len(each)) for each in traces)):
        offer = {pair for thread, number in enumerate(numbers) for pair in offered[thread][number]}
        if all(wanted[thread][number] <= offer for thread, number in enumerate(numbers)):
            yield tuple(traces[thread][number] for thread, number in enumerate(numbers))


def _bytes(trace: Trace, kind: str) -> set[tuple[int, int]]:
    return {(at, a.byte(at)) for a in trace.run.accesses if a.kind == kind for at in a.where}


Node = tuple[int, ...]  # thread, access, byte; and the thread that sees it
_Parts = tuple[list[list[int]], set[tuple[tuple[int, int], tuple[int, int]]]]


class _Work:
    def __init__(self) -> None:
        self.left = WORK_LIMIT

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TooLargeError


class _Executions:
    """All executions of one trace of each thread."""

    def __init__(
        self,
        test: Test,
        first_of: Mapping[int, int],
        chosen: Sequence[Trace],
        parts: dict[int, _Parts],
        *,
        one_by_one: bool,
    ) -> None:
        self.test, self.first_of, self.one_by_one = test, first_of, one_by_one
        self.runs = [trace.run for trace in chosen]
        self.parts: list[list[list[int]]] = []
        self.local: set[tuple[Node, Node]] = set()
        for number, run in enumerate(self.runs):
            if id(run) not in parts:
                mine = [sorted({first_of[at] for at in a.where}) for a in run.accesses]
                parts[id(run)] = mine, kept(run, mine)
            mine, local = parts[id(run)]
            self.parts.append(mine)
            self.local |= {((number, *a), (number, *b)) for a, b in local}
        self.fenced = [fenced(run) if one_by_one else set() for run in self.runs]
        self.cells = sorted(set(first_of.values()))
        self.writes: dict[int, list[Node]] = {cell: [] for cell in self.cells}
        self.reads: list[Node] = []
        for number, run in enumerate(self.runs):
            for at, access in enumerate(run.accesses):
                for part in self.parts[number][at]:
                    node = (number, at, part)
                    self.writes[part].append(node) if access.kind == "W" else self.reads.append(node)

    def _value(self, node: Node) -> int:
        number, at, cell = node
        access = self.runs[number].accesses[at]
        end = min((other for other in self.cells if other > cell), default=cell + 8)
        return access.value >> 8 * (cell - access.where.start) & (1 << 8 * (min(end, access.where.stop) - cell)) - 1

    def _first(self, cell: int) -> int:
        end = min((other for other in self.cells if other > cell), default=cell + 8)
        return self.test.first_bytes(cell, min(end, (cell & ~7) + 8))

    def memories(self, work: _Work) -> Iterator[dict[int, int]]:
        """The last value of every cell, once for every execution that the axioms allow."""
        orders = {cell: list(self._orders(cell)) for cell in self.cells}
        if prod(map(len, orders.values())) > ORDERS_LIMIT:
            raise TooLargeError
        sources = [self._sources(read) for read in self.reads]
        for coherence in product(*orders.values()):
            work.step()
            co = dict(zip(orders, coherence, strict=True))
            rank = {write: place for order in coherence for place, write in enumerate(order)}
            allowed = [
                [source for source in each if self._coherent(read, source, co, rank)]
                for read, each in zip(self.reads, sources, strict=True)
            ]
            for source in product(*allowed):
                work.step()
                if self._is_allowed(dict(zip(self.reads, source, strict=True)), co, rank):
                    yield {c: self._value(order[-1]) if order else self._first(c) for c, order in co.items()}

    def _orders(self, cell: int) -> Iterator[tuple[Node, ...]]:
        for order in permutations(self.writes[cell]):
            if all(a[0] != b[0] or a[1] < b[1] for place, b in enumerate(order) for a in order[:place]):
                yield order

    def _sources(self, read: Node) -> list[Node | None]:
        value, cell = self._value(read), read[2]
        initial: list[Node | None] = [None] if self._first(cell) == value else []
        return initial + [write for write in self.writes[cell] if self._value(write) == value]

    def _coherent(
        self, read: Node, source: Node | None, co: Mapping[int, tuple[Node, ...]], rank: Mapping[Node, int]
    ) -> bool:
        """Not older than what its thread wrote there before, nor written by it later; an atomic's write is next."""
        number, at, cell = read
        place = -1 if source is None else rank[source]
        for write in co[cell]:
            if write[0] == number and (rank[write] > place) != (write[1] > at):
                return False
        partner = self.runs[number].accesses[at].partner
        return partner is None or rank[(number, partner, cell)] == place + 1

    def _is_allowed(
        self,
        source: Mapping[Node, Node | None],
        co: Mapping[int, tuple[Node, ...]],
        rank: Mapping[Node, int],
    ) -> bool:
        place = {read: -1 if write is None else rank[write] for read, write in source.items()}
        for a in self.reads:  # two reads of one cell by one thread
            for b in self.reads:
                if a[0] == b[0] and a[2] == b[2] and a[1] < b[1] and place[a] > place[b]:
                    return False
        if self.one_by_one:
            return not _cyclic(self._seen_pairs(source, co, place))
        pairs: set[tuple[Node, Node]] = set(self.local)
        missed: dict[Node, list[Node]] = {}
        for read, write in source.items():
            if write is not None and write[0] != read[0]:
                pairs |= {(write, to) for to in self._class(read)}
            missed[read] = [later for later in co[read[2]][place[read] + 1 :] if later[0] != read[0]]
            for later in missed[read]:
                pairs |= {(read, to) for to in self._class(later)}
        for order in co.values():
            for after, b in enumerate(order):
                pairs |= {(a, to) for a in order[:after] if a[0] != b[0] for to in self._class(b)}
        for read in self.reads:
            pairs |= self._hazards(read, missed)
        return not _cyclic(pairs)

    def _seen(self, write: Node, thread: int) -> Node:
        """When that thread sees it or a newer one; its own does from when it is made."""
        return write if write[0] == thread else (*write, thread)

    def _seen_pairs(
        self, source: Mapping[Node, Node | None], co: Mapping[int, tuple[Node, ...]], place: Mapping[Node, int]
    ) -> set[tuple[Node, Node]]:
        pairs: set[tuple[Node, Node]] = set(self.local)
        threads = range(len(self.runs))
        missed: dict[Node, list[Node]] = {}
        for read, write in source.items():
            if write is not None and write[0] != read[0]:
                pairs |= {(each, to) for each in (write, self._seen(write, read[0])) for to in self._class(read)}
            missed[read] = [later for later in co[read[2]][place[read] + 1 :] if later[0] != read[0]]
            for later in missed[read]:
                pairs |= {(read, self._seen(to, read[0])) for to in self._class(later)}
        for read in self.reads:
            pairs |= {(read, self._seen(to, read[0])) for _, to in self._hazards(read, missed)}
        for order in co.values():
            for after, b in enumerate(order):
                for a in order[:after]:
                    for thread in threads:
                        pairs |= {(self._seen(a, thread), self._seen(to, thread)) for to in self._class(b)}
        for number, pairs_of in enumerate(self.fenced):
            for earlier, later in pairs_of:
                for part in self.parts[number][earlier]:
                    node = (number, earlier, part)
                    write = node if self.runs[number].accesses[earlier].kind == "W" else source[node]
                    behind = [(number, later, to) for to in self.parts[number][later]]
                    if write is not None:
                        pairs |= {(self._seen(write, k), to) for k in threads if k != write[0] for to in behind}
        return pairs

    def _class(self, node: Node) -> list[Node]:
        return [(node[0], node[1], part) for part in self.parts[node[0]][node[1]]]

    def _hazards(self, read: Node, missed: Mapping[Node, list[Node]]) -> set[tuple[Node, Node]]:
        number, at, cell = read
        found: set[tuple[Node, Node]] = set()
        for other in self.reads:
            if other[0] == number and other[1] > at and other[2] == cell:
                for part in self._class(other):
                    found |= {(read, to) for later in missed[part] for to in self._class(later)}
        return found


def _cyclic(pairs: set[tuple[Node, Node]]) -> bool:
    after: dict[Node, list[Node]] = {}
    entering: dict[Node, int] = {}
    for a, b in pairs:
        after.setdefault(a, []).append(b)
        entering[b] = entering.get(b, 0) + 1
        entering.setdefault(a, 0)
    free = [node for node, count in entering.items() if not count]
    left = len(entering)
    while free:
        left -= 1
        for node in after.get(free.pop(), ()):
            entering[node] -= 1
            if not entering[node]:
                free.append(node)
    return left > 0
