"""From an execution to a schedule: the goals that two real processes in lockstep reach one after the other.

An execution is a partial order (`graph.h`). A schedule is one line of it that the ordering model can follow step by
step: stores become visible one by one, and each load is performed after the write that it returns, in the order in
which its CPU performs loads. Only what some load needs is made visible, and as late as possible: that is also the
shortest story to tell. A load that returned an older value than the newest visible one is a stale one there.

Two processes give a load its value when the program uses it, perform a bulk load as a whole, and let an atomic take
effect at once; by a schedule several show a store to all at a distance at once. An execution that needs more than that
has no line; its own relations say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from operator import itemgetter

from amp.explore.execution import (
    ATOMIC,
    DOORBELL,
    ONE_BY_ONE,
    OWN_BYTES,
    READ,
    SEVERAL,
    VALUE_AT_ONCE,
    WRITE,
    Event,
    Execution,
    NotALine,
    calls_of,
    is_wait,
    needs_late_atomics,
    needs_late_loads,
    reason_of,
    reorders_loads,
)
from amp.explore.stages import staged_goals, staged_line, staged_order, staged_stale_loads
from amp.machine.schedule import Goal, Read, Schedule, Taken, Visible

__all__ = [
    "ATOMIC",
    "DOORBELL",
    "ONE_BY_ONE",
    "OWN_BYTES",
    "READ",
    "SEVERAL",
    "VALUE_AT_ONCE",
    "WRITE",
    "Event",
    "Execution",
    "NotALine",
    "line_of",
    "mixes_own_bytes",
    "needs_late_atomics",
    "needs_late_loads",
    "order_of",
    "reorders_loads",
    "schedule_along",
    "schedule_of",
    "stale_loads",
]


def line_of(execution: Execution, *, whole: bool = False) -> list[int]:
    """Event numbers in the order of the schedule; `whole`: every store's. Raises NotALine if there is none.

    Where some processors are siblings and some are not these are steps, as `stages` counts them.
    """
    if execution.one_by_one:
        raise NotALine(ONE_BY_ONE)
    if execution.staged:
        return staged_line(execution, whole=whole)
    # Loads that return bytes of own stores and of others: performed while those are pending, or when they are visible.
    pending: frozenset[int] = frozenset()
    visible: frozenset[int] = frozenset()
    line = list(_in_cpu_order(execution, _needed_order(execution, whole, visible, pending)))
    while mixed := _mixed(execution, line) - pending - visible:
        for tried in ((visible, pending | mixed), (visible | mixed, pending)):
            try:
                line = list(_in_cpu_order(execution, _needed_order(execution, whole, *tried)))
            except NotALine:
                continue
            visible, pending = tried
            break
        else:
            raise NotALine(reason_of(execution))
    return line


def mixes_own_bytes(execution: Execution) -> bool:
    """Does a load return bytes of a store of its own CPU's and of others?"""
    events = execution.events
    own = [{n > 0 and events[n - 1].cpu == event.cpu for n in event.sources} for event in events if event.kind == READ]
    return {True, False} in own


def schedule_of(execution: Execution, *, whole: bool = False) -> Schedule:
    """A schedule of the execution. Raises NotALine if there is none.

    With `whole` it also says when stores become visible that no load needs: what a side misses for ever may be a value
    that was there and has gone again, so of a stall all of it belongs to the story.
    """
    return schedule_along(execution, line_of(execution, whole=whole))


def schedule_along(execution: Execution, line: Sequence[int]) -> Schedule:
    """The schedule that goes along a line of the execution."""
    return Schedule(tuple((staged_goals if execution.staged else _goals)(execution, line)))


def order_of(execution: Execution) -> list[int]:
    """Event numbers, each behind all that come before it, else as they were issued: of any execution."""
    if execution.staged:
        return staged_order(execution)
    performed = set(execution.performed_reads())
    steps = {n for n, event in enumerate(execution.events, 1) if event.kind != READ} | performed
    sorter = TopologicalSorter({n: steps.intersection(execution.before(n)) for n in sorted(steps)})
    sorter.prepare()
    order: list[int] = []
    ready: list[int] = []
    while sorter.is_active():
        for number in sorter.get_ready():
            heappush(ready, number)
        order.append(heappop(ready))
        sorter.done(order[-1])
    return order


def stale_loads(execution: Execution, line: Sequence[int]) -> int:
    """How many loads of the line return something older than what was visible by then."""
    if execution.staged:
        return staged_stale_loads(execution, line)
    visible: dict[int, list[int]] = {}  # granule -> writes, oldest first
    stale = 0
    for number in line:
        event = execution.events[number - 1]
        if event.kind != READ:
            visible.setdefault(event.address, []).append(number)
            continue
        writes = [n for n in visible.get(event.address, ()) if execution.events[n - 1].mask & event.mask]
        stale += bool(writes) and writes[-1] not in event.sources
    return stale


