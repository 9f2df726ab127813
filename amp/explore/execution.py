"""An execution as the explorer's core tells it (`graph.h`): its accesses, and what must have come before what.

With siblings and others on a machine each event has two nodes: as the siblings of its CPU see it, and as the others do.
Node n is of event n // 2; n % 2 is the level. Without, an event is one node and goes by its number.

Where stores need not reach the others at once, the core tells both: what comes before what as it is, and as it would be
if they did. If that is a possible order, it is the execution's; else only such a machine shows the execution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from operator import itemgetter
from typing import Final, NamedTuple

from amp.errors import AmpError

READ, WRITE, DOORBELL = 0, 1, 2  # the core's enum xp_kind
STATUS, ACKNOWLEDGEMENT = 1, 2  # Event.mailbox: a READ of the status of its own mailbox, a DOORBELL that takes it


class NotALine(AmpError):
    """Two processes that give a load its value when it is used cannot show the execution: one of the reasons below."""


VALUE_AT_ONCE: Final = (
    "a load whose value is used at once would have to be performed after a later store, or interrupt, of its CPU"
)
ATOMIC: Final = (
    "an atomic would have to be late for the others when its CPU has gone on; in two processes it takes effect at once"
)
ONE_BY_ONE: Final = (
    "a store would have to reach one observer before another; by a schedule all at a distance see it at once"
)
SEVERAL: Final = (
    "a load returns bytes of several stores: with siblings and others, two moments each, no schedule says which"
)
OWN_BYTES: Final = (
    "a load of some bytes of its CPU's own pending store, and of others, would have to be at two moments at once"
)


class Event(NamedTuple):
    """One access of an execution, as the core tells it (`Explorer.events`).

    `at` counts what its CPU did: when the store was issued, when the load was performed; 0: never. `call` and `part`
    say which load or store of the program it belongs to. `sources` are event numbers, 0 the initial write, -1 none yet.
    `before` has a bit for every event that comes before it. `choice` says at which of the run's choices a load was
    resolved; -1: at none. With siblings and others, each event has two nodes (graph.h), and `before` has a bit for
    every node that comes before it as the siblings see it, `before_far` as the others do. `value` has the event's bytes
    in their granule, little endian. `at_once` and `far_at_once` are `before` and `before_far` as they would be if all
    at a distance saw a store at once; empty where they do. `mailbox` tells a load of its status (STATUS), whose value
    is 1 or 0, from a wait, and an acknowledgement (ACKNOWLEDGEMENT) from a doorbell that rings.
    """

    cpu: int
    kind: int
    at: int
    address: int
    mask: int
    call: int
    part: int
    sources: tuple[int, ...]
    partner: int
    before: bytes
    choice: int
    before_far: bytes = b""
    value: int = 0
    at_once: bytes = b""
    far_at_once: bytes = b""
    mailbox: int = 0


def _bits(row: bytes) -> Iterator[int]:
    return _of_int(int.from_bytes(row, "little"))


def _of_int(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


@dataclass(frozen=True, slots=True)
class Execution:
    """The events of one run; number n is `events[n - 1]`.

    `one_by_one`: it needs a store to reach one observer before another. What comes before what says then when a store
    is made, not who sees it.
    """

    events: tuple[Event, ...]
    one_by_one: bool = False

    @classmethod
    def of(cls, events: Sequence[tuple[object, ...]]) -> Execution:
        told = tuple(Event(*event) for event in events)  # type: ignore[arg-type]
        if not any(event.at_once for event in told):
            return cls(told)
        staged = any(event.before_far for event in told)
        rows = [row for event in told for row in ((event.at_once, event.far_at_once) if staged else (event.at_once,))]
        # The initial write comes first, and has as many nodes.
        before = _closed([0] * (1 + staged) + [int.from_bytes(row, "little") for row in rows])
        if before is None:
            return cls(told, one_by_one=True)
        length = max(map(len, rows))
        whole = [row.to_bytes(length, "little") for row in before[1 + staged :]]
        if staged:
            pairs = zip(whole[::2], whole[1::2], strict=True)
            return cls(tuple(e._replace(before=a, before_far=b) for e, (a, b) in zip(told, pairs, strict=True)))
        return cls(tuple(e._replace(before=row) for e, row in zip(told, whole, strict=True)))

    @property
    def staged(self) -> bool:
        """Are there siblings and others? Then events have two nodes."""
        return any(event.before_far for event in self.events)

    def before(self, number: int) -> Iterator[int]:
        """The numbers of the events before event `number`; with two nodes, before either of its own."""
        if not self.staged:
            yield from _bits(self.events[number - 1].before)
            return
        yield from sorted(
            {node // 2 for level in range(2) for node in self.nodes_before(2 * number + level)} - {number}
        )

    def nodes_before(self, node: int) -> Iterator[int]:
        """The nodes before a node, where events have two."""
        event = self.events[node // 2 - 1]
        yield from _bits(event.before_far if node % 2 else event.before)

    def may_miss(self, read: Event, write: Event) -> bool:
        """Whether a store that is made before the load may be one that the load has missed.

        Where it reaches one observer before another it may also have been overwritten before it came there.
        """
        if not self.one_by_one:
            return True
        nodes = 1 + self.staged
        number = nodes * (1 + next(n for n, event in enumerate(self.events) if event is read))
        return any(number <= node < number + nodes for row in (write.at_once, write.far_at_once) for node in _bits(row))

    def performed_reads(self) -> list[int]:
        return [n for n, e in enumerate(self.events, 1) if e.kind == READ and e.at and e.sources and e.sources[0] >= 0]


def reorders_loads(execution: Execution) -> bool:
    """Does the execution need load->store reordering: would it come before itself, were loads before later stores?"""
    return _loads_are_late(execution, behind=lambda event: event.kind != READ)


def needs_late_loads(execution: Execution) -> bool:
    """The same, and were loads before the interrupts that their CPU takes later."""
    return _loads_are_late(execution, behind=lambda event: event.kind != READ or is_wait(execution, event))


def _loads_are_late(execution: Execution, behind: Callable[[Event], bool]) -> bool:
    loads: dict[int, set[int]] = {}
    before: dict[int, set[int]] = {}
    for number, event in enumerate(execution.events, 1):
        nodes = (2 * number, 2 * number + 1) if execution.staged else (number,)
        for node in nodes:
            before[node] = set(execution.nodes_before(node) if execution.staged else execution.before(node))
            if behind(event):
                before[node] |= loads.get(event.cpu, set())
        if event.kind == READ:
            loads.setdefault(event.cpu, set()).update(nodes)
    return not _is_acyclic(before)


def needs_late_atomics(execution: Execution) -> bool:
    """Would the execution come before itself, did atomics take effect at once?

    Then an atomic's load and store are one step, before later stores of its CPU and before loads that return its store.
    With siblings that is what they see; the others see its store later.
    """
    events, levels = execution.events, 2 if execution.staged else 1
    before: dict[int, set[int]] = {}
    atomics: dict[int, set[int]] = {}

    def step(node: int) -> int:
        """Both nodes of the load, and the first of the store, are one."""
        event = events[node // levels - 1]
        if not event.partner:
            return node
        if event.kind == READ:
            return node - node % levels
        return node if levels == 2 and node % 2 else levels * event.partner

    for number, event in enumerate(events, 1):
        own = {n for n in event.sources if n > 0 and events[n - 1].cpu == event.cpu and events[n - 1].partner}
        earlier = atomics.setdefault(event.cpu, set()) if event.kind != READ else set()
        for node in range(levels * number, levels * (number + 1)):
            earlier_nodes = execution.nodes_before(node) if levels == 2 else execution.before(node)
            needed = {*earlier_nodes, *(levels * n for n in (*own, *earlier))}
            before.setdefault(step(node), set()).update(map(step, needed))
        if event.partner:
            atomics.setdefault(event.cpu, set()).add(number)
    return not _is_acyclic({n: others - {n} for n, others in before.items()})


def _is_acyclic(before: Mapping[int, Set[int]]) -> bool:
    try:
        list(TopologicalSorter(before).static_order())
    except CycleError:
        return False
    return True


def calls_of(execution: Execution) -> list[tuple[float, list[int]]]:
    """The loads that were performed: when, and their parts. A wait is one of its own.

    When is told by the numbers of its CPU's events, which are issued in program order. A bulk load is performed as a
    whole before the first access to any of its bytes that follows it.
    """
    events = execution.events
    calls: dict[tuple[int, ...], list[int]] = {}
    for number in execution.performed_reads():
        event = events[number - 1]
        key = (number,) if is_wait(execution, event) else (event.cpu, event.call)
        calls.setdefault(key, []).append(number)
    times = _times(execution)
    return [(min(times[n] for n in parts), parts) for parts in calls.values()]


def _times(execution: Execution) -> dict[int, float]:
    """When each load was performed, see `calls_of`."""
    times: dict[int, float] = {}
    frontier: dict[int, int] = {}
    started = [(event.at, n, event) for n, event in enumerate(execution.events, 1) if event.at]
    for at, number, event in sorted(started, key=itemgetter(0, 1)):
        frontier[event.cpu] = max(frontier.get(event.cpu, 0), number)
        if event.kind == READ:
            # Many may be performed behind the same event, at its end.
            times[number] = number if frontier[event.cpu] == number else frontier[event.cpu] + 1 - 1 / (1 + at)
    touched: dict[tuple[int, int, int], int] = {}  # by cpu, granule and byte: the first access from here on
    for number in range(len(execution.events), 0, -1):
        event = execution.events[number - 1]
        places = [(event.cpu, event.address, byte) for byte in range(8) if event.mask >> byte & 1]
        if number in times:
            times[number] = min([times[number], *(touched[place] - 0.001 for place in places if place in touched)])
        touched.update(dict.fromkeys(places, number))
        step = event.partner if event.kind != READ and event.partner else number
        for earlier in execution.before(number):
            if earlier < step and earlier in times and execution.events[earlier - 1].cpu == event.cpu:
                times[earlier] = min(times[earlier], step - 0.001)
    return times


def is_wait(execution: Execution, event: Event) -> bool:
    source = event.sources[0]
    return event.mailbox != STATUS and source > 0 and execution.events[source - 1].kind == DOORBELL


def _closed(before: Sequence[int]) -> list[int] | None:
    """The rows of bits with what comes before whatever they name; None if something comes before itself."""
    try:
        order = list(TopologicalSorter({node: set(_of_int(row)) for node, row in enumerate(before)}).static_order())
    except CycleError:
        return None
    closed = list(before)
    for node in order:
        for earlier in _of_int(before[node]):
            closed[node] |= closed[earlier]
    return closed


def reason_of(execution: Execution) -> str:
    if execution.one_by_one:
        return ONE_BY_ONE
    if needs_late_loads(execution):
        return VALUE_AT_ONCE
    return ATOMIC if needs_late_atomics(execution) else OWN_BYTES
