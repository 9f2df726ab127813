"""What the constructs of each dialect compute, and what they order on which machine, told by the states they end in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litmus_runs import aarch64, c, run, states, x86

from amp.litmus.c import atomics_are_full
from amp.litmus.primitives import PRIMITIVES, AtomicRow
from amp.ordering.platforms import PLATFORMS

# --- C: values --------------------------------------------------------------------------------------------------------

VALUES = [
    ("int r0 = 1 + 2 * 3 - 4;", 3),
    ("int r0 = (1 | 6) & ~2 ^ 8;", 13),
    ("int r0 = -5 >> 1;", -3),
    ("unsigned r0 = 0xfffffffe; r0 = r0 >> 1;", 0x7FFFFFFF),
    ("int r0 = 1 << 31;", -(1 << 31)),
    ("int r0 = 0x7fffffff + 1;", -(1 << 31)),
    ("unsigned int r0 = 0; r0 -= 1;", 0xFFFFFFFF),
    ("long r0 = 1L << 40;", 1 << 40),
    ("int r0 = (long)1 << 32;", 0),
    ("intptr_t r0 = -1; r0++; ++r0; r0--;", 0),
    ("int r0 = -1 < 0u;", 0),  # C11 6.3.1.8: -1 becomes unsigned
    ("int r0 = -1 < 0;", 1),
    ("int r0 = (3 == 3) + (3 != 3) + (2 <= 3) + (2 >= 3) + (2 > 1);", 3),
    ("int r0 = !5 + !0;", 1),
    ("int r0 = 5 && 6;", 1),
    ("int r0 = 0 || 0;", 0),
    ("int r0 = 0 && xchg(x, 1); r0 = READ_ONCE(*x);", 0),  # what && skips does not happen
    ("int r0 = 1 || xchg(x, 1); r0 = r0 + READ_ONCE(*x);", 1),
    ("int r0 = 0 || !xchg(x, 1); r0 = r0 + READ_ONCE(*x);", 2),
    ("int r0 = 7; if (r0 == 7) r0 = 1; else r0 = 2;", 1),
    ("int r0 = 7; if (r0 != 7) { r0 = 1; } else if (r0 > 6 && !(r0 > 7)) { r0 = 3; } else r0 = 4;", 3),
    ("int r0 = 7; if (r0 < 3 || r0 > 5) r0 = 9;", 9),
    ("int r0, r1 = 4; r0 = r1; ;{ int r2 = 1; r0 = r0 + r2; }", 5),
    ("volatile const int r0 = 3;", 3),
    ("int r0; WRITE_ONCE(*x, -1); r0 = READ_ONCE(*x);", -1),
    ("int r0; int *r1 = x; WRITE_ONCE(*r1, 3); r0 = READ_ONCE(*(x + (r0 & 0)));", 3),
    ("int r0; int *r1 = &x; r0 = (r1 == x) + (r1 != y);", 2),
    ("int r0; intptr_t r1 = (intptr_t)x; smp_store_release((int *)r1, 4); r0 = smp_load_acquire(x);", 4),
    ("int r0; smp_store_mb(*x, 2); virt_store_mb(*y, 3); r0 = READ_ONCE(*x) * READ_ONCE(*y);", 6),
]


@pytest.mark.parametrize(("body", "value"), VALUES)
def test_c_computes_as_c_does(body: str, value: int) -> None:
    assert states(c(body)) == [f"0:r0={value};"]


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(-(1 << 31), (1 << 31) - 1), st.sampled_from("+-*&|^"))
def test_int_arithmetic_wraps_at_32_bits(left: int, right: int, operator: str) -> None:
    exact = {"+": left + right, "-": left - right, "*": left * right}
    exact |= {"&": left & right, "|": left | right, "^": left ^ right}
    wrapped = (exact[operator] + (1 << 31)) % (1 << 32) - (1 << 31)
    if {abs(left), abs(right)} & set(range(0x6DA1C000, 0x6DA1C200)):
        return  # refused: addresses lie there
    assert states(c(f"int r0 = {left} {operator} ({right});")) == [f"0:r0={wrapped};"]


ATOMICS = [  # from 5: result (None: it has none), and what is left
    ("atomic_read(x)", 5, 5),
    ("atomic_set(x, 2)", None, 2),
    ("atomic_add(2, x)", None, 7),
    ("atomic_sub(2, x)", None, 3),
    ("atomic_inc(x)", None, 6),
    ("atomic_dec(x)", None, 4),
    ("atomic_and(4, x)", None, 4),
    ("atomic_or(2, x)", None, 7),
    ("atomic_xor(1, x)", None, 4),
    ("atomic_andnot(1, x)", None, 4),
    ("atomic_add_return(2, x)", 7, 7),
    ("atomic_sub_return_relaxed(7, x)", -2, -2),
    ("atomic_inc_return_acquire(x)", 6, 6),
    ("atomic_dec_return_release(x)", 4, 4),
    ("atomic_fetch_add(2, x)", 5, 7),
    ("atomic_fetch_inc(x)", 5, 6),
    ("atomic_fetch_andnot_relaxed(4, x)", 5, 1),
    ("atomic_fetch_or_acquire(8, x)", 5, 13),
    ("atomic_xchg(x, 9)", 5, 9),
    ("xchg_release(x, 9)", 5, 9),
    ("cmpxchg(x, 5, 8)", 5, 8),
    ("cmpxchg(x, 4, 8)", 5, 5),
    ("atomic_cmpxchg_relaxed(x, 5, -1)", 5, -1),
    ("atomic_sub_and_test(5, x)", 1, 0),
    ("atomic_dec_and_test(x)", 0, 4),
    ("atomic_inc_and_test(x)", 0, 6),
    ("atomic_add_negative(-6, x)", 1, -1),
]


@pytest.mark.parametrize("platform", ["arm64", "x86-wb"])
@pytest.mark.parametrize(("call", "result", "left"), ATOMICS)
def test_atomics_return_and_leave_what_the_kernel_s_do(call: str, result: int | None, left: int, platform: str) -> None:
    body = f"int r0 = 77; {'' if result is None else 'r0 = '}{call};"
    text = c(body, "locations [0:r0; x;]", initial="atomic_t x = ATOMIC_INIT(5);", parameters="atomic_t *x")
    assert states(text, platform) == [f"0:r0={77 if result is None else result}; [x]={left};"]


def test_every_value_returning_atomic_has_four_orders() -> None:
    returning = [name for name, row in PRIMITIVES.items() if isinstance(row, AtomicRow) and "_and_test" not in name]
    bases = {name for name in returning if f"{name}_relaxed" in PRIMITIVES}
    assert {"xchg", "cmpxchg", "atomic_fetch_xor", "atomic64_add_return"} <= bases
    assert all(f"{base}{suffix}" in PRIMITIVES for base in bases for suffix in ("_acquire", "_release"))


def test_addresses_are_stored_followed_and_printed_by_name() -> None:
    text = """C t
{ int y=4; int *p=&y; }
P0(int *x, int **p) { WRITE_ONCE(*x, 1); rcu_assign_pointer(*p, x); }
P1(int *x, int **p)
{
    int *r0;
    int r1;
    rcu_read_lock();
    r0 = rcu_dereference(*p);
    r1 = READ_ONCE(*r0);
    rcu_read_unlock();
}
exists (1:r0=x /\\ 1:r1=0)
"""
    assert states(text) == ["1:r0=x; 1:r1=1;", "1:r0=y; 1:r1=4;"]


def test_a_value_that_is_no_address_is_refused_where_it_is_followed() -> None:
    with pytest.raises(Exception, match=r"t\.litmus: .*address"):
        run(c("int r0 = READ_ONCE(*(int *)3);"))


# --- C: what is ordered -----------------------------------------------------------------------------------------------


def store_buffering(between: str) -> str:
    return f"""C SB
{{}}
P0(int *x, int *y, int *a) {{ int r0; WRITE_ONCE(*x, 1); {between} r0 = READ_ONCE(*y); }}
P1(int *x, int *y, int *a) {{ int r0; WRITE_ONCE(*y, 1); mb(); r0 = READ_ONCE(*x); }}
exists (0:r0=0 /\\ 1:r0=0)
"""


def message_passing(store: str, load: str) -> str:
    return f"""C MP
{{}}
P0(int *x, int *y, int *a) {{ WRITE_ONCE(*x, 1); {store} }}
P1(int *x, int *y, int *a) {{ int r0; int r1; {load} r1 = READ_ONCE(*x); }}
exists (1:r0=1 /\\ 1:r1=0)
"""


ORDERED = [  # test, platform, verdict
    (store_buffering("smp_wmb();"), "x86-wb", "Allowed"),
    (store_buffering("smp_mb();"), "x86-wb", "Forbidden"),
    (store_buffering("smp_mb();"), "armv7-up", "Allowed"),
    (store_buffering("virt_mb();"), "armv7-up", "Forbidden"),
    (store_buffering("mb();"), "paranoid", "Forbidden"),
    (store_buffering("smp_mb();"), "paranoid", "Allowed"),
    (store_buffering("xchg(a, 1);"), "arm64", "Forbidden"),
    (store_buffering("xchg_acquire(a, 1);"), "arm64", "Allowed"),
    (store_buffering("xchg_relaxed(a, 1);"), "x86-wb", "Forbidden"),  # locked all the same
    (store_buffering("cmpxchg(a, 5, 1);"), "x86-wb", "Forbidden"),  # so is one that fails
    (store_buffering("cmpxchg(a, 0, 1);"), "arm64", "Forbidden"),
    (store_buffering("atomic_inc(a); smp_mb__after_atomic();"), "arm64", "Forbidden"),
    (store_buffering("smp_mb__before_atomic(); atomic_inc(a);"), "x86-wb", "Forbidden"),
    (store_buffering("atomic_inc(a);"), "arm64", "Allowed"),
    (store_buffering("barrier();"), "sc", "Forbidden"),
    (message_passing("WRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y);"), "arm64", "Allowed"),
    (message_passing("WRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y);"), "x86-wb", "Forbidden"),
    (message_passing("WRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y);"), "x86-wc", "Allowed"),
    (message_passing("wmb(); WRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y);"), "x86-wc", "Forbidden"),
    (message_passing("dma_wmb(); WRITE_ONCE(*y, 1);", "r0 = READ_ONCE(*y); dma_rmb();"), "arm64", "Forbidden"),
    (message_passing("smp_store_release(y, 1);", "r0 = smp_load_acquire(y);"), "riscv", "Forbidden"),
    (message_passing("smp_store_release(y, 1);", "r0 = READ_ONCE(*y);"), "riscv", "Allowed"),
    (message_passing("atomic_set_release(y, 1);", "r0 = atomic_read_acquire(y);"), "armv7-smp", "Forbidden"),
    (message_passing("xchg_release(y, 1);", "r0 = cmpxchg_acquire(y, 1, 2);"), "arm64", "Forbidden"),
    (message_passing("xchg_relaxed(y, 1);", "r0 = cmpxchg_acquire(y, 1, 2);"), "arm64", "Allowed"),
]


@pytest.mark.parametrize(("text", "platform", "verdict"), ORDERED)
def test_a_primitive_orders_what_its_row_says(text: str, platform: str, verdict: str) -> None:
    assert run(text, platform).verdict == verdict


def test_only_x86_s_atomics_are_all_full() -> None:
    full = {name for name, each in PLATFORMS.items() if atomics_are_full(each.host.architecture.rows)}
    assert full == {"x86-wb", "x86-wc"}


DEPENDENCIES = [  # what reads y into r0 and then x into r1, or writes x; the verdict on arm64
    ("r0 = READ_ONCE(*y); r1 = READ_ONCE(*(x + (r0 ^ r0)));", "1:r1=0", "Forbidden"),
    ("r0 = READ_ONCE(*y); if (r0) r1 = READ_ONCE(*x);", "1:r1=0", "Allowed"),
    ("r0 = READ_ONCE(*y); if (r0) WRITE_ONCE(*x, 2);", "x=1", "Forbidden"),
    ("r0 = READ_ONCE(*y); WRITE_ONCE(*x, 2 + (r0 & 0));", "x=1", "Forbidden"),
    ("r0 = READ_ONCE(*y); WRITE_ONCE(*x, 2);", "x=1", "Allowed"),
]


@pytest.mark.parametrize(("reader", "end", "verdict"), DEPENDENCIES)
def test_dependencies_are_kept_even_false_ones(reader: str, end: str, verdict: str) -> None:
    text = f"""C t
{{}}
P0(int *x, int *y) {{ WRITE_ONCE(*x, 1); smp_wmb(); WRITE_ONCE(*y, 1); }}
P1(int *x, int *y) {{ int r0; int r1; {reader} }}
exists (1:r0=1 /\\ {end})
"""
    assert run(text).verdict == verdict


# --- AArch64 ----------------------------------------------------------------------------------------------------------

A64 = [
    ("MOV W0,#-1", 0xFFFFFFFF),
    ("MOV X0,#-1", -1),
    ("mov x0,#3;ADD X0,X0,#4;SUB X0,X0,#1;MUL X0,X0,X0", 36),
    ("MOV W2,#6;AND W0,W2,#3;ORR W0,W0,#8;EOR W0,W0,W2", 12),
    ("MOV W2,#6;MOV W4,#2;BIC W0,W2,W4", 4),
    ("MOV X0,#5;ADD W0,WZR,W0", 5),
    ("MOV W2,#-1;SXTW X0,W2", -1),
    ("MOV W2,#-1;UXTW X0,W2", 0xFFFFFFFF),
    ("MOV W2,#7;STR W2,[X1];LDR W0,[X1,#0]", 7),
    ("MOV X5,#0;STLR WZR,[X1];LDAR W0,[X1];LDAPR W0,[X1];LDR X0,[X1,X5]", 0),
    ("MOV W5,#0;STUR W5,[X1,W5,SXTW];LDUR W0,[X1,W5,UXTW];NOP;ISB;DSB ISHLD", 0),
    ("CBZ W0,L0;MOV W0,#1;L0:;CBNZ W0,L1;MOV W0,#2;L1: NOP", 2),
    ("MOV W0,#3;CMP W0,#3;B.EQ L0;MOV W0,#4;L0:", 3),
    ("MOV W0,#3;MOV W2,#4;CMP W0,W2;BGE L0;B L1;L0: MOV W0,#9;L1:", 3),
    ("MOV W2,#5;STR W2,[X1];MOV W2,#3;SWPAL W2,W0,[X1];LDR W4,[X1];ADD W0,W0,W4", 8),
    ("MOV W2,#5;STR W2,[X1];LDADDA W2,W0,[X1];LDCLRA W2,W0,[X1]", 10),
    ("MOV W2,#5;LDSETA W2,W0,[X1];LDEORA W2,W0,[X1];LDR W0,[X1]", 0),
    ("MOV W0,#0;MOV W2,#5;CASA W0,W2,[X1];MOV W0,#5;CASAL W0,W2,[X1]", 5),
]


@pytest.mark.parametrize(("code", "value"), A64)
def test_a64_instructions_compute(code: str, value: int) -> None:
    assert states(aarch64(code)) == [f"0:X0={value};"]


def test_a64_addresses_and_initial_registers() -> None:
    text = aarch64("LDR X0,[X1];STR W4,[X0]", "exists (0:X0=y /\\ [y]=7)", "0:X1=x; x=y; 0:X4=7; int y=-3;")
    assert run(text).holds
    assert states(text) == ["0:X0=y; [y]=7;"]
    assert states(aarch64("NOP", "locations [y]", "int y=-3;")) == ["[y]=-3;"]


# --- X86 --------------------------------------------------------------------------------------------------------------

IA32 = [
    ("MOV EAX,$-1", -1),
    ("mov [x],$3;MOV EAX,[x];ADD EAX,$4;SUB EAX,$1;XOR EAX,$5", 3),
    ("MOV EBX,$6;MOV EAX,EBX;AND EAX,$4;OR EAX,$1", 5),
    ("MOV EBX,$3;XCHG [x],EBX;MOV EAX,[x]", 3),
    ("MOV EBX,$3;XCHG EAX,EBX", 3),
    ("MOV [x],$3;MOV EAX,$4;LOCK XADD [x],EAX", 3),
    ("LOCK INC [x];lock ADD [x],$5;LOCK DEC [x];MOV EAX,[x]", 5),
    ("INC [x];ADD [x],$5;MOV EAX,[x]", 6),
    ("MOV EBX,$7;LOCK CMPXCHG [x],EBX;MOV EAX,[x]", 7),
    ("MOV EAX,$1;LOCK CMPXCHG [x],EBX;JNE L0;MOV EAX,$9;L0:", 0),
    ("MOV EAX,$2;CMP EAX,$3;JL L0;MOV EAX,$9;L0: MFENCE;LFENCE;SFENCE;NOP", 2),
    ("MOV EAX,$2;DEC EAX;JNZ L0;MOV EAX,$9;L0:", 1),
    ("MOV EAX,$2;TEST EAX,EAX;JE L0;JMP L1;L0: MOV EAX,$9;L1:", 2),
]


@pytest.mark.parametrize(("code", "value"), IA32)
def test_x86_instructions_compute(code: str, value: int) -> None:
    assert states(x86(code)) == [f"0:EAX={value};"]


def test_x86_registers_may_hold_addresses() -> None:
    assert states(x86("MOV [EBX],$4;MOV EAX,[x]", initial="0:EBX=x;")) == ["0:EAX=4;"]


def test_x86_locked_instructions_are_full_barriers() -> None:
    def verdict(between: str) -> str:
        rows = ("P0 | P1", "MOV [x],$1 | MOV [y],$1", f"{between} | MFENCE", "MOV ECX,[y] | MOV ECX,[x]")
        text = "X86 SB\n{ 0:EAX=5; }\n" + "".join(f"{row} ;\n" for row in rows) + "exists (0:ECX=0 /\\ 1:ECX=0)"
        return run(text).verdict

    assert verdict("NOP") == "Allowed"
    assert verdict("SFENCE") == "Allowed"
    failing = "LOCK CMPXCHG [z],EBX"
    for full in ("MFENCE", "XCHG [z],EAX", "LOCK ADD [z],$0", "LOCK XADD [z],EAX", failing):
        assert verdict(full) == "Forbidden", full
