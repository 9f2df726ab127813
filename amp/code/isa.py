"""The instruction sets that are known: of each the numbers that the emulator, the disassembler and the ABI have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from amp.code import a64, arm32, riscv, x86
from amp.code.rows import Row
from amp.ordering.instructions import A64, ARMV7_A, ARMV7_M, RISCV32, RISCV64, X86


@dataclass(frozen=True, slots=True)
class Isa:
    """One instruction set.

    `registers` are the emulator's numbers (unicorn's *_const.h), by slot. `arguments` are the slots that a function's
    first arguments are in, `scratch` those that it may leave anything in, `stack_top` is where a part's stack ends,
    `nothing` an instruction that does nothing. `names` are those of the general registers, the first slots, and of the
    flags. `strict`: atomics and ordered accesses fault where they are not aligned (DDI 0487, B2.5.2, without FEAT_LSE2;
    DDI 0406C, A3.2.1; RISC-V, "A" without Zam). `space` is where addresses end. `far_target` says where a jump leads
    whose address the instruction before it makes: of the two their words.
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
    frames: frozenset[int]  # what a frame on the stack may be found by
    link: int
    arguments: tuple[int, ...]
    scratch: frozenset[int]
    shift: int
    stack_top: int
    nothing: bytes
    thumb: int  # 1: always, 2: by the T bit
    slots: Mapping[str, int]
    names: tuple[str, ...]
    strict: bool
    space: int
    red_zone: int  # bytes below the stack pointer that a function may use
    decode: Callable[[int, int, Any, Mapping[str, int]], Row]
    far_target: Callable[[int, int, int], int | None] | None = None
    of_flags: tuple[int, ...] = ()  # slots of those of the flags that not everything sets that sets others
    parts: tuple[tuple[int, int], ...] = ()  # (slot, that of the register that has its bits as well)
    starts_with: tuple[tuple[int, int], ...] = ()  # the emulator's registers, and what start code has put there


# unicorn 2.1, include/unicorn/arm64.h
_X0, _X29, _X30, _NZCV, _SP, _Q0, _PC = 199, 1, 2, 3, 4, 104, 260

AARCH64: Final = Isa(
    name=A64,
    title="AArch64",
    emulator=(2, 0, 3),  # UC_ARCH_ARM64, UC_MODE_LITTLE_ENDIAN, UC_CPU_ARM64_MAX
    disassembler=("CS_ARCH_AARCH64", "CS_MODE_LITTLE_ENDIAN"),
    registers=(
        *(_X0 + n for n in range(29)),
        _X29,
        _X30,
        _SP,
        _NZCV,
        *(_Q0 + n for n in range(32)),
        *(-1 for _ in range(32)),
    ),
    pc=_PC,
    flags=a64.NZCV,
    stack=a64.SP,
    frame=a64.FRAME,
    frames=frozenset({a64.SP, a64.FRAME}),
    link=a64.LINK,
    arguments=tuple(range(8)),
    scratch=frozenset(range(2, 18)),  # AAPCS64, 6.1.1; x0 and x1 hold a result
    shift=2,
    stack_top=0x7FFF_FFF0_0000,
    nothing=bytes.fromhex("1f2003d5"),
    thumb=0,
    slots=MappingProxyType(a64.register_slots()),
    names=(*(f"x{n}" for n in range(31)), "sp", "nzcv"),
    strict=True,
    space=1 << 48,
    red_zone=0,
    decode=a64.decode,
    parts=tuple((a64.V0 + a64.HIGH + n, a64.V0 + n) for n in range(32)),
)

# unicorn 2.1, include/unicorn/arm.h
_R0, _R12, _ARM_SP, _ARM_LR, _ARM_PC, _CPSR, _D0 = 66, 78, 12, 10, 11, 3, 14


# As start code leaves them: floating point is on (DDI 0406C, "CPACR" and "FPEXC").
# unicorn 2.1, include/unicorn/arm.h: C1_C0_2, FPEXC
_FLOATING_POINT: Final = ((111, 0xF << 20), (4, 1 << 30))


