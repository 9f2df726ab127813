"""What instructions and primitives do, as the oracle has them: from Arm ARM DDI 0487, the Intel SDM, Linux's headers.

Nothing here is the product's: neither tables nor names. Not a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from oracle_machine import FULL, LOADS, NO_PAIRS, STORES, Pair, Run, Val
from oracle_text import Test, Words, type_of, wrap

MASK = (1 << 64) - 1
READS: frozenset[Pair] = frozenset({("R", "R")})
ACQUIRE_FENCE, RELEASE_FENCE = LOADS, frozenset({("R", "W"), ("W", "W")})
AFTER_STORES: frozenset[Pair] = frozenset({("W", "W"), ("W", "R")})  # dsb st


@dataclass(frozen=True)
class Machine:
    """`acquire`, `release`: "access" (the access itself is one), "" (a plain access), or the fence that makes one."""

    implicit: frozenset[Pair] = NO_PAIRS
    fences: dict[str, frozenset[Pair]] = field(default_factory=dict)
    acquire: str | frozenset[Pair] = ""
    release: str | frozenset[Pair] = ""
    locked: bool = False  # every atomic is a full barrier
    one_by_one: bool = False  # may a store reach one observer before another?
    inner_counts: bool = True  # does a barrier for the inner shareable domain order anything for these observers?


def _kernel(
    full: frozenset[Pair], read: frozenset[Pair], write: frozenset[Pair], prefix: str
) -> dict[str, frozenset[Pair]]:
    return {f"{prefix}mb": full, f"{prefix}rmb": read, f"{prefix}wmb": write}


_NONE = {p + b: NO_PAIRS for p in ("", "smp_", "dma_", "virt_") for b in ("mb", "rmb", "wmb")}
_ARM64 = {
    **_kernel(FULL, LOADS, STORES, "smp_"),
    **_kernel(FULL, LOADS, STORES, "virt_"),
    **_kernel(FULL, LOADS, STORES, "dma_"),
    **_kernel(FULL, LOADS, AFTER_STORES, ""),
}
_ARMV7 = {
    **_kernel(FULL, FULL, STORES, "smp_"),
    **_kernel(FULL, FULL, STORES, "virt_"),
    **_kernel(FULL, FULL, STORES, "dma_"),
    **_kernel(FULL, FULL, AFTER_STORES, ""),
}
_MACHINES = {
    "sc": Machine(FULL, _NONE),
    "x86-wb": Machine(
        LOADS | STORES,
        {**_NONE, "mb": FULL, "smp_mb": FULL, "virt_mb": FULL, "dma_mb": FULL},
        locked=True,
    ),
    "arm64": Machine(NO_PAIRS, _ARM64, "access", "access"),
    "arm64-domains": Machine(NO_PAIRS, _ARM64, "access", "access"),
    "armv7-smp": Machine(NO_PAIRS, _ARMV7, FULL, FULL),
    "armv7-up": Machine(NO_PAIRS, {**_ARMV7, **_kernel(NO_PAIRS, NO_PAIRS, NO_PAIRS, "smp_")}),
    "riscv": Machine(
        NO_PAIRS,
        {
            f"{p}{b}": pairs
            for p in ("", "smp_", "dma_", "virt_")
            for b, pairs in _kernel(FULL, READS, STORES, "").items()
        },
        ACQUIRE_FENCE,
        RELEASE_FENCE,
    ),
    "paranoid": Machine(NO_PAIRS, {**_NONE, **_kernel(FULL, LOADS, STORES, "")}),
}
_INNER = ("smp_", "virt_")


# Arm ARM DDI 0406C, A3.5.3; and what nobody built and nothing promises.
_ONE_BY_ONE = {"armv7-up", "armv7-smp", "omap4-2011", "paranoid"}


def machine(name: str, *, apart: bool) -> Machine:
    found = replace(_MACHINES[name], one_by_one=name in _ONE_BY_ONE)
    if not apart or name in ("arm64", "sc", "x86-wb", "riscv"):
        return found
    assert name == "arm64-domains"
    lost = {word: NO_PAIRS for word in found.fences if word.startswith(_INNER)}
    return replace(found, fences={**found.fences, **lost}, inner_counts=False)


def run_thread(test: Test, kind: Machine, number: int, run: Run, choices: tuple[bool, ...]) -> dict[str, int]:
    """The thread to its end; its registers' last values."""
    if test.dialect == "C":
        return _C(test, kind, number, run).run()
    if test.dialect == "X86":
        return _X86(test, kind, number, run).run()
    before = sum(word.startswith("CAS") for thread in test.assembly[:number] for word, _ in thread)
    return _A64(test, kind, number, run, choices[before:]).run()