def _needed_order(execution: Execution, whole: bool, visible: Set[int], pending: Set[int]) -> list[int]:
    """Event numbers so that each stands behind all that come before it; of the writes only those that are needed."""
    needs, done, line = _Needs(execution, visible, pending), set[int](), list[int]()
    for wanted in [*needs.loads, *(needs.stores if whole else ())]:
        stack: list[tuple[int, list[int]]] = [(wanted, needs.of(wanted))]
        open_: set[int] = {wanted}
        while stack:
            number, rest = stack[-1]
            following = next((n for n in rest if n not in done), None)
            if following is None:
                stack.pop()
                open_.discard(number)
                if number not in done:
                    done.add(number)
                    line += needs.events_of(number)
            elif following in open_:
                raise NotALine(reason_of(execution))
            else:
                open_.add(following)
                stack.append((following, needs.of(following)))
    return line


class _Needs:
    """What must happen before each event. An atomic's read and write are one step, which goes by the read's number."""

    def __init__(self, execution: Execution, visible: Set[int], pending: Set[int]) -> None:
        self._execution = execution
        self._events = events = execution.events
        self._visible = visible
        self.loads = execution.performed_reads()
        self.stores = [n for n, event in enumerate(events, 1) if event.kind != READ and not event.partner]
        self._performed = set(self.loads)
        self._calls = [(when, events[parts[0] - 1].cpu, parts) for when, parts in calls_of(execution)]
        self._until: dict[int, float] = {}  # by own store: the loads up to here are performed while it is pending
        for when, cpu, parts in self._calls:
            for own in (n for part in parts if part in pending for n in events[part - 1].sources if n > 0):
                if events[own - 1].cpu == cpu:
                    self._until[own] = max(when, self._until.get(own, 0.0))

    def of(self, step: int) -> list[int]:
        """The steps before `step`."""
        events, event, needed = self._events, self._events[step - 1], set[int]()
        for number in self.events_of(step):
            needed |= {n for n in self._execution.before(number) if events[n - 1].kind != READ or n in self._performed}
        if event.kind == READ:
            own = (n for n in event.sources if n > 0 and events[n - 1].cpu == event.cpu)
            needed |= {n for n in own if events[n - 1].partner or step in self._visible}
        if event.kind != READ or event.partner or is_wait(self._execution, event):
            # It happens after the loads that its CPU has performed by then, each as a whole.
            for when, cpu, parts in self._calls:
                if cpu == event.cpu and (when < step or when <= self._until.get(step, 0.0)):
                    needed.update(parts)
        return sorted({self._step(n) for n in needed} - {step})

    def events_of(self, step: int) -> list[int]:
        partner = self._events[step - 1].partner
        return [step, partner] if partner else [step]

    def _step(self, number: int) -> int:
        event = self._events[number - 1]
        return event.partner if event.kind != READ and event.partner else number


def _in_cpu_order(execution: Execution, line: list[int]) -> Iterator[int]:
    """The line, with each load moved back behind those that its CPU performs first: it is stale then."""
    events = execution.events
    due: dict[int, list[list[int]]] = {}
    for _, parts in sorted(calls_of(execution), key=itemgetter(0)):
        due.setdefault(events[parts[0] - 1].cpu, []).append(parts)
    ready: set[int] = set()
    for number in line:
        event = events[number - 1]
        if event.kind != READ:
            if not event.partner:
                yield number
            continue
        ready.add(number)
        queue = due[event.cpu]
        while queue and ready.issuperset(queue[0]):
            parts = queue.pop(0)
            yield from parts
            yield from (events[n - 1].partner for n in parts if events[n - 1].partner)


def _mixed(execution: Execution, line: Sequence[int]) -> set[int]:
    """Loads for which there is no one moment at which memory is as they return it.

    They take some bytes from their own CPU's store, which has become visible meanwhile, and others from before that.
    """
    events, mixed = execution.events, set[int]()
    visible: dict[int, list[int]] = {}  # by granule, oldest first
    for number in line:
        event = events[number - 1]
        here = visible.setdefault(event.address, [])
        if event.kind != READ:
            here.append(number)
            continue
        taken = [n for n in event.sources if n in here]
        newest = max((here.index(n) for n in taken), default=-1)
        covered = 0
        for n in reversed(here[: newest + 1]):
            fresh = events[n - 1].mask & event.mask & ~covered
            covered |= fresh
            if fresh and n not in event.sources:
                mixed.add(number)
    return mixed


def _goals(execution: Execution, order: Sequence[int]) -> Iterator[Goal]:
    events = execution.events
    visible: dict[int, int] = {}  # when, by number
    for number in order:
        event = events[number - 1]
        if event.kind != READ:
            visible[number] = len(visible)
            yield Visible(event.cpu, event.call, event.part)
        elif is_wait(execution, event):
            yield Taken(event.cpu)
        else:
            yield Read(event.cpu, event.call, event.part, _source(execution, event, visible))


def _source(execution: Execution, event: Event, visible: Mapping[int, int]) -> tuple[int, int] | None:
    """Whose store it returns: of those visible the newest; else memory's first; else the newest of its own CPU's."""
    from_memory = [n for n in event.sources if n in visible]
    if from_memory:
        newest = max(from_memory, key=visible.__getitem__)
    elif 0 in event.sources:
        return None
    else:
        newest = max(event.sources)
    write = execution.events[newest - 1]
    return write.cpu, write.call
