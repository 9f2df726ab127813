"""Whatever a litmus file says, it is run or refused in a line that names it: no other exception, no crash."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from litmus_runs import DATA, aarch64, c, x86

from amp.errors import UsageError
from amp.litmus.enumerate import Limits
from amp.litmus.parser import MAX_WORD, parse
from amp.litmus.runner import run_test
from amp.ordering.platforms import PLATFORMS

SEEDS = [
    *(path.read_text() for path in sorted((DATA.parent / "reported").glob("*.litmus"))),
    c("int r0 = atomic_fetch_add(1, (atomic_t *)x); if (r0 == 1 && xchg(y, 2)) { WRITE_ONCE(*x, r0 << 3); }"),
    aarch64("L0: LDADDAL W0,W2,[X1];CMP W2,#1;B.NE L1;L1: LDRH W4,[X3,#2];STLR X4,[X1]"),
    x86("MOV EAX,[x];LOCK XADD [y],EAX;CMP EAX,$1;JNE L0;L0: MFENCE"),
]
TOKENS = sorted({token for text in SEEDS for token in re.findall(r"\w+|\S", text)})
WORDS = st.one_of(
    st.sampled_from(
        [*TOKENS, "NULL", "0", "-1", "#", "0x", "9" * MAX_WORD, "9" * 5_000, "\n", ";", "{", "}", "(", ")"]
    ),
    st.text(max_size=4),
)
QUICK = Limits(executions=500, seconds=0.5)


@st.composite
def edited(draw: st.DrawFn) -> str:
    """A good test with some of its pieces replaced, removed, repeated or moved."""
    pieces = re.findall(r"\w+|\s+|.", draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(pieces) - 1))
        how = draw(st.integers(0, 3))
        if how == 0:
            pieces[at] = draw(WORDS)
        elif how == 1 and len(pieces) > 1:
            del pieces[at]
        elif how == 2:
            pieces[at:at] = pieces[at : at + draw(st.integers(1, 6))] * draw(st.sampled_from([1, 2, 3, 120]))
        else:
            pieces.insert(at, draw(WORDS))
    return "".join(pieces)


def survives(text: str) -> None:
    try:
        run_test(parse("t.litmus", text), PLATFORMS["arm64"], "together", QUICK)
    except UsageError as error:
        refusal = str(error)
    else:
        return
    assert refusal.startswith("t.litmus:")
    assert "\n" not in refusal


@settings(max_examples=400, deadline=None)
@given(edited())
def test_an_edited_test_is_run_or_refused_in_a_line(text: str) -> None:
    survives(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["C t\n{ }\n", "AArch64 t\n{ }\n", "X86 t\n{}\n", ""]), st.lists(WORDS, max_size=30))
def test_words_in_any_order_are_run_or_refused_in_a_line(head: str, words: list[str]) -> None:
    survives(head + " ".join(words))
