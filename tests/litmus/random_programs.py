"""Small random programs for the core and the oracle to agree on: all accesses, dependencies, barriers. Not a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from amp.litmus.emit import NOTHING, Shared, Thread
from amp.litmus.program import ACQUIRE, FULL, RELEASE, Alu, Ordering, Program, Rmw
from amp.ordering.barriers import ALL_ORDERS, Orders, Reach

LOCATIONS = ("x", "y", "z")
ACCESSES = 7  # of a program: the oracle's time doubles and doubles with them
WIDTH_BYTES = 4

Draw = Callable[[st.SearchStrategy[Any]], Any]

REACHES = st.sampled_from(list(Reach))
FENCES = st.builds(
    Ordering,
    st.sampled_from(
        [
            ALL_ORDERS,
            Orders.RR | Orders.RW,
            Orders.WW | Orders.WD,
            Orders.WR | Orders.WW | Orders.WD,
            Orders.RR,
            Orders.WW,
            Orders.RW | Orders.WW,
        ]
    ),
    REACHES,
)
LOAD_ACQUIRES = st.builds(
    Ordering, st.sampled_from([Orders.RR | Orders.RW, Orders.RR | Orders.RW | Orders.RCSC]), REACHES
)
STORE_RELEASES = st.builds(Ordering, st.just(Orders.RW | Orders.WW | Orders.RCSC), REACHES)
FULLS = st.builds(Ordering, st.just(ALL_ORDERS), REACHES)


@dataclass
class Writer:
    """One thread in the making. `kinds`: the atomics it may use; `loaded`: the registers that hold loaded values."""

    draw: Draw
    code: Thread
    kinds: list[Rmw] = field(default_factory=list)
    loaded: list[int] = field(default_factory=list)

    def address(self) -> int:
        """Of some location; perhaps by way of a loaded value, which leaves it as it is."""
        address = self.code.address(self.draw(st.sampled_from(LOCATIONS)))
        if self.loaded and self.draw(st.integers(0, 3)) == 0:
            source = self.draw(st.sampled_from(self.loaded))
            address = self.code.alu(Alu.ADD, address, self.code.alu(Alu.XOR, source, source))
        return address

    def value(self) -> int:
        """A number, a loaded value, or a number that depends on one for nothing."""
        constant = self.code.constant(self.draw(st.integers(1, 2)))
        how = self.draw(st.integers(0, 3)) if self.loaded else 0
        if how < 2:
            return constant
        source = self.draw(st.sampled_from(self.loaded))
        return source if how == 2 else self.code.alu(Alu.ADD, constant, self.code.alu(Alu.XOR, source, source))

    def load(self) -> None:
        order = self.draw(st.one_of(st.just(NOTHING), st.just(NOTHING), LOAD_ACQUIRES))
        register = self.code.name_register()
        self.code.load(self.address(), WIDTH_BYTES, order, dst=register)
        self.loaded.append(register)

    def store(self) -> None:
        order = self.draw(st.one_of(st.just(NOTHING), st.just(NOTHING), STORE_RELEASES))
        self.code.store(self.address(), self.value(), WIDTH_BYTES, order)

    def atomic(self) -> None:
        kind = self.draw(st.sampled_from(self.kinds))
        if kind is Rmw.ADD:  # one a program: each makes new values, and the oracle tries all of them everywhere
            self.kinds.remove(kind)
        order, flags = self.draw(
            st.one_of(
                st.tuples(FULLS, st.sampled_from([FULL, FULL | ACQUIRE])),
                st.tuples(LOAD_ACQUIRES, st.just(ACQUIRE)),
                st.tuples(STORE_RELEASES, st.just(RELEASE)),
                st.just((NOTHING, 0)),
            )
        )
        register = self.code.name_register()
        operand, expected = self.value(), self.code.constant(self.draw(st.integers(0, 1)))
        self.code.rmw(
            kind, self.address(), operand, WIDTH_BYTES, expected=expected, order=order, flags=flags, dst=register
        )
        self.loaded.append(register)

    def between(self) -> None:
        """Perhaps something that orders, before the next access; a branch may skip it."""
        how = self.draw(st.integers(0, 5))
        if how in (0, 1):
            self.code.fence(self.draw(FENCES))
        elif self.loaded and how in (2, 3):
            label = self.code.new_label()
            self.code.jump_if_zero(self.draw(st.sampled_from(self.loaded)), label)
            if self.draw(st.booleans()):
                self.code.store(self.address(), self.value(), WIDTH_BYTES)
            self.code.label(label)
            if how == 3:
                self.code.isb()
        self.code.release_scratch()


@st.composite
def programs(draw: Draw, *, atomics: bool) -> Program:
    """Programs of 2 to 4 threads and at most some ACCESSES accesses. All that is loaded or stored is observed."""
    shared = Shared("random")
    for name in LOCATIONS:
        shared.location(0, name)
    threads = draw(st.integers(2, 4))
    left = ACCESSES - threads
    code, observed = [], []
    kinds = [Rmw.XCHG, Rmw.CMPXCHG, Rmw.ADD] if atomics else []
    for number in range(threads):
        writer = Writer(draw, Thread(shared, number), kinds)
        more = draw(st.integers(0, min(2, left)))
        left -= more
        for at in range(1 + more):
            if at:
                writer.between()
            draw(st.sampled_from([writer.load, writer.store, *([writer.atomic] if atomics else [])]))()
            writer.code.release_scratch()
        code.append(writer.code.finish())
        observed += [(number, register) for register in writer.loaded]
    return Program(tuple(code), (0,) * len(LOCATIONS), tuple(shared.orderings), tuple(observed), (0, 1, 2))
