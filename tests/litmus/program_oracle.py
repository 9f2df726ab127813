"""All outcomes of a compiled program, the slow way: every execution is written down, and the axioms decide. Not a test.

For programs that a test puts together itself; `oracle` judges litmus tests, from their text. It is as herd7 does it,
and shares nothing with the core but the meaning of an instruction: each thread is run with every value that each of
its loads might return; then every reads-from relation that fits the values, every coherence order; what passes two
axioms counts.
The model is Armv8's (Pulte et al., POPL 2018; herd7's aarch64.cat), with what the barriers, acquires, releases and the
hardware itself order given as `Orders` of each:
 - internal: per location, program order, reads-from, from-reads and coherence have no cycle;
 - atomic: no other write comes between the two halves of a read-modify-write;
 - external: the same relations between threads, and what a thread keeps in order, have no cycle. A thread keeps: an
   access before a later write to its location; dependencies by address and data, and what reads such a write in its own
   thread; writes behind branches and behind accesses whose address waited; everything behind an isb that those precede;
   and the barriers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations, product
from math import prod
from typing import Final

from amp.litmus.program import ACQUIRE, FULL, RELEASE, SIGNED, Alu, Instruction, Op, Program, Rmw, address_of
from amp.ordering.barriers import NO_ORDERS, Orders
from amp.ordering.platforms import Platform, Side

MASK = (1 << 64) - 1
PAIRS = {(False, False): Orders.RR, (False, True): Orders.RW, (True, False): Orders.WR, (True, True): Orders.WW}


@dataclass(frozen=True)
class Rules:
    """What each of the program's orderings orders, by index, and what the hardware keeps without any."""

    orderings: tuple[Orders, ...]
    implicit: Orders


def rules_for(program: Program, platform: Platform, *, apart: bool) -> Rules:
    """What the platform says that the orderings are worth, when all threads are siblings, or none are."""
    worth = platform.towards_others if apart else platform.towards_siblings
    implicit = platform.implicit(Side.HOST)
    return Rules(tuple(worth(Side.HOST, each.orders, each.reach) & ~implicit for each in program.orderings), implicit)


@dataclass
class Event:
    """One access. Sets are of earlier loads of the thread, by position in its list of events."""

    write: bool
    location: int
    value: int
    address: frozenset[int]
    data: frozenset[int]
    control: frozenset[int]
    after_isb: frozenset[int]
    acquire: Orders = NO_ORDERS
    release: Orders = NO_ORDERS
    partner: int | None = None  # the other half of a read-modify-write


@dataclass
class Trace:
    """A thread, run with certain values: accesses, barriers (before which event, what they order), registers."""

    events: list[Event] = field(default_factory=list)
    fences: list[tuple[int, Orders]] = field(default_factory=list)
    registers: list[int] = field(default_factory=list)


TRACES_LIMIT: Final = 20_000  # ways to pick one trace of each thread


class TooLargeError(Exception):
    """The oracle tries everything, and here that is too much."""


def outcomes(program: Program, rules: Rules) -> frozenset[tuple[int, ...]]:
    """The observed values at the end of every execution that the axioms allow. Raises TooLargeError."""
    values = [{first} for first in program.initial]
    loads = sum(i.op in (Op.LOAD, Op.RMW) for thread in program.threads for i in thread)
    for _ in range(loads + 1):  # dependencies are acyclic: no value has come through more loads than there are
        traces = [list(_traces(program, rules, thread, values)) for thread in program.threads]
        size = sum(map(len, values))
        for each in (event for thread in traces for trace in thread for event in trace.events if event.write):
            values[each.location].add(each.value)
        if sum(map(len, values)) == size:
            break
    if prod(map(len, traces)) > TRACES_LIMIT:
        raise TooLargeError
    found: set[tuple[int, ...]] = set()
    for chosen in _plausible(program, traces):
        for final in _final_memories(program, rules, chosen):
            registers = tuple(chosen[thread].registers[number] for thread, number in program.observed_registers)
            found.add(registers + tuple(final[location] for location in program.observed_locations))
    return frozenset(found)


