"""Threads of X86 as one block of inline assembly each: an instruction a line, nothing in between.

The test's registers are operands that the compiler places (EAX is eax, since CMPXCHG says so by itself), in 64 bits of
which the upper half is 0, so that they can hold the addresses of cells, which lie below 2 GiB. Instructions are written
in AT&T order. Input is a thread that `X86Compiler` has accepted; what the assembler still refuses is a user's error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from amp.litmus.syntax import (
    AsmInstruction,
    AsmThread,
    Immediate,
    Initial,
    Label,
    Memory,
    Operand,
    RegisterName,
    Word,
    refuse,
)
from amp.litmus.x86 import NAMES

_PLACES: Final = 14  # general registers that the compiler can give away: all but the stack's and the frame's
_NO_SIZE: Final = frozenset({"MFENCE", "SFENCE", "LFENCE", "NOP"})


class X86Writer:
    """One thread."""

    def __init__(self, file: str, locations: Sequence[str]) -> None:
        self.file = file
        self.locations = locations
        self._registers: set[str] = set()
        self._memory: set[str] = set()

    def thread(self, thread: AsmThread, initial: Sequence[Initial], seen: Mapping[str, int]) -> list[str]:
        """The lines of its function. `seen`: the column of each observed register, as the test writes it."""
        first = {_register(entry): self._first(entry) for entry in initial}
        code = [self._line(each) for each in thread]
        named = sorted({*first, *self._registers, *(name.upper() for name in seen)}, key=NAMES.index)
        if thread and len(self._registers) + len(self._memory) > _PLACES:
            line = thread[0].line
            raise refuse(self.file, line, f"more than {_PLACES} registers and locations in one thread have no room")
        lines = [f"uint64_t {name} = {first.get(name, '0')};" for name in named]
        lines += [
            f"uint32_t *{_cell(name)} = (uint32_t *)amp_cell[{self.locations.index(name)}];"
            for name in sorted(self._memory)
        ]
        lines += ["", *self._block(code), ""] if code else [""]
        return [*lines, *(f"amp_seen[{column}] = {name.upper()};" for name, column in seen.items())]

    def _first(self, entry: Initial) -> str:
        value = entry.value or 0
        if isinstance(value, str):
            return f"(uintptr_t)amp_cell[{self.locations.index(value)}]"
        return f"{value & 0xFFFFFFFF}u"

    def _block(self, code: list[tuple[str, str]]) -> list[str]:
        width = max(len(text) for text, _ in code)
        outputs = [
            f'[{name}] "+{"a" if name == "EAX" else "r"}"({name})' for name in sorted(self._registers, key=NAMES.index)
        ]
        outputs += [f'[{_cell(name)}] "+m"(*{_cell(name)})' for name in sorted(self._memory)]
        texts = [f'"{text}\\n\\t"'.ljust(width + 6) + f" /* {origin} */" for text, origin in code]
        return [
            "__asm__ volatile(",
            *(f"    {text}" for text in texts),
            f"    : {', '.join(outputs)}",
            "    :",
            '    : "cc", "memory");',
        ]

    def _line(self, each: AsmInstruction | Label) -> tuple[str, str]:
        """The instruction for the assembler, and as the test has it."""
        if isinstance(each, Label):
            return f".Lamp_{each.name}_%=:", f"{each.name}:"
        origin = str(each).replace("#", "$")
        name = each.mnemonic.lower()
        if name.startswith("j"):
            [target] = each.operands
            return f"{name} .Lamp_{target}_%=", origin
        size = "" if each.mnemonic in _NO_SIZE or name == "movl" else "l"
        operands = ",".join(self._operand(operand) for operand in reversed(each.operands))
        return f"{'lock ' if each.locked else ''}{name}{size} {operands}".strip(), origin

    def _operand(self, operand: Operand) -> str:
        match operand:
            case Immediate(value=value):
                return f"${value}"
            case Word(text=name):
                return f"%k[{self._used(name)}]"
            case Memory(parts=(Word(text=name),)) if name.upper() in NAMES:
                return f"(%q[{self._used(name)}])"
            case Memory(parts=(Word(text=name),)):
                self._memory.add(name)
                return f"%[{_cell(name)}]"
        raise AssertionError(f"{operand} is refused before it comes here")

    def _used(self, name: str) -> str:
        self._registers.add(name.upper())
        return name.upper()


def _register(entry: Initial) -> str:
    assert isinstance(entry.target, RegisterName)
    return entry.target.name.upper()


def _cell(name: str) -> str:
    """A location's name in C: no register, no keyword."""
    return f"at_{name}"
