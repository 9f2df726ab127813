"""The line of an execution where some processors are siblings and some are not: a store takes two steps on it.

A step is a number: 2n is event n, as siblings see it if it is a store; 2n + 1 is event n, a store, as the others see
it. Else it is as in `schedule`: each step stands behind the stores that come before it, and as late as possible. A load
is one step, behind the stores before either of its nodes; where that is late for what it returns, it is stale. Bytes of
several stores are beyond a schedule here: it would have to say of which moment each is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from operator import itemgetter

from amp.explore.execution import (
    READ,
    SEVERAL,
    Execution,
    NotALine,
    calls_of,
    is_wait,
    reason_of,
)
from amp.machine.schedule import Goal, Near, Read, Taken, Visible


def staged_line(execution: Execution, *, whole: bool) -> list[int]:
    """Steps in the order of the schedule; `whole`: every store's. Raises NotALine if there is none."""
    if any(event.kind == READ and len(set(event.sources)) > 1 for event in execution.events):
        raise NotALine(SEVERAL)
    needs, done, line = _Needs(execution), set[int](), list[int]()
    for wanted in [*needs.loads, *(needs.stores if whole else ())]:
        stack = [(wanted, needs.of(wanted))]
        open_ = {wanted}
        while stack:
            step, rest = stack[-1]
            following = next((other for other in rest if other not in done), None)
            if following is None:
                stack.pop()
                open_.discard(step)
                done.add(step)
                line.append(step)
            elif following in open_:
                raise NotALine(reason_of(execution))
            else:
                open_.add(following)
                stack.append((following, needs.of(following)))
    return list(_in_cpu_order(execution, line))


class _Needs:
    """What must happen before each step. An atomic's read and its write's first step are one, by the read's number."""

    def __init__(self, execution: Execution) -> None:
        self._execution, self._events = execution, execution.events
        self.loads = [2 * n for n in execution.performed_reads()]
        self.stores = [
            2 * n + level
            for n, event in enumerate(execution.events, 1)
            if event.kind != READ
            for level in range(bool(event.partner), 2)
        ]
        self._calls = [(when, self._events[parts[0] - 1].cpu, parts) for when, parts in calls_of(execution)]

    def of(self, step: int) -> list[int]:
        number = step // 2
        event = self._events[number - 1]
        nodes = {step} if event.kind != READ else {2 * number, 2 * number + 1}
        if event.kind == READ and event.partner:
            nodes.add(2 * event.partner)
        needed = {before for node in nodes for before in self._execution.nodes_before(node)}
        needed = {n for n in needed if self._events[n // 2 - 1].kind != READ}  # a load that is late is stale
        if event.kind == READ:  # an atomic's store is there at once
            needed |= {2 * n for n in event.sources if n > 0 and self._is_own_atomic(n, event.cpu)}
        if step % 2 == 0 and (event.kind != READ or event.partner or is_wait(self._execution, event)):
            # It happens after the loads that its CPU has performed by then, each as a whole.
            for when, cpu, parts in self._calls:
                if cpu == event.cpu and when < number:
                    needed.update(2 * part for part in parts)
        return sorted({self._step(n) for n in needed} - {step})

    def _is_own_atomic(self, number: int, cpu: int) -> bool:
        write = self._events[number - 1]
        return write.cpu == cpu and write.partner > 0

    def _step(self, node: int) -> int:
        event = self._events[node // 2 - 1]
        if event.kind == READ:
            return node - node % 2
        return 2 * event.partner if event.partner and node % 2 == 0 else node


def _in_cpu_order(execution: Execution, line: list[int]) -> Iterator[int]:
    """The line, with each load moved back behind those that its CPU performs first: it is stale then."""
    due: dict[int, list[list[int]]] = {}
    for _, parts in sorted(calls_of(execution), key=itemgetter(0)):
        due.setdefault(execution.events[parts[0] - 1].cpu, []).append(parts)
    ready: set[int] = set()
    for step in line:
        event = execution.events[step // 2 - 1]
        if event.kind != READ:
            yield step
            continue
        ready.add(step // 2)
        queue = due[event.cpu]
        while queue and ready.issuperset(queue[0]):
            parts = queue.pop(0)
            yield from (2 * n for n in parts)
            yield from (2 * partner for n in parts if (partner := execution.events[n - 1].partner))


def staged_goals(execution: Execution, line: Sequence[int]) -> Iterator[Goal]:
    for step in line:
        event = execution.events[step // 2 - 1]
        if event.kind != READ:
            yield (Visible if step % 2 else Near)(event.cpu, event.call, event.part)
        elif is_wait(execution, event):
            yield Taken(event.cpu)
        else:
            source = execution.events[event.sources[0] - 1] if event.sources[0] else None
            yield Read(event.cpu, event.call, event.part, source and (source.cpu, source.call))


def staged_stale_loads(execution: Execution, line: Sequence[int]) -> int:
    """How many loads return something older than what the line shows their CPU by then, or others saw by then."""
    visible: dict[int, list[int]] = {}  # granule -> writes, oldest first
    stale = 0
    for step in line:
        event = execution.events[step // 2 - 1]
        if event.kind != READ:
            if step % 2 == 0:
                visible.setdefault(event.address, []).append(step // 2)
            continue
        writes = [n for n in visible.get(event.address, ()) if execution.events[n - 1].mask & event.mask]
        stale += bool(writes) and writes[-1] not in event.sources
    return stale


def staged_order(execution: Execution) -> list[int]:
    """Event numbers by when the last that can see them does, each node behind all that come before it."""
    performed = set(execution.performed_reads())
    numbers = [n for n, event in enumerate(execution.events, 1) if event.kind != READ or n in performed]
    nodes = {2 * n + level for n in numbers for level in range(2)}
    sorter: TopologicalSorter[int] = TopologicalSorter(
        {node: nodes.intersection(execution.nodes_before(node)) for node in sorted(nodes)}
    )
    sorter.prepare()
    order: list[int] = []
    ready: list[int] = []
    seen: set[int] = set()
    while sorter.is_active():
        for node in sorter.get_ready():
            heappush(ready, node)
        node = heappop(ready)
        if node // 2 in seen:
            order.append(node // 2)
        seen.add(node // 2)
        sorter.done(node)
    return order
