"""The core against the axioms: random programs, every platform, and both find the same outcomes.

The oracle itself is held to herd7's verdicts in `test_litmus_sample`.
"""

from __future__ import annotations

import oracle
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from litmus_runs import compiled
from random_programs import programs
from slow_sizes import size

from amp.errors import UsageError
from amp.litmus.enumerate import Limits, enumerate_outcomes
from amp.litmus.parser import parse
from amp.litmus.program import Program
from amp.ordering.platforms import PLATFORMS

LIMITS = Limits(executions=1_000_000, seconds=60)
EXAMPLES = 300
MANY_EXAMPLES = size(2000, 20_000)


def check(program: Program, platform_name: str, *, apart: bool) -> None:
    platform = PLATFORMS[platform_name]
    groups = tuple(range(len(program.threads))) if apart else (0,) * len(program.threads)
    try:
        found = enumerate_outcomes(program, platform, groups, LIMITS)
    except UsageError:  # atomics that the core says it does not do
        reject()
    assert found.complete
    try:
        due = oracle.outcomes(program, oracle.rules_for(program, platform, apart=apart))
    except oracle.TooLargeError:
        reject()
    assert set(found.counts) == due


STORE_BEHIND_A_BRANCH = """AArch64 SB
{ 0:X1=x; 0:X3=y; 0:X5=z; 1:X3=y; 1:X5=z; }
 P0           | P1           ;
 LDAR W0,[X1] | MOV W2,#1    ;
 CBZ W0,L0    | STLR W2,[X5] ;
 MOV W2,#2    | LDAR W0,[X3] ;
 STR W2,[X3]  |              ;
 L0:          |              ;
 MOV W2,#1    |              ;
 STR W2,[X3]  |              ;
 EOR X6,X0,X0 |              ;
 ADD X6,X6,X5 |              ;
 LDAR W4,[X6] |              ;
exists (0:X4=0 /\\ 1:X0=0)
"""
FAILED_CMPXCHG = """C SB
{}
P0(int *x, int *y, int *a) { int r0; WRITE_ONCE(*x, 1); cmpxchg(a, 5, 1); r0 = READ_ONCE(*y); }
P1(int *x, int *y, int *a) { int r0; WRITE_ONCE(*y, 1); smp_mb(); r0 = READ_ONCE(*x); }
exists (0:r0=0 /\\ 1:r0=0)
"""
EXPECTED_IS_NO_BRANCH = """AArch64 LB
{ 0:X1=x; 0:X3=y; 0:X5=z; 1:X1=x; 1:X3=y; }
 P0              | P1          ;
 LDR W0,[X1]     | LDR W0,[X3] ;
 EOR W2,W0,W0    | DMB SY      ;
 MOV W4,#1       | MOV W2,#1   ;
 CASA W2,W4,[X5] | STR W2,[X1] ;
 STR W4,[X3]     |             ;
exists (0:X0=1 /\\ 1:X0=1)
"""


@pytest.mark.parametrize("platform", ["arm64", "x86-wb"])
@pytest.mark.parametrize("text", [STORE_BEHIND_A_BRANCH, FAILED_CMPXCHG, EXPECTED_IS_NO_BRANCH])
def test_what_random_programs_have_found_before(text: str, platform: str) -> None:
    """A store that only one way of a branch has; a cmpxchg that fails, and is no barrier; one whose operand waits."""
    check(compiled(parse("t", text), platform).program, platform, apart=False)


MACHINES = st.sampled_from(sorted(PLATFORMS))


@settings(max_examples=EXAMPLES, deadline=None)
@given(programs(atomics=False), MACHINES, st.booleans())
def test_loads_stores_and_barriers_end_as_the_axioms_allow(program: Program, platform: str, apart: bool) -> None:
    check(program, platform, apart=apart)


@settings(max_examples=EXAMPLES, deadline=None)
@given(programs(atomics=True), MACHINES, st.booleans())
def test_atomics_end_as_the_axioms_allow(program: Program, platform: str, apart: bool) -> None:
    check(program, platform, apart=apart)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=MANY_EXAMPLES, deadline=None)
@given(programs(atomics=True), MACHINES, st.booleans())
def test_many_random_programs_end_as_the_axioms_allow(program: Program, platform: str, apart: bool) -> None:
    check(program, platform, apart=apart)