class _Assembly:
    def __init__(self, test: Test, kind: Machine, number: int, run: Run) -> None:
        self.test, self.kind, self.cpu = test, kind, run
        self.code: list[Words] = test.assembly[number]
        self.registers = {
            self.name(register): Val(self.narrowed(register, value & MASK))
            for (thread, register), value in test.registers.items()
            if thread == number
        }
        self.compared: tuple[Val, Val] = (Val(0), Val(0))
        self.casts = 0

    def name(self, register: str) -> str:
        return register

    def narrowed(self, register: str, value: int) -> int:
        del register
        return value

    def run(self) -> dict[str, int]:
        at = 0
        labels = {word[:-1]: place for place, (word, _) in enumerate(self.code) if word.endswith(":")}
        while at < len(self.code):
            word, operands = self.code[at]
            at += 1
            if not word.endswith(":"):
                target = self.step(word, operands)
                at = at if target is None else labels[target]
        return self.final()

    def step(self, word: str, operands: list[str]) -> str | None:
        raise NotImplementedError

    def final(self) -> dict[str, int]:
        raise NotImplementedError

    def relation(self, name: str) -> bool:
        a, b = (wrap(each.n, (8, True)) for each in self.compared)
        return {"EQ": a == b, "NE": a != b, "LT": a < b, "LE": a <= b, "GT": a > b, "GE": a >= b}[name]

    def branch(self, taken: bool, on: Val, target: str) -> str | None:
        self.cpu.branch(on)
        return target if taken else None


