"""Threads in Linux C as C that gcc and clang compile: primitives by their rows, all else as it stands.

Input is a parsed thread that `CCompiler` has accepted, so nothing is refused here. What a primitive becomes is
`amp/_core/native/native_access.h` and `fences.h`. Three things are made explicit, since a C compiler may choose what
the model's compiler does not: calls inside an expression get a statement each, in the model's order of evaluation; a
variable used in an operator goes through opaque(), so that no dependency can be computed away; and a variable has the
one place that the model gives it, at the top of its function, with 0 in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from amp.litmus import primitives, syntax
from amp.litmus.c_types import CType, c_type
from amp.litmus.primitives import PRIMITIVES, Result
from amp.litmus.program import Rmw
from amp.ordering.barriers import Primitive

_LONG: Final = "long"
_BUILTINS: Final[Mapping[Rmw, str]] = {
    Rmw.XCHG: "__atomic_exchange_n",
    Rmw.ADD: "__atomic_fetch_add",
    Rmw.SUB: "__atomic_fetch_sub",
    Rmw.AND: "__atomic_fetch_and",
    Rmw.OR: "__atomic_fetch_or",
    Rmw.XOR: "__atomic_fetch_xor",
}
_NEW_VALUE: Final[Mapping[Rmw, str]] = {Rmw.ADD: "__atomic_add_fetch", Rmw.SUB: "__atomic_sub_fetch"}


def c_name(found: CType) -> str:
    """The type, in words that need no header."""
    base = {0: "void", 4: "int" if found.signed else "unsigned", 8: "long" if found.signed else "unsigned long"}
    return f"{base[found.base_bytes]} {'*' * found.stars}".strip()


class CWriter:
    """One thread. `streamed`: the locations to which it makes non-temporal stores."""

    def __init__(self, locations: Sequence[str], non_temporal: Sequence[str]) -> None:
        self.locations = locations
        self.non_temporal = frozenset(non_temporal)
        self.streamed: set[str] = set()
        self.parameters: set[str] = set()
        self.variables: dict[str, str] = {}
        self._lines: list[str] = []
        self._depth = 0
        self._results = 0

    def thread(self, thread: syntax.CThread, initial: Sequence[syntax.Initial], seen: Mapping[str, int]) -> list[str]:
        """The lines of its function. `seen`: the column of each observed variable."""
        self.parameters = {parameter.name for parameter in thread.parameters}
        for parameter in thread.parameters:
            kind = _type(parameter.type_words)
            self._declare(kind, parameter.name, self._cell(parameter.name, kind))
        for entry in initial:
            assert isinstance(entry.target, syntax.RegisterName)
            kind = _type(entry.type_words) if entry.type_words else _LONG
            value = entry.value or 0
            first = self._cell(value, kind) if isinstance(value, str) else _number(value)
            self._variable(kind, entry.target.name, first)
        for declared in _declarations(thread.body):
            self._variable(_type(declared.type_words), declared.name, "0")
        self._write("")
        self._statements(thread.body)
        if seen:
            self._write("")
        for name, column in seen.items():
            self._write(f"amp_seen[{column}] = (uint64_t){name};")
        return self._lines

    def _write(self, line: str) -> None:
        self._lines.append(f"{'    ' * self._depth}{line}" if line else "")

    def _declare(self, kind: str, name: str, value: str) -> None:
        self._write(f"{kind}{'' if kind.endswith('*') else ' '}{name} = {value};")

    def _variable(self, kind: str, name: str, value: str) -> None:
        if name not in self.variables:
            self.variables[name] = kind
            self._declare(kind, name, value)

    def _cell(self, name: str, kind: str) -> str:
        return f"({kind})amp_cell[{self.locations.index(name)}]"

    # --- statements

    def _statements(self, statements: Sequence[syntax.Statement]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, statement: syntax.Statement) -> None:
        match statement:
            case syntax.Block():
                self._statements(statement.statements)
            case syntax.Declaration(name=name, value=value):
                if value is not None:
                    self._write(f"{name} = {self._assigned(value)};")
            case syntax.Assignment(target=syntax.Name(name=name), value=value):
                self._write(f"{name} = {self._assigned(value)};")
            case syntax.Evaluation(expression=syntax.Call() as call):
                text = self._call(call)
                if text:
                    self._write(f"{text};")
            case syntax.Evaluation(expression=expression):
                self._write(f"(void){self._value(expression)};")
            case syntax.If():
                self._branch(statement)
            case _:
                raise AssertionError(f"{statement} is refused before it comes here")

    def _assigned(self, expression: syntax.Expression) -> str:
        return self._call(expression) if isinstance(expression, syntax.Call) else self._value(expression)

    def _branch(self, statement: syntax.If) -> None:
        self._write(f"if ({self._value(statement.condition)}) {{")
        self._indented(statement.then)
        if statement.otherwise:
            self._write("} else {")
            self._indented(statement.otherwise)
        self._write("}")

    def _indented(self, statements: Sequence[syntax.Statement]) -> None:
        self._depth += 1
        self._statements(statements)
        self._depth -= 1

    # --- expressions: their text, after the statements that they need

    def _value(self, expression: syntax.Expression) -> str:  # noqa: PLR0911  (one for each kind)
        match expression:
            case syntax.Number(value=value, suffix=suffix):
                return _number(value, suffix)
            case syntax.Name(name=name):
                return f"opaque({name})" if name in self.variables else name
            case syntax.Unary(operator="&", operand=syntax.Name(name=name)):
                return name if name in self.parameters else f"({self._cell(name, 'int *')})"
            case syntax.Unary(operator=operator, operand=operand):
                return f"({operator}{self._value(operand)})"
            case syntax.Binary(operator="&&" | "||"):
                return self._logical(expression)
            case syntax.Binary(operator=operator):
                left = self._value(expression.left)
                return f"({left} {operator} {self._value(expression.right)})"
            case syntax.Cast(type_words=words, operand=operand):
                return f"(({_type(words)}){self._value(operand)})"
            case syntax.Call():
                return self._result("__auto_type", self._call(expression))

    def _result(self, kind: str, text: str) -> str:
        self._results += 1
        name = f"amp_result{self._results}"
        self._write(f"{kind} {name} = {text};")
        return name

    def _logical(self, expression: syntax.Binary) -> str:
        """What the right side needs happens only if C evaluates it."""
        left = self._value(expression.left)
        outer, self._lines = self._lines, []
        self._depth += 1
        right = self._value(expression.right)
        self._depth -= 1
        inner, self._lines = self._lines, outer
        if not inner:
            return f"({left} {expression.operator} {right})"
        result = self._result("int", f"({left} != 0)")
        self._write(f"if ({result if expression.operator == '&&' else f'!{result}'}) {{")
        self._lines += [*inner, f"{'    ' * (self._depth + 1)}{result} = ({right} != 0);"]
        self._write("}")
        return result

    # --- calls

    def _call(self, call: syntax.Call) -> str:  # noqa: PLR0911  (one for each kind of row)
        """The call's text; empty for what is nothing on this CPU or any."""
        row = PRIMITIVES[call.function]
        match row:
            case primitives.FenceRow(primitive=primitive):
                return _fence(primitive)
            case primitives.AroundAtomicRow():
                return "amp_around_atomic()"
            case primitives.NoRow():
                return ""
            case primitives.LoadRow():
                pointer = self._pointer(call.arguments[0], row.by_address)
                return f"{'load' if row.primitive is Primitive.NONE else 'load_acquire'}({pointer})"
            case primitives.StoreRow():
                pointer = self._pointer(call.arguments[0], row.by_address)
                return f"{self._store(row, pointer)}({pointer}, {self._value(call.arguments[1])})"
            case primitives.AtomicRow(rmw=Rmw.CMPXCHG):
                pointer, expected, new = map(self._value, call.arguments)
                return f"compare_exchange({row.order.name}, {pointer}, {expected}, {new})"
            case primitives.AtomicRow():
                return self._atomic(call, row)

    def _pointer(self, expression: syntax.Expression, by_address: bool) -> str:
        if not by_address:
            assert isinstance(expression, syntax.Unary)
            expression = expression.operand
        return self._value(expression)

    def _store(self, row: primitives.StoreRow, pointer: str) -> str:
        if row.primitive is Primitive.STORE_RELEASE:
            return "store_release"
        if row.then is not Primitive.NONE:
            return "store_mb"
        if pointer in self.non_temporal and pointer in self.parameters:
            self.streamed.add(pointer)
            return "store_non_temporal"
        return "store"

    def _atomic(self, call: syntax.Call, row: primitives.AtomicRow) -> str:
        arguments = list(call.arguments)
        where = arguments.pop(-1 if row.operand_first else 0)
        operand = self._value(arguments[0]) if row.operand is None else str(row.operand)
        if row.inverted:
            operand = f"~{operand}"
        old = row.result in (Result.NONE, Result.OLD)
        builtin = (_BUILTINS if old else _NEW_VALUE)[row.rmw]
        text = f"atomic({row.order.name}, {builtin}, {self._value(where)}, {operand})"
        match row.result:
            case Result.NONE:
                return f"(void){text}"
            case Result.NEW_IS_ZERO:
                return f"({text} == 0)"
            case Result.NEW_IS_NEGATIVE:
                return f"({text} < 0)"
            case _:
                return text


def _fence(primitive: Primitive) -> str:
    return f"amp_fence_{primitive.name.lower()}()"


def _type(words: tuple[str, ...]) -> str:
    found = c_type(words)
    assert found is not None, f"{words} is refused before it comes here"
    return c_name(found)


def _number(value: int, suffix: str = "") -> str:
    """In decimal, with the type that the model gives it: long where 31 bits are too few, whatever C says of hex."""
    if "u" in suffix:
        return f"{value}{'ul' if 'l' in suffix or value >> 32 else 'u'}"
    if value < 0:  # of the initial values; -2^63 has no literal
        return f"(long){value & (1 << 64) - 1}ul" if value < -(1 << 31) else f"{value}"
    if value >> 63:
        return f"((long){value}ul)"
    return f"{value}{'l' if 'l' in suffix or value >> 31 else ''}"


def _declarations(statements: Sequence[syntax.Statement]) -> list[syntax.Declaration]:
    found: list[syntax.Declaration] = []
    for statement in statements:
        match statement:
            case syntax.Declaration():
                found.append(statement)
            case syntax.Block():
                found += _declarations(statement.statements)
            case syntax.If():
                found += _declarations((*statement.then, *statement.otherwise))
    return found
