"""Two siblings on the host and a remote observer: what a barrier is worth to whom.

A CPU's stores reach the siblings of its inner domain first, the remote last. A barrier orders two accesses towards an
observer if it reaches that observer, and then carries along what its CPU has read of its siblings' stores. So between
the siblings SMP barriers are enough wherever they order anything, whatever lies between host and remote; as soon as the
remote has a part in the cycle they are worth what they reach. Mandatory barriers reach everybody. All threads are CPUs
of the platform's host: the remote here is one that looks in from outside.
"""

from __future__ import annotations

import pytest

from amp.litmus.emit import Shared, Thread
from amp.litmus.enumerate import enumerate_outcomes
from amp.litmus.program import Alu, Ordering, Program
from amp.ordering.barriers import Primitive
from amp.ordering.platforms import PLATFORMS, Platform, Side

WIDTH_BYTES = 4

# Threads as words: x=1 stores, r0=x loads, @r0 makes the address depend on r0, {b} is the barrier of the row.
SHAPES = {
    # P1 sees P0's x and passes on; P2 sees what P1 passed on but not x.
    "WRC": (("x=1", "r0=x {b} y=1", "r1=y {b} r2=x"), {"r0": 1, "r1": 1, "r2": 0}),
    # As WRC, but P0 orders its own x before y, and the rest follows by barriers.
    "ISA2": (("x=1 {b} y=1", "r0=y {b} z=1", "r1=z {b} r2=x"), {"r0": 1, "r1": 1, "r2": 0}),
    # Two readers see two writers' stores in opposite orders.
    "IRIW": (("x=1", "y=1", "r0=x {b} r1=y", "r2=y {b} r3=x"), {"r0": 1, "r1": 0, "r2": 1, "r3": 0}),
    # P1 has seen P0's x and not P2's y; P2, whose store of y came first, has not seen x.
    "RWC": (("x=1", "r0=x {b} r1=y", "y=1 {b} r2=x"), {"r0": 1, "r1": 0, "r2": 0}),
    # Message passing between two of the three; the third looks on.
    "MP": (("x=1 {b} y=1", "r0=y {b} r1=x", "r2=x"), {"r0": 1, "r1": 0}),
}
SHORT = ("armv7-smp", "arm64-domains")  # smp_mb orders among siblings, and nothing towards the remote
STORES = ("omap4-2011",)  # smp_mb is a bare dmb: it orders loads of what the remote wrote, but drains no PL310
FAR = ("arm64", "riscv")  # smp_mb orders for everybody
NOWHERE = ("armv7-up", "paranoid")  # smp_mb orders nothing for anybody
WEAK = (*SHORT, *STORES, *FAR, *NOWHERE)
ALL_SHORT = (*SHORT, *STORES, *NOWHERE)

# shape, groups, barrier, on which platforms the weak outcome can be seen, why
CASES = [
    ("MP", (0, 0, 1), "none", WEAK, "nothing orders"),
    ("MP", (0, 0, 1), "smp_mb", NOWHERE, "both are siblings: the remote that looks on changes nothing"),
    ("MP", (0, 1, 1), "smp_mb", ALL_SHORT, "the reader is the remote"),
    ("MP", (0, 1, 1), "mb", (), "mandatory barriers reach the remote"),
    ("WRC", (0, 0, 1), "none", WEAK, "nothing orders"),
    ("WRC", (0, 0, 1), "smp_mb", ALL_SHORT, "P1's barrier does not carry P0's x to the remote before its own y"),
    ("WRC", (0, 0, 1), "mb", (), "P1's barrier carries along what P1 has read of its sibling"),
    ("WRC", (0, 0, 0), "smp_mb", NOWHERE, "all are siblings"),
    ("WRC", (0, 1, 1), "smp_mb", (*SHORT, *NOWHERE), "loads of what a far writer wrote: the barrier must reach it"),
    ("WRC", (0, 1, 1), "mb", (), "it does"),
    (
        "WRC",
        (0, 1, 0),
        "smp_mb",
        ALL_SHORT,
        "P1, the far one, and P2's load of its y: neither is ordered, or carries x",
    ),
    ("WRC", (0, 1, 0), "mb", (), "what the far one has seen, P0's sibling saw before"),
    ("ISA2", (0, 0, 1), "smp_mb", ALL_SHORT, "the remote reads P1's z, and P0's x late"),
    ("ISA2", (0, 0, 1), "mb", (), "each barrier carries along what its CPU has made or seen"),
    ("ISA2", (0, 0, 0), "smp_mb", NOWHERE, "all are siblings"),
    ("RWC", (0, 0, 0), "smp_mb", NOWHERE, "all are siblings"),
    ("RWC", (0, 0, 1), "smp_mb", ALL_SHORT, "what the remote wrote, and what P1 has read for it, are not ordered"),
    ("RWC", (0, 0, 1), "mb", (), "it does"),
    ("IRIW", (0, 0, 0, 0), "none", WEAK, "each reader may read out of order"),
    ("IRIW", (0, 0, 0, 0), "smp_mb", NOWHERE, "all are siblings, and see stores in one order"),
    ("IRIW", (0, 0, 0, 1), "smp_mb", ALL_SHORT, "P2 goes on before what it has read of P0 is with the remote"),
    ("IRIW", (0, 0, 0, 1), "mb", (), "P2's barrier waits for that"),
    ("IRIW", (0, 0, 1, 1), "smp_mb", (*SHORT, *NOWHERE), "loads of what a far writer wrote"),
]


