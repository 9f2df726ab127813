"""All outcomes where stores reach others one by one and some processors are siblings, the slow way. Not a test.

As placed_oracle, with a node more of each store and other processor: that one sees the store, or a newer one there.
What a store's two nodes say is that it is made: nobody reads it before. Where the writer's machine is multi-copy atomic
its two nodes are all there are. Nothing may come before itself:
 - a load comes after the store that it returns is made, at their distance, and seen; and before what follows the store
   there is seen (rf, fr);
 - whoever sees a store sees no older one; its own processor has made the older one before it sees the newer (co); and a
   store comes behind those to its place that its processor has read before;
 - what a barrier orders towards siblings waits until they see, what it orders towards the others until all do; so does
   what it carries along: to siblings what it has read of siblings, and, if it reaches so far before loads, of others;
   to all whatever it has read, if it reaches the others before stores, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import placed_oracle
from placed_oracle import FAR, NEAR, Node, outcomes_by
from program_oracle import PAIRS

from amp.ordering.placement import Placement, arrangement
from amp.ordering.platforms import PLATFORMS, Platform

SIBLINGS, ALL, OTHERS = range(3)  # what is carried along: siblings' to siblings, all to all, others' to siblings


def outcomes(texts: Sequence[str], platform: Platform | str, placement: Placement) -> set[tuple[int, ...]]:
    """As `small_programs.explored` finds them. Rejects the example if it is too large to be written down."""
    known = PLATFORMS[platform] if isinstance(platform, str) else platform
    at_once = [orders.multi_copy_atomic for orders in arrangement(known, placement)]

    class OnThisMachine(Executions):
        pass

    OnThisMachine.at_once = at_once
    return outcomes_by(OnThisMachine, texts, platform, placement)


class Executions(placed_oracle.Executions):
    """The executions of one choice of traces, judged by these axioms. A node beside NEAR and FAR is 2 + an observer."""

    at_once: Sequence[bool]

    def far(self, cpu: int, other: int) -> int:
        return NEAR if self.domains[cpu] == self.domains[other] else FAR

    def seen(self, write: int, cpu: int) -> Node:
        writer = self.thread[write]
        if writer == cpu or self.at_once[writer]:
            return write, self.far(cpu, writer)
        return write, 2 + cpu

    def own(self, event: int, distance: int) -> list[Node]:
        cpu, nodes = self.thread[event], [(event, distance)]
        if self.events[event].write:
            observers = (k for k in range(len(self.traces)) if k != cpu and self.far(cpu, k) == distance)
            nodes += [self.seen(event, k) for k in observers]
        return nodes

    def _ordered(self, number: int, earlier: int, later: int) -> Iterator[tuple[Node, Node]]:
        base, events = self.base[number], self.traces[number].events
        a, b = events[earlier], events[later]
        first, second = base + earlier, base + later
        for worth in self._worths(number, earlier, later):
            if PAIRS[a.write, b.write] in placed_oracle._kept(worth, NEAR):
                yield from ((node, (second, NEAR)) for node in self.own(first, NEAR))
            if PAIRS[a.write, b.write] in placed_oracle._kept(worth, FAR):
                yield from ((node, (second, FAR)) for each in range(2) for node in self.own(first, each))
                if not a.write or not b.write:
                    yield from ((node, (second, NEAR)) for node in self.own(first, FAR))

    def _carries(self) -> Iterator[tuple[int, int]]:
        """(load, what is behind the barrier), as 3 * load + what is carried along."""
        for number, trace in enumerate(self.traces):
            for later, b in enumerate(trace.events):
                for earlier, a in enumerate(trace.events[:later]):
                    loads, stores = PAIRS[False, b.write], PAIRS[True, b.write]
                    for worth in self._worths(number, earlier, later):
                        near, far = (placed_oracle._kept(worth, distance) for distance in range(2))
                        load, behind = 3 * (self.base[number] + earlier), self.base[number] + later
                        if not a.write and loads | stores in near:
                            yield load + SIBLINGS, behind
                            if loads in far:
                                yield load + OTHERS, behind
                        if not a.write and loads | stores in far:
                            yield load + ALL, behind

    @property
    def nodes(self) -> int:
        """Also as each CPU sees it."""
        return 2 + len(self.traces)

    def _missed(self, read: int, later: int) -> tuple[Node, Node]:
        return (read, self.distance(read, later)), self.seen(later, self.thread[read])

    def _read_from(self, read: int, write: int, carries: list[tuple[int, int]]) -> Iterator[tuple[Node, Node]]:
        cpu, writer = self.thread[read], self.thread[write]
        if cpu == writer:
            yield from super()._read_from(read, write, [])
            return
        level = self.distance(read, write)
        yield (write, level), (read, level)
        yield self.seen(write, cpu), (read, level)
        if level == FAR:  # made, before siblings see what its reader stores there
            for later in self.writes[self.events[read].location]:
                if self.thread[later] == cpu and later > read:
                    yield (write, FAR), (later, NEAR)
        observers = [k for k in range(len(self.traces)) if k != writer]
        for carried, behind in carries:
            if carried // 3 != read:
                continue
            is_load = not self.events[behind].write
            if carried % 3 == ALL:
                nodes = [self.seen(write, k) for k in observers] + [(write, FAR)]
                yield from ((node, (behind, FAR)) for node in nodes)
                if is_load or level == FAR:
                    yield from ((node, (behind, NEAR)) for node in nodes)
            elif (carried % 3 == SIBLINGS) == (level == NEAR):
                for k in observers:
                    if self.far(cpu, k) == NEAR:
                        yield self.seen(write, k), (behind, NEAR)
                        if is_load and level == FAR:
                            yield self.seen(write, k), (behind, FAR)

    def _in_coherence(self, first: int, second: int) -> Iterator[tuple[Node, Node]]:
        for k in range(len(self.traces)):
            yield self.seen(first, k), self.seen(second, k)
        if self.distance(first, second) == FAR:
            yield (first, FAR), self.seen(second, self.thread[first])
