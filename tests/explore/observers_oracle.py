"""All outcomes of a small program on a machine whose stores reach others one by one, the slow way. Not a test.

The axioms are those of Arm's model in Alglave, Maranget, Tautschnig, "Herding cats" (TOPLAS 2014, sections 4.6 and 4.7;
herd7's arm.cat and ppc-checks.cat), written from their text: a relation is a set of pairs of accesses, and an execution
counts unless one of these fails. Threads, their values, and who may read whom are placed_oracle's.
 - coherence: per place, no access is older than what its processor read or wrote there before;
 - atomic: no write of others stands between the halves of a read-modify-write;
 - no thin air: hb is acyclic, where hb is ppo, fence or rfe;
 - observation: fre;prop;hb* relates no access to itself;
 - propagation: co and prop together are acyclic;
with prop-base = (fence | rfe;fence);hb*, and prop = prop-base between writes | com*;prop-base*;fence;hb*.

What differs from arm.cat is what a processor keeps by itself (ppo): here it is the project's, which is Armv8's, with
Arm's names for what the rest of the model adds: dependencies; behind a branch, or an address that waited, a store;
behind an isb everything; a store behind an access to its place; a load that returns its processor's store behind what
that was computed from; rdw and detour, two loads, or a store and a load, of one place between which another's store
came in. What a barrier orders is a fence where it orders stores and what comes before as well, and part of ppo where it
orders loads alone: arm.cat knows no such barrier. Siblings and others are not told apart: all are at one distance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import placed_oracle
from placed_oracle import FAR, Worth, outcomes_by
from program_oracle import PAIRS

from amp.ordering.barriers import Orders
from amp.ordering.placement import Placement
from amp.ordering.platforms import Platform

Pair = tuple[int, int]
Relation = list[int]  # of each access, a bit for each that it is related to


def outcomes(texts: Sequence[str], platform: Platform | str, placement: Placement) -> set[tuple[int, ...]]:
    """As `small_programs.explored` finds them. Rejects the example if it is too large to be written down."""
    assert placement.levels == 1
    return outcomes_by(Executions, texts, platform, placement)


def compose(one: Relation, two: Relation) -> Relation:
    found = []
    for row in one:
        to, left = 0, row
        while left:
            lowest = left & -left
            to |= two[lowest.bit_length() - 1]
            left ^= lowest
        found.append(to)
    return found


def union(*relations: Relation) -> Relation:
    found = [0] * len(relations[0])
    for relation in relations:
        found = [a | b for a, b in zip(found, relation, strict=True)]
    return found


def closed(relation: Relation) -> Relation:
    """Its transitive closure."""
    found = list(relation)
    for via in range(len(found)):
        for row in range(len(found)):
            if found[row] >> via & 1:
                found[row] |= found[via]
    return found


def star(relation: Relation) -> Relation:
    """Its reflexive and transitive closure."""
    return [row | 1 << at for at, row in enumerate(closed(relation))]


def is_irreflexive(relation: Relation) -> bool:
    return not any(row >> at & 1 for at, row in enumerate(relation))


class Executions(placed_oracle.Executions):
    """The executions of one choice of traces, judged by these axioms."""

    def relation(self, pairs: Iterable[Pair]) -> Relation:
        found = [0] * len(self.events)
        for a, b in pairs:
            found[a] |= 1 << b
        return found

    def _kept(self) -> Iterator[Pair]:
        """What each processor keeps by itself, whoever reads from whom."""
        for number, trace in enumerate(self.traces):
            base, events = self.base[number], trace.events
            for later, b in enumerate(events):
                for read in b.address | b.data | b.after_isb | (b.control if b.write else frozenset()):
                    yield base + read, base + later
                for earlier, a in enumerate(events[:later]):
                    if b.write and a.location == b.location:
                        yield base + earlier, base + later

    def fenced(self) -> Iterator[tuple[Pair, bool]]:
        """What barriers, acquires, releases and the hardware order; whether as a fence."""
        for number, trace in enumerate(self.traces):
            for later, b in enumerate(trace.events):
                for earlier, a in enumerate(trace.events[:later]):
                    for worth in self._worths(number, earlier, later):
                        orders = worth.far if isinstance(worth, Worth) else worth
                        if PAIRS[a.write, b.write] in orders:
                            pair = self.base[number] + earlier, self.base[number] + later
                            yield pair, self.is_fence(orders, later_is_write=b.write)

    @staticmethod
    def is_fence(orders: Orders, *, later_is_write: bool) -> bool:
        return PAIRS[True, later_is_write] in orders

    def finals(self) -> Iterator[tuple[int, ...]]:
        self.kept = self.relation(self._kept())
        ordered = list(self.fenced())
        self.kept = union(self.kept, self.relation(pair for pair, fence in ordered if not fence))
        self.fences = self.relation(pair for pair, fence in ordered if fence)
        self.is_write = sum(1 << n for n, event in enumerate(self.events) if event.write)
        yield from super().finals()

    def local(self) -> Iterator[tuple[placed_oracle.Node, placed_oracle.Node]]:
        return iter(())

    def _possible(
        self,
        coherence: tuple[tuple[int, ...], ...],
        source: tuple[int | None, ...],
        local: set[tuple[placed_oracle.Node, placed_oracle.Node]],
        carries: list[tuple[int, int]],
    ) -> bool:
        del local, carries
        rank = {write: place for order in coherence for place, write in enumerate(order)}
        reads = dict(zip(self.reads, source, strict=True))
        place = {read: -1 if write is None else rank[write] for read, write in reads.items()} | rank
        return self._coherent(place) and not self._torn(place, rank) and self._propagates(coherence, reads, place)

    def external(self, pairs: Iterable[Pair]) -> Relation:
        return self.relation((a, b) for a, b in pairs if self.thread[a] != self.thread[b])

    def _propagates(
        self, coherence: tuple[tuple[int, ...], ...], reads: dict[int, int | None], place: dict[int, int]
    ) -> bool:
        co = {(a, b) for order in coherence for a, b in product(order, order) if place[a] < place[b]}
        rf = {(write, read) for read, write in reads.items() if write is not None}
        fr = {
            (read, write)
            for read in reads
            for write in coherence[self.events[read].location]
            if place[write] > place[read]
        }
        rfe, coe, fre = map(self.external, (rf, co, fr))
        forwarded = self.relation(
            (self.base[self.thread[read]] + origin, read)
            for write, read in rf
            if self.thread[write] == self.thread[read]
            for origin in self.events[write].address | self.events[write].data
        )
        in_between = self._within(compose(union(fre, coe), rfe))  # rdw, detour
        com = union(*map(self.relation, (co, rf, fr)))
        fence = self.fences
        hb = closed(union(self.kept, forwarded, in_between, fence, rfe))
        if not is_irreflexive(hb):
            return False
        later = star(hb)
        base = compose(union(fence, compose(rfe, fence)), later)
        between_writes = [row & self.is_write if self.is_write >> at & 1 else 0 for at, row in enumerate(base)]
        strong = compose(compose(compose(self.leading(com), star(base)), fence), later)
        prop = union(between_writes, strong)
        return is_irreflexive(compose(compose(fre, prop), later)) and is_irreflexive(
            closed(union(self.relation(co), prop))
        )

    def leading(self, com: Relation) -> Relation:
        return star(com)

    def _within(self, relation: Relation) -> Relation:
        """Of each processor's own accesses, in program order; they are to one place."""
        return [
            row & sum(1 << b for b in range(a + 1, len(self.events)) if self.thread[a] == self.thread[b])
            for a, row in enumerate(relation)
        ]


assert FAR == 1  # what an order is worth at one distance is the same near and far
