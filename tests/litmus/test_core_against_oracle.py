"""The product against the oracle, from one text: complete sets of outcomes, around critical cycles and unstructured.

The oracle itself is held to herd7's verdicts in `test_litmus_sample`. Each error that there has been, planted again,
turns the comparison red.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import oracle
import pytest
import random_tests
from litmus_runs import Change, outcomes
from slow_sizes import size

from amp.errors import UsageError
from amp.litmus.c import CCompiler
from amp.litmus.emit import NOTHING
from amp.litmus.program import ACQUIRE, FROM_EXPECTED, NO_RESULT, Instruction, Op, Ordering, Program
from amp.ordering.architectures import ARCHITECTURES, Row
from amp.ordering.barriers import Orders

FEW = 15
MANY = size(400, 3_000)
NOT_DONE = "a load that takes some of its bytes"

Generator = Callable[[int], str]


@dataclass(frozen=True)
class Kind:
    """Tests of one dialect and shape, and where they are run."""

    name: str
    make: Generator
    platform: str
    observers: str = "together"

    def __str__(self) -> str:
        return f"{self.name}-{self.platform}-{self.observers}"


def aarch64_cycle(seed: int) -> str:
    return random_tests.aarch64(seed, cycle=True)


def aarch64_any(seed: int) -> str:
    return random_tests.aarch64(seed, cycle=False)


def aarch64_atomics(seed: int) -> str:
    return random_tests.aarch64_atomics(seed)


def wide_cycle(seed: int) -> str:
    return random_tests.aarch64(seed, cycle=True, wide=True)


def wide_any(seed: int) -> str:
    return random_tests.aarch64(seed, cycle=False, wide=True)


def c_cycle(seed: int) -> str:
    return random_tests.c(seed, cycle=True)


def c_any(seed: int) -> str:
    return random_tests.c(seed, cycle=False)


def x86_cycle(seed: int) -> str:
    return random_tests.x86(seed, cycle=True)


def x86_any(seed: int) -> str:
    return random_tests.x86(seed, cycle=False)


KINDS = [
    Kind("aarch64-cycle", aarch64_cycle, "arm64"),
    Kind("aarch64", aarch64_any, "arm64"),
    Kind("aarch64-atomics", aarch64_atomics, "arm64"),
    Kind("wide-cycle", wide_cycle, "arm64"),
    Kind("wide", wide_any, "arm64"),
    Kind("c-cycle", c_cycle, "arm64"),
    Kind("c", c_any, "arm64"),
    Kind("x86-cycle", x86_cycle, "x86-wb"),
    Kind("x86", x86_any, "x86-wb"),
]
ELSEWHERE = [
    Kind("aarch64-cycle", aarch64_cycle, "arm64-domains", "apart"),
    Kind("c-cycle", c_cycle, "arm64-domains", "apart"),
    *(Kind("c-cycle", c_cycle, name) for name in ("riscv", "armv7-smp", "armv7-up", "x86-wb", "paranoid", "sc")),
]


def compared(kind: Kind, seeds: range) -> Counter[str]:
    """How many agree, and how many one of the two cannot do. The first that differs is an error that shows the test."""
    found: Counter[str] = Counter()
    for seed in seeds:
        text = kind.make(seed)
        try:
            mine = outcomes(text, kind.platform, kind.observers)
        except UsageError as error:
            if NOT_DONE not in str(error):
                raise
            found["refused"] += 1
            continue
        try:
            due = oracle.outcomes(text, kind.platform, apart=kind.observers == "apart")
        except oracle.TooLargeError:
            found["too large"] += 1
            continue
        assert mine == due, f"seed {seed} on {kind}: {len(mine - due)} too many, {len(due - mine)} missing\n{text}"
        found["equal"] += 1
    return found


@pytest.mark.parametrize("kind", [*KINDS, *ELSEWHERE], ids=str)
def test_random_tests_end_as_the_axioms_allow(kind: Kind) -> None:
    assert compared(kind, range(FEW))["equal"] > FEW // 2


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", [*KINDS, *ELSEWHERE], ids=str)
def test_many_random_tests_end_as_the_axioms_allow(kind: Kind) -> None:
    found = compared(kind, range(MANY))
    assert found["equal"] > MANY * 3 // 4, found


def test_a_read_may_be_promised_bytes_of_a_write_beside_those_of_another() -> None:
    """Its own halfword, stored behind the doubleword whose other bytes it reads: that was missed."""
    [kind] = [each for each in KINDS if str(each) == "wide-cycle-arm64-together"]
    assert compared(kind, range(1903, 1904))["equal"] == 1


# --- errors that there have been --------------------------------------------------------------------------------------


def changed(make: Callable[[Instruction], Instruction]) -> Change:
    def change(program: Program) -> Program:
        return replace(program, threads=tuple(tuple(map(make, thread)) for thread in program.threads))

    return change


def seen_atomic(instruction: Instruction) -> Instruction:
    """The zero register as any other."""
    wanted = instruction.op is Op.RMW and instruction.flags & NO_RESULT
    return replace(instruction, flags=instruction.flags & ~NO_RESULT | ACQUIRE) if wanted else instruction


def result_from_memory(instruction: Instruction) -> Instruction:
    return replace(instruction, flags=instruction.flags & ~FROM_EXPECTED)


def no_rcsc_of_both(program: Program) -> Program:
    """What is acquire and release at once does not wait for an earlier store-release."""
    both = Orders.WR | Orders.RCSC
    orderings = (
        replace(each, orders=each.orders & ~Orders.RCSC) if both in each.orders else each for each in program.orderings
    )
    return replace(program, orderings=tuple(orderings))


def no_dependency_by_extension(program: Program) -> Program:
    """As if SXTW and UXTW made a number out of nothing: what the table of operands must not come to."""
    zero = 31
    return changed(
        lambda each: replace(each, a=zero) if each.op is Op.ALU and each.arg in (14, 15) and each.dst > zero else each
    )(program)


RISCV = ARCHITECTURES["riscv"]
UNUSED_OPERAND, WHOLE_LOCATION, NO_PICK, READ_IN_STORE, NO_HAZARD = 1, 2, 4, 8, 16
# The error, the generator that finds it, and the first of its tests that does.
PLANTED: dict[str, tuple[Generator, Change | None, int, int]] = {
    "the operand that an extension has not, AArch64": (aarch64_cycle, None, UNUSED_OPERAND, 37),
    "the operand that an extension has not, C": (c_cycle, None, UNUSED_OPERAND, 15),
    "an access is to the whole location": (wide_cycle, None, WHOLE_LOCATION, 6),
    "the compare register does not hold back the store": (aarch64_atomics, None, NO_PICK, 190),
    "an exchange stores what it has read": (aarch64_atomics, None, READ_IN_STORE, 21),
    "a narrow read may be later than a wide one": (wide_cycle, None, NO_HAZARD, 90),
    "the zero register is as good a result as any": (aarch64_atomics, changed(seen_atomic), 0, 14),
    "the result of a compare-and-swap is from memory": (aarch64_atomics, changed(result_from_memory), 0, 111),
    "a failed CASAL is no RCsc acquire": (aarch64_atomics, no_rcsc_of_both, 0, 35),
    "an extension depends on nothing": (aarch64_cycle, no_dependency_by_extension, 0, 42),
}


@pytest.mark.parametrize("error", PLANTED)
def test_an_error_planted_again_is_found(error: str) -> None:
    make, change, faults, seed = PLANTED[error]
    text = make(seed)
    due = oracle.outcomes(text, "arm64")
    assert outcomes(text) == due
    assert outcomes(text, change=change, faults=faults) != due


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("error", PLANTED)
def test_an_error_planted_again_is_found_within_1000_tests(error: str) -> None:
    make, change, faults, _ = PLANTED[error]
    for seed in range(1000):
        text = make(seed)
        try:
            if outcomes(text, change=change, faults=faults) != oracle.outcomes(text, "arm64"):
                return
        except (UsageError, oracle.TooLargeError):
            continue
    pytest.fail("not found")


# A failed compare-and-swap orders less than one that stores, and what it fails by is written only if it fails.
OVERTAKEN = [(Kind("c-cycle", c_cycle, "arm64"), 108), (Kind("c-cycle", c_cycle, "armv7-smp"), 528)]


@pytest.mark.parametrize(("kind", "seed"), OVERTAKEN, ids=str)
def test_a_store_overtakes_a_compare_and_swap_that_fails(kind: Kind, seed: int) -> None:
    assert compared(kind, range(seed, seed + 1)) == {"equal": 1}


def test_a_release_without_its_fence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On RISC-V, where the fence orders other accesses as well."""
    kind = Kind("c-cycle", c_cycle, "riscv")
    monkeypatch.setattr(CCompiler, "_access_ordering", lambda _, what: _without_fence(RISCV.rows[what]))
    with pytest.raises(AssertionError, match="too many"):
        compared(kind, range(400))


def _without_fence(row: Row) -> tuple[Ordering, Ordering]:
    return Ordering(row.orders, row.reach), NOTHING