class _A64(_Assembly):
    def __init__(self, test: Test, kind: Machine, number: int, run: Run, from_register: tuple[bool, ...]) -> None:
        super().__init__(test, kind, number, run)
        self.from_register = from_register

    def name(self, register: str) -> str:
        return "X" + register[1:].upper()

    def final(self) -> dict[str, int]:
        return {s + n[1:]: v.n for n, v in self.registers.items() for s in "WX"}

    def get(self, operand: str) -> Val:
        operand = operand.upper()
        if operand.startswith("#"):
            return Val(int(operand[1:], 0) & MASK)
        if operand in ("WZR", "XZR"):
            return Val(0)
        value = self.registers.get(self.name(operand), Val(0))
        return replace(value, n=value.n & 0xFFFFFFFF) if operand[0] == "W" else value

    def put(self, operand: str, value: Val) -> None:
        bits = 32 if operand[0] in "wW" else 64
        if operand.upper() not in ("WZR", "XZR"):
            self.registers[self.name(operand)] = replace(value, n=value.n & (1 << bits) - 1)

    def address(self, operand: str) -> Val:
        parts = operand.strip("[]").replace(" ", "").split(",")
        base = self.get(parts[0])
        if len(parts) == 1:
            return base
        index = self.get(parts[1])
        if len(parts) == 3 and parts[2].upper() == "SXTW":
            index = replace(index, n=wrap(index.n, (4, True)))
        return base.of(base.n + index.n & MASK, index)

    def size(self, word: str, register: str) -> int:
        if word[-1] in "BH" and word not in ("B",):
            return {"B": 1, "H": 2}[word[-1]]
        return 4 if register[0] in "wW" else 8

    def step(self, word: str, operands: list[str]) -> str | None:
        if word in ("MOV", "SXTW", "UXTW"):
            value = self.get(operands[1])
            self.put(operands[0], replace(value, n=wrap(value.n, (4, True)) & MASK) if word == "SXTW" else value)
        elif word in _A64_ALU:
            a, b = self.get(operands[1]), self.get(operands[2])
            self.put(operands[0], a.of(_A64_ALU[word](a.n, b.n) & MASK, b))
        elif re.fullmatch(r"LDU?R[BH]?|LDA(P?)R[BH]?", word):
            acquire = "Q" if word.startswith("LDAP") else "A" if word.startswith("LDA") else ""
            self.put(
                operands[0],
                self.cpu.read(self.address(operands[1]), self.size(word, operands[0]), acquire),
            )
        elif re.fullmatch(r"STU?R[BH]?|STLR[BH]?", word):
            size = self.size(word, operands[0])
            self.cpu.write(self.address(operands[1]), self.get(operands[0]), size, release=word.startswith("STL"))
        elif word in ("DMB", "DSB"):
            self.barrier(word, operands[0].upper())
        elif word == "ISB":
            self.cpu.isb()
        elif word == "CMP":
            signed = (4 if operands[0][0] in "wW" else 8, True)
            a, b = (replace(v, n=wrap(v.n, signed)) for v in map(self.get, operands))
            self.compared = (a, b)
        elif word in ("CBZ", "CBNZ"):
            value = self.get(operands[0])
            return self.branch((value.n == 0) == (word == "CBZ"), value, operands[1])
        elif re.fullmatch(r"B\.?(EQ|NE|LT|LE|GT|GE)", word):
            a, b = self.compared
            return self.branch(self.relation(word[-2:]), a.of(0, b), operands[0])
        elif word == "B":
            return operands[0]
        elif word != "NOP":
            self.atomic(word, operands)
        return None

    def barrier(self, word: str, option: str) -> None:
        domain, kind = (option, "") if option in ("SY", "ISH", "OSH", "NSH") else (option[:-2], option[-2:])
        if domain == "NSH" or (domain == "ISH" and not self.kind.inner_counts):
            return
        stores = STORES if word == "DMB" else AFTER_STORES
        self.cpu.fence({"": FULL, "LD": LOADS, "ST": stores}[kind])

    def atomic(self, word: str, operands: list[str]) -> None:
        found = re.fullmatch(r"(CAS|SWP|LDADD|LDSET|LDEOR|LDCLR|STADD|STSET|STEOR|STCLR)(AL|A|L)?([BH]?)", word)
        assert found, word
        name, ordered, part = found[1], found[2] or "", found[3]
        if name.startswith("ST"):
            name, operands = "LD" + name[2:], [operands[0], "WZR" if operands[0][0] in "wW" else "XZR", operands[1]]
        if name == "CAS":
            expected, source, memory = operands
            seen = expected
        else:
            source, seen, memory = operands
        size = {"B": 1, "H": 2, "": 4 if source[0] in "wW" else 8}[part]
        unwanted = seen.upper() in ("WZR", "XZR")
        acquire, release = "A" if "A" in ordered and not unwanted else "", "L" in ordered
        address, operand = self.address(memory), self.get(source)
        low = (1 << 8 * size) - 1
        old = self.cpu.read(address, size, acquire, unwanted=unwanted)
        number = len(self.cpu.accesses) - 1
        result = old
        if name == "CAS":
            compared = self.get(expected)
            from_register, self.casts = self.from_register[self.casts], self.casts + 1
            if old.n == compared.n & low:
                picked = compared.pick | frozenset({number}) | old.pick
                self.cpu.write(
                    address,
                    operand,
                    size,
                    release=release,
                    partner=number,
                    picked=compared.pick,
                    flow=Val(0, pick=picked),
                )
                if from_register:
                    result = Val(old.n, compared.data, compared.pick | old.pick)
        else:
            new = _AMO[name](old.n, operand.n & low) & low
            # Arithmetic: what was read is part of what is stored. An exchange: it is not.
            flow = None if name == "SWP" else old
            self.cpu.write(address, replace(operand, n=new), size, release=release, partner=number, flow=flow)
        self.put(seen, result)


