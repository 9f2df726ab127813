"""What turns lark's trees into `syntax`: one transformer for each grammar, its methods named after the rules."""

from __future__ import annotations

from typing import Any, Final

from lark import Token, Transformer, v_args
from lark.tree import Meta

from amp.litmus import syntax


class Refused(Exception):
    """A construct that the grammar takes and we do not. The file's name is the parser's to add."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line, self.text = line, text


NULL: Final = "NULL"


def _number(sign: Token | None, digits: Token | str) -> int:
    value = int(digits, 0) if digits[:2].lower() == "0x" else int(digits)
    return -value if sign == "-" else value


class _Values(Transformer[Token, Any]):
    """What initial values and conditions share. `null`: NULL is the number 0, as in C."""

    def __init__(self, *, null: bool) -> None:
        super().__init__()
        self.null = null

    def register(self, children: list[Any]) -> Any:
        return syntax.RegisterName(_number(None, children[0]), str(children[1]))

    def number(self, children: list[Any]) -> Any:
        return _number(*children)

    def address(self, children: list[Any]) -> Any:
        return 0 if self.null and children[0] == NULL else str(children[0])


class InitialValues(_Values):
    def start(self, children: list[Any]) -> Any:
        entries = tuple(child for child in children if child is not None)
        seen = set()
        for entry in entries:
            given = {"a type": bool(entry.type_words), "a value": entry.value is not None}
            for what in (what for what, is_given in given.items() if is_given):
                if (entry.target, what) in seen:
                    raise Refused(entry.line, f"{entry.target} is given {what} a second time")
                seen.add((entry.target, what))
        return entries

    @v_args(meta=True)
    def entry(self, meta: Meta, children: list[Any]) -> Any:
        *words, value = children
        target = words.pop()
        type_words = tuple(str(word.name) if isinstance(word, syntax.LocationName) else str(word) for word in words)
        if isinstance(target, Token) or any(isinstance(word, syntax.RegisterName) for word in words):
            raise Refused(meta.line, f"{' '.join((*type_words, str(target)))!r} is no initial value")
        return syntax.Initial(meta.line, type_words, target, value)

    def word(self, children: list[Any]) -> Any:
        return syntax.LocationName(str(children[0]))

    location = word

    @v_args(meta=True)
    def wrapped(self, meta: Meta, children: list[Any]) -> Any:
        if children[0] not in {"ATOMIC_INIT", "ATOMIC64_INIT", "ATOMIC_LONG_INIT"}:
            raise Refused(meta.line, f"{children[0]}(...) is no initial value")
        return _number(*children[1:])


class Ending(_Values):
    def start(self, children: list[Any]) -> Any:
        locations, condition = children
        quantifier, proposition = condition or (syntax.Quantifier.FORALL, syntax.Truth(True))
        return syntax.Final(locations or (), quantifier, proposition)

    def locations(self, children: list[Any]) -> Any:
        return tuple(child for child in children if child is not None)

    @v_args(meta=True)
    def observed(self, meta: Meta, children: list[Any]) -> Any:
        return meta.line, children[0]

    def exists(self, children: list[Any]) -> Any:
        return syntax.Quantifier.EXISTS, children[0]

    def not_exists(self, children: list[Any]) -> Any:
        return syntax.Quantifier.NOT_EXISTS, children[0]

    def forall(self, children: list[Any]) -> Any:
        return syntax.Quantifier.FORALL, children[0]

    def implies(self, children: list[Any]) -> Any:
        left, right = children
        return syntax.Some((syntax.Not(left), right))

    def disjunction(self, children: list[Any]) -> Any:
        return syntax.Some(tuple(children))

    def conjunction(self, children: list[Any]) -> Any:
        return syntax.All(tuple(children))

    def negation(self, children: list[Any]) -> Any:
        return syntax.Not(children[0])

    def yes(self, _: list[Any]) -> Any:
        return syntax.Truth(True)

    def no(self, _: list[Any]) -> Any:
        return syntax.Truth(False)

    @v_args(meta=True)
    def equal(self, meta: Meta, children: list[Any]) -> Any:
        return syntax.Equal(meta.line, *children)

    @v_args(meta=True)
    def unequal(self, meta: Meta, children: list[Any]) -> Any:
        left, right = children
        return syntax.Equal(meta.line, left, right, negated=True)

    def location(self, children: list[Any]) -> Any:
        return syntax.LocationName(str(children[0]))


class AssemblyThreads(Transformer[Token, Any]):
    """Rows of cells in, a tuple of instructions for each thread out."""

    def header(self, children: list[Any]) -> Any:
        for number, name in enumerate(children):
            if name != f"P{number}":
                raise Refused(name.line, f"thread {name} where P{number} is expected")
        return children

    @v_args(meta=True)
    def start(self, meta: Meta, children: list[Any]) -> Any:
        header, *rows = children
        threads: list[list[Any]] = [[] for _ in header]
        for line, cells in rows:
            if len(cells) > len(threads):
                raise Refused(line or meta.line, f"{len(cells)} columns for {len(threads)} threads")
            for thread, cell in zip(threads, cells, strict=False):
                thread.extend(cell)
        return tuple(map(tuple, threads))

    @v_args(meta=True)
    def row(self, meta: Meta, children: list[Any]) -> Any:
        return (None if meta.empty else meta.line), children

    def cell(self, children: list[Any]) -> Any:
        return [child for child in children if child is not None]

    @v_args(meta=True)
    def label(self, meta: Meta, children: list[Any]) -> Any:
        return syntax.Label(meta.line, str(children[0]))

    @v_args(meta=True)
    def instruction(self, meta: Meta, children: list[Any]) -> Any:
        lock, mnemonic, *operands = children
        given = tuple(operand for operand in operands if operand is not None)
        return syntax.AsmInstruction(meta.line, mnemonic.upper(), given, lock is not None)

    def memory(self, children: list[Any]) -> Any:
        return syntax.Memory(tuple(children))

    def word(self, children: list[Any]) -> Any:
        return syntax.Word(str(children[0]))

    def immediate(self, children: list[Any]) -> Any:
        return syntax.Immediate(_number(*children))


_BINARY: Final = {
    **{"lor": "||", "land": "&&", "bor": "|", "bxor": "^", "band": "&", "eq": "==", "ne": "!=", "lt": "<", "le": "<="},
    **{"gt": ">", "ge": ">=", "shl": "<<", "shr": ">>", "add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%"},
}
_UNARY: Final = {"minus": "-", "plus": "+", "lnot": "!", "bnot": "~", "deref": "*", "addressof": "&"}


class CThreads(Transformer[Token, Any]):
    """Threads of statements. `r0 += 1` becomes `r0 = r0 + 1`."""

    def __default__(self, data: Any, children: list[Any], meta: Meta) -> Any:
        if data in _BINARY:
            return syntax.Binary(meta.line, _BINARY[data], *children)
        return syntax.Unary(meta.line, _UNARY[data], *children)

    def start(self, children: list[Any]) -> Any:
        for number, thread in enumerate(children):
            if thread.number != number:
                raise Refused(thread.line, f"thread P{thread.number} where P{number} is expected")
        return tuple(children)

    @v_args(meta=True)
    def thread(self, meta: Meta, children: list[Any]) -> Any:
        name, *parameters, body = children
        given = tuple(parameter for parameter in parameters if parameter is not None)
        return syntax.CThread(meta.line, int(name[1:]), given, body.statements)

    @v_args(meta=True)
    def parameter(self, meta: Meta, children: list[Any]) -> Any:
        type_words, name = children
        if name is None and type_words == ("void",):
            return None
        if name is None:
            raise Refused(meta.line, f"parameter {' '.join(type_words)!r} has no name")
        return syntax.Declaration(meta.line, type_words, str(name), None)

    def type(self, children: list[Any]) -> Any:
        return tuple(map(str, children))

    def block(self, children: list[Any]) -> Any:
        return syntax.Block(tuple(child for child in children if child is not None))

    def nested(self, children: list[Any]) -> Any:
        return children[0]

    def empty(self, _: list[Any]) -> Any:
        return syntax.Block(())

    @v_args(meta=True)
    def declaration(self, meta: Meta, children: list[Any]) -> Any:
        words = tuple(str(child) for child in children if isinstance(child, Token))
        declarators = [child for child in children if not isinstance(child, Token)]
        return syntax.Block(
            tuple(syntax.Declaration(meta.line, words + stars, name, value) for stars, name, value in declarators),
            scoped=False,
        )

    def declarator(self, children: list[Any]) -> Any:
        *stars, name, value = children
        return tuple(map(str, stars)), str(name), value

    @v_args(meta=True)
    def assignment(self, meta: Meta, children: list[Any]) -> Any:
        return syntax.Assignment(meta.line, *children)

    @v_args(meta=True)
    def compound(self, meta: Meta, children: list[Any]) -> Any:
        target, operator, value = children
        return syntax.Assignment(meta.line, target, syntax.Binary(meta.line, operator[:-1], target, value))

    @v_args(meta=True)
    def step(self, meta: Meta, children: list[Any]) -> Any:
        target, operator = children
        one = syntax.Number(meta.line, 1)
        return syntax.Assignment(meta.line, target, syntax.Binary(meta.line, operator[0], target, one))

    @v_args(meta=True)
    def step_first(self, meta: Meta, children: list[Any]) -> Any:
        one = syntax.Number(meta.line, 1)
        return syntax.Assignment(meta.line, children[1], syntax.Binary(meta.line, children[0][0], children[1], one))

    @v_args(meta=True)
    def evaluation(self, meta: Meta, children: list[Any]) -> Any:
        return syntax.Evaluation(meta.line, children[0])

    @v_args(meta=True)
    def branch(self, meta: Meta, children: list[Any]) -> Any:
        condition, then, otherwise = children
        return syntax.If(meta.line, condition, _statements(then), _statements(otherwise))

    @v_args(meta=True)
    def cast(self, meta: Meta, children: list[Any]) -> Any:
        return syntax.Cast(meta.line, *children)

    @v_args(meta=True)
    def number(self, meta: Meta, children: list[Any]) -> Any:
        digits = children[0].rstrip("uUlL")
        if len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX":
            raise Refused(meta.line, f"octal number {digits}")
        return syntax.Number(meta.line, _number(None, digits), children[0][len(digits) :].lower())

    @v_args(meta=True)
    def name(self, meta: Meta, children: list[Any]) -> Any:
        return syntax.Number(meta.line, 0) if children[0] == NULL else syntax.Name(meta.line, str(children[0]))

    @v_args(meta=True)
    def call(self, meta: Meta, children: list[Any]) -> Any:
        name, *arguments = children
        return syntax.Call(meta.line, str(name), tuple(each for each in arguments if each is not None))


def _statements(statement: Any) -> tuple[syntax.Statement, ...]:
    if statement is None:
        return ()
    return statement.statements if isinstance(statement, syntax.Block) else (statement,)
