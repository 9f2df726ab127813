"""What a function does to shared memory, as far as its instructions say: barriers, ordered accesses, atomics, waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amp.code.code import Code
from amp.code.listing import Line
from amp.code.rows import Flag, Kind, Row
from amp.ordering.barriers import PROMISES, Primitive, orders_text
from amp.ordering.instructions import BY_NUMBER

_COLUMNS: Final = 80
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


@dataclass(frozen=True, slots=True)
class Touching:
    """A function that may touch shared memory, or has a barrier or a wait: how many instructions of each kind."""

    address: int
    name: str
    kinds: dict[str, int]


def shown(code: Code, name: str, *, every: bool = False) -> Iterator[Shown]:
    """The instructions of the function and of those that it calls; `every`: also accesses that are surely private."""
    for function in code.listing.reachable(code.image.function(name).start):
        for line in function.values():
            found = _shown(code, line)
            if found is not None and (every or _matters(code, line)):
                yield found


def _matters(code: Code, line: Line) -> bool:
    """Not a plain access of its own stack, or at a constant's address."""
    plain = line.row.kind in (Kind.LOAD, Kind.STORE) and not (line.row.barrier or _orderings(line.row))
    return not plain or code.listing.may_share(line)


def told(each: Shown | Touching) -> list[str]:
    """As lines of at most 80 columns, where the text lets it."""
    if isinstance(each, Touching):
        counted = ", ".join(f"{kind}: {number}" for kind, number in each.kinds.items())
        return [f"{each.address:#10x}  {each.name:<28} {counted}"]
    said = f"{each.kind}{each.orders and f': {each.orders}'}"
    where = f"{each.address:#10x}  {each.text:<34} {each.place}"
    whole = f"{where:<74} {said}"
    return [whole] if len(whole) <= _COLUMNS else [where, f"{'':12}{said}"]


def functions(code: Code) -> Iterator[Touching]:
    """Those that may touch shared memory, or have a barrier or a wait, by address."""
    for symbol in sorted(code.image.symbols.values(), key=lambda each: each.start):
        if not symbol.is_function:
            continue
        kinds = Counter(
            "may be shared" if found.kind in ("load", "store") else found.kind
            for line in code.listing.function(symbol.start).values()
            if (found := _shown(code, line)) is not None
            and _matters(code, line)
            and found.kind not in ("trap", "refused")
        )
        if kinds:
            yield Touching(symbol.start, symbol.name, dict(sorted(kinds.items())))


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
