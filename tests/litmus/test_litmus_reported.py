"""Tests that once had a wrong verdict, with the right one; and what is typed in the documents."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import oracle
import pytest
from litmus_runs import DATA, aarch64, outcomes, run, states

from amp.errors import UsageError
from amp.ordering.platforms import PLATFORMS

ROOT = Path(__file__).parents[2]
REPORTED = DATA.parent / "reported"
# (file, platform, what herd7 says on that machine's model)
VERDICTS = [
    ("aarch64-false-dependency", "arm64", "Sometimes"),
    ("casal-failed-after-stlr", "arm64", "Never"),
    ("mixed-size-silent", "arm64", "Never"),
    ("null", "x86-wb", "Never"),
    ("sext-false-dependency", "arm64", "Sometimes"),
    ("WRC-not-multi-copy-atomic", "arm64", "Never"),
    ("WRC-not-multi-copy-atomic", "armv7-smp", "Sometimes"),
]


def test_every_reported_file_has_its_row() -> None:
    assert {name for name, _, _ in VERDICTS} == {path.stem for path in REPORTED.glob("*.litmus")}


@pytest.mark.parametrize(("name", "platform", "observation"), VERDICTS)
def test_what_was_reported_has_the_verdict_of_herd7(name: str, platform: str, observation: str) -> None:
    text = (REPORTED / f"{name}.litmus").read_text()
    assert run(text, platform).observation == observation
    assert outcomes(text, platform) == oracle.outcomes(text, platform)


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_null_is_the_number_0_wherever_an_expression_stands(platform: str) -> None:
    text = """C null
{ int x=0; int *p=NULL; int *q=&x; }
P0(int **p, int **q)
{
	int *r0 = NULL;
	int *r1 = READ_ONCE(*p);
	int r2 = r1 == NULL;
	WRITE_ONCE(*q, NULL);
	int *r3 = xchg(p, NULL);
}
locations [0:r0; 0:r1; 0:r2; 0:r3; p; q;] exists (0:r1=NULL /\\ q=NULL)
"""
    assert states(text, platform) == ["0:r0=0; 0:r1=0; 0:r2=1; 0:r3=0; [p]=0; [q]=0;"]
    assert run(text, platform).observation == "Always"


# --- accesses of several widths to one location


def test_a_wide_load_reads_parts_of_two_stores() -> None:
    text = aarch64(
        "MOV W0,#1;STR W0,[X1];MOV W2,#2;STR W2,[X1,#4];LDR X4,[X1]",
        "locations [0:X4; x;]",
        "uint64_t x; 0:X1=x;",
    )
    assert states(text) == ["0:X4=8589934593; [x]=8589934593;"]


def test_a_byte_is_stored_and_the_others_stay() -> None:
    text = aarch64("MOV W0,#255;STRB W0,[X1];LDRH W2,[X1]", "locations [0:W2; x;]", "uint64_t x=0x1122; 0:X1=x;")
    assert states(text) == ["0:W2=4607; [x]=4607;"]


def test_two_halves_by_two_threads_are_seen_in_every_mixture() -> None:
    text = """AArch64 halves
{ uint64_t x; 0:X1=x; 1:X1=x; 2:X1=x; }
 P0          | P1             | P2          ;
 MOV W0,#1   | MOV W0,#1      | LDR X0,[X1] ;
 STR W0,[X1] | STR W0,[X1,#4] |             ;
locations [2:X0; x;]
"""
    found = {dict(state)["2:X0"] for state in outcomes(text)}
    assert found == {0, 1, 1 << 32, 1 + (1 << 32)}
    assert outcomes(text) == oracle.outcomes(text, "arm64")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (aarch64("STR W0,[X1];LDR X2,[X1]", "locations [x;]", "uint32_t x; 0:X1=x;"), "wider than it is declared"),
        (aarch64("LDR X2,[X1,#4]", "locations [x;]", "uint64_t x; 0:X1=x;"), "not aligned, or leaves the location"),
        (aarch64("LDR W2,[X1,#2]", "locations [x;]", "uint64_t x; 0:X1=x;"), "not aligned, or leaves the location"),
        (
            aarch64("LDR W0,[X3];STR W0,[X1];LDR X2,[X1]", "locations [x;]", "uint64_t x=0x100000000; 0:X1=x; 0:X3=y;"),
            "takes some of its bytes from a dependent store",
        ),
    ],
)
def test_what_cannot_be_done_byte_by_byte_is_refused_in_a_line(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        run(text)


# --- acquires and releases that are made of a fence

ACQUIRE_IS_A_FENCE = """C MP+mb+two-loads-acquire
{ }
P0(int *x, int *y) { WRITE_ONCE(*x, 1); smp_mb(); WRITE_ONCE(*y, 1); }
P1(int *x, int *y, int *z)
{
	int r0 = READ_ONCE(*y);
	int r1 = smp_load_acquire(z);
	int r2 = READ_ONCE(*x);
}
exists (1:r0=1 /\\ 1:r2=0)
"""
RELEASE_IS_A_FENCE = """C MP+store-release-store+mb
{ }
P0(int *x, int *y, int *z) { WRITE_ONCE(*x, 1); smp_store_release(z, 1); WRITE_ONCE(*y, 1); }
P1(int *x, int *y) { int r0 = READ_ONCE(*y); smp_mb(); int r1 = READ_ONCE(*x); }
exists (1:r0=1 /\\ 1:r1=0)
"""


@pytest.mark.parametrize("text", [ACQUIRE_IS_A_FENCE, RELEASE_IS_A_FENCE])
@pytest.mark.parametrize(
    ("platform", "observation"), [("riscv", "Never"), ("armv7-smp", "Never"), ("arm64", "Sometimes")]
)
def test_a_fence_orders_what_an_acquire_or_release_does_not(text: str, platform: str, observation: str) -> None:
    """Linux, arch/riscv: smp_load_acquire is ld; fence r,rw and smp_store_release fence rw,w; sd."""
    assert run(text, platform).observation == observation


# --- what herd7's catalogue of pick dependencies says of compare-and-swap

PICK_TO_A_READ = """AArch64 CAS-picks-what-is-read-later
{ z=1; 0:X1=x; 0:X3=y; 1:X1=x; 1:X3=y; 1:X8=z; }
 P0           | P1                  ;
 MOV W0,#1    | LDR W0,[X1]         ;
 STR W0,[X3]  | MOV W5,W0           ;
 STLR W0,[X1] | CAS W0,W6,[X8]      ;
              | LDR W0,[X8]         ;
              | EOR W0,W0,W0        ;
              | LDR W4,[X3,W0,SXTW] ;
exists (1:X5=1 /\\ 1:X4=0)
"""
PICK_TO_ITS_STORE = """AArch64 CAS-store-waits-for-what-it-compares-with
{ 0:X1=x; 0:X3=y; 1:X1=x; 1:X3=y; }
 P0          | P1              ;
 LDR W0,[X1] | LDR W0,[X3]     ;
 DMB SY      | EOR W2,W0,W0    ;
 MOV W2,#1   | MOV W4,#1       ;
 STR W2,[X3] | CASA W2,W4,[X1] ;
exists (0:X0=1 /\\ 1:X0=1)
"""
RESULT_FROM_THE_REGISTER = """AArch64 CAS-result-may-come-from-its-register
{ 0:X1=x; 0:X3=y; 1:X1=x; 1:X3=y; }
 P0          | P1                  ;
 MOV W0,#1   | MOV W2,#1           ;
 STR W0,[X1] | MOV W4,#2           ;
 DMB SY      | CAS W2,W4,[X3]      ;
 STR W0,[X3] | EOR W5,W2,W2        ;
             | LDR W6,[X1,W5,SXTW] ;
exists (1:X2=1 /\\ 1:X6=0 /\\ y=2)
"""
ZERO_REGISTER = """AArch64 CASA-without-a-result-is-no-acquire
{ 0:X1=x; 0:X3=y; 1:X1=x; 1:X3=y; }
 P0          | P1               ;
 MOV W0,#1   | MOV W4,#2        ;
 STR W0,[X1] | LDADDA W4,WZR,[X3] ;
 DMB SY      | DMB LD           ;
 STR W0,[X3] | LDR W6,[X1]      ;
exists (y=3 /\\ 1:X6=0)
"""


@pytest.mark.parametrize(
    ("text", "observation"),
    [
        (PICK_TO_A_READ, "Sometimes"),
        (PICK_TO_ITS_STORE, "Never"),
        (RESULT_FROM_THE_REGISTER, "Sometimes"),
        (ZERO_REGISTER, "Sometimes"),
        (ZERO_REGISTER.replace("DMB LD", "DMB SY"), "Never"),
        (ZERO_REGISTER.replace("WZR", "W7"), "Never"),
    ],
)
def test_a_compare_and_swap_depends_as_arm_says(text: str, observation: str) -> None:
    assert run(text).observation == observation
    assert outcomes(text) == oracle.outcomes(text, "arm64")


# --- documents

COMMANDS = re.findall(r"^\s*(?:\$ )?(amp litmus [^\n#]*\.litmus[^\n#]*)", (ROOT / "docs/litmus.md").read_text(), re.M)


def test_the_files_that_the_document_types_are_there() -> None:
    assert COMMANDS
    for command in COMMANDS:
        files = [word for word in shlex.split(command) if word.endswith(".litmus")]
        assert files
        assert all((ROOT / file).exists() for file in files), command
    assert (ROOT / "tests/litmus/data/LKMM/MP+rmb+po.litmus").exists()
