"""What a function does to shared memory, as far as its instructions say: barriers, ordered accesses, atomics, waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from amp.code.code import Code
from amp.code.listing import Line
from amp.code.rows import Flag, Kind, Row
from amp.ordering.barriers import PROMISES, Primitive, orders_text
from amp.ordering.instructions import BY_NUMBER

_KINDS = {
    Kind.LOAD: "load",
    Kind.STORE: "store",
    Kind.ATOMIC: "atomic",
    Kind.EXCLUSIVE_LOAD: "load, exclusive",
    Kind.EXCLUSIVE_STORE: "store, exclusive",
    Kind.BARRIER: "barrier",
    Kind.ISB: "isb",
    Kind.WAIT: "wait",
    Kind.TRAP: "trap",
    Kind.REFUSED: "refused",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One instruction: where it stands, how it is written, what it is, and what it orders."""

    address: int
    place: str
    text: str
    kind: str
    orders: str


def shown(code: Code, name: str, *, every: bool = False) -> Iterator[Shown]:
    """The instructions of the function and of those that it calls; `every`: also its accesses, most of them private."""
    for function in code.listing.reachable(code.image.function(name).start):
        for line in function.values():
            found = _shown(code, line)
            plain = line.row.kind in (Kind.LOAD, Kind.STORE) and not (line.row.barrier or _orderings(line.row))
            if found is not None and (every or not plain):
                yield found


def _shown(code: Code, line: Line) -> Shown | None:
    row = line.row
    kind = "barrier" if row.barrier else _KINDS.get(row.kind)
    if row.flags & Flag.LOOKS and kind is None:
        kind = "loop that may wait"
    if kind is None:
        return None
    numbers = (row.barrier,) if row.barrier else _orderings(row)
    orders = ", ".join(dict.fromkeys(_orders(number) for number in numbers if number))
    return Shown(line.address, code.listing.place(line.address), line.text, kind, row.why or orders)


def _orderings(row: Row) -> tuple[int, ...]:
    """The primitives by which its accesses are ordered."""
    return tuple(number for number in (row.load_by, row.store_by) if number)


def _orders(number: int) -> str:
    if number in BY_NUMBER:
        row = BY_NUMBER[number]
        return f"orders {orders_text(row.orders)}, reaches {row.reach.name}"
    return f"amp_{Primitive(number).label}(), for {orders_text(PROMISES[Primitive(number)])}"