class Writer:
    def __init__(self, shared: Shared, number: int, text: str, primitive: Primitive, platform: Platform) -> None:
        self.code, self.registers = Thread(shared, number), dict[str, int]()
        row = platform.processor(Side.HOST).architecture.rows[primitive]
        for word in text.split():
            left, equals, right = word.partition("=")
            if not equals:
                self.code.fence(Ordering(row.orders, row.reach))
            elif left.startswith("r"):
                self.registers[left] = self.code.name_register()
                self.code.load(self._address(right), WIDTH_BYTES, dst=self.registers[left])
            else:
                self.code.store(self._address(left), self.code.constant(int(right)), WIDTH_BYTES)
            self.code.release_scratch()

    def _address(self, name: str) -> int:
        name, _, register = name.partition("@")
        address = self.code.address(name)
        if not register:
            return address
        zero = self.code.alu(Alu.AND, self.registers[register], self.code.constant(0))
        return self.code.alu(Alu.ADD, address, zero)


def seen(shape: str, groups: tuple[int, ...], barrier: str, platform: Platform) -> bool:
    """Is the shape's weak outcome among those of the platform?"""
    texts, outcome = SHAPES[shape]
    shared = Shared(shape)
    for name in "xyz":
        shared.location(0, name)
    primitive = Primitive[barrier.upper()]
    writers = [Writer(shared, n, text.format(b="b"), primitive, platform) for n, text in enumerate(texts)]
    code = tuple(writer.code.finish() for writer in writers)
    registers = {name: (n, number) for n, writer in enumerate(writers) for name, number in writer.registers.items()}
    observed = tuple(registers[name] for name in outcome)
    program = Program(code, (0, 0, 0), tuple(shared.orderings), observed, ())
    found = enumerate_outcomes(program, platform, groups)
    assert found.complete
    return tuple(outcome.values()) in found.counts


@pytest.mark.parametrize("platform", WEAK)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{''.join(map(str, case[1]))}-{case[2]}")
def test_who_sees_it_weak(case: tuple[str, tuple[int, ...], str, tuple[str, ...], str], platform: str) -> None:
    shape, groups, barrier, where, why = case
    assert seen(shape, groups, barrier, PLATFORMS[platform]) == (platform in where), why


@pytest.mark.parametrize("platform", ["sc", "x86-wb"])
@pytest.mark.parametrize("groups", [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 2)])
@pytest.mark.parametrize("shape", ["MP", "WRC", "ISA2"])
def test_hardware_that_keeps_loads_and_stores_in_order_shows_none(
    shape: str, groups: tuple[int, ...], platform: str
) -> None:
    assert not seen(shape, groups, "none", PLATFORMS[platform])


@pytest.mark.parametrize("platform", sorted(set(PLATFORMS) - {"x86-wc"}))
@pytest.mark.parametrize("groups", [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, 2)])
@pytest.mark.parametrize("shape", ["MP", "WRC", "ISA2", "RWC"])
def test_mandatory_barriers_are_cumulative_for_every_grouping(
    shape: str, groups: tuple[int, ...], platform: str
) -> None:
    assert not seen(shape, groups, "mb", PLATFORMS[platform])
