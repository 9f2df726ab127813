"""C's arithmetic on values that are in registers: the conversions, the operators, and which of them are supported.

A register holds a value extended to 64 bits as its type says, and every operator keeps it so. Nothing narrower than int
exists, so there are no integer promotions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amp.litmus.c_types import INT, ULONG, CType
from amp.litmus.emit import Thread
from amp.litmus.program import Alu


@dataclass(frozen=True, slots=True)
class Value:
    """A register, and the C type of what it holds (extended to 64 bits as the type says)."""

    register: int
    type: CType


_ARITHMETIC: Final = {
    "+": Alu.ADD,
    "-": Alu.SUB,
    "*": Alu.MUL,
    "&": Alu.AND,
    "|": Alu.OR,
    "^": Alu.XOR,
}
_RELATIONS: Final = {"==": Alu.EQ, "!=": Alu.NE, "<": Alu.LT, "<=": Alu.LE, ">": Alu.GT, ">=": Alu.GE}


class Arithmetic:
    """Operators, as instructions of one thread."""

    def __init__(self, code: Thread) -> None:
        self.code = code

    def binary(self, operator: str, left: Value, right: Value, count: int | None = None) -> Value:
        """`left operator right`; `count` is what `right` is, if it is a plain number."""
        if operator in _RELATIONS:
            return self._relation(operator, left, right)
        if operator in {"<<", ">>"}:
            return self._shift(operator, left, count)
        if operator not in _ARITHMETIC:
            raise self.code.refuse(f"operator '{operator}' is not supported")
        if left.type.is_pointer or right.type.is_pointer:
            return self._pointer_arithmetic(operator, left, right)
        common = _common(left.type, right.type)
        left, right = self.convert(left, common), self.convert(right, common)
        return self.wrapped(Value(self.code.alu(_ARITHMETIC[operator], left.register, right.register), common))

    def _relation(self, operator: str, left: Value, right: Value) -> Value:
        relation = _RELATIONS[operator]
        if not left.type.is_pointer and not right.type.is_pointer:
            common = _common(left.type, right.type)
            left, right = self.convert(left, common), self.convert(right, common)
            if common == ULONG and relation not in {Alu.EQ, Alu.NE}:
                raise self.code.refuse(f"operator '{operator}' on unsigned 64-bit values is not supported")
        elif relation not in {Alu.EQ, Alu.NE}:
            raise self.code.refuse(f"operator '{operator}' on pointers is not supported")
        return Value(self.code.alu(relation, left.register, right.register), INT)

    def _pointer_arithmetic(self, operator: str, left: Value, right: Value) -> Value:
        if operator == "+" and right.type.is_pointer:
            left, right = right, left
        if operator not in {"+", "-"} or right.type.is_pointer:
            raise self.code.refuse(f"operator '{operator}' on pointers is not supported")
        size = self.code.constant(max(left.type.target.width_bytes, 1))
        offset = self.code.alu(Alu.MUL, right.register, size)
        return Value(self.code.alu(_ARITHMETIC[operator], left.register, offset), left.type)

    def _shift(self, operator: str, left: Value, count: int | None) -> Value:
        """By a number only. An arithmetic shift right is a logical one, and the sign bit spread by xor and minus."""
        bits = 8 * left.type.width_bytes
        if count is None or count >= bits or left.type.is_pointer:
            raise self.code.refuse(f"operator '{operator}' is supported with a number below {bits} only")
        by = self.code.constant(count)
        if operator == "<<":
            return self.wrapped(Value(self.code.alu(Alu.SHL, left.register, by), left.type))
        plain = left.register if bits == 64 else self.code.alu(Alu.ZEXT32, left.register)
        shifted = self.code.alu(Alu.SHR, plain, by)
        if left.type.is_signed:
            sign = self.code.constant(1 << (bits - 1 - count))
            shifted = self.code.alu(Alu.SUB, self.code.alu(Alu.XOR, shifted, sign), sign)
        return Value(shifted, left.type)

    def wrapped(self, value: Value) -> Value:
        """`value` after arithmetic in 64 bits, as its type holds it."""
        if value.type.width_bytes == 8:
            return value
        extend = Alu.SEXT32 if value.type.is_signed else Alu.ZEXT32
        return Value(self.code.alu(extend, value.register), value.type)

    def convert(self, value: Value, to: CType) -> Value:
        if to.width_bytes == 0:
            raise self.code.refuse("a value of type void is not supported")
        if to.width_bytes == 8 or (value.type.width_bytes == 4 and value.type.is_signed == to.is_signed):
            return Value(value.register, to)
        return self.wrapped(Value(value.register, to))


def _common(left: CType, right: CType) -> CType:
    """C11 6.3.1.8, for the integers that we have."""
    if left.width_bytes != right.width_bytes:
        return max(left, right, key=lambda each: each.width_bytes)
    return left if not left.is_signed else right
