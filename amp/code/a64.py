"""A64: what each instruction is, for the engine.

Loads and stores are told by their encoding (Arm ARM DDI 0487, C4.1.94, "Loads and Stores"), for of each of their
registers it has to be known what it is for. What any other instruction reads and writes, Capstone says; conditional
ones are told by their encoding, too, for what they read depends on the flags. An instruction that is neither is
refused.

A register is read or written whole: of a vector, all lanes are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from amp.code.rows import NONE, Flag, Kind, Row
from amp.ordering.instructions import A64, BY_NAME

SP: Final = 31
NZCV: Final = 32
V0: Final = 33
SLOTS: Final = V0 + 32
LINK: Final = 30
FRAME: Final = 29

_ACQUIRE: Final = BY_NAME[A64, "ldar"].number
_ACQUIRE_PC: Final = BY_NAME[A64, "ldapr"].number
_RELEASE: Final = BY_NAME[A64, "stlr"].number
_BOTH: Final = BY_NAME[A64, "acquire-release"].number

# CRm of DMB and DSB (C6.2): the two low bits say which accesses, the high ones which domain.
_OPTIONS: Final = MappingProxyType(
    {
        **{0b1111: "sy", 0b1110: "st", 0b1101: "ld", 0b1011: "ish", 0b1010: "ishst", 0b1001: "ishld"},
        **{0b0111: "nsh", 0b0110: "nshst", 0b0101: "nshld", 0b0011: "osh", 0b0010: "oshst", 0b0001: "oshld"},
    }
)
_COUNTS: Final = ("add", "adds", "sub", "subs", "lsl", "lsr", "asr", "ror")


def _x(number: int) -> int:
    """A general register as data: 31 is the zero register."""
    return NONE if number == 31 else number


def _set(*slots: int) -> frozenset[int]:
    return frozenset(slot for slot in slots if slot != NONE)


def refused(why: str) -> Row:
    return Row(Kind.REFUSED, why=why)


def _bits(word: int, high: int, low: int) -> int:
    return word >> low & (1 << (high - low + 1)) - 1


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def load_or_store(word: int) -> Row:  # noqa: PLR0911  (a table of encodings)
    """An instruction of the group "Loads and Stores"."""
    group, vector = _bits(word, 29, 27), bool(word >> 26 & 1)
    if _bits(word, 29, 24) == 0b001000:
        return _exclusive(word)
    if group == 0b001 and vector:
        return _structure(word)
    if group == 0b011 and _bits(word, 25, 24) == 0:
        return _literal(word, vector)
    if group == 0b011 and _bits(word, 29, 24) == 0b011001 and not word >> 21 & 1 and _bits(word, 11, 10) == 0:
        return _ordered_unscaled(word)
    if group == 0b101:
        return _pair(word, vector)
    if group == 0b111:
        return _single(word, vector)
    return refused("a load or store of an extension that is not modelled")


def _exclusive(word: int) -> Row:  # noqa: PLR0911  (a table of encodings)
    """Exclusive, ordered, compare-and-swap: size 001000 o2 L o1 Rs o0 Rt2 Rn Rt."""
    size, o2, load, o1, o0 = _bits(word, 31, 30), word >> 23 & 1, word >> 22 & 1, word >> 21 & 1, word >> 15 & 1
    rs, rn, rt = _bits(word, 20, 16), _bits(word, 9, 5), _bits(word, 4, 0)
    width, address = 1 << size, _set(rn)
    if o2 and o1:
        return _compare_and_swap(width, bool(load), bool(o0), (rs, rt, rn))
    if o1:
        return refused("a pair that is exclusive, or compared and swapped")
    if o2 and not o0:
        return refused("a limited ordering region's load or store")
    if o2:
        if load:
            return Row(Kind.LOAD, element=width, atom=width, data=(_x(rt),), address=address, load_by=_ACQUIRE)
        return Row(Kind.STORE, element=width, atom=width, data=(_x(rt),), address=address, store_by=_RELEASE)
    if load:
        by = _ACQUIRE if o0 else 0
        return Row(Kind.EXCLUSIVE_LOAD, element=width, atom=width, data=(_x(rt),), address=address, load_by=by)
    return Row(
        Kind.EXCLUSIVE_STORE,
        element=width,
        atom=width,
        data=(_x(rt),),
        address=address,
        store_by=_RELEASE if o0 else 0,
        flows=[(_set(_x(rs)), _set())],
    )


def _compare_and_swap(width: int, acquires: bool, releases: bool, registers: tuple[int, int, int]) -> Row:
    """CAS Rs, Rt, [Rn]: Rs is compared with, and gets what was there; Rt is stored."""
    rs, rt, rn = registers
    flags = Flag.COMPARES
    if rs == 31:  # C6.2: without a result it is no acquire
        acquires, flags = False, flags | Flag.UNSEEN
    return Row(
        Kind.ATOMIC,
        element=width,
        atom=width,
        data=(_x(rt), _x(rs)),
        expected=_x(rs),
        address=_set(rn),
        flags=flags | (Flag.WHOLE if acquires and releases else Flag(0)),
        load_by=_both(acquires, releases) if acquires else 0,
        store_by=_both(acquires, releases) if releases else 0,
    )


def _both(acquires: bool, releases: bool) -> int:
    return _BOTH if acquires and releases else _ACQUIRE if acquires else _RELEASE if releases else 0


def _atomic(word: int) -> Row:
    """size 111 V 00 A R 1 Rs o3 opc 00 Rn Rt: the atomics of FEAT_LSE, and LDAPR."""
    width, acquires, releases = 1 << _bits(word, 31, 30), bool(word >> 23 & 1), bool(word >> 22 & 1)
    rs, o3, opc, rn, rt = _bits(word, 20, 16), word >> 15 & 1, _bits(word, 14, 12), _bits(word, 9, 5), _bits(word, 4, 0)
    if o3 and opc == 0b100 and acquires and not releases and rs == 31:
        return Row(Kind.LOAD, element=width, atom=width, data=(_x(rt),), address=_set(rn), load_by=_ACQUIRE_PC)
    if o3 and opc:
        return refused("an atomic of an extension that is not modelled")
    flags = Flag(0) if o3 else Flag.READ_STORED
    if rt == 31:  # C6.2: without a result it is no acquire
        acquires, flags = False, flags | Flag.UNSEEN
    return Row(
        Kind.ATOMIC,
        element=width,
        atom=width,
        data=(_x(rs), _x(rt)),
        address=_set(rn),
        flags=flags | (Flag.WHOLE if acquires and releases else Flag(0)),
        load_by=_both(acquires, releases) if acquires else 0,
        store_by=_both(acquires, releases) if releases else 0,
    )


def _structure(word: int) -> Row:
    """LD1 to LD4, ST1 to ST4: 0 Q 001100 (one structure: 001101) post-indexed in bit 23."""
    if word >> 31:
        return refused("a load or store of an extension that is not modelled")
    one, post, load = word >> 24 & 1, word >> 23 & 1, word >> 22 & 1
    rm, rn, rt = _bits(word, 20, 16), _bits(word, 9, 5), _bits(word, 4, 0)
    opcode, size, full = _bits(word, 15, 12), _bits(word, 11, 10), word >> 30 & 1
    registers = {0b0111: 1, 0b1010: 2, 0b0110: 3, 0b0010: 4}.get(opcode)
    base = _set(rn)
    back = [(base, _set(rn, *([rm] if rm != 31 else [])))] if post else []
    kind = Kind.LOAD if load else Kind.STORE
    if one or registers is None:
        # Lanes, or elements of several registers in turn: which register has which byte is not followed.
        slots = frozenset(V0 + (rt + i) % 32 for i in range(4))
        return Row(kind, flags=Flag.MIXED, address=base, flows=[*back, (_set(), slots)])
    data = tuple(V0 + (rt + i) % 32 for i in range(registers))
    return Row(kind, element=16 if full else 8, atom=1 << size, data=data, address=base, flows=back)


def _literal(word: int, vector: bool) -> Row:
    opc, rt = _bits(word, 31, 30), _bits(word, 4, 0)
    if opc == 0b11:
        return refused("an unallocated literal load") if vector else Row(Kind.PLAIN)  # PRFM
    width = 4 << opc if vector else (4, 8, 4)[opc]
    return Row(Kind.LOAD, element=width, atom=min(width, 8), data=(V0 + rt if vector else _x(rt),))


def _ordered_unscaled(word: int) -> Row:
    """LDAPUR, STLUR: size 011001 opc 0 imm9 00 Rn Rt."""
    width, opc, rn, rt = 1 << _bits(word, 31, 30), _bits(word, 23, 22), _bits(word, 9, 5), _bits(word, 4, 0)
    if opc == 0:
        return Row(Kind.STORE, element=width, atom=width, data=(_x(rt),), address=_set(rn), store_by=_RELEASE)
    return Row(Kind.LOAD, element=width, atom=width, data=(_x(rt),), address=_set(rn), load_by=_ACQUIRE_PC)


def _pair(word: int, vector: bool) -> Row:
    """opc 101 V index L imm7 Rt2 Rn Rt"""
    opc, index, load = _bits(word, 31, 30), _bits(word, 25, 23), word >> 22 & 1
    rt2, rn, rt = _bits(word, 14, 10), _bits(word, 9, 5), _bits(word, 4, 0)
    if index > 0b011 or opc == 0b11 or (opc == 0b01 and not vector and not load):
        return refused("a pair of an extension that is not modelled")
    width = 4 << opc if vector else (4, 4, 8)[opc]
    data = tuple(V0 + each if vector else _x(each) for each in (rt, rt2))
    kind = Kind.LOAD if load else Kind.STORE
    # C6.2, LDNP: an address dependency does not order a non-temporal load.
    address = _set() if load and index == 0 else _set(rn)
    return Row(kind, element=width, atom=min(width, 8), data=data, address=address, counts=bool(index & 1))


def _single(word: int, vector: bool) -> Row:
    """size 111 V 0x opc ...: one register, by any way to form the address; and the atomics."""
    size, opc = _bits(word, 31, 30), _bits(word, 23, 22)
    rm, rn, rt = _bits(word, 20, 16), _bits(word, 9, 5), _bits(word, 4, 0)
    scaled, by_register, mode = word >> 24 & 1, word >> 21 & 1, _bits(word, 11, 10)
    if not scaled and by_register and mode == 0:
        return refused("an atomic of an extension that is not modelled") if vector else _atomic(word)
    if word >> 25 & 1 or (not scaled and by_register and mode != 0b10):
        return refused("a load or store of an extension that is not modelled")
    address = _set(rn, *([_x(rm)] if not scaled and by_register else []))
    if vector:
        width = 16 if opc & 0b10 else 1 << size
        if opc & 0b10 and size:
            return refused("an unallocated load or store")
        kind, register = (Kind.LOAD if opc & 1 else Kind.STORE), V0 + rt
    else:
        if size == 0b11 and opc == 0b10:
            return Row(Kind.PLAIN)  # PRFM
        width, kind, register = 1 << size, (Kind.LOAD if opc else Kind.STORE), _x(rt)
    counts = not scaled and not by_register and bool(mode & 1)  # written back
    return Row(kind, element=width, atom=min(width, 8), data=(register,), address=address, counts=counts)


# --- everything else


def system(word: int) -> Row | None:  # noqa: PLR0911  (a table of encodings)
    """Barriers, hints, system registers: 1101 0101 00; None: it is none of those."""
    if word & 0xFFFFF01F == 0xD503301F:
        return _barrier(_bits(word, 11, 8), _bits(word, 7, 5))
    if word & 0xFFFFF01F == 0xD503201F:
        number = _bits(word, 11, 5)
        return Row(Kind.WAIT) if number in (2, 3) else Row(Kind.PLAIN)  # WFE, WFI; the others change nothing here
    if word & 0xFFF00000 == 0xD5300000 or word & 0xFFF00000 == 0xD5100000:
        register, read, rt = _bits(word, 20, 5) & 0x7FFF, word >> 21 & 1, _bits(word, 4, 0)
        if register == 0b1_011_0100_0010_000:  # NZCV
            return Row(Kind.PLAIN, flows=[(_set(_x(rt)), _set(NZCV)) if read else (_set(NZCV), _set(_x(rt)))])
        return refused("a system register")
    if word & 0xFFF8F01F == 0xD500401F:
        return Row(Kind.PLAIN)  # MSR of an immediate: interrupts masked, and the like
    if word & 0xFFF8F000 == 0xD5087000:
        # Cache maintenance orders nothing by itself. DC ZVA stores a block.
        return refused("DC ZVA") if word & 0xFFFFFFE0 == 0xD50B7420 else Row(Kind.PLAIN)
    if word & 0xFFC00000 == 0xD5000000:
        return refused("a system instruction")
    return None


def _barrier(option: int, which: int) -> Row | None:
    if which == 0b110:
        return Row(Kind.ISB)
    name = {0b101: "dmb", 0b100: "dsb"}.get(which)
    if name is None:
        return Row(Kind.PLAIN) if which == 0b010 else refused("a barrier that is not modelled")  # CLREX
    # DDI 0487, C6.2: a reserved option is SY.
    return Row(Kind.BARRIER, load_by=BY_NAME[A64, f"{name} {_OPTIONS.get(option, 'sy')}"].number)


def conditional(word: int) -> Row | None:
    """Selects and compares by a condition; None: it is none."""
    rm, rn, rd, condition = _bits(word, 20, 16), _bits(word, 9, 5), _bits(word, 4, 0), _bits(word, 15, 12)
    flags = _set(NZCV)
    if word & 0x3FE00800 == 0x1A800000:  # CSEL, CSINC, CSINV, CSNEG
        to = _set(_x(rd))
        return Row(Kind.SELECT, condition=condition, flows=[(to, _set(_x(rn))), (to, _set(_x(rm)))], picks=flags)
    if word & 0x3FE00410 == 0x3A400000:  # CCMP, CCMN
        source = _set(_x(rn)) if word >> 11 & 1 else _set(_x(rn), _x(rm))
        return Row(Kind.SELECT, condition=condition, flows=[(flags, source), (flags, _set())], picks=flags)
    if word & 0xFF200C00 == 0x1E200C00:  # FCSEL
        to = _set(V0 + rd)
        return Row(Kind.SELECT, condition=condition, flows=[(to, _set(V0 + rn)), (to, _set(V0 + rm))], picks=flags)
    if word & 0xFF200C00 == 0x1E200400:  # FCCMP, FCCMPE
        return Row(
            Kind.SELECT, condition=condition, flows=[(flags, _set(V0 + rn, V0 + rm)), (flags, _set())], picks=flags
        )
    return None


def branch(word: int, address: int) -> Row | None:  # noqa: PLR0911  (a table of encodings)
    """Branches and traps; None: it is none."""
    if word & 0x7C000000 == 0x14000000:  # B, BL
        target, calls = address + 4 * _signed(_bits(word, 25, 0), 26), bool(word >> 31)
        return Row(
            Kind.PLAIN, target=target, calls=calls, ends=not calls, flows=[(_set(LINK), _set())] if calls else []
        )
    if word & 0xFF000010 == 0x54000000:  # B.cond
        target = address + 4 * _signed(_bits(word, 23, 5), 19)
        # AL and NV are always taken, and depend on nothing.
        source = _set(NZCV) if _bits(word, 3, 0) < 0b1110 else _set()
        return Row(Kind.BRANCH, flows=[(_set(), _set()), (_set(), source)], target=target)
    if word & 0x7E000000 == 0x34000000:  # CBZ, CBNZ
        target = address + 4 * _signed(_bits(word, 23, 5), 19)
        return Row(Kind.BRANCH, flows=[(_set(), _set()), (_set(), _set(_x(_bits(word, 4, 0))))], target=target)
    if word & 0x7E000000 == 0x36000000:  # TBZ, TBNZ
        target = address + 4 * _signed(_bits(word, 18, 5), 14)
        return Row(Kind.BRANCH, flows=[(_set(), _set()), (_set(), _set(_x(_bits(word, 4, 0))))], target=target)
    if word & 0xFF9FFC1F == 0xD61F0000:  # BR, BLR, RET
        what, rn = _bits(word, 22, 21), _bits(word, 9, 5)
        if what == 0b11:
            return refused("an unallocated branch")
        calls = what == 0b01
        flows = [(_set(LINK) if calls else _set(), _set()), (_set(), _set(_x(rn)))]
        returns = what == 0b10
        return Row(Kind.BRANCH, flows=flows, calls=calls, ends=not calls, indirect=not returns, returns=returns)
    if word & 0xFF000000 == 0xD4000000:
        if word & 0xFFE0001F in (0xD4200000, 0xD4400000):  # BRK, HLT
            return Row(Kind.TRAP, ends=True)
        return refused("a call of a supervisor or a hypervisor")
    return None


def decode(address: int, word: int, instruction: Any, slots: Mapping[str, int]) -> Row:
    """The row of one instruction. `instruction` is Capstone's of it; None: it knows none."""
    if word >> 16 == 0:
        return Row(Kind.TRAP, detail=1, ends=True)  # UDF
    if word >> 27 & 1 and not word >> 25 & 1:
        return load_or_store(word)
    for known in (branch(word, address), system(word), conditional(word)):
        if known is not None:
            return known
    if instruction is None:
        return Row(Kind.TRAP, detail=1, ends=True)
    row = _by_capstone(instruction, slots)
    if word & 0xFFFFFC00 == 0x9EAF0000:  # FMOV Vd.D[1], Xn leaves the other half; Capstone 6 does not say so
        row.flows = [(to, source | to) for to, source in row.flows]
    return row


def _by_capstone(instruction: Any, slots: Mapping[str, int]) -> Row:
    """What is computed from what; each register that it writes, from all that it reads."""
    reads, writes = instruction.regs_access()
    named = [[instruction.reg_name(each) for each in side] for side in (reads, writes)]
    try:
        source, to = (frozenset(slots[name] for name in side if slots[name] != NONE) for side in named)
    except KeyError as error:
        return refused(f"an instruction that works on {error.args[0]}")
    if not writes:
        return refused("an instruction without a result")
    return Row(Kind.PLAIN, flows=[(to, source)], counts=instruction.mnemonic in _COUNTS)


def register_slots() -> dict[str, int]:
    """Capstone's names of registers, by slot; NONE for those that carry nothing."""
    found = {"wzr": NONE, "xzr": NONE, "sp": SP, "wsp": SP, "nzcv": NZCV, "fpcr": NONE, "fpsr": NONE}
    for number in range(31):
        found[f"x{number}"] = found[f"w{number}"] = number
    for number in range(32):
        for width in "bhsdqv":
            found[f"{width}{number}"] = V0 + number
    found["fp"], found["lr"] = FRAME, LINK
    return found