_A64_ALU = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "AND": lambda a, b: a & b,
    "ORR": lambda a, b: a | b,
    "EOR": lambda a, b: a ^ b,
    "BIC": lambda a, b: a & ~b,
    "ORN": lambda a, b: a | ~b,
    "EON": lambda a, b: a ^ ~b,
}
_AMO = {
    "SWP": lambda _, new: new,
    "LDADD": lambda old, new: old + new,
    "LDSET": lambda old, new: old | new,
    "LDEOR": lambda old, new: old ^ new,
    "LDCLR": lambda old, new: old & ~new,
}


class _X86(_Assembly):
    def narrowed(self, register: str, value: int) -> int:
        del register
        return wrap(value, (4, True))

    def final(self) -> dict[str, int]:
        return {name: value.n for name, value in self.registers.items()}

    def address(self, operand: str) -> Val:
        name = operand.strip("[]")
        return self.registers.get(name.upper(), Val(0)) if name.upper() in _X86_NAMES else Val(self.test.address(name))

    def get(self, operand: str) -> Val:
        if operand.startswith("["):
            value = self.cpu.read(self.address(operand), 4)
            return replace(value, n=wrap(value.n, (4, True)))
        if operand.upper() in _X86_NAMES:
            return self.registers.get(operand.upper(), Val(0))
        return Val(wrap(int(operand.lstrip("$#"), 0), (4, True)))

    def put(self, operand: str, value: Val) -> None:
        if operand.startswith("["):
            self.cpu.write(self.address(operand), value, 4)
        else:
            self.registers[operand.upper()] = replace(value, n=wrap(value.n, (4, True)))

    def step(self, word: str, operands: list[str]) -> str | None:
        locked, _, word = word.rpartition(" ")
        if word in ("MOV", "MOVL"):
            self.put(operands[0], self.get(operands[1]))
        elif word in ("MFENCE", "LFENCE", "SFENCE"):
            self.cpu.fence({"MFENCE": FULL, "LFENCE": LOADS, "SFENCE": STORES}[word])
        elif word == "CMP":
            self.compared = (self.get(operands[0]), self.get(operands[1]))
        elif word in ("JE", "JZ", "JNE", "JNZ", "JL", "JLE", "JG", "JGE"):
            name = {"JZ": "EQ", "JE": "EQ", "JNE": "NE", "JNZ": "NE", "JL": "LT", "JLE": "LE", "JG": "GT", "JGE": "GE"}
            return self.branch(self.relation(name[word]), self.compared[0].of(0, self.compared[1]), operands[0])
        elif word == "JMP":
            return operands[0]
        elif word == "XCHG":
            self.exchange(operands)
        elif word in ("XADD", "CMPXCHG") or locked:
            self.locked(word, operands)
        else:
            source = Val(1) if len(operands) == 1 else self.get(operands[1])
            old = self.get(operands[0])
            new = old.of(wrap(_X86_ALU[word](old.n, source.n), (4, True)), source)
            self.put(operands[0], new)
            self.compared = (new, Val(0))
        return None

    def exchange(self, operands: list[str]) -> None:
        memory, register = sorted(operands, key=lambda each: not each.startswith("["))
        if not memory.startswith("["):
            a, b = self.get(memory), self.get(register)
            self.put(memory, b)
            self.put(register, a)
            return
        self.put(register, self.update(memory, lambda _: self.get(register)))

    def locked(self, word: str, operands: list[str]) -> None:
        if word == "CMPXCHG":
            expected = self.registers.get("EAX", Val(0))
            new = self.get(operands[1])
            old = self.update(operands[0], lambda old: new if old.n == expected.n else None)
            self.compared = (old, expected)
            self.put("EAX", old)
            return
        source = Val(1) if len(operands) == 1 else self.get(operands[1])
        change = _X86_ALU["ADD" if word == "XADD" else word]
        old = self.update(operands[0], lambda old: old.of(wrap(change(old.n, source.n), (4, True)), source))
        self.compared = (Val(wrap(change(old.n, source.n), (4, True)), old.data, old.pick), Val(0))
        if word == "XADD":
            self.put(operands[1], old)

    def update(self, memory: str, change: Any) -> Val:
        address = self.address(memory)
        self.cpu.fence(FULL)
        value = self.cpu.read(address, 4)
        old = replace(value, n=wrap(value.n, (4, True)))
        number = len(self.cpu.accesses) - 1
        new = change(old)
        if new is not None:
            self.cpu.write(address, new, 4, partner=number)
        self.cpu.fence(FULL)
        return old