def _plausible(program: Program, traces: Sequence[Sequence[Trace]]) -> Iterator[tuple[Trace, ...]]:
    """One trace of each thread, in every way in which somebody writes each value that is read."""
    there = set(enumerate(program.initial))
    wanted = [[_pairs(trace, write=False) - there for trace in each] for each in traces]
    offered = [[_pairs(trace, write=True) for trace in each] for each in traces]
    for numbers in product(*(range(len(each)) for each in traces)):
        offer = {pair for thread, number in enumerate(numbers) for pair in offered[thread][number]}
        if all(wanted[thread][number] <= offer for thread, number in enumerate(numbers)):
            yield tuple(traces[thread][number] for thread, number in enumerate(numbers))


def _pairs(trace: Trace, *, write: bool) -> set[tuple[int, int]]:
    """(location, value) of the trace's writes, or of its reads."""
    return {(event.location, event.value) for event in trace.events if event.write == write}


# --- one thread -------------------------------------------------------------------------------------------------------


class _NeedsValue(Exception):
    """The run has come to a load for which no value is chosen yet."""

    def __init__(self, location: int) -> None:
        self.location = location


def _traces(program: Program, rules: Rules, code: Sequence[Instruction], values: Sequence[set[int]]) -> Iterator[Trace]:
    """The thread's runs, for every choice of what its loads return."""
    pending: list[tuple[int, ...]] = [()]
    while pending:
        chosen = pending.pop()
        try:
            yield _Cpu(program, rules, chosen).run(code)
        except _NeedsValue as load:
            pending += [(*chosen, value) for value in sorted(values[load.location])]


class _Cpu:
    """One run of one thread: registers with the loads they came from, and the trace so far."""

    def __init__(self, program: Program, rules: Rules, chosen: Sequence[int]) -> None:
        self.program, self.rules = program, rules
        self.loads = iter(chosen)
        self.trace = Trace(registers=[0] * 64)
        self.value = self.trace.registers
        self.taint: list[frozenset[int]] = [frozenset()] * 64
        self.control: frozenset[int] = frozenset()  # branches depend on these
        self.waited: frozenset[int] = frozenset()  # addresses of earlier accesses came from these
        self.after_isb: frozenset[int] = frozenset()

    def run(self, code: Sequence[Instruction]) -> Trace:
        at = 0
        while (i := code[at]).op is not Op.END:
            at += 1
            match i.op:
                case Op.CONST:
                    self._set(i.dst, i.imm & MASK, frozenset())
                case Op.ALU:
                    result = _alu(Alu(i.arg), self.value[i.a], self.value[i.b])
                    self._set(i.dst, result, frozenset().union(*(self.taint[source] for source in i.sources)))
                case Op.LOAD | Op.STORE | Op.RMW:
                    _ACCESS[i.op](self, i)
                    self.waited |= self.taint_of_address
                case Op.FENCE:
                    self._fence(self.rules.orderings[i.order])
                case Op.ISB:
                    self.after_isb |= self.control | self.waited
                case Op.JUMP:
                    at = i.imm
                case Op.JUMP_IF_ZERO | Op.JUMP_IF_NOT_ZERO:
                    self.control |= self.taint[i.a]
                    if (self.value[i.a] == 0) == (i.op is Op.JUMP_IF_ZERO):
                        at = i.imm
        return self.trace

    def _set(self, register: int, value: int, taint: frozenset[int]) -> None:
        self.value[register], self.taint[register] = value, taint

    def _fence(self, orders: Orders) -> None:
        self.trace.fences.append((len(self.trace.events), orders))

    def _access(self, i: Instruction, value: int, data: frozenset[int] | None = None) -> Event:
        """The next event: a write if there is `data`."""
        where, self.taint_of_address = _location(self.program, self.value[i.a]), self.taint[i.a]
        before = (self.taint[i.a], data or frozenset(), self.control | self.waited, self.after_isb)
        event = Event(data is not None, where, value, *before)
        self.trace.events.append(event)
        return event

    def _next_value(self, i: Instruction) -> int:
        for value in self.loads:
            return value
        raise _NeedsValue(_location(self.program, self.value[i.a]))

    def _load(self, i: Instruction) -> None:
        read = self._next_value(i)
        self._access(i, read).acquire = self.rules.orderings[i.order]
        self._set(i.dst, _extend(read, i.arg, i.flags), frozenset({len(self.trace.events) - 1}))

    def _store(self, i: Instruction) -> None:
        event = self._access(i, _extend(self.value[i.b], i.arg, 0), self.taint[i.b])
        event.release = self.rules.orderings[i.order]

    def _rmw(self, i: Instruction) -> None:
        width, expected, orders = i.imm >> 8, i.imm & 0xFF, self.rules.orderings[i.order]
        read = self._next_value(i)
        old, number = _extend(read, width, 0), len(self.trace.events)
        compares = i.arg == Rmw.CMPXCHG
        stores = not compares or old == _extend(self.value[expected], width, 0)
        if stores and i.flags & FULL:
            self._fence(orders)
        event = self._access(i, read)
        event.acquire = orders if i.flags & ACQUIRE else NO_ORDERS
        if stores:
            event.partner = number + 1
            new = _extend(_modify(Rmw(i.arg), old, self.value[i.b]), width, 0)
            event = self._access(i, new, self.taint[i.b])
            event.control |= self.taint[expected] if compares else frozenset()
            event.partner = number
            event.release = orders if i.flags & RELEASE else NO_ORDERS
            if i.flags & FULL:
                self._fence(orders)
        self._set(i.dst, _extend(read, width, i.flags), frozenset({number}))


