"""All outcomes of a small program on processors that are siblings or not, the slow way. Not a test.

Every execution is written down, and axioms decide, as `program_oracle` does it for processors that are all siblings or
all apart; threads and their values are its. It shares no code with either engine. An access has two nodes: when it
counts for the siblings of its processor (NEAR), and for all others (FAR). For a reader and a writer the nodes of their
distance count. Nothing may come before itself:
 - a store is there for siblings before it is for the others;
 - a load comes after the store that it returns, and before all that follow it there (rf, fr), at their distance;
 - stores of siblings to one place keep their order at both distances; of two domains, the earlier one is there for the
   others before the later one is there for anybody (co);
 - a processor keeps dependencies, and the order of a store behind an access to the same place, at both distances;
 - what a barrier, an acquire or a release orders towards siblings it orders there; what it orders towards the others
   holds of both nodes of a load, before it or behind it, and there it also puts what was read of a sibling's store, as
   the others see it, before what comes behind it (cumulativity), if it orders stores before that as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import prod
from pathlib import Path

from hypothesis import reject
from small_programs import FINAL
from word_writer import WordWriter

from amp.litmus.emit import Shared
from amp.litmus.program import Program
from amp.ordering.barriers import NO_ORDERS, Orders, Primitive
from amp.ordering.placement import Orders2, Placement, arrangement
from amp.ordering.platforms import PLATFORMS, Platform

sys.path.insert(0, str(Path(__file__).parents[1] / "litmus"))
import program_oracle
from program_oracle import PAIRS, Event, Trace

NEAR, FAR = range(2)
WIDTH_BYTES = 4
Node = tuple[int, int]  # event, distance
EXECUTIONS_LIMIT = 100_000  # reads-from and coherence together, of one choice of values


@dataclass(frozen=True)
class Worth:
    """What one instruction orders, at both distances; it stands where a litmus test has an Ordering."""

    near: Orders
    far: Orders

    @property
    def orders(self) -> Orders:
        return self.near | self.far


NOTHING = Worth(NO_ORDERS, NO_ORDERS)


class Writer(WordWriter):
    """One processor's words as instructions, with what each orders at both distances."""

    nothing = NOTHING
    atomic_order = NOTHING

    def __init__(self, shared: Shared, cpu: int, text: str, orders: Orders2) -> None:
        self.orders = orders
        super().__init__(shared, cpu, text.replace("none", ""))

    def worth(self, primitive: Primitive) -> Worth:
        return Worth(*(each[primitive] & ~Orders.WD for each in (self.orders.near, self.orders.far)))


def outcomes(texts: Sequence[str], platform: Platform | str, placement: Placement) -> set[tuple[int, ...]]:
    """As `small_programs.explored` finds them. Rejects the example if it is too large to be written down."""
    return outcomes_by(Executions, texts, platform, placement)


def outcomes_by(
    executions: type[Executions], texts: Sequence[str], platform: Platform | str, placement: Placement
) -> set[tuple[int, ...]]:
    """The same, with those axioms."""
    known = PLATFORMS[platform] if isinstance(platform, str) else platform
    orders = arrangement(known, placement)
    shared = Shared("placed program")
    shared.orderings = [NOTHING]
    for name in FINAL:
        shared.location(0, name)
    writers = [Writer(shared, cpu, text, orders[cpu]) for cpu, text in enumerate(texts)]
    observed = tuple((cpu, number) for cpu, writer in enumerate(writers) for number in writer.registers.values())
    code = tuple(writer.code.finish() for writer in writers)
    program = Program(code, (0,) * len(FINAL), tuple(shared.orderings), observed, tuple(range(len(FINAL))))
    return _outcomes(executions, program, [each.implicit for each in orders], placement.on(known).domains)