_X86_NAMES = ("EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP", "ESP")
_X86_ALU = {
    "ADD": lambda a, b: a + b,
    "INC": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "DEC": lambda a, b: a - b,
    "AND": lambda a, b: a & b,
    "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b,
}

# --- C: tokens, a tree, a walk ----------------------------------------------------------------------------------------

_TOKENS = re.compile(
    r"0[xX][0-9a-fA-F]+|\d+|\w+|<<=|>>=|&&|\|\||<<|>>|[-+*&|^]=|==|!=|<=|>=|\+\+|--|[-+*/%&|^~!<>=(){},;]"
)
_LEVELS = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<", "<=", ">", ">="], ["<<", ">>"], ["+", "-"], ["*"]]
_TYPE_WORDS = re.compile(r"volatile|const|unsigned|signed|int|long|void|[a-z]\w*_t|[us](8|16|32|64)")


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _TOKENS.findall(text)
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        assert not wanted or token == wanted, (token, wanted)
        self.at += 1
        return token

    def block(self) -> list[Any]:
        found = []
        while self.peek() and self.peek() != "}":
            found += self.statement()
        return found

    def type(self) -> str:
        words = []
        while _TYPE_WORDS.fullmatch(self.peek()) or (words and self.peek() == "*"):
            words.append(self.take())
        return " ".join(words)

    def statement(self) -> list[Any]:  # noqa: PLR0911
        if self.peek() == ";":
            self.take()
            return []
        if self.peek() == "{":
            self.take()
            inner = self.block()
            self.take("}")
            return inner
        if self.peek() == "if":
            self.take()
            self.take("(")
            condition = self.expression()
            self.take(")")
            then, otherwise = self.statement(), []
            if self.peek() == "else":
                self.take()
                otherwise = self.statement()
            return [("if", condition, then, otherwise)]
        if _TYPE_WORDS.fullmatch(self.peek()):
            return self.declaration()
        left = self.expression(7 + 3)
        if self.peek() in ("=", "+=", "-=", "&=", "|=", "^=", "*="):
            operator = self.take()
            right = self.expression()
            self.take(";")
            return [("set", left[1], right if operator == "=" else ("binary", operator[0], left, right))]
        if self.peek() in ("++", "--"):
            operator = self.take()
            self.take(";")
            return [("set", left[1], ("binary", operator[0], left, ("number", 1, (4, True))))]
        self.take(";")
        return [("do", left)]

    def declaration(self) -> list[Any]:
        words, found = self.type(), []
        base = words.replace("*", "").strip()
        stars = words[len(base) :]
        while True:
            while self.peek() == "*":
                stars += self.take()
            name = self.take()
            found.append(("declare", name, f"{base} {stars}".strip()))
            if self.peek() == "=":
                self.take()
                found.append(("set", name, self.expression()))
            stars = ""
            if self.take() == ";":
                return found

    def expression(self, level: int = 0) -> Any:
        if level == len(_LEVELS):
            return self.unary()
        left = self.expression(level + 1)
        while self.peek() in _LEVELS[level]:
            operator = self.take()
            left = ("binary", operator, left, self.expression(level + 1))
        return left

    def unary(self) -> Any:
        token = self.take()
        if token == "(":
            if _TYPE_WORDS.fullmatch(self.peek()):
                words = self.type()
                self.take(")")
                return ("cast", words, self.unary())
            inner = self.expression()
            self.take(")")
            return inner
        if token in "-+!~*&":
            return ("unary", token, self.unary())
        if token[0].isdigit():
            number = re.sub(r"[uUlL]+$", "", token)
            value = int(number, 0)
            return ("number", value, (8 if value >> 31 else 4, True))
        if self.peek() != "(":
            return ("number", 0, (4, True)) if token == "NULL" else ("name", token)
        self.take("(")
        arguments = []
        while self.peek() != ")":
            arguments.append(self.expression())
            if self.peek() == ",":
                self.take()
        self.take(")")
        return ("call", token, arguments)


