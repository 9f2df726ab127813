"""Litmus files read: every part of the format, and errors that name file, line and construct."""

from __future__ import annotations

from pathlib import Path

import pytest
from litmus_runs import DATA, aarch64, c, run, states, x86

from amp.errors import UsageError
from amp.litmus.outcomes import proposition_text
from amp.litmus.parser import load, parse
from amp.litmus.syntax import Dialect, Initial, LocationName, Quantifier, RegisterName

# --- the parts --------------------------------------------------------------------------------------------------------


def test_every_file_of_the_sample_is_read_with_its_name_and_threads() -> None:
    files = sorted(DATA.rglob("*.litmus"))
    assert len(files) == 607
    for file in files:
        test = load(str(file))
        assert test.name == file.stem
        assert {"LKMM": Dialect.C, "AArch64": Dialect.AARCH64, "X86": Dialect.X86}[file.parent.name] is test.dialect
        assert 1 <= len(test.threads) <= 4


WITH_COMMENTS = """
C comments
"a string with (* no comment and { no brace"
Generator=diy7 (version 7.57)
(* a comment (* in a comment *)
   of two lines *)
{ x=1; (* here *) } // and here

P0(int *x) (* there *)
{
    // a remark
    int r0 = READ_ONCE(*x); /* not (* this *) */
    WRITE_ONCE(*x, r0 (* x is not code here *));
}

(* between *)
P1(int *x)
{
    int r0 = READ_ONCE(*x);
}
exists (* condition *) (0:r0=1 (* or *) /\\ 1:r0=1)
"""


def test_comments_strings_and_metadata_are_skipped_and_lines_counted() -> None:
    text = WITH_COMMENTS.replace(" (* x is not code here *)", "")
    test = parse("t", text)
    assert test.final.quantifier is Quantifier.EXISTS
    with pytest.raises(UsageError, match=r"^t:13: "):
        parse("t", WITH_COMMENTS)  # inside a thread, (* is not a comment


def test_initial_values_have_types_pointers_and_registers() -> None:
    test = parse(
        "t", c(";", initial="int x=1; int *p = &x; y; 0:r1=-2; uint64_t 0:r2; [z]=0x10; atomic_t v=ATOMIC_INIT(3);")
    )
    assert test.initial == (
        Initial(2, ("int",), LocationName("x"), 1),
        Initial(2, ("int", "*"), LocationName("p"), "x"),
        Initial(2, (), LocationName("y"), None),
        Initial(2, (), RegisterName(0, "r1"), -2),
        Initial(2, ("uint64_t",), RegisterName(0, "r2"), None),
        Initial(2, (), LocationName("z"), 16),
        Initial(2, ("atomic_t",), LocationName("v"), 3),
    )


CONDITIONS = [
    ("exists (0:r0=1)", r"0:r0=1"),
    ("exists 0:r0=1 /\\ [x]=2 /\\ y=3", r"0:r0=1 /\ [x]=2 /\ [y]=3"),
    ("exists (0:r0=1 \\/ x=2 /\\ y=3)", r"0:r0=1 \/ ([x]=2 /\ [y]=3)"),
    ("exists ((0:r0=1 \\/ x=2) /\\ y=3)", r"(0:r0=1 \/ [x]=2) /\ [y]=3"),
    ("exists (~(0:r0=1) /\\ ~x=2)", r"not (0:r0=1) /\ not ([x]=2)"),
    ("exists (not (0:r0=1 \\/ true))", r"not (0:r0=1 \/ true)"),
    ("exists (0:r0=x /\\ 0:r0!=&y /\\ false)", r"0:r0=x /\ 0:r0!=y /\ false"),
    ("exists (x=1 => y=-1)", r"not ([x]=1) \/ [y]=-1"),
    ("exists\n(x=0x10);", r"[x]=16"),
    ("locations [x; 0:r0;]", "true"),
]


@pytest.mark.parametrize(("condition", "printed"), CONDITIONS)
def test_conditions_print_as_herd7_prints_them_and_are_read_again(condition: str, printed: str) -> None:
    final = parse("t", c("int r0;", condition)).final
    assert proposition_text(final.proposition) == printed
    again = parse("t", c("int r0;", f"forall ({printed})")).final
    assert proposition_text(again.proposition) == printed


