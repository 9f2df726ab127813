"""Litmus tests as C programs: what one thread computes natively is what the model says, in both dialects."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from litmus_runs import DATA, LIMITS, c, compiled, x86
from silicon_runs import PROCESSORS, compared, needs_compiler, needs_two_cpus, needs_x86, told
from test_litmus_programs import ATOMICS, VALUES

from amp.errors import UsageError
from amp.litmus.hardware import FLAGS, Effort, NativeFailed, build, find_compiler, run_program
from amp.litmus.native import native_text
from amp.litmus.parser import load, parse
from amp.litmus.runner import run_test
from amp.ordering.platforms import PLATFORMS

pytestmark = needs_compiler
SB = DATA / "LKMM" / "SB+po+mb.litmus"
EFFORT = Effort(1000, 5.0, PROCESSORS)


def agrees(text: str, on: str | None = None) -> None:
    """One thread has one outcome: the silicon's is the model's."""
    found = compared(text, on, tries=10)
    assert not found.excess, told(found)
    assert (len(found.counts), found.allowed) == (1, 1), told(found)


def test_a_program_says_which_test_it_is_and_reads_like_it() -> None:
    text = native_text(compiled(load(str(SB)), "x86-wb"))
    assert "SB+po+mb: the litmus test in SB+po+mb.litmus (C)" in text
    body = text[text.index("static void P1") : text.index("static const")]
    lines = [line.strip() for line in body.splitlines()]
    assert lines[lines.index("store(y, 1);") :][:3] == ["store(y, 1);", "amp_fence_smp_mb();", "r0 = load(x);"]


def test_an_x86_thread_is_its_instructions_in_order_and_nothing_else() -> None:
    test = parse("t.litmus", x86("MOV [x],$1;MFENCE;LOCK XADD [y],EBX;MOV EAX,[x]"))
    text = native_text(compiled(test))
    code = [line.split("\\n")[0].strip().strip('"') for line in text.splitlines() if '\\n\\t"' in line]
    assert code == [
        "movl $1,%[at_x]",
        "mfence",
        "lock xaddl %k[EBX],%[at_y]",
        "movl %[at_x],%k[EAX]",
    ]


def one_after_another(bodies: list[str], initial: str = "", parameters: str = "int *x, int *y") -> str:
    """All bodies as one thread, each with variables of its own, all of them observed: to compile takes a moment."""
    renamed = [re.sub(r"\br([0-9])\b", rf"r\g<1>_{number}", body) for number, body in enumerate(bodies)]
    names = sorted(set(re.findall(r"\br[0-9]_[0-9]+\b", " ".join(renamed))))
    observed = " ".join(f"0:{name};" for name in names)
    return c("\n".join(renamed), f"locations [{observed} x;]", initial, parameters)


@pytest.mark.parametrize("part", range(2))
def test_c_computes_natively_what_the_model_says(part: int) -> None:
    agrees(one_after_another([body for body, _ in VALUES[part::2]]))


def test_atomics_are_natively_what_the_model_says() -> None:
    calls = [f"int r0 = 77; {'' if result is None else 'r0 = '}{call};" for call, result, _ in ATOMICS]
    agrees(one_after_another(calls, "atomic_t x = ATOMIC_INIT(5);", "atomic_t *x"))


def test_calls_in_an_expression_happen_once_each_and_only_if_c_says_so() -> None:
    body = (
        "int r0 = xchg(x, 1) + 2 * xchg(x, 3) + 8 * xchg(x, 5);"
        "int r1 = 0 && xchg(x, 9); int r2 = !xchg(y, 2) || xchg(y, 4);"
        "if (READ_ONCE(*y) == 2 && (xchg(y, 6) == 2 || xchg(y, 7))) r2 = r2 + 10; else r2 = 99;"
    )
    agrees(c(body, "locations [0:r0; 0:r1; 0:r2; x; y;]"))


def test_addresses_are_followed_and_told_by_name() -> None:
    text = """C t
{ int y=4; int *p=&y; 0:r4=&y; }
P0(int *x, int *y, int **p) { int *r0; int r1; int *r2; r0 = READ_ONCE(*p); r1 = READ_ONCE(*r0);
  smp_store_release(p, x); r2 = smp_load_acquire(p); WRITE_ONCE(*r2, 6); smp_store_mb(*y, r0 != r2); }
