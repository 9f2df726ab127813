"""RISC-V, 32 and 64 bits: what each instruction is, for the engine; by its encoding (unprivileged ISA, chapter
"RV32/64G Instruction Set Listings", and "C" for the compressed ones).

Dependencies are RVWMO's syntactic ones: by address, by data, and a branch before later stores. A register is read as a
whole; x0 carries nothing. `lr` and `sc`, and the atomics, are ordered by their aq and rl bits. `fence` is a row of
amp.ordering.instructions by the accesses that it names; of devices (i, o) there are a mailbox's
registers: its status is input, a doorbell and an acknowledgement are output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from amp.code.rows import HALVES, NONE, Flag, Kind, Row
from amp.ordering.instructions import BY_NAME, RISCV

RA, SP, GP, S0 = 1, 2, 3, 8
SLOTS: Final = 65  # x0 to x31, a slot for flags that there are none of, f0 to f31
F0: Final = 33
_AQ, _RL, _BOTH = (BY_NAME[RISCV, name].number for name in ("aq", "rl", "aq.rl"))


# The psABI's names of x0 to x31.
NAMES: Final = (
    *("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"),
    *(f"a{n}" for n in range(8)),
    *(f"s{n}" for n in range(2, 12)),
    *(f"t{n}" for n in range(3, 7)),
)


def _set(*slots: int) -> frozenset[int]:
    return frozenset(slot for slot in slots if slot not in (0, NONE))


def _x(number: int) -> int:
    return number or NONE


def _bits(word: int, high: int, low: int) -> int:
    return word >> low & (1 << (high - low + 1)) - 1


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _scattered(word: int, places: tuple[tuple[int, int], ...], bits: int) -> int:
    """A signed number whose bits lie here and there: (where in the word, which bit of it)."""
    return _signed(sum((word >> at & 1) << to for at, to in places), bits)


# The B and J formats: imm[12|10:5|4:1|11] and imm[20|10:1|11|19:12].
_B_TYPE: Final = ((31, 12), (7, 11), *((25 + n, 5 + n) for n in range(6)), *((8 + n, 1 + n) for n in range(4)))
_J_TYPE: Final = ((31, 20), (20, 11), *((12 + n, 12 + n) for n in range(8)), *((21 + n, 1 + n) for n in range(10)))
# CJ: offset[11|4|9:8|10|6|7|3:1|5] in bits 12 to 2; CB: offset[8|4:3] in bits 12 to 10, offset[7:6|2:1|5] in bits 6 to
# 2.
_CJ: Final = ((12, 11), (11, 4), (10, 9), (9, 8), (8, 10), (7, 6), (6, 7), (5, 3), (4, 2), (3, 1), (2, 5))
_CB: Final = ((12, 8), (11, 4), (10, 3), (6, 7), (5, 6), (4, 2), (3, 1), (2, 5))


def refused(why: str) -> Row:
    return Row(Kind.REFUSED, why=why)


def _load(rd: int, rs1: int, width: int) -> Row:
    return Row(Kind.LOAD, element=width, atom=width, data=(_x(rd) if rd < F0 else rd,), address=_set(rs1))


def _store(rs2: int, rs1: int, width: int) -> Row:
    return Row(Kind.STORE, element=width, atom=width, data=(_x(rs2) if rs2 < F0 else rs2,), address=_set(rs1))


def _plain(rd: int, *sources: int, counts: bool = False) -> Row:
    return Row(Kind.PLAIN, flows=[(_set(rd), _set(*sources))], counts=counts)


def _jump(address: int, offset: int, rd: int) -> Row:
    calls = rd == RA
    return Row(Kind.PLAIN, flows=[(_set(rd), _set())], target=address + offset, calls=calls, ends=not calls)


def _jump_by(rs1: int, rd: int) -> Row:
    calls = rd == RA
    flows = [(_set(rd), _set()), (_set(), _set(rs1))]
    returns = rs1 == RA and rd == 0
    return Row(Kind.BRANCH, flows=flows, calls=calls, ends=not calls, indirect=not returns, returns=returns)


def far_target(address: int, first: int, second: int) -> int | None:
    """Where `auipc rd, high; jalr _, low(rd)` leads, the first of them at `address`; None: it is no such pair."""
    is_pair = first & 0x7F == 0x17 and second & 0x707F == 0x67 and _bits(first, 11, 7) == _bits(second, 19, 15)
    if not is_pair:
        return None
    high, low = first & 0xFFFFF000, _bits(second, 31, 20)
    return (address + (high ^ 1 << 31) - (1 << 31) + (low ^ 1 << 11) - (1 << 11)) & (1 << 64) - 1


def _branch(address: int, offset: int, *sources: int) -> Row:
    return Row(Kind.BRANCH, flows=[(_set(), _set()), (_set(), _set(*sources))], target=address + offset)


def decode(address: int, word: int, _instruction: Any, slots: Mapping[str, int]) -> Row:
    """The row of the instruction whose first bytes are `word`."""
    if word & 3 != 3:
        row = _compressed(address, word & 0xFFFF, wide=slots["wide"] == 1)
        row.length = 2
        return row
    return _whole(address, word & 0xFFFFFFFF)


def _whole(address: int, word: int) -> Row:  # noqa: PLR0911, PLR0912  (a table of encodings)
    opcode, rd, funct3 = word & 0x7F, _bits(word, 11, 7), _bits(word, 14, 12)
    rs1, rs2, funct7 = _bits(word, 19, 15), _bits(word, 24, 20), _bits(word, 31, 25)
    match opcode:
        case 0x03 if funct3 != 7:
            return _load(rd, rs1, 1 << (funct3 & 3))
        case 0x23 if funct3 < 4:
            return _store(rs2, rs1, 1 << funct3)
        case 0x07 if funct3 in (2, 3):
            return _load(F0 + rd, rs1, 1 << funct3)
        case 0x27 if funct3 in (2, 3):
            return _store(F0 + rs2, rs1, 1 << funct3)
        case 0x13 | 0x1B:
            return _plain(rd, rs1, counts=funct3 == 0 and rd == rs1 and word >> 20 != 0)
        case 0x33 | 0x3B:
            return _plain(rd, rs1, rs2, counts=funct3 == 0 and rd in (rs1, rs2))
        case 0x37 | 0x17:
            return _plain(rd)
        case 0x63 if funct3 not in (2, 3):
            return _branch(address, _scattered(word, _B_TYPE, 13), rs1, rs2)
        case 0x6F:
            return _jump(address, _scattered(word, _J_TYPE, 21), rd)
        case 0x67 if funct3 == 0:
            return _jump_by(rs1, rd)
        case 0x0F:
            return _fence(word, funct3)
        case 0x2F if funct3 in (2, 3):
            return _atomic(1 << funct3, funct7, rd, (rs1, rs2))
        case 0x73:
            return _system(word, funct3)
    return refused("an instruction of an extension that is not modelled")


def _fence(word: int, funct3: int) -> Row:
    if funct3 == 1:
        return Row(Kind.PLAIN)  # FENCE.I: of instructions, not of data
    if funct3 != 0:
        return refused("a fence that is not modelled")
    if word == 0x0100000F:
        return Row(Kind.PLAIN)  # PAUSE
    mode, before, after = _bits(word, 31, 28), _bits(word, 27, 24), _bits(word, 23, 20)
    if mode == 0b1000:  # FENCE.TSO
        return Row(Kind.BARRIER, load_by=BY_NAME[RISCV, "fence.tso"].number)
    return _by_sets(before, after) if before and after else Row(Kind.PLAIN)


def _by_sets(before: int, after: int) -> Row:
    """A fence of its own row, or of two: what it orders behind loads, and what behind stores."""
    whole = BY_NAME.get((RISCV, f"fence {_named(before)},{_named(after)}"))
    if whole is not None:
        return Row(Kind.BARRIER, load_by=whole.number)
    loads, stores = (BY_NAME[RISCV, f"fence {_named(before & part)},{_named(after)}"] for part in (0b1010, 0b0101))
    return Row(Kind.BARRIER, load_by=loads.number, store_by=stores.number, detail=HALVES)


def _named(accesses: int) -> str:
    """The row's name for a set of accesses, bits i, o, r, w from the top."""
    return "".join(letter for bit, letter in ((8, "i"), (4, "o"), (2, "r"), (1, "w")) if accesses & bit)


