"""Straight code in the making: what every dialect's compiler writes its instructions with.

Named registers are numbered upwards, scratch ones downwards from the top; a statement or instruction gives its scratch
registers back at its end. Labels are resolved at the end, and only forwards: a test has no loops.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amp.errors import UsageError
from amp.litmus.program import (
    ADDRESS_BASE,
    ADDRESS_STEP,
    LOCATIONS,
    REGISTERS,
    Alu,
    Instruction,
    Op,
    Ordering,
    Rmw,
    address_of,
)
from amp.litmus.syntax import refuse
from amp.ordering.barriers import NO_ORDERS, Reach

NOTHING: Final = Ordering(NO_ORDERS, Reach.NONE)
_ADDRESSES: Final = range(ADDRESS_BASE, ADDRESS_BASE + ADDRESS_STEP * LOCATIONS)


INSTRUCTIONS: Final = 5000  # of one thread: the core gives up after 10,000 steps


class Shared:
    """What the threads of one test share: the names of locations, and the orderings that instructions refer to."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.locations: list[str] = []
        self.orderings: list[Ordering] = [NOTHING]

    def refuse(self, line: int, text: str) -> UsageError:
        return refuse(self.file, line, text)

    def location(self, line: int, name: str) -> int:
        """The number of location `name`, which is new or known."""
        if name == "NULL":
            raise self.refuse(line, "'NULL' is no location")
        if name not in self.locations:
            if len(self.locations) == LOCATIONS:
                raise self.refuse(line, f"location {name!r} is one too many, expected at most {LOCATIONS}")
            self.locations.append(name)
        return self.locations.index(name)

    def ordering(self, ordering: Ordering) -> int:
        """The index of `ordering` in Program.orderings; 0 for one that orders nothing."""
        if not ordering.orders:
            return 0
        if ordering not in self.orderings:
            self.orderings.append(ordering)
        return self.orderings.index(ordering)

    def number(self, line: int, value: int) -> int:
        """`value` as 64 unsigned bits. A number among the addresses would pass for a pointer: it is refused."""
        if value in _ADDRESSES:
            raise self.refuse(line, f"the number {value} is not supported: addresses lie there")
        self.fits(line, value)
        return value

    def fits(self, line: int, value: int) -> None:
        """Raises UsageError for a number that has no 64 bits to be in."""
        if not -(1 << 63) <= value < 1 << 64:
            raise self.refuse(line, f"the number {value} does not fit 64 bits")