def _arm(name: str, title: str, emulator: tuple[int, int, int], *, thumb: int, decode: arm32.Decoder) -> Isa:
    return Isa(
        name=name,
        title=title,
        emulator=emulator,
        disassembler=("CS_ARCH_ARM", "CS_MODE_THUMB"),
        registers=(*range(_R0, _R12 + 1), _ARM_SP, _ARM_LR, _CPSR, *range(_D0, _D0 + 32), -1, -1),
        pc=_ARM_PC,
        flags=arm32.CPSR,
        stack=arm32.SP,
        frame=11,
        frames=frozenset({arm32.SP, 7, 11}),  # AAPCS: r11, and r7 of Thumb
        link=arm32.LR,
        arguments=tuple(range(4)),
        scratch=frozenset({2, 3, 12}),  # AAPCS32, 6.1.1; r0 and r1 hold a result
        shift=1,
        stack_top=0x7FF00000,
        nothing=bytes.fromhex("00bf"),
        thumb=thumb,
        slots=MappingProxyType(arm32.register_slots()),
        names=(*(f"r{n}" for n in range(13)), "sp", "lr", "cpsr"),
        strict=True,
        space=1 << 32,
        red_zone=0,
        decode=decode,
        starts_with=_FLOATING_POINT,
        of_flags=(arm32.CARRY, arm32.GE),
    )


# UC_ARCH_ARM is 1, UC_MODE_THUMB 16, UC_MODE_MCLASS 32; UC_CPU_ARM_CORTEX_A9 16, UC_CPU_ARM_CORTEX_M4 9.
ARM_A: Final = _arm(ARMV7_A, "Armv7-A", (1, 0, 16), thumb=2, decode=arm32.decode_a)
ARM_M: Final = _arm(ARMV7_M, "Armv7-M", (1, 16 | 32, 9), thumb=1, decode=arm32.decode_m)

# unicorn 2.1, include/unicorn/x86.h: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi; r8 to r15; the flags; xmm0 to xmm15
_X86_REGISTERS: Final = (35, 38, 40, 37, 44, 36, 43, 39, *range(106, 114), 25, *range(122, 138))
_RIP: Final = 41

X86_64: Final = Isa(
    name=X86,
    title="x86-64",
    emulator=(4, 8, None),  # UC_ARCH_X86, UC_MODE_64
    disassembler=("CS_ARCH_X86", "CS_MODE_64"),
    registers=_X86_REGISTERS,
    pc=_RIP,
    flags=x86.FLAGS,
    stack=x86.SP,
    frame=x86.BP,
    frames=frozenset({x86.SP, x86.BP}),
    link=-1,  # on the stack
    arguments=(7, 6, 2, 1, 8, 9),  # System V ABI, 3.2.3: rdi, rsi, rdx, rcx, r8, r9
    scratch=frozenset({1, 6, 7, 8, 9, 10, 11}),  # the same, 3.2.1; rax and rdx hold a result
    shift=0,
    stack_top=0x7FFF_FFF0_0000,
    nothing=b"\x90",
    thumb=0,
    slots=MappingProxyType(x86.register_slots()),
    names=("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)), "rflags"),
    strict=False,
    space=1 << 48,
    red_zone=128,  # System V ABI, 3.2.2
    decode=x86.decode,
)


def _riscv(name: str, title: str, *, wide: bool) -> Isa:
    return Isa(
        name=name,
        title=title,
        emulator=(8, 8 if wide else 4, None),  # UC_ARCH_RISCV, UC_MODE_RISCV64 or 32
        disassembler=("CS_ARCH_RISCV", f"CS_MODE_RISCV{64 if wide else 32}+CS_MODE_RISCV_C+CS_MODE_RISCV_A"),
        # unicorn 2.1, include/unicorn/riscv.h: x0 to x31, f0 to f31
        registers=(*range(1, 33), -1, *range(158, 190)),
        pc=190,
        flags=0,
        stack=riscv.SP,
        frame=riscv.S0,
        frames=frozenset({riscv.SP, riscv.S0}),
        link=riscv.RA,
        arguments=tuple(range(10, 18)),
        scratch=frozenset({5, 6, 7, *range(12, 18), *range(28, 32)}),  # RISC-V psABI: t0-t6, a2-a7; a0, a1: a result
        shift=1,
        stack_top=0x7FF00000,
        nothing=bytes.fromhex("0100"),
        thumb=0,
        slots=MappingProxyType({"wide": int(wide)}),
        names=riscv.NAMES,
        strict=True,
        space=1 << (48 if wide else 32),
        red_zone=0,
        decode=riscv.decode,
        far_target=riscv.far_target,
    )


RV32: Final = _riscv(RISCV32, "RISC-V, 32 bits", wide=False)
RV64: Final = _riscv(RISCV64, "RISC-V, 64 bits", wide=True)

ISAS: Final[Mapping[str, Isa]] = MappingProxyType(
    {each.name: each for each in (AARCH64, ARM_A, ARM_M, X86_64, RV32, RV64)}
)