def _atomic(width: int, funct7: int, rd: int, operands: tuple[int, int]) -> Row:
    rs1, rs2 = operands
    acquires, releases, what = bool(funct7 >> 1 & 1), bool(funct7 & 1), funct7 >> 2
    by = _BOTH if acquires and releases else _AQ if acquires else _RL if releases else 0
    address = _set(rs1)
    if what == 0b00010:
        return Row(
            Kind.EXCLUSIVE_LOAD,
            element=width,
            atom=width,
            data=(_x(rd),),
            address=address,
            load_by=by if acquires else 0,
        )
    if what == 0b00011:
        return Row(
            Kind.EXCLUSIVE_STORE,
            element=width,
            atom=width,
            data=(_x(rs2),),
            address=address,
            store_by=_RL if releases else 0,
            flags=Flag.BEHIND if acquires else Flag(0),
            flows=[(_set(rd), _set())],
        )
    if what not in (0b00001, 0b00000, 0b00100, 0b01100, 0b01000, 0b10000, 0b10100, 0b11000, 0b11100):
        return refused("an atomic of an extension that is not modelled")
    swap = what == 0b00001
    return Row(
        Kind.ATOMIC,
        element=width,
        atom=width,
        data=(_x(rs2), _x(rd)),
        address=address,
        # An atomic is one operation: what is behind an acquire is behind its store as well (RVWMO, rule 5).
        flags=(Flag(0) if swap else Flag.READ_STORED)
        | (Flag.WHOLE if acquires and releases else Flag.BEHIND if acquires else Flag(0)),
        load_by=by if acquires else 0,
        store_by=by if releases else 0,
    )