@pytest.mark.parametrize("quantifier", list(Quantifier))
def test_every_quantifier_is_read(quantifier: Quantifier) -> None:
    assert parse("t", c(";", f"{quantifier} (x=0)")).final.quantifier is quantifier
    assert parse("t", c(";", f"{quantifier}(x=0)")).final.quantifier is quantifier


def test_locations_are_observed_besides_the_condition() -> None:
    assert states(c("int r0; int r1; WRITE_ONCE(*x, 7);", "locations [y; 0:r1]\nexists (x=7)")) == [
        "0:r1=0; [x]=7; [y]=0;"
    ]


def test_six_threads_are_run_and_seven_refused() -> None:
    def threads(count: int) -> str:
        return (
            "C t\n{}\n" + "".join(f"P{n}(int *x) {{ WRITE_ONCE(*x, {n}); }}\n" for n in range(count)) + "exists (x=0)"
        )

    assert len(run(threads(6)).states) == 6
    with pytest.raises(UsageError, match="7 threads, expected at most 6"):
        run(threads(7))


def test_windows_line_ends_and_tabs_are_read() -> None:
    text = c("\tint r0 = READ_ONCE(*x);").replace("\n", "\r\n")
    assert states(text) == ["0:r0=0;"]


# --- errors -----------------------------------------------------------------------------------------------------------