class Thread:
    """The instructions of one thread."""

    def __init__(self, shared: Shared, number: int, named: int = 0) -> None:
        """`named` registers, from 0, are the dialect's own."""
        self.shared, self.number, self.named = shared, number, named
        self._scratch = REGISTERS
        self._code: list[Instruction] = []
        self._labels: dict[str, int] = {}
        self._jumps: list[tuple[int, int, str]] = []
        self._new_labels = 0
        self.line = 0  # of what is being compiled

    def refuse(self, text: str) -> UsageError:
        return self.shared.refuse(self.line, text)

    # --- registers

    def name_register(self) -> int:
        """A register of its own for a name."""
        self.named += 1
        self._check_registers()
        return self.named - 1

    def scratch(self) -> int:
        """A register that is free again after `release_scratch`."""
        self._scratch -= 1
        self._check_registers()
        return self._scratch

    def release_scratch(self) -> None:
        self._scratch = REGISTERS

    def _check_registers(self) -> None:
        if self.named > self._scratch:
            raise self.refuse(f"P{self.number} needs more than {REGISTERS} registers")

    # --- instructions; those with a result put it where `dst` says, by default into a scratch register, and return it

    def _emit(self, instruction: Instruction) -> None:
        if len(self._code) == INSTRUCTIONS:
            raise self.refuse(f"P{self.number} needs more than {INSTRUCTIONS} steps")
        self._code.append(instruction)

    def literal(self, value: int, dst: int | None = None) -> int:
        """A number that the file has. Raises UsageError for one that is not supported."""
        return self.constant(self.shared.number(self.line, value), dst)

    def address(self, name: str, dst: int | None = None) -> int:
        return self.constant(address_of(self.shared.location(self.line, name)), dst)

    def constant(self, value: int, dst: int | None = None) -> int:
        dst = self.scratch() if dst is None else dst
        signed = value - (1 << 64) if value >> 63 > 0 else value
        self._emit(Instruction(Op.CONST, dst=dst, imm=signed))
        return dst

    def alu(self, operator: Alu, *operands: int, dst: int | None = None) -> int:
        """An operation on as many `operands` as it has; its result's register."""
        assert len(operands) == operator.operands, f"{operator.name} has {operator.operands} operands"
        dst = self.scratch() if dst is None else dst
        a, b = operands if len(operands) > 1 else (*operands, 0)
        self._emit(Instruction(Op.ALU, dst=dst, a=a, b=b, arg=operator))
        return dst

    def move(self, source: int, dst: int) -> int:
        return self.alu(Alu.OR, source, source, dst=dst)

    def load(
        self, address: int, width_bytes: int, order: Ordering = NOTHING, flags: int = 0, dst: int | None = None
    ) -> int:
        dst = self.scratch() if dst is None else dst
        index = self.shared.ordering(order)
        self._emit(Instruction(Op.LOAD, dst=dst, a=address, arg=width_bytes, flags=flags, order=index))
        return dst

    def store(self, address: int, value: int, width_bytes: int, order: Ordering = NOTHING) -> None:
        self._emit(Instruction(Op.STORE, a=address, b=value, arg=width_bytes, order=self.shared.ordering(order)))

    def rmw(
        self,
        rmw: Rmw,
        address: int,
        operand: int,
        width_bytes: int,
        *,
        expected: int = 0,
        order: Ordering = NOTHING,
        flags: int = 0,
        dst: int | None = None,
    ) -> int:
        dst = self.scratch() if dst is None else dst
        index, imm = self.shared.ordering(order), expected | width_bytes << 8
        self._emit(Instruction(Op.RMW, dst=dst, a=address, b=operand, arg=rmw, flags=flags, order=index, imm=imm))
        return dst

    def fence(self, order: Ordering) -> None:
        index = self.shared.ordering(order)
        if index:
            self._emit(Instruction(Op.FENCE, order=index))

    def isb(self) -> None:
        self._emit(Instruction(Op.ISB))

    # --- control

    def label(self, name: str) -> None:
        """Here is `name`."""
        if name in self._labels:
            raise self.refuse(f"label {name!r} stands here a second time")
        self._labels[name] = len(self._code)

    def new_label(self) -> str:
        """A name that no file can have."""
        self._new_labels += 1
        return f"<{self._new_labels}>"

    def jump(self, label: str) -> None:
        self._jump(Op.JUMP, 0, label)

    def jump_if_zero(self, register: int, label: str) -> None:
        self._jump(Op.JUMP_IF_ZERO, register, label)

    def jump_if_not_zero(self, register: int, label: str) -> None:
        self._jump(Op.JUMP_IF_NOT_ZERO, register, label)

    def _jump(self, op: Op, register: int, label: str) -> None:
        if label in self._labels:
            raise self.refuse(f"the jump back to {label!r} makes a loop, which is not supported")
        self._jumps.append((len(self._code), self.line, label))
        self._emit(Instruction(op, a=register))

    def finish(self) -> tuple[Instruction, ...]:
        """The code, ended by END. Raises UsageError for a jump to a label that is not there."""
        for at, line, label in self._jumps:
            if label not in self._labels:
                raise self.shared.refuse(line, f"label {label!r} is not in P{self.number}")
            self._code[at] = replace(self._code[at], imm=self._labels[label])
        return (*self._code, Instruction(Op.END))
