"""What the two assembly dialects share: operands checked, instructions looked up in a table, one line after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from amp.errors import UsageError
from amp.litmus.emit import Shared, Thread
from amp.litmus.program import Alu
from amp.litmus.syntax import AsmInstruction, AsmThread, Initial, Label, Operand, RegisterName, Word


@dataclass(frozen=True, slots=True)
class Row:
    """How an instruction with so many operands is compiled: `handler(self, *arguments, *operands)`."""

    operands: int
    handler: Callable[..., None]
    arguments: tuple[Any, ...] = ()


JUMPS: Final = {"EQ": Alu.EQ, "NE": Alu.NE, "LT": Alu.LT, "LE": Alu.LE, "GT": Alu.GT, "GE": Alu.GE}


class AsmCompiler:
    """One thread. A dialect gives its registers, and a row for each mnemonic."""

    registers: ClassVar[Mapping[str, int]]
    named: ClassVar[int]  # registers from 0 that the dialect has names for, or keeps for flags
    instructions: ClassVar[Mapping[str, Row]]

    def __init__(self, shared: Shared, number: int, thread: AsmThread, initial: list[Initial]) -> None:
        self.code = Thread(shared, number, self.named)
        self.instruction: AsmInstruction | None = None
        for entry in initial:
            assert isinstance(entry.target, RegisterName)
            self.code.line = entry.line
            self.set_initial(self.register_named(entry.target.name), entry.value or 0)
        for each in thread:
            self.code.line = each.line
            if isinstance(each, Label):
                self.code.label(each.name)
                self.at_label()
            else:
                self.instruction = each
                self.compile(each)
                self.code.release_scratch()

    def set_initial(self, register: int, value: int | str) -> None:
        if isinstance(value, str):
            self.code.address(value, register)
        else:
            self.code.literal(value, register)

    def at_label(self) -> None:
        """Called where another path may join."""

    def compile(self, instruction: AsmInstruction) -> None:
        row = self.instructions.get(instruction.mnemonic)
        if row is None:
            raise self.unsupported()
        if len(instruction.operands) != row.operands:
            raise self.unsupported(f"{len(instruction.operands)} operands, expected {row.operands}")
        self.check_prefix(instruction)
        row.handler(self, *row.arguments, *instruction.operands)

    def check_prefix(self, instruction: AsmInstruction) -> None:
        """Raises UsageError for a prefix that the instruction cannot have."""
        if instruction.locked:
            raise self.unsupported()

    def unsupported(self, why: str = "") -> UsageError:
        """The error for the instruction that is being compiled."""
        assert self.instruction is not None
        return self.code.refuse(f"instruction {str(self.instruction)!r} is not supported{why and f': {why}'}")

    def register_named(self, name: str) -> int:
        number = self.registers.get(name.upper())
        if number is None:
            raise self.code.refuse(f"register {name!r} is not supported")
        return number

    def is_register(self, operand: Operand) -> bool:
        return isinstance(operand, Word) and operand.text.upper() in self.registers

    def jump_target(self, operand: Operand) -> str:
        if not isinstance(operand, Word):
            raise self.unsupported("its target is no label")
        return operand.text