BODY = 5  # the line of a C body's first line, and of the second instruction of an assembly thread
ERRORS = [
    ("", 1, "the file is empty"),
    ("PPC t\n{}\nP0;\nexists (x=0)", 1, "architecture 'PPC' is not supported"),
    ("\nC\n{}", 2, "no name after 'C'"),
    ("C t\nexists (x=1)", 1, "no initial values"),
    ("C t\n{ int x[2] = {1,2}; }", 2, "arrays are not supported: '{'"),
    ("C t\n{ x+1; }\n", 2, "'+'"),
    ("C t\n{}\n(* open", 3, "comment that begins here is never closed"),
    ('C t\n"open\n{}\n', 2, "string that begins here is never closed"),
    ("C t\n{}\nexists (x=0)", 2, "no threads"),
    ("C t\n{}\nP0(int *x) {\nexists (x=0)", 3, "P0: no body, or it is not closed"),
    ("C t\n{}\nP1(int *x) {}\nexists (x=0)", 3, "thread P1 where P0 is expected"),
    ("AArch64 t\n{}\nP1 ;\nexists (x=0)", 3, "thread P1 where P0 is expected"),
    ("AArch64 t\n{}\nP0 ;\nNOP ;\n", 4, "no condition"),
    ("AArch64 t\n{}\nP0 ;\nNOP | NOP ;\nexists (true)", 4, "2 columns for 1 threads"),
    (c(";", "filter (x=1)\nexists (x=1)"), 7, "'filter'"),
    (c(";", "exists (x=1 /\\"), 7, "more is expected after"),
    (c(";", "exists (x=1))"), 7, "unexpected ')'"),
    (c(";", "exists (1:r0=1)"), 7, "1:r0: there is no P1"),
    (c(";", "exists (0:r9=1)"), 7, "'r9' is no variable of P0"),
    (c(";", "exists (w=1)"), 7, "'w' is no location of this test"),
    (c("int r0;", "exists (0:r0=w)"), 7, "'w' is no location of this test"),
    (c(";", initial="1:r0=1;"), 2, "1:r0: there is no P1"),
    (c(";", initial="struct foo x;"), 2, "type 'struct foo' is not supported"),
    (c(";", initial="x=1839316992;"), 2, "the number 1839316992 is not supported"),
    (c("while (1) ;"), BODY, "'while' is not supported"),
    (c(";\nfor (;;) ;"), BODY + 1, "'for' is not supported"),
    (c("int r0[2];"), BODY, "unexpected '[' in 'int r0[2];'"),
    (c("spin_lock(x);"), BODY, "spin_lock() is not supported"),
    (c("synchronize_rcu();"), BODY, "synchronize_rcu() is not supported"),
    (c("atomic_add_unless(x, 1, 2);"), BODY, "atomic_add_unless() is not supported"),
    (c("*x = 1;"), BODY, "plain access to shared memory is not supported: use WRITE_ONCE()"),
    (c("int r0 = *x;"), BODY, "plain access to shared memory is not supported: use READ_ONCE()"),
    (c("int r0 = READ_ONCE(x);"), BODY, "the location is not of the form *pointer"),
    (c("int r0; READ_ONCE(*r0);"), BODY, "the location is no pointer"),
    (c("r0 = 1;"), BODY, "'r0' is not declared"),
    (c("WRITE_ONCE(*w, 1);"), BODY, "'w' is not declared"),
    (c("int r0 = smp_mb();"), BODY, "smp_mb() has no value"),
    (c("smp_mb(1);"), BODY, "smp_mb() has 1 arguments, expected 0"),
    (c("char r0;"), BODY, "type 'char' is not supported"),
    (c("int r0 = 4 / 2;"), BODY, "operator '/' is not supported"),
    (c("int r0 = 1; int r1 = 1 << r0;"), BODY, "operator '<<' is supported with a number below 32 only"),
    (c("int r0; long r0;"), BODY, "'r0' is declared a second time"),
    (c("int x;"), BODY, "'x' is a parameter already"),
    (c("int r0; r0 = 010;"), BODY, "octal number 010"),
    (c(";", parameters="int x"), 3, "parameter 'x' is no pointer"),
    (c(";", parameters="spinlock_t *x"), 3, "type 'spinlock_t *' is not supported"),
    (aarch64("NOP;FROB X0"), BODY, "instruction 'FROB X0' is not supported"),
    (aarch64("NOP;LDXR W0,[X1]"), BODY, "instruction 'LDXR W0,[X1]' is not supported"),
    (aarch64("NOP;LDR W0,[X1,#16385]"), BODY, "'LDR W0,[X1,#16385]' is not supported: the offset 16385 cannot be"),
    (aarch64("NOP;LDAR W0,[X1,#4]"), BODY, "'LDAR W0,[X1,#4]' is not supported: address [X1,#4]"),
    (aarch64("NOP;STRB X0,[X1]"), BODY, "an access of part of a word has a W register"),
    (aarch64("NOP;MOV W0,#99999999999999999999"), BODY, "its number does not fit 32 bits"),
    (aarch64("NOP;MOV W0,#4294967296"), BODY, "its number does not fit 32 bits"),
    (aarch64("NOP;MOV X0,#-9223372036854775809"), BODY, "its number does not fit 64 bits"),
    (aarch64("NOP;ADD W0,W0,#4097"), BODY, "the number 4097 cannot be encoded"),
    (aarch64("NOP;EOR W0,W0,#5"), BODY, "the number 5 cannot be encoded"),
    (aarch64("NOP;AND X0,X0,#0"), BODY, "the number 0 cannot be encoded"),
    (aarch64("NOP;MUL W0,W0,#2"), BODY, "its last operand is a register"),
    (aarch64("NOP;LDR W0,[X1],#4"), BODY, "3 operands, expected 2"),
    (aarch64("NOP;LDR W0,[W1]"), BODY, "the address is not in an X register"),
    (aarch64("NOP;LDAR W0,[X1,X2]"), BODY, "address [X1,X2]"),
    (aarch64("NOP;DMB FOO"), BODY, "instruction 'DMB FOO' is not supported"),
    (aarch64("NOP;ADD W0,X1,W2"), BODY, "W and X registers are mixed"),
    (aarch64("NOP;STADDA W0,[X1]"), BODY, "instruction 'STADDA W0,[X1]' is not supported"),
    (aarch64("L0:;B L0"), BODY, "the jump back to 'L0' makes a loop"),
    (aarch64("NOP;CBZ W0,L1"), BODY, "label 'L1' is not in P0"),
    (aarch64("L0:;L0:"), BODY, "label 'L0' stands here a second time"),
    (aarch64("NOP;B.EQ L0;L0:"), BODY, "no CMP stands before it"),
    (aarch64("NOP;MOV W0,#1839316992"), BODY, "the number 1839316992 is not supported"),
    (aarch64("NOP", "exists (0:X31=0)"), 5, "'X31' is no register"),
    (aarch64("NOP", initial="0:Q0=1;"), 2, "register 'Q0' is not supported"),
    (x86("NOP;MOV RAX,[x]"), BODY, "'RAX' is no register"),
    (x86("NOP;MOV [x],[y]"), BODY, "both operands are memory"),
    (x86("NOP;MOV EAX,[x,y]"), BODY, "address [x,y]"),
    (x86("NOP;LOCK MOV [x],EAX"), BODY, "'LOCK MOV [x],EAX' is not supported: it cannot be locked"),
    (x86("NOP;LOCK ADD EAX,$1"), BODY, "it cannot be locked"),
    (x86("NOP;JE L0;L0:"), BODY, "the instruction that sets its flags is not just before it"),
    (x86("ADD EAX,$1;JL L0;L0:"), BODY, "the instruction that sets its flags is not just before it"),
    (x86("NOP;CLFLUSH [x]"), BODY, "instruction 'CLFLUSH [x]' is not supported"),
]


