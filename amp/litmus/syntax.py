"""What a litmus file says, before any meaning: initial values, threads, condition.

`parser` makes these, the dialects (`c`, `aarch64`, `x86`) compile them, `outcomes` judges by them. Every node that may
be refused knows its line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from amp.errors import UsageError


class Dialect(StrEnum):
    """The word that opens the file."""

    C = "C"
    AARCH64 = "AArch64"
    X86 = "X86"


def refuse(file: str, line: int, text: str) -> UsageError:
    """The error for what the file says at `line`; to be raised."""
    return UsageError(f"{file}:{line}: {text}")


@dataclass(frozen=True, slots=True)
class RegisterName:
    """`1:r0`, as written."""

    thread: int
    name: str

    def __str__(self) -> str:
        return f"{self.thread}:{self.name}"


@dataclass(frozen=True, slots=True)
class LocationName:
    """`x` or `[x]`."""

    name: str

    def __str__(self) -> str:
        return f"[{self.name}]"


Observable = RegisterName | LocationName
Constant = int | str  # a number, or the name of the location whose address is meant


# --- the condition ----------------------------------------------------------------------------------------------------


class Quantifier(StrEnum):
    EXISTS = "exists"
    NOT_EXISTS = "~exists"
    FORALL = "forall"


@dataclass(frozen=True, slots=True)
class Equal:
    """`1:r0=1`; `negated`: `1:r0!=1`."""

    line: int
    left: Observable
    right: Constant
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    inner: Proposition


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Proposition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Proposition, ...]


Proposition = Equal | Truth | Not | All | Some


@dataclass(frozen=True, slots=True)
class Final:
    """The end of the file. `locations` are (line, what): observed, besides what the proposition names.

    With no condition at all it is `forall (true)`, as in herd7.
    """

    locations: tuple[tuple[int, Observable], ...]
    quantifier: Quantifier
    proposition: Proposition


# --- initial values ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Initial:
    """`int *p = &x`: type words "int *", empty if not given; value None if not given."""

    line: int
    type_words: tuple[str, ...]
    target: Observable
    value: Constant | None


# --- assembly ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Immediate:
    value: int

    def __str__(self) -> str:
        return f"#{self.value}"


@dataclass(frozen=True, slots=True)
class Word:
    """A register, a label, an option: the instruction knows."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Memory:
    """`[X1,W2,SXTW]`: what stands between the brackets."""

    parts: tuple[Word | Immediate, ...]

    def __str__(self) -> str:
        return f"[{','.join(map(str, self.parts))}]"


Operand = Word | Immediate | Memory


@dataclass(frozen=True, slots=True)
class Label:
    line: int
    name: str


@dataclass(frozen=True, slots=True)
class AsmInstruction:
    """`locked` is X86's prefix."""

    line: int
    mnemonic: str
    operands: tuple[Operand, ...]
    locked: bool = False

    def __str__(self) -> str:
        lock = "LOCK " if self.locked else ""
        return f"{lock}{self.mnemonic} {','.join(map(str, self.operands))}".strip()


AsmThread = tuple[Label | AsmInstruction, ...]


# --- C ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    line: int
    value: int
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """`operator` is one of - + ! ~ * &."""

    line: int
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    line: int
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Cast:
    line: int
    type_words: tuple[str, ...]
    operand: Expression


@dataclass(frozen=True, slots=True)
class Call:
    line: int
    function: str
    arguments: tuple[Expression, ...]


Expression = Number | Name | Unary | Binary | Cast | Call


@dataclass(frozen=True, slots=True)
class Declaration:
    line: int
    type_words: tuple[str, ...]
    name: str
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Assignment:
    line: int
    target: Expression
    value: Expression


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An expression for its effect: `smp_mb();`"""

    line: int
    expression: Expression


@dataclass(frozen=True, slots=True)
class If:
    line: int
    condition: Expression
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Statements in braces, or (not `scoped`) the declarations of one line."""

    statements: tuple[Statement, ...]
    scoped: bool = True


Statement = Declaration | Assignment | Evaluation | If | Block


@dataclass(frozen=True, slots=True)
class CThread:
    """`parameters` are declarations without value: the names of shared locations."""

    line: int
    number: int
    parameters: tuple[Declaration, ...]
    body: tuple[Statement, ...]


# --- the whole file ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LitmusTest:
    """A parsed file. `threads` are of the dialect's kind; `body_line` is where they begin."""

    file: str
    name: str
    dialect: Dialect
    initial: tuple[Initial, ...]
    threads: tuple[CThread, ...] | tuple[AsmThread, ...]
    body_line: int
    final: Final
