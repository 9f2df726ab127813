"""Outcomes judged and printed: as herd7 prints them, and the same whatever the order in which they were found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litmus_runs import aarch64, c, run, states

from amp.litmus.compile import Compiled, compile_test
from amp.litmus.outcomes import herd_text, judge
from amp.litmus.parser import parse
from amp.litmus.program import address_of
from amp.ordering.platforms import PLATFORMS

SB = """X86 SB
{
}
 P0          | P1          ;
 MOV [x],$1  | MOV [y],$1  ;
 MOV EAX,[y] | MOV EAX,[x] ;
locations [x;]
%s (0:EAX=0 /\\ 1:EAX=0)
"""

REPORT = """Test SB %s
States 4
0:EAX=0; 1:EAX=0; [x]=1;
0:EAX=0; 1:EAX=1; [x]=1;
0:EAX=1; 1:EAX=0; [x]=1;
0:EAX=1; 1:EAX=1; [x]=1;
%s
Witnesses
Positive: %d Negative: %d
Condition %s (0:EAX=0 /\\ 1:EAX=0)
Observation SB Sometimes 1 3"""


@pytest.mark.parametrize(
    ("quantifier", "kind", "holds", "witnesses"),
    [
        ("exists", "Allowed", "Ok", (1, 3)),
        ("~exists", "Forbidden", "No", (3, 1)),
        ("forall", "Required", "No", (1, 3)),
    ],
)
def test_the_report_is_herd7_s(quantifier: str, kind: str, holds: str, witnesses: tuple[int, int]) -> None:
    judged = run(SB % quantifier)
    assert herd_text(judged) == REPORT % (kind, holds, *witnesses, quantifier)
    assert (judged.verdict, judged.observation) == ("Allowed", "Sometimes")


OBSERVED = [  # quantifier, proposition; verdict, observation, holds
    ("exists", "0:r0=1", "Allowed", "Always", True),
    ("exists", "0:r0=0", "Forbidden", "Never", False),
    ("~exists", "0:r0=1", "Allowed", "Always", False),
    ("~exists", "0:r0=0", "Forbidden", "Never", True),
    ("forall", "0:r0=1", "Allowed", "Always", True),
    ("forall", "0:r0=0", "Forbidden", "Never", False),
    ("exists", "true", "Allowed", "Always", True),
    ("exists", "false", "Forbidden", "Never", False),
    ("exists", "~(0:r0=0 /\\ x=1) /\\ (0:r0=5 \\/ x!=7)", "Allowed", "Always", True),
]


@pytest.mark.parametrize(("quantifier", "proposition", "verdict", "observation", "holds"), OBSERVED)
def test_the_verdict_is_the_proposition_s_and_holds_the_condition_s(
    quantifier: str, proposition: str, verdict: str, observation: str, holds: bool
) -> None:
    judged = run(c("WRITE_ONCE(*x, 1); int r0 = READ_ONCE(*x);", f"{quantifier} ({proposition})"))
    assert (judged.verdict, judged.observation, judged.holds) == (verdict, observation, holds)


def test_columns_are_registers_by_thread_and_then_locations() -> None:
    text = aarch64("MOV W10,#1", "exists ([y]=0 /\\ 0:X10=1 /\\ x=0 /\\ 0:X2=0)")
    assert states(text) == ["0:X2=0; 0:X10=1; [x]=0; [y]=0;"]


def test_numbers_print_before_addresses() -> None:
    compiled = three_columns()
    values = (address_of(1), 2**64 - 1, 0, address_of(0), 5)
    judged = judge(compiled, {(value, 0, 0): 1 for value in values})
    assert [state[0] for state in judged.states] == [-1, 0, 5, address_of(0), address_of(1)]


def three_columns() -> Compiled:
    text = c("long r0 = 0;", "exists (0:r0=1 /\\ x=1 /\\ y=1)", parameters="int *x, unsigned *y")
    return compile_test(parse("t", text), PLATFORMS["arm64"])


VALUES = st.integers(0, 2**64 - 1) | st.integers(0, 2)


@given(st.dictionaries(st.tuples(VALUES, VALUES, VALUES), st.integers(1, 9), min_size=1))
def test_states_are_merged_by_what_their_types_hold_and_counts_add_up(counts: dict[tuple[int, ...], int]) -> None:
    compiled = three_columns()
    judged = judge(compiled, counts)
    assert judged.positive + judged.negative == sum(counts.values())
    merged = {(value, x % 2**32, y % 2**32) for value, x, y in counts}
    assert len(judged.states) == len(merged)
    assert judged.positive == sum(
        n for (value, x, y), n in counts.items() if (value, x % 2**32, y % 2**32) == (1, 1, 1)
    )
    backwards = judge(compiled, dict(reversed(counts.items())))
    assert backwards.states == judged.states
