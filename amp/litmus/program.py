"""A litmus test as the core runs it: straight code over registers, one list of instructions a thread.

Parsers make programs; `amp._core` enumerates their executions. A register is a number below `REGISTERS` of one thread
and holds 64 bits and the loads they were computed from: dependencies need no further word. Every location is 8 bytes,
of which an access covers 1, 2, 4 or 8, aligned; its address is a value like any other (`address_of`), so programs may
store and follow pointers, and add to them.
Nothing here knows an instruction set, a platform, or how a test is written.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from amp.ordering.barriers import Orders, Reach

REGISTERS: Final = 64
THREADS: Final = 6  # the most of one test
LOCATIONS: Final = 32
OBSERVED: Final = 64  # registers and locations in an outcome, at most
ADDRESS_BASE: Final = 0x6DA1C000  # of location 0: no number that a test is likely to make, of bytes or by a shift
ADDRESS_STEP: Final = 16
LOCATION_BYTES: Final = 8


def address_of(location: int) -> int:
    """The address of location number `location`."""
    return ADDRESS_BASE + ADDRESS_STEP * location


class Op(IntEnum):
    """What an instruction does; numbers are the core's (`litmus.h`)."""

    END = 0
    CONST = 1  # dst = imm
    ALU = 2  # dst = a <arg: Alu> b
    LOAD = 3  # dst = [a], `arg` bytes wide; `order`: what it orders as an acquire
    STORE = 4  # [a] = b, `arg` bytes wide; `order`: what it orders as a release
    RMW = 5  # dst = [a], then [a] = f(dst, b), `arg`: Rmw; imm: c, the register that cmpxchg expects, | width << 8
    FENCE = 6  # `order`: what it orders
    ISB = 7  # a context synchronisation: what an earlier branch or address waited for, later loads wait for too
    JUMP = 8  # to instruction imm
    JUMP_IF_ZERO = 9  # if a is 0, to instruction imm
    JUMP_IF_NOT_ZERO = 10


class Alu(IntEnum):
    """Operators on 64-bit values. Comparisons are signed and give 0 or 1."""

    ADD = 0
    SUB = 1
    AND = 2
    OR = 3
    XOR = 4
    MUL = 5
    SHL = 6
    SHR = 7  # logical
    EQ = 8
    NE = 9
    LT = 10
    LE = 11
    GT = 12
    GE = 13
    SEXT32 = 14  # the low 32 bits of a, as a signed number
    ZEXT32 = 15  # the low 32 bits of a

    @property
    def operands(self) -> int:
        """How many registers it reads. What is no operand is nothing that a result may depend on."""
        return 1 if self in (Alu.SEXT32, Alu.ZEXT32) else 2


class Rmw(IntEnum):
    """What a read-modify-write stores."""

    XCHG = 0
    ADD = 1
    SUB = 2
    AND = 3
    OR = 4
    XOR = 5
    CMPXCHG = 6  # b, if the old value is the one expected; else it is a plain load, or an acquire


# An RMW's flag, in `flags`: if it stores, it is also a full barrier before and after, of the kind `order` names.
FULL: Final = 1
# LOAD, RMW: the value is sign-extended from its width, as C's int is. Else zero-extended.
SIGNED: Final = 2
# RMW: `order` holds for its load as an acquire, for its store as a release.
ACQUIRE: Final = 4
RELEASE: Final = 8
# RMW: nobody sees what it read: its load is no acquire, and barriers that order loads alone do not wait for it.
NO_RESULT: Final = 16
# CMPXCHG that stores: its result comes from memory, or from the register it expects, which has the same value. In a
# Program: one or the other, in every way. For the core: from the register.
FROM_EXPECTED: Final = 32
# RMW: if it stores, a fence of the kind `order` names is behind it.
FENCED: Final = 64
ORDERED_READ: Final = FULL | ACQUIRE | FENCED


@dataclass(frozen=True, slots=True)
class Ordering:
    """What a fence, or a load or store with an order of its own, orders, and how far it reaches.

    The platform says whether that is far enough (`amp.ordering.platforms`). For a load-acquire `orders` is RR|RW (and
    RCSC for Arm's ldar), for a store-release RW|WW (and RCSC).
    """

    orders: Orders
    reach: Reach


@dataclass(frozen=True, slots=True)
class Instruction:
    """See Op for which fields count. `order` is an index into Program.orderings; 0 is no ordering at all."""

    op: Op
    dst: int = 0
    a: int = 0
    b: int = 0
    arg: int = 0
    flags: int = 0
    order: int = 0
    imm: int = 0

    @property
    def sources(self) -> frozenset[int]:
        """The registers that it reads."""
        match self.op:
            case Op.ALU:
                return frozenset((self.a, self.b)[: Alu(self.arg).operands])
            case Op.STORE:
                return frozenset((self.a, self.b))
            case Op.RMW:
                return frozenset((self.a, self.b, *([self.imm & 0xFF] if self.arg == Rmw.CMPXCHG else [])))
            case Op.LOAD | Op.JUMP_IF_ZERO | Op.JUMP_IF_NOT_ZERO:
                return frozenset((self.a,))
        return frozenset()

    def pack(self) -> bytes:
        return INSTRUCTION.pack(self.op, self.dst, self.a, self.b, self.arg, self.flags, self.order, self.imm)


INSTRUCTION: Final = struct.Struct("<BBBBBBHq")  # litmus.h, struct amp_insn


@dataclass(frozen=True, slots=True)
class Program:
    """A whole test, without its condition.

    `initial` has each location's first value, by number (pointers as `address_of`). `observed_registers` are pairs
    (thread, register), `observed_locations` numbers: an outcome is the final values of these, in this order.
    `orderings[0]` orders nothing. `sizes_bytes` is how wide each location is declared, LOCATION_BYTES where it is not.
    """

    threads: tuple[tuple[Instruction, ...], ...]
    initial: tuple[int, ...]
    orderings: tuple[Ordering, ...]
    observed_registers: tuple[tuple[int, int], ...]
    observed_locations: tuple[int, ...]
    sizes_bytes: tuple[int, ...] = ()
