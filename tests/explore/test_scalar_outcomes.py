"""Programs of scalars, in the explorer and by the axioms: both end in the same outcomes.

The same program is written down once as accesses of a Port and once as a litmus test. The axioms are decided by brute
force (`tests/litmus/program_oracle.py`), and by the core's litmus engine, which merges nothing and knows no Python
program.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from port_strategies import ATOMIC, SCALAR, WHOLE, programs
from slow_sizes import size
from small_programs import FINAL, explored
from word_writer import WordWriter

from amp.litmus.emit import NOTHING, Shared
from amp.litmus.enumerate import enumerate_outcomes
from amp.litmus.program import Ordering, Program
from amp.ordering.barriers import ALL_ORDERS, NO_ORDERS, Orders, Primitive, Reach
from amp.ordering.platforms import PLATFORMS, Platform, Side

sys.path.insert(0, str(Path(__file__).parents[1] / "litmus"))
import program_oracle as oracle

WIDTH_BYTES = 4
P = Primitive
# The hardware of both sides keeps the same, which is what a litmus test says of all its threads.
ALIKE = sorted(name for name, p in PLATFORMS.items() if p.implicit(Side.HOST) == p.implicit(Side.REMOTE))
# A value-returning atomic is fully ordered there: elsewhere the core's litmus engine does not take it.
ATOMICS = [name for name in ALIKE if all(ALL_ORDERS in PLATFORMS[name].table(side)[P.SMP_MB] for side in Side)]


class Writer(WordWriter):
    """An ordering is what the primitive is worth there, reaching everybody."""

    nothing = NOTHING
    atomic_order = Ordering(Orders.RR | Orders.RW, Reach.SYSTEM)  # an acquire: the engine asks it of an atomic
    atomic_flags = 4

    def __init__(self, shared: Shared, cpu: int, text: str, platform: Platform) -> None:
        side = tuple(Side)[cpu]
        self.table, self.implicit = platform.table(side), platform.implicit(side)
        super().__init__(shared, cpu, text)

    def worth(self, primitive: Primitive) -> Ordering:
        orders = self.table[primitive] & ~self.implicit & ~Orders.WD
        return Ordering(orders, Reach.SYSTEM) if orders else NOTHING


def litmus(texts: Sequence[str], platform: Platform) -> Program:
    """The same program; outcomes have the same order."""
    shared = Shared("port program")
    for name in FINAL:
        shared.location(0, name)
    writers = [Writer(shared, cpu, text, platform) for cpu, text in enumerate(texts)]
    observed = tuple((cpu, number) for cpu, writer in enumerate(writers) for number in writer.registers.values())
    code = tuple(writer.code.finish() for writer in writers)
    return Program(code, (0,) * len(FINAL), tuple(shared.orderings), observed, tuple(range(len(FINAL))))


def by_axioms(program: Program, platform: Platform) -> frozenset[tuple[int, ...]]:
    orderings = tuple(each.orders if each.reach else NO_ORDERS for each in program.orderings)
    try:
        return oracle.outcomes(program, oracle.Rules(orderings, platform.implicit(Side.HOST)))
    except oracle.TooLargeError:
        reject()


def found(texts: Sequence[str], platform: str) -> set[tuple[int, ...]]:
    exploration = explored(texts, platform)
    assert exploration is not None
    return exploration.found


@settings(max_examples=150, deadline=None)
@given(programs(kinds=SCALAR, places=WHOLE, most=3, waking=False), st.sampled_from(ALIKE))
def test_accesses_end_as_the_axioms_allow(texts: tuple[str, ...], platform: str) -> None:
    assert found(texts, platform) == by_axioms(litmus(texts, PLATFORMS[platform]), PLATFORMS[platform])


@settings(max_examples=100, deadline=None)
@given(programs(kinds=SCALAR + ATOMIC, places=WHOLE, most=3, waking=False), st.sampled_from(ATOMICS))
def test_atomics_end_as_the_axioms_allow(texts: tuple[str, ...], platform: str) -> None:
    assert found(texts, platform) == by_axioms(litmus(texts, PLATFORMS[platform]), PLATFORMS[platform])


@settings(max_examples=80, deadline=None)
@given(programs(kinds=SCALAR, places=WHOLE, most=6, waking=False), st.sampled_from(ALIKE))
def test_larger_programs_end_as_litmus_tests_do(texts: tuple[str, ...], platform: str) -> None:
    outcomes = enumerate_outcomes(litmus(texts, PLATFORMS[platform]), PLATFORMS[platform], (0, 1))
    assert outcomes.complete
    assert found(texts, platform) == set(outcomes.counts)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=size(2000, 20_000), deadline=None)
@given(programs(kinds=SCALAR, places=WHOLE, most=8, waking=False), st.sampled_from(ALIKE))
def test_many_larger_programs_end_as_litmus_tests_do(texts: tuple[str, ...], platform: str) -> None:
    outcomes = enumerate_outcomes(litmus(texts, PLATFORMS[platform]), PLATFORMS[platform], (0, 1))
    assert outcomes.complete
    assert found(texts, platform) == set(outcomes.counts)