def _outcomes(
    executions: type[Executions], program: Program, implicit: Sequence[Orders], domains: Sequence[int]
) -> set[tuple[int, ...]]:
    rules = program_oracle.Rules(program.orderings, NO_ORDERS)
    values = [{first} for first in program.initial]
    while True:  # until no trace writes anything new: dependencies are acyclic
        traces = [list(program_oracle._traces(program, rules, thread, values)) for thread in program.threads]
        size = sum(map(len, values))
        for event in (event for thread in traces for trace in thread for event in trace.events if event.write):
            values[event.location].add(event.value)
        if sum(map(len, values)) == size:
            break
        if size > 30:
            reject()
    if prod(map(len, traces)) > program_oracle.TRACES_LIMIT:
        reject()
    found: set[tuple[int, ...]] = set()
    for chosen in program_oracle._plausible(program, traces):
        registers = tuple(chosen[thread].registers[number] for thread, number in program.observed_registers)
        execution = executions(program, chosen, implicit, domains)
        found |= {registers + final for final in execution.finals()}
    return found


def _kept(worth: Worth | Orders, distance: int) -> Orders:
    return worth if isinstance(worth, Orders) else (worth.near, worth.far)[distance]


class Executions:
    """The executions of one choice of traces: events are numbered over all threads."""

    def __init__(
        self, program: Program, traces: Sequence[Trace], implicit: Sequence[Orders], domains: Sequence[int]
    ) -> None:
        self.program, self.traces, self.implicit, self.domains = program, traces, implicit, domains
        self.base = [sum(len(trace.events) for trace in traces[:number]) for number in range(len(traces))]
        self.events: list[Event] = [event for trace in traces for event in trace.events]
        self.thread = [number for number, trace in enumerate(traces) for _ in trace.events]
        self.reads = [number for number, event in enumerate(self.events) if not event.write]
        self.writes = [
            [n for n, event in enumerate(self.events) if event.write and event.location == location]
            for location in range(len(program.initial))
        ]

    def distance(self, a: int, b: int) -> int:
        return NEAR if self.domains[self.thread[a]] == self.domains[self.thread[b]] else FAR

    # --- what each processor keeps, whoever reads from whom

    def local(self) -> Iterator[tuple[Node, Node]]:
        for number, trace in enumerate(self.traces):
            base, events = self.base[number], trace.events
            for later, b in enumerate(events):
                for read in b.address | b.data | b.after_isb | (b.control if b.write else frozenset()):
                    yield from (((base + read, one), (base + later, two)) for one in range(2) for two in range(2))
                for earlier in range(later):
                    a = events[earlier]
                    if b.write and a.location == b.location:
                        yield from (((base + earlier, level), (base + later, level)) for level in range(2))
                    yield from self._ordered(number, earlier, later)
                if b.write:
                    yield (base + later, NEAR), (base + later, FAR)

    def _worths(self, number: int, earlier: int, later: int) -> Iterator[Worth | Orders]:
        """Whatever stands between the two, or is one of them."""
        trace = self.traces[number]
        yield self.implicit[number]
        yield trace.events[earlier].acquire
        yield trace.events[later].release
        yield from (worth for position, worth in trace.fences if earlier < position <= later)

    def _ordered(self, number: int, earlier: int, later: int) -> Iterator[tuple[Node, Node]]:
        base, events = self.base[number], self.traces[number].events
        a, b = events[earlier], events[later]
        first, second = base + earlier, base + later
        for worth in self._worths(number, earlier, later):
            if PAIRS[a.write, b.write] in _kept(worth, NEAR):
                yield (first, NEAR), (second, NEAR)
            if PAIRS[a.write, b.write] in _kept(worth, FAR):
                yield (first, FAR), (second, FAR)
                if not a.write:
                    yield (first, NEAR), (second, FAR)
                if not a.write or not b.write:
                    yield (first, FAR), (second, NEAR)
        for distance in range(2):
            if a.release and Orders.RCSC in _kept(b.acquire, distance):
                yield from (((first, level), (second, distance)) for level in range(2))

    def _carries(self) -> Iterator[tuple[int, int]]:
        """Loads, and what is behind a barrier that carries along what they read."""
        for number, trace in enumerate(self.traces):
            for later, b in enumerate(trace.events):
                for earlier, a in enumerate(trace.events[:later]):
                    both = PAIRS[False, b.write] | PAIRS[True, b.write]
                    worths = self._worths(number, earlier, later)
                    if not a.write and any(both in _kept(worth, FAR) for worth in worths):
                        yield self.base[number] + earlier, self.base[number] + later

    # --- who reads what, and in which order stores stand

    def finals(self) -> Iterator[tuple[int, ...]]:
        local, carries = set(self.local()), list(self._carries())
        sources: list[list[int | None]] = []
        for read in self.reads:
            where, value = self.events[read].location, self.events[read].value
            initial: list[int | None] = [None] if self.program.initial[where] == value else []
            sources.append(initial + [write for write in self.writes[where] if self.events[write].value == value])
        orders = [list(self._coherences(each)) for each in self.writes]
        if prod(map(len, orders)) * prod(map(len, sources)) > EXECUTIONS_LIMIT:
            reject()
        for coherence in product(*orders):
            final = tuple(
                self.events[order[-1]].value if order else self.program.initial[location]
                for location, order in enumerate(coherence)
            )
            if any(self._possible(coherence, source, local, carries) for source in product(*sources)):
                yield final

    def _coherences(self, writes: Sequence[int]) -> Iterator[tuple[int, ...]]:
        for order in permutations(writes):
            rank = {write: place for place, write in enumerate(order)}
            if all(rank[a] < rank[b] for a in order for b in order if a < b and self.thread[a] == self.thread[b]):
                yield order

    def _possible(
        self,
        coherence: tuple[tuple[int, ...], ...],
        source: tuple[int | None, ...],
        local: set[tuple[Node, Node]],
        carries: list[tuple[int, int]],
    ) -> bool:
        rank = {write: place for order in coherence for place, write in enumerate(order)}
        place = {
            read: -1 if write is None else rank[write] for read, write in zip(self.reads, source, strict=True)
        } | rank
        if not self._coherent(place) or self._torn(place, rank):
            return False
        pairs = set(local)
        for read, write in zip(self.reads, source, strict=True):
            if write is not None:
                pairs.update(self._read_from(read, write, carries))
            for later in coherence[self.events[read].location][place[read] + 1 :]:
                if self.thread[later] != self.thread[read]:
                    pairs.add(self._missed(read, later))
        for order in coherence:
            for at, first in enumerate(order):
                for second in order[at + 1 :]:
                    pairs.update(self._in_coherence(first, second))
        number = {node: self.nodes * node[0] + node[1] for pair in pairs for node in pair}
        return not program_oracle._cyclic(self.nodes * len(self.events), {(number[a], number[b]) for a, b in pairs})

    @property
    def nodes(self) -> int:
        """Of an event: as its siblings see it, and as the others do."""
        return 2

    def _missed(self, read: int, later: int) -> tuple[Node, Node]:
        """A read is made before what it has missed."""
        level = self.distance(read, later)
        return (read, level), (later, level)

    def _read_from(self, read: int, write: int, carries: list[tuple[int, int]]) -> Iterator[tuple[Node, Node]]:
        if self.thread[read] == self.thread[write]:
            base, event = self.base[self.thread[write]], self.events[write]
            for origin in event.address | event.data:
                yield from (((base + origin, level), (read, level)) for level in range(2))
            return
        level = self.distance(read, write)
        yield (write, level), (read, level)
        if level == NEAR:
            for carried, behind in carries:
                if carried == read:
                    yield (write, FAR), (behind, FAR)
                    if not self.events[behind].write:
                        yield (write, FAR), (behind, NEAR)

    def _in_coherence(self, first: int, second: int) -> Iterator[tuple[Node, Node]]:
        yield (first, FAR), (second, FAR)
        if self.distance(first, second) == NEAR:
            yield (first, NEAR), (second, NEAR)
        else:
            yield (first, FAR), (second, NEAR)

    def _coherent(self, place: dict[int, int]) -> bool:
        """Per place and processor: nothing is older than what it read or wrote there before."""
        for a, first in enumerate(self.events):
            for b in range(a + 1, len(self.events)):
                second = self.events[b]
                if self.thread[a] != self.thread[b] or first.location != second.location:
                    continue
                least = place[a] + (second.write and not first.write) + (second.write and first.write)
                if place[b] < least:
                    return False
        return True

    def _torn(self, place: dict[int, int], rank: dict[int, int]) -> bool:
        """Does a write stand between the halves of an atomic?"""
        for number, trace in enumerate(self.traces):
            for at, event in enumerate(trace.events):
                if not event.write and event.partner is not None:
                    read, write = self.base[number] + at, self.base[number] + event.partner
                    if rank[write] != place[read] + 1:
                        return True
        return False