@pytest.mark.parametrize(("text", "line", "construct"), ERRORS)
def test_an_error_names_file_line_and_construct(text: str, line: int, construct: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(text)
    error = str(caught.value)
    assert error.startswith(f"t.litmus:{line}: "), error
    assert construct in error
    assert "\n" not in error


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.litmus: No such file"):
        load(str(tmp_path / "missing.litmus"))
    (tmp_path / "binary.litmus").write_bytes(b"C t\n\xff\n")
    with pytest.raises(UsageError, match=r"binary\.litmus:2: not UTF-8"):
        load(str(tmp_path / "binary.litmus"))
    (tmp_path / "large.litmus").write_bytes(b" " * (1 << 20) + b" ")
    with pytest.raises(UsageError, match="no litmus test"):
        load(str(tmp_path / "large.litmus"))


# --- too deep, and twice ----------------------------------------------------------------------------------------------

DEEP = {
    "an expression": "{c}int r0 = {open}1{close};{end}",
    "an argument": "{c}WRITE_ONCE(*x, {open}1{close});{end}",
    "a condition": "{c}int r0 = 1;{end}",
}


@pytest.mark.parametrize("what", DEEP)
@pytest.mark.parametrize("levels", [101, 100_000])
def test_more_than_100_brackets_in_one_another_are_refused_wherever_they_stand(what: str, levels: int) -> None:
    condition = f"{'(' * levels}0:r0=1{')' * levels}" if what == "a condition" else "x=1"
    start, end = "C t\n{ x=0; }\nP0(int *x) {\n", "\n}\n" + f"exists {condition}\n"
    text = DEEP[what].format(c=start, end=end, open="(" * levels, close=")" * levels)
    with pytest.raises(UsageError, match=r"^t:\d+: more than 100 constructs nest here"):
        parse("t", text)


def test_fifty_brackets_in_one_another_are_read() -> None:
    parse("t", f"C t\n{{ x=0; }}\nP0(int *x) {{\nint r0 = {'(' * 50}1{')' * 50};\n}}\nexists {'(' * 50}x=1{')' * 50}\n")


@pytest.mark.parametrize(
    "initial",
    ["int x=1; int x=2;", "x=1; x=2;", "x=1; [x]=1;", "int x; long x;", "0:r1=1; 0:r1=x;", "0:r1=1; y=1; 0:r1=1;"],
)
def test_what_is_initialised_twice_is_refused(initial: str) -> None:
    with pytest.raises(UsageError, match=r"^t:2: .* a second time$"):
        parse("t", f"C t\n{{ {initial} }}\nP0(int *x) {{ int r0 = READ_ONCE(*x); }}\nexists (0:r0=0)\n")


@pytest.mark.parametrize(
    "body", ["int r0=1; int r0=2;", "int r0=1, r0=2;", "int r0=1; { int r0=2; }", "int r0=1; if (r0) { int r0=2; }"]
)
def test_what_is_declared_twice_is_refused(body: str) -> None:
    with pytest.raises(UsageError, match="'r0' is declared a second time"):
        run(f"C t\n{{ x=0; }}\nP0(int *x) {{ {body} }}\nexists (0:r0=0)\n")


def test_blocks_beside_each_other_may_declare_the_same() -> None:
    run("C t\n{ x=0; }\nP0(int *x) { if (1) { int r0=1; } else { int r0=2; } { int r0=3; } }\nexists (0:r0=3)\n")


def test_a_type_and_a_value_may_be_given_apart() -> None:
    parse("t", "C t\n{ int x; x=2; }\nP0(int *x) { int r0 = READ_ONCE(*x); }\nexists (0:r0=0)\n")