_ACCESS = {Op.LOAD: _Cpu._load, Op.STORE: _Cpu._store, Op.RMW: _Cpu._rmw}


def _location(program: Program, address: int) -> int:
    return [address_of(number) for number in range(len(program.initial))].index(address)


def _extend(value: int, width_bytes: int, flags: int) -> int:
    bits = 8 * width_bytes
    value &= (1 << bits) - 1
    return (value - (1 << bits)) & MASK if flags & SIGNED and value >> (bits - 1) else value


def _signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _alu(operator: Alu, a: int, b: int) -> int:
    x, y = _signed(a), _signed(b)
    results = {
        Alu.ADD: lambda: a + b,
        Alu.SUB: lambda: a - b,
        Alu.AND: lambda: a & b,
        Alu.OR: lambda: a | b,
        Alu.XOR: lambda: a ^ b,
        Alu.MUL: lambda: a * b,
        Alu.SHL: lambda: a << b if b < 64 else 0,
        Alu.SHR: lambda: a >> b if b < 64 else 0,
        Alu.EQ: lambda: a == b,
        Alu.NE: lambda: a != b,
        Alu.LT: lambda: x < y,
        Alu.LE: lambda: x <= y,
        Alu.GT: lambda: x > y,
        Alu.GE: lambda: x >= y,
        Alu.SEXT32: lambda: _signed(a, 32),
        Alu.ZEXT32: lambda: a & 0xFFFFFFFF,
    }
    return int(results[operator]()) & MASK


def _modify(operator: Rmw, old: int, operand: int) -> int:
    return {
        Rmw.XCHG: operand,
        Rmw.ADD: old + operand,
        Rmw.SUB: old - operand,
        Rmw.AND: old & operand,
        Rmw.OR: old | operand,
        Rmw.XOR: old ^ operand,
        Rmw.CMPXCHG: operand,
    }[operator] & MASK


# --- all threads together ---------------------------------------------------------------------------------------------


def kept(trace: Trace, implicit: Orders) -> set[tuple[int, int]]:
    """Pairs of a thread's events that it keeps in order, whoever reads from whom; not closed under transitivity."""
    events = trace.events
    pairs = set()
    for later, b in enumerate(events):
        pairs |= {(read, later) for read in b.address | b.data | b.after_isb}
        if b.write:
            pairs |= {(read, later) for read in b.control}
        if b.partner is not None and b.partner < later:
            pairs.add((b.partner, later))
        for earlier, a in enumerate(events[:later]):
            orders = implicit | a.acquire | b.release
            for position, fence in trace.fences:
                if earlier < position <= later:
                    orders |= fence
            if (
                PAIRS[a.write, b.write] in orders
                or (a.release and Orders.RCSC in b.acquire)
                or (b.write and a.location == b.location)
            ):
                pairs.add((earlier, later))
    return pairs


