"""The instruction sets that are known: of each the numbers that the emulator, the disassembler and the ABI have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from amp.code import a64
from amp.code.rows import Row
from amp.ordering.instructions import A64


@dataclass(frozen=True, slots=True)
class Isa:
    """One instruction set.

    `registers` are the emulator's numbers (unicorn's *_const.h), by slot. `arguments` are the slots that a function's
    first arguments are in, `stack_top` is where a part's stack ends, `nothing` an instruction that does nothing.
    """

    name: str
    title: str
    emulator: tuple[int, int, int | None]  # uc_arch, uc_mode, CPU model
    disassembler: tuple[str, str]  # Capstone's names of the architecture and the mode
    registers: tuple[int, ...]
    pc: int
    flags: int
    stack: int
    frame: int
    link: int
    arguments: tuple[int, ...]
    shift: int
    stack_top: int
    nothing: bytes
    slots: Mapping[str, int]
    decode: Callable[[int, int, Any, Mapping[str, int]], Row]


# unicorn 2.1, include/unicorn/arm64.h
_X0, _X29, _X30, _NZCV, _SP, _Q0, _PC = 199, 1, 2, 3, 4, 104, 260

AARCH64: Final = Isa(
    name=A64,
    title="AArch64",
    emulator=(2, 0, 3),  # UC_ARCH_ARM64, UC_MODE_LITTLE_ENDIAN, UC_CPU_ARM64_MAX
    disassembler=("CS_ARCH_AARCH64", "CS_MODE_LITTLE_ENDIAN"),
    registers=(*(_X0 + n for n in range(29)), _X29, _X30, _SP, _NZCV, *(_Q0 + n for n in range(32))),
    pc=_PC,
    flags=a64.NZCV,
    stack=a64.SP,
    frame=a64.FRAME,
    link=a64.LINK,
    arguments=tuple(range(8)),
    shift=2,
    stack_top=0x7FFF_FFF0_0000,
    nothing=bytes.fromhex("1f2003d5"),
    slots=MappingProxyType(a64.register_slots()),
    decode=a64.decode,
)

ISAS: Final[Mapping[str, Isa]] = MappingProxyType({each.name: each for each in (AARCH64,)})