@dataclass(frozen=True)
class Typed:
    """`target`: what a pointer points to, as words; None for an integer."""

    val: Val
    kind: tuple[int, bool]
    target: str | None = None


def _parsed(test: Test, number: int) -> Any:
    """Each thread's text is parsed once."""
    parameters, body = test.code[number]
    if isinstance(body, str):
        body = _Parser(body).block()
        test.code[number] = parameters, body
    return parameters, body


class _C:
    def __init__(self, test: Test, kind: Machine, number: int, run: Run) -> None:
        self.test, self.machine, self.number, self.cpu = test, kind, number, run
        self.parameters, self.body = _parsed(test, number)
        self.values: dict[str, Typed] = {}
        for (thread, name), value in test.registers.items():
            if thread == number:
                self.values[name] = Typed(Val(value & MASK), test.variables[thread, name])

    def run(self) -> dict[str, int]:
        self.block(self.body)
        return {name: value.val.n for name, value in self.values.items()}

    def block(self, statements: list[Any]) -> None:
        for statement in statements:
            match statement:
                case ("declare", name, words):
                    pointer = words.endswith("*")
                    kind, target = type_of(words), words[:-1].strip() if pointer else None
                    self.values[name] = replace(self.values.get(name, Typed(Val(0), kind)), kind=kind, target=target)
                    self.test.variables.setdefault((self.number, name), kind)
                case ("set", name, expression):
                    value, variable = self.value(expression), self.values[name]
                    self.values[name] = replace(variable, val=_wrapped(value.val, variable.kind))
                case ("do", ("call", name, arguments)):
                    self.call(name, arguments)
                case ("do", expression):
                    self.value(expression)
                case ("if", condition, then, otherwise):
                    self.block(then if self.holds(condition) else otherwise)

    def holds(self, condition: Any) -> bool:
        match condition:
            case ("binary", "&&", left, right):
                return self.holds(left) and self.holds(right)
            case ("binary", "||", left, right):
                return self.holds(left) or self.holds(right)
        value = self.value(condition).val
        self.cpu.branch(value)
        return value.n != 0

    def value(self, expression: Any) -> Typed:  # noqa: PLR0911
        match expression:
            case ("number", value, kind):
                return Typed(Val(value & MASK), kind)
            case ("name", name):
                if name in self.values:
                    return self.values[name]
                return Typed(Val(self.test.address(name)), (8, False), self.parameters[name])
            case ("unary", "&", ("name", name)):
                return Typed(Val(self.test.address(name)), (8, False), self.parameters.get(name, "int"))
            case ("unary", operator, inner):
                return self.unary(operator, self.value(inner))
            case ("cast", words, inner):
                value, kind = self.value(inner), type_of(words)
                return Typed(_wrapped(value.val, kind), kind, words[:-1].strip() if words.endswith("*") else None)
            case ("binary", "&&" | "||", left, right):
                return self.logical(expression[1], left, right)
            case ("binary", operator, left, right):
                return self.binary(operator, self.value(left), self.value(right))
        found = self.call(expression[1], expression[2])
        assert found is not None
        return found

    def unary(self, operator: str, value: Typed) -> Typed:
        if operator == "!":
            return Typed(replace(value.val, n=int(value.val.n == 0)), (4, True))
        new = {"-": -value.val.n, "+": value.val.n, "~": ~value.val.n}[operator]
        return replace(value, val=_wrapped(replace(value.val, n=new & MASK), value.kind))

    def logical(self, operator: str, left: Any, right: Any) -> Typed:
        if not _has_call(right):
            a, b = self.value(left).val, self.value(right).val
            n = (a.n != 0 and b.n != 0) if operator == "&&" else (a.n != 0 or b.n != 0)
            return Typed(a.of(int(n), b), (4, True))
        return Typed(Val(int(self.holds(("binary", operator, left, right)))), (4, True))

    def binary(self, operator: str, left: Typed, right: Typed) -> Typed:
        if operator in ("==", "!=", "<", "<=", ">", ">="):
            kind = max(left.kind, right.kind, key=lambda k: (k[0], not k[1]))
            a, b = wrap(left.val.n, kind), wrap(right.val.n, kind)
            n = {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]
            return Typed(left.val.of(int(n), right.val), (4, True))
        if operator in ("<<", ">>"):
            n = wrap(left.val.n, left.kind)
            return replace(
                left, val=_wrapped(left.val.of(n << right.val.n if operator == "<<" else n >> right.val.n), left.kind)
            )
        kind, target = max(left.kind, right.kind, key=lambda k: (k[0], not k[1])), None
        if left.target is not None or right.target is not None:
            kind, target = (8, False), left.target or right.target
        a, b = left.val.n, right.val.n
        n = {"+": a + b, "-": a - b, "*": a * b, "&": a & b, "|": a | b, "^": a ^ b}[operator]
        return Typed(_wrapped(left.val.of(n & MASK, right.val), kind), kind, target)

    # --- primitives

    def pointer(self, expression: Any, *, starred: bool) -> tuple[Val, str]:
        if starred:
            assert expression[:2] == ("unary", "*")
            expression = expression[2]
        value = self.value(expression)
        assert value.target
        return value.val, value.target

    def load(self, address: Val, target: str, *, acquire: bool = False) -> Typed:
        kind = type_of(target)
        how = self.machine.acquire if acquire else ""
        value = self.cpu.read(address, kind[0], "A" if how == "access" else "")
        if isinstance(how, frozenset):
            self.cpu.fence(how)
        pointee = target[:-1].strip() if target.endswith("*") else None
        return Typed(_wrapped(value, kind), kind, pointee)

    def store(self, address: Val, target: str, value: Val, *, release: bool = False) -> None:
        how = self.machine.release if release else ""
        if isinstance(how, frozenset):
            self.cpu.fence(how)
        self.cpu.write(address, value, type_of(target)[0], release=how == "access")

    def call(self, name: str, arguments: list[Any]) -> Typed | None:
        if name in self.machine.fences:
            self.cpu.fence(self.machine.fences[name])
        elif name in ("rcu_read_lock", "rcu_read_unlock", "barrier"):
            pass
        elif name in ("smp_mb__before_atomic", "smp_mb__after_atomic"):
            self.cpu.fence(NO_PAIRS if self.machine.locked else self.machine.fences["smp_mb"])
        elif name in ("READ_ONCE", "rcu_dereference"):
            return self.load(*self.pointer(arguments[0], starred=True))
        elif name == "smp_load_acquire" or re.fullmatch(r"atomic\w*_read_acquire", name):
            return self.load(*self.pointer(arguments[0], starred=False), acquire=True)
        elif re.fullmatch(r"atomic(64|_long)?_read", name):
            return self.load(*self.pointer(arguments[0], starred=False))
        elif name in ("WRITE_ONCE", "smp_store_mb", "virt_store_mb", "rcu_assign_pointer"):
            where = self.pointer(arguments[0], starred=True)
            self.store(*where, self.value(arguments[1]).val, release=name == "rcu_assign_pointer")
            if name.endswith("_mb"):
                self.cpu.fence(self.machine.fences["virt_mb" if name[0] == "v" else "smp_mb"])
        elif name == "smp_store_release" or re.fullmatch(r"atomic\w*_set(_release)?", name):
            where = self.pointer(arguments[0], starred=False)
            self.store(*where, self.value(arguments[1]).val, release=name.endswith("release"))
        else:
            return self.atomic(name, arguments)
        return None

    def atomic(self, name: str, arguments: list[Any]) -> Typed | None:
        short = re.sub(r"^atomic(64|_long)?_", "", name)
        found = re.fullmatch(
            r"(fetch_)?(add|sub|inc|dec|and|or|xor|andnot|xchg|cmpxchg|sub_and_test|dec_and_test|inc_and_test|add_negative)"
            r"(_return)?(_relaxed|_acquire|_release)?",
            short,
        )
        assert found, name
        what = found[2]
        if what in ("xchg", "cmpxchg"):
            where, rest = arguments[0], [self.value(each).val for each in arguments[1:]]
        else:
            where = arguments[-1]
            rest = [self.value(each).val for each in arguments[:-1]] or [Val(1)]
        address, target = self.pointer(where, starred=False)
        kind = type_of(target)
        gives = bool(found[1] or found[3] or what in ("xchg", "cmpxchg") or "_and_" in what or what == "add_negative")
        order = found[4] or ("" if gives else "_relaxed")
        if what == "cmpxchg":
            return self.compare_exchange(address, kind, rest, order)
        base = what.split("_")[0]
        change = {
            "xchg": lambda _: rest[0],
            "add": lambda old: old.of(old.n + rest[0].n, rest[0]),
            "inc": lambda old: old.of(old.n + rest[0].n, rest[0]),
            "sub": lambda old: old.of(old.n - rest[0].n, rest[0]),
            "dec": lambda old: old.of(old.n - rest[0].n, rest[0]),
            "and": lambda old: old.of(old.n & rest[0].n, rest[0]),
            "andnot": lambda old: old.of(old.n & ~rest[0].n, rest[0]),
            "or": lambda old: old.of(old.n | rest[0].n, rest[0]),
            "xor": lambda old: old.of(old.n ^ rest[0].n, rest[0]),
        }[base]
        old = self.update(address, kind, order, lambda value: (change(value), rest[0], base != "xchg"))
        new = _wrapped(change(old), kind)
        if what.endswith("_and_test"):
            return Typed(replace(new, n=int(new.n == 0)), (4, True))
        if what == "add_negative":
            return Typed(replace(new, n=int(wrap(new.n, kind) < 0)), (4, True))
        return Typed(new if found[3] else old, kind)

    def compare_exchange(self, address: Val, kind: tuple[int, bool], rest: list[Val], order: str) -> Typed:
        expected, new = rest
        low = (1 << 8 * kind[0]) - 1

        def change(old: Val) -> Any:
            return (new, new, False) if old.n & low == expected.n & low else None

        return Typed(self.update(address, kind, order, change, picked=expected), kind)

    def update(self, address: Val, kind: tuple[int, bool], order: str, change: Any, picked: Val | None = None) -> Val:
        """The old value. `order`: "" is fully ordered."""
        machine = self.machine
        full = FULL if machine.locked else machine.fences["smp_mb"] if order == "" else None
        acquire = machine.acquire if order == "_acquire" and not machine.locked else ""
        release = machine.release if order == "_release" and not machine.locked else ""
        value = self.cpu.next_value(address, kind[0])
        changed = change(_wrapped(Val(value), kind))
        if isinstance(release, frozenset):
            self.cpu.fence(release)
        if full is not None and (changed is not None or machine.locked):
            self.cpu.fence(full)
        old = self.cpu.read_chosen(value, address, kind[0], "A" if acquire == "access" else "")
        number = len(self.cpu.accesses) - 1
        old = _wrapped(old, kind)
        if changed is not None:
            new, operand, uses_old = changed
            pick = picked.pick if picked else frozenset()
            flow = old if uses_old else Val(0, pick=pick | old.pick | {number}) if picked else None
            self.cpu.write(
                address,
                replace(operand, n=new.n & MASK),
                kind[0],
                release=release == "access",
                partner=number,
                picked=pick,
                flow=flow,
            )
            if isinstance(acquire, frozenset):
                self.cpu.fence(acquire)
        if full is not None and (changed is not None or machine.locked):
            self.cpu.fence(full)
        return old


def _wrapped(value: Val, kind: tuple[int, bool]) -> Val:
    return replace(value, n=wrap(value.n, kind) & MASK)


def _has_call(expression: Any) -> bool:
    return expression[0] == "call" or any(_has_call(each) for each in expression if isinstance(each, tuple))