def _final_memories(program: Program, rules: Rules, traces: Sequence[Trace]) -> Iterator[tuple[int, ...]]:
    """The last values of all locations, once for every execution of these traces that the axioms allow."""
    base = [sum(len(trace.events) for trace in traces[:number]) for number in range(len(traces))]
    events = [event for trace in traces for event in trace.events]
    thread = [number for number, trace in enumerate(traces) for _ in trace.events]
    program_order = [(a, b) for b in range(len(events)) for a in range(b) if thread[a] == thread[b]]
    local = {
        (base[number] + a, base[number] + b)
        for number, trace in enumerate(traces)
        for a, b in kept(trace, rules.implicit)
    }
    partner = {
        base[number] + at: base[number] + event.partner
        for number, trace in enumerate(traces)
        for at, event in enumerate(trace.events)
        if event.partner is not None
    }
    reads = [number for number, event in enumerate(events) if not event.write]
    writes = [
        [number for number, event in enumerate(events) if event.write and event.location == location]
        for location in range(len(program.initial))
    ]
    sources = []  # of each read: events, or None for the initial value
    for read in reads:
        where, value = events[read].location, events[read].value
        initial: list[int | None] = [None] if program.initial[where] == value else []
        sources.append(initial + [write for write in writes[where] if events[write].value == value])
    same = [(a, b) for a, b in program_order if events[a].location == events[b].location]
    for coherence in product(*(permutations(each) for each in writes)):
        rank = {write: place for order in coherence for place, write in enumerate(order)}
        if any(events[a].write and events[b].write and rank[a] > rank[b] for a, b in same):
            continue
        co = {pair for order in coherence for pair in pairwise(order)}
        for source in product(*sources):
            rf = {(write, read) for write, read in zip(source, reads, strict=True) if write is not None}
            fr = {
                (read, after)
                for write, read in zip(source, reads, strict=True)
                for after in coherence[events[read].location]
                if write is None or rank[after] > rank[write]
            }
            if _torn(reads, source, partner, rank):
                continue
            if _cyclic(len(events), co | rf | fr | set(same)):
                continue
            outer = {(a, b) for a, b in co | rf | fr | _far(coherence) if thread[a] != thread[b]}
            forwarded = {
                (read, after)
                for write, after in rf
                if thread[write] == thread[after]
                for read in _sources_of(write, traces, thread, base)
                | _atomic_read_by_acquire(write, after, events, partner)
            }
            if not _cyclic(len(events), outer | local | forwarded):
                yield tuple(
                    events[order[-1]].value if order else program.initial[location]
                    for location, order in enumerate(coherence)
                )


def _far(coherence: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """Coherence between any two writes: of threads A, B, A the outer two are only ordered through the middle one."""
    return {(a, b) for order in coherence for place, a in enumerate(order) for b in order[place + 1 :]}


def _torn(reads: list[int], source: Sequence[int | None], partner: dict[int, int], rank: dict[int, int]) -> bool:
    """Does a write stand between the halves of a read-modify-write?"""
    for write, read in zip(source, reads, strict=True):
        if read in partner and rank[partner[read]] != (0 if write is None else rank[write] + 1):
            return True
    return False


def _sources_of(write: int, traces: Sequence[Trace], thread: list[int], base: list[int]) -> set[int]:
    """The loads that a write's address and data came from."""
    event = traces[thread[write]].events[write - base[thread[write]]]
    return {base[thread[write]] + read for read in event.address | event.data}


def _atomic_read_by_acquire(write: int, read: int, events: Sequence[Event], partner: dict[int, int]) -> set[int]:
    """An acquire that takes what an atomic of its own thread wrote comes after that atomic's load."""
    return {partner[write]} if write in partner and events[read].acquire else set()


def _cyclic(size: int, pairs: set[tuple[int, int]]) -> bool:
    after: list[list[int]] = [[] for _ in range(size)]
    entering = [0] * size
    for a, b in pairs:
        after[a].append(b)
        entering[b] += 1
    free = [number for number in range(size) if not entering[number]]
    left = size
    while free:
        left -= 1
        for number in after[free.pop()]:
            entering[number] -= 1
            if not entering[number]:
                free.append(number)
    return left > 0
