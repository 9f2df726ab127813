"""A64: what each instruction is, for the engine.

Loads and stores are told by their encoding (Arm ARM DDI 0487, C4.1.94, "Loads and Stores"), for of each of their
registers it has to be known what it is for. What any other instruction reads and writes, Capstone says; conditional
ones are told by their encoding, too, for what they read depends on the flags. An instruction that is neither is
refused.

A register is read or written whole; a vector register is two, its halves of 64 bits. What is not known to work lane by
lane, or within a half, computes both from all that it reads (C7.2 of each).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from amp.code.rows import NONE, Flag, Kind, Row
from amp.ordering.instructions import A64, BY_NAME

Flow: TypeAlias = tuple[frozenset[int], frozenset[int]]

SP: Final = 31
NZCV: Final = 32
V0: Final = 33  # the low halves
HIGH: Final = 32  # from a low half to the high one
SLOTS: Final = V0 + 2 * HIGH
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


# Of vectors these work lane by lane, of at most 64 bits each.
_LANE_WISE: Final = frozenset(
    [
        *("mov", "movi", "mvni", "mvn", "not", "dup", "and", "orr", "eor", "bic", "orn", "bsl", "bit", "bif"),
        *(
            "neg",
            "abs",
            "add",
            "sub",
            "mul",
            "mla",
            "mls",
            "smax",
            "smin",
            "umax",
            "umin",
            "sabd",
            "uabd",
            "saba",
            "uaba",
        ),
        *("cnt", "rbit", "rev16", "rev32", "rev64", "cmeq", "cmge", "cmgt", "cmhi", "cmhs", "cmle", "cmlt", "cmtst"),
        *("shl", "sshr", "ushr", "sshl", "ushl", "srshl", "urshl", "ssra", "usra", "sli", "sri"),
        *("fmov", "fneg", "fabs", "fadd", "fsub", "fmul", "fdiv", "fmla", "fmls", "fmax", "fmin", "fsqrt"),
        *("scvtf", "ucvtf", "fcvtzs", "fcvtzu"),
    ]
)
# Of two 64-bit lanes: which half of which source is the low one, and the high one.
_OF_TWO: Final = MappingProxyType(
    {name: (half, half) for names, half in (("zip1 uzp1 trn1", 0), ("zip2 uzp2 trn2", 1)) for name in names.split()}
)
_TWO_LANES: Final = 0x240  # Capstone's arrangement .2d: two of 64 bits


def _vector(number: int, width: int) -> tuple[int, ...]:
    """The halves of a vector register that so many bytes of it lie in."""
    return (V0 + number, V0 + HIGH + number) if width > 8 else (V0 + number,)


def _cleared(numbers: Iterable[int], width: int) -> list[tuple[frozenset[int], frozenset[int]]]:
    """What a load of less than a whole vector register leaves as zeroes."""
    return [(frozenset(V0 + HIGH + number for number in numbers), frozenset())] if width <= 8 else []


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


_INTERLEAVED: Final = MappingProxyType({0b0000: 3, 0b0100: 2, 0b1000: 1})  # LD4, LD3, LD2: how many registers more


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
    together = (word >> 13 & 1) << 1 | word >> 21 & 1 if one else _INTERLEAVED.get(opcode, 0)
    if one and not together:
        return _lane(word, kind, base, back)
    if one or registers is None:
        # Elements of several registers in turn: which register has which byte is not followed. A load of whole ones
        # leaves nothing in them of what was there.
        slots = frozenset(V0 + (rt + i) % 32 + half for i in range(together + 1) for half in (0, HIGH))
        whole = load and (not one or _bits(word, 15, 14) == 0b11)
        return Row(kind, flags=Flag.MIXED, address=base, flows=[*back, (slots, _set()) if whole else (_set(), slots)])
    numbers = [(rt + i) % 32 for i in range(registers)]
    data = tuple(half for number in numbers for half in _vector(number, 16 if full else 8))
    back += _cleared(numbers, 16 if full else 8) if load else []
    return Row(kind, element=8, atom=1 << size, data=data, address=base, flows=back)


def _lane(word: int, kind: Kind, base: frozenset[int], back: list[Flow]) -> Row:
    """LD1, ST1 of one lane, and LD1R (C7.2): opcode in bits 15 to 13, S in 12, size in 11 and 10.

    The lane's number is Q, S and size from the top, for each doubling of its width a bit less: Q is the half.
    """
    full, scale, size, rt = word >> 30 & 1, _bits(word, 15, 14), _bits(word, 11, 10), _bits(word, 4, 0)
    if scale == 0b11:
        if kind is Kind.STORE:
            return refused("an unallocated load or store")
        flows = [*back, *_cleared([rt], 16 if full else 8)]
        data, width = _vector(rt, 16 if full else 8), 1 << size
        return Row(kind, element=width, atom=width, data=data, address=base, flows=flows, flags=Flag.SPREADS)
    width, half = 8 if scale == 0b10 and size & 1 else 1 << scale, V0 + rt + HIGH * full
    keeps = _set(half) if kind is Kind.LOAD and width < 8 else _set()
    return Row(kind, element=width, atom=width, data=(half,), address=base, flows=back, keeps=keeps)


def _literal(word: int, vector: bool) -> Row:
    opc, rt = _bits(word, 31, 30), _bits(word, 4, 0)
    if opc == 0b11:
        return refused("an unallocated literal load") if vector else Row(Kind.PLAIN)  # PRFM
    width = 4 << opc if vector else (4, 8, 4)[opc]
    if vector:
        return _vector_row(Kind.LOAD, width, (rt,), _set())
    return Row(Kind.LOAD, element=width, atom=width, data=(_x(rt),))


def _vector_row(
    kind: Kind, width: int, numbers: tuple[int, ...], address: frozenset[int], *, counts: bool = False
) -> Row:
    """Vector registers, so many bytes of each."""
    data = tuple(half for number in numbers for half in _vector(number, width))
    flows = _cleared(numbers, width) if kind is Kind.LOAD else []
    at_once = min(width, 8)
    return Row(kind, element=at_once, atom=at_once, data=data, address=address, flows=flows, counts=counts)


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
    data = (_x(rt), _x(rt2))
    kind = Kind.LOAD if load else Kind.STORE
    # C6.2, LDNP: an address dependency does not order a non-temporal load.
    address = _set() if load and index == 0 else _set(rn)
    if vector:
        return _vector_row(kind, width, (rt, rt2), address, counts=bool(index & 1))
    return Row(kind, element=width, atom=width, data=data, address=address, counts=bool(index & 1))


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
        kind = Kind.LOAD if opc & 1 else Kind.STORE
        return _vector_row(kind, width, (rt,), address, counts=not scaled and not by_register and bool(mode & 1))
    if size == 0b11 and opc == 0b10:
        return Row(Kind.PLAIN)  # PRFM
    width, kind = 1 << size, (Kind.LOAD if opc else Kind.STORE)
    counts = not scaled and not by_register and bool(mode & 1)  # written back
    return Row(kind, element=width, atom=width, data=(_x(rt),), address=address, counts=counts)


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
        to = _set(V0 + rd, V0 + HIGH + rd)
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
    return _by_capstone(instruction, slots)


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
    flows = [(to, source)]
    if any(slot >= V0 for slot in source | to):
        flows = _of_vectors(instruction, slots, named)
    return Row(Kind.PLAIN, flows=flows, counts=instruction.mnemonic in _COUNTS)


def _of_vectors(  # noqa: PLR0911  (a table of ways)
    instruction: Any, slots: Mapping[str, int], named: list[list[str]]
) -> list[Flow]:
    """The same by halves. Capstone calls a register of 128 bits q0, a smaller one by its width."""
    reads, writes = named
    operands = [each for each in instruction.operands if each.type == 1]
    first = operands[0]

    def half_of(operand: Any) -> int:
        lane = operand.vector_index * (operand.vas & 0xFF)
        return slots[instruction.reg_name(operand.reg)] + HIGH * int(lane // 64)

    def read(half: int | None) -> frozenset[int]:
        """All that is read; of vectors that are read whole only that half, if it is said which."""
        found = {slots[name] for name in reads if slots[name] < V0}
        for operand in operands:
            name = instruction.reg_name(operand.reg)
            if name not in reads or slots[name] < V0:
                continue
            if operand.vector_index >= 0:
                found.add(half_of(operand))
            elif name[0] == "q":
                found |= {slots[name] + HIGH * each for each in (0, 1) if half in (None, each)}
            elif half in (None, 0):
                found.add(slots[name])
        return frozenset(found) - {NONE}

    if slots[writes[0]] < V0:
        return [(frozenset(slots[name] for name in writes) - {NONE}, read(None))]
    low, high = slots[writes[0]], slots[writes[0]] + HIGH
    if first.vector_index >= 0:  # one lane is written, and of the half that it lies in the rest stays
        source = frozenset().union(*(_lane_source(each, half_of, instruction, slots) for each in operands[1:]))
        kept = _set(half_of(first)) if first.vas & 0xFF < 64 else _set()
        return [(_set(half_of(first)), source | kept)]
    if writes[0][0] != "q":
        return [(_set(low), read(None)), (_set(high), _set())]
    if instruction.mnemonic in _OF_TWO and first.vas == _TWO_LANES:
        sources = [slots[instruction.reg_name(each.reg)] for each in operands[1:3]]
        return [
            (_set(to), _set(source + HIGH * half))
            for to, source, half in zip((low, high), sources, _OF_TWO[instruction.mnemonic], strict=True)
        ]
    if instruction.mnemonic == "ext":
        one, two = (slots[instruction.reg_name(each.reg)] for each in operands[1:3])
        by, row = instruction.operands[3].imm, (one, one + HIGH, two, two + HIGH)
        begin, more = by // 8, 1 if by % 8 else 0
        return [
            (_set(low), _set(*row[begin : begin + 1 + more])),
            (_set(high), _set(*row[begin + 1 : begin + 2 + more])),
        ]
    if instruction.mnemonic in _LANE_WISE:
        return [(_set(low), read(0)), (_set(high), read(1))]
    if instruction.mnemonic.endswith("n2"):  # of a narrowing one the second half: the first stays
        return [(_set(high), read(None))]
    return [(_set(low, high), read(None))]


def _lane_source(
    operand: Any, half_of: Callable[[Any], int], instruction: Any, slots: Mapping[str, int]
) -> frozenset[int]:
    return _set(half_of(operand) if operand.vector_index >= 0 else slots[instruction.reg_name(operand.reg)])


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