locations [0:r0; 0:r1; 0:r2; 0:r4; x; y; p;]
"""
    found = compared(text, tries=10)
    assert told(found) == {"0:r0=y; 0:r1=4; 0:r2=x; 0:r4=y; [p]=x; [x]=6; [y]=1;": 10}
    assert not found.excess


X86_CODE = (
    "MOV EAX,$7;ADD EAX,$-9;SUB EAX,$1;AND EAX,$12;OR EAX,$1;XOR EAX,$3;INC EAX;DEC EBX;MOV [a],EAX",
    "MOV ESP,$5;MOV EBP,ESP;XCHG EBP,EAX;MOV [x],EAX;ADD [x],EAX;INC [x];MOV EBX,[x];MOV [b],EBX",
    "LOCK ADD [x],$3;MOV EBX,$2;LOCK XADD [x],EBX;MOV EAX,$16;MOV ECX,$9;LOCK CMPXCHG [x],ECX;XCHG [y],ECX",
    "CMP EAX,$0;JNE L1;MOV EBX,$1;L1: MOV EDX,$1;TEST EDX,EDX;JZ L2;MOV EDX,$2;JMP L3;L2: MOV EDX,$4;L3: NOP",
    "MOV EBP,[p];MOV [EBP],$3;LFENCE;SFENCE;MFENCE;MOV EDI,[ESI]",
)
X86_SEEN = "locations [0:EAX; 0:EBX; 0:ECX; 0:EDX; 0:ESI; 0:EDI; 0:EBP; 0:ESP; a; b; x; y; p; q;]"


@needs_x86
def test_x86_computes_natively_what_the_model_says() -> None:
    agrees(x86(";".join(X86_CODE), X86_SEEN, "p=q; 0:ESI=y; 0:EDI=x; y=-3;"))


def test_a_store_that_is_to_be_non_temporal_must_be_there() -> None:
    test = compiled(load(str(SB)), "x86-wc")
    assert "store_non_temporal(x, 1);" in native_text(test, ("x",))
    with pytest.raises(UsageError, match=r"SB\+po\+mb.litmus:.*no WRITE_ONCE\(\) by name to z"):
        native_text(test, ("x", "z"))
    with pytest.raises(UsageError, match="C tests only"):
        native_text(compiled(parse("t.litmus", x86("MOV [x],$1"))), ("x",))


def test_what_the_assembler_refuses_is_the_file_s_mistake() -> None:
    with pytest.raises(UsageError, match=r"^t\.litmus: cc refuses it: test\.c:\d+: Error"):
        compared(x86("CMP $1,EAX"), tries=1)


@needs_two_cpus
def test_a_program_is_clean_under_sanitizers_and_every_warning(tmp_path: Path) -> None:
    model = run_test(load(str(SB)), PLATFORMS["x86-wb"], "together", LIMITS)
    (tmp_path / "t.c").write_text(native_text(model.compiled))
    flags = ("-g", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    command = [*find_compiler(), *FLAGS, *flags, str(tmp_path / "t.c"), "-o", str(tmp_path / "t")]
    subprocess.run(command, check=True, timeout=300)
    observed = run_program(tmp_path / "t", Effort(5000, 20.0, PROCESSORS), 2, 2)
    assert (observed.tries, sum(observed.counts.values())) == (5000, 5000)  # two batches and a part of one
    assert 0 < observed.aligned <= 5000


@needs_two_cpus
def test_a_run_ends_at_its_time(tmp_path: Path) -> None:
    program = build(native_text(compiled(load(str(SB)), "x86-wb")), tmp_path, find_compiler())
    observed = run_program(program, Effort(1 << 40, 0.1, PROCESSORS), 2, 2)
    assert 0 < observed.tries < 1 << 40
    assert sum(observed.counts.values()) == observed.tries


ENDS = [
    ("__builtin_trap();", "ended by signal 4"),
    ('for (;;) __asm__ volatile("");', "had no end within"),
    ("return 1;", "gave up"),
]


@pytest.mark.parametrize(("statement", "why"), ENDS)
def test_a_program_that_ends_badly_is_told_and_not_believed(statement: str, why: str, tmp_path: Path) -> None:
    program = build(f"int main(void) {{ {statement} }}\n", tmp_path, find_compiler())
    with pytest.raises(NativeFailed, match=why):
        run_program(program, Effort(1, 0.0, PROCESSORS), 1, 0, grace_s=0.5)


def test_a_processor_that_is_not_there_is_told(tmp_path: Path) -> None:
    program = build(
        native_text(compiled(parse("t.litmus", c("WRITE_ONCE(*x, 1);", "exists (x=1)")), "x86-wb")),
        tmp_path,
        find_compiler(),
    )
    with pytest.raises(NativeFailed, match="cannot run on its processor"):
        run_program(program, Effort(1, 1.0, (1000,)), 1, 1)
