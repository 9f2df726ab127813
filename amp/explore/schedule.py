"""From an execution to a schedule: the goals that two real processes in lockstep reach one after the other.

An execution is a partial order (`graph.h`). A schedule is one line of it that the ordering model can follow step by
step: stores become visible one by one, and each load is performed after the write that it returns, in the order in
which its CPU performs loads. Only what some load needs is made visible, and as late as possible: that is also the
shortest story to tell. A load that returned an older value than the newest visible one is a stale one there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from amp.errors import AmpError
from amp.machine.script import Goal, Read, Script, Taken, Visible

READ, WRITE, DOORBELL = 0, 1, 2  # the core's enum xp_kind


class NotALine(AmpError):
    """The execution needs a load, whose value the program used at once, performed after a later store of its CPU."""


class Event(NamedTuple):
    """One access of an execution, as the core tells it (`Explorer.events`).

    `at` counts what its CPU did: when the store was issued, when the load was performed; 0: never. `call` and `part`
    say which load or store of the program it belongs to. `sources` are event numbers, 0 the initial write, -1 none yet.
    `before` has a bit for every event that comes before it. `choice` says at which of the run's choices a load was
    resolved; -1: at none.
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


@dataclass(frozen=True, slots=True)
class Execution:
    """The events of one run; number n is `events[n - 1]`."""

    events: tuple[Event, ...]

    @classmethod
    def of(cls, events: Sequence[tuple[object, ...]]) -> Execution:
        return cls(tuple(Event(*event) for event in events))  # type: ignore[arg-type]

    def before(self, number: int) -> Iterator[int]:
        """The numbers of the events before event `number`."""
        bits = int.from_bytes(self.events[number - 1].before, "little")
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest

    def performed_reads(self) -> list[int]:
        return [n for n, e in enumerate(self.events, 1) if e.kind == READ and e.at and e.sources and e.sources[0] >= 0]


def line_of(execution: Execution) -> list[int]:
    """Event numbers in the order of the schedule. Raises NotALine if there is none."""
    return list(_in_cpu_order(execution, _needed_order(execution)))


def script_of(execution: Execution) -> Script:
    """A schedule of the execution. Raises NotALine if there is none."""
    return Script(tuple(_goals(execution, line_of(execution))))


def reorders_loads(execution: Execution) -> bool:
    """Does the execution need load->store reordering: would it come before itself, were loads before later stores?"""
    events = execution.events
    loads: dict[int, set[int]] = {}
    before: dict[int, set[int]] = {}
    for number, event in enumerate(events, 1):
        before[number] = set(execution.before(number))
        if event.kind == READ:
            loads.setdefault(event.cpu, set()).add(number)
        else:
            before[number] |= loads.get(event.cpu, set())
    return not _is_acyclic(before)


def _is_acyclic(before: Mapping[int, Set[int]]) -> bool:
    try:
        list(TopologicalSorter(before).static_order())
    except CycleError:
        return False
    return True


def stale_loads(execution: Execution, line: Sequence[int]) -> int:
    """How many loads of the line return something older than what was visible by then."""
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


def _needed_order(execution: Execution) -> list[int]:
    """Event numbers so that each stands behind all that come before it; of the writes only those that are needed."""
    events, done, line = execution.events, set[int](), list[int]()
    reads: dict[int, list[int]] = {}
    for number in execution.performed_reads():
        reads.setdefault(events[number - 1].cpu, []).append(number)
    performed = set(execution.performed_reads())

    def needed(number: int) -> list[int]:
        event = events[number - 1]
        earlier = [n for n in execution.before(number) if events[n - 1].kind != READ or n in performed]
        if event.kind != READ:
            # A store is issued after the loads that its CPU has performed by then.
            earlier += [n for n in reads.get(event.cpu, ()) if events[n - 1].at < event.at]
        return sorted(set(earlier) - done)

    for wanted in sorted(performed):
        stack: list[tuple[int, list[int]]] = [(wanted, needed(wanted))]
        open_: set[int] = {wanted}
        while stack:
            number, rest = stack[-1]
            following = next((n for n in rest if n not in done), None)
            if following is None:
                stack.pop()
                open_.discard(number)
                if number not in done:
                    done.add(number)
                    line.append(number)
            elif following in open_:
                raise NotALine("a load whose value was used at once would have to follow a later store of its CPU")
            else:
                open_.add(following)
                stack.append((following, needed(following)))
    return line


def _in_cpu_order(execution: Execution, line: list[int]) -> Iterator[int]:
    """The line, with each load moved back behind those that its CPU performs first: it is stale then."""
    events = execution.events
    due: dict[int, list[int]] = {}
    for number in execution.performed_reads():
        due.setdefault(events[number - 1].cpu, []).append(number)
    for queue in due.values():
        queue.sort(key=lambda number: events[number - 1].at)
    ready: set[int] = set()
    for number in line:
        event = events[number - 1]
        if event.kind != READ:
            yield number
            continue
        ready.add(number)
        queue = due[event.cpu]
        while queue and queue[0] in ready:
            yield queue.pop(0)


def _goals(execution: Execution, order: Sequence[int]) -> Iterator[Goal]:
    events = execution.events
    for number in order:
        event = events[number - 1]
        if event.kind != READ:
            yield Visible(event.cpu, event.call, event.part)
        elif _is_wait(execution, event):
            yield Taken(event.cpu)
        else:
            yield Read(event.cpu, event.call, event.part, _source(execution, event))


def _is_wait(execution: Execution, event: Event) -> bool:
    source = event.sources[0]
    return source > 0 and execution.events[source - 1].kind == DOORBELL


def _source(execution: Execution, event: Event) -> tuple[int, int] | None:
    """Whose store it returns: of several, the newest that is not its own CPU's, else its own newest."""
    writes = [execution.events[n - 1] for n in event.sources if n > 0]
    if not writes:
        return None
    numbers = sorted(n for n in event.sources if n > 0)
    others = [n for n in numbers if execution.events[n - 1].cpu != event.cpu]
    write = execution.events[(others or numbers)[-1] - 1]
    return write.cpu, write.call