def _system(word: int, funct3: int) -> Row:
    if word == 0x00100073:
        return Row(Kind.TRAP, ends=True)  # EBREAK
    if word == 0x10500073:
        return Row(Kind.WAIT)  # WFI
    if funct3 == 0:
        return refused("a call of the environment")
    return refused("a system register")


# --- compressed: each is one of the above


def _c(number: int) -> int:
    return 8 + number


def _compressed(address: int, half: int, *, wide: bool) -> Row:  # noqa: PLR0911, PLR0912  (a table of encodings)
    quadrant, funct3 = half & 3, _bits(half, 15, 13)
    rd, rs2, low, high = _bits(half, 11, 7), _bits(half, 6, 2), _c(_bits(half, 4, 2)), _c(_bits(half, 9, 7))
    if half == 0:
        return Row(Kind.TRAP, detail=1, ends=True)
    match quadrant, funct3:
        case 0, 0:
            return _plain(low, SP)
        case 0, 2:
            return _load(low, high, 4)
        case 0, 3 if wide:
            return _load(low, high, 8)
        case 0, 6:
            return _store(low, high, 4)
        case 0, 7 if wide:
            return _store(low, high, 8)
        case 0, 1:
            return _load(F0 + low, high, 8)
        case 0, 5:
            return _store(F0 + low, high, 8)
        case 1, 0:
            return _plain(rd, rd, counts=rd != 0)
        case 1, 1 if wide:
            return _plain(rd, rd, counts=bool(half >> 12 & 1 or rs2))
        case 1, 1 | 5:
            return _jump(address, _scattered(half, _CJ, 12), RA if funct3 == 1 else 0)
        case 1, 2:
            return _plain(rd)
        case 1, 3:
            return _plain(rd, SP) if rd == SP else _plain(rd)
        case 1, 4:
            return _plain(high, high) if _bits(half, 11, 10) != 3 else _plain(high, high, low)
        case 1, 6 | 7:
            return _branch(address, _scattered(half, _CB, 9), high)
        case 2, 0:
            return _plain(rd, rd)
        case 2, 2:
            return _load(rd, SP, 4)
        case 2, 3 if wide:
            return _load(rd, SP, 8)
        case 2, 1:
            return _load(F0 + rd, SP, 8)
        case 2, 6:
            return _store(rs2, SP, 4)
        case 2, 7 if wide:
            return _store(rs2, SP, 8)
        case 2, 5:
            return _store(F0 + rs2, SP, 8)
        case 2, 4:
            return _register_jump_or_move(half, rd, rs2)
    return refused("a compressed instruction of an extension that is not modelled")


def _register_jump_or_move(half: int, rd: int, rs2: int) -> Row:
    adds = half >> 12 & 1
    if rs2 == 0:
        if rd == 0:
            return Row(Kind.TRAP, ends=True)  # C.EBREAK
        return _jump_by(rd, RA if adds else 0)
    return _plain(rd, rd, rs2, counts=False) if adds else _plain(rd, rs2)
