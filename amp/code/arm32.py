"""A32 and T32: what each instruction of Armv7-A and Armv7-M is, for the engine.

Capstone says what an instruction reads and writes, and which condition it has, also in an IT block. Of those that load
and store, this says which register has which bytes. A conditional instruction whose condition does not hold does
nothing; what decided that is no dependency here. Loads and stores of vectors are refused, but for the floating-point
ones of Armv7.

cp15's barriers are those that Armv6 had, and Armv7 still has (DDI 0406C, B4.2.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from amp.code.rows import DATA, NONE, Flag, Kind, Row
from amp.ordering.instructions import ARMV7_A, ARMV7_M, BY_NAME, DRAINED

SP, LR, CPSR, D0 = 13, 14, 15, 16
CARRY: Final = D0 + 32  # C and V: not everything that sets N and Z sets those
GE: Final = CARRY + 1  # set by adding and subtracting parts of a register, read by SEL
SLOTS: Final = GE + 1
_ALWAYS: Final = 14

# Bytes of each register, and how many registers: DDI 0406C, A8.8.
_LOADS: Final = MappingProxyType(
    {
        **{"ldr": (4, 1), "ldrb": (1, 1), "ldrsb": (1, 1), "ldrh": (2, 1), "ldrsh": (2, 1), "ldrd": (4, 2)},
        **{"ldrt": (4, 1), "ldrbt": (1, 1), "ldrht": (2, 1), "ldrsbt": (1, 1), "ldrsht": (2, 1)},
    }
)
_STORES: Final = MappingProxyType(
    {"str": (4, 1), "strb": (1, 1), "strh": (2, 1), "strd": (4, 2), "strt": (4, 1), "strbt": (1, 1), "strht": (2, 1)}
)
_EXCLUSIVE_LOADS: Final = MappingProxyType({"ldrex": 4, "ldrexb": 1, "ldrexh": 2})
_EXCLUSIVE_STORES: Final = MappingProxyType({"strex": 4, "strexb": 1, "strexh": 2})
_MULTIPLE_LOADS: Final = ("ldm", "ldmda", "ldmdb", "ldmib", "pop")
_MULTIPLE_STORES: Final = ("stm", "stmda", "stmdb", "stmib", "push")
_FLOATING: Final = MappingProxyType({"vldr": Kind.LOAD, "vstr": Kind.STORE})
_HINTS: Final = ("nop", "yield", "sev", "sevl", "pld", "pldw", "pli", "hint", "cps", "clrex", "dbg")
_CP15: Final = MappingProxyType({("c10", "#5"): "dmb", ("c10", "#4"): "dsb", ("c5", "#4"): "isb"})
_REFUSED: Final = MappingProxyType(
    {
        **dict.fromkeys(("svc", "hvc", "smc"), "a call of a supervisor or a hypervisor"),
        **dict.fromkeys(("mrs", "msr", "mcr", "mrc", "mcrr", "mrrc", "cdp", "vmrs", "vmsr"), "a system register"),
        **dict.fromkeys(("swp", "swpb"), "a swap"),
    }
)
# What sets all of N, Z, C and V; others leave C or V as they were (DDI 0406C, A8.8).
_ALL_FLAGS: Final = ("cmp", "cmn", "add", "sub", "rsb", "adc", "sbc", "rsc")
# What sets the GE flags (DDI 0406C, B1.3.3, and A8.8 of each): not the saturating and halving ones (q, uq, sh, uh).
_SETS_GE: Final = frozenset(
    f"{sign}{what}" for sign in "su" for what in ("add8", "add16", "sub8", "sub16", "asx", "sax")
)
_COUNTS: Final = ("add", "sub", "rsb", "lsl", "lsr", "asr", "addw", "subw")


def _set(*slots: int) -> frozenset[int]:
    return frozenset(slot for slot in slots if slot != NONE)


def register_slots() -> dict[str, int]:
    """Capstone's names of registers, by slot; NONE for those that carry nothing."""
    found = {f"r{number}": number for number in range(13)}
    found |= {"r13": SP, "sp": SP, "r14": LR, "lr": LR, "r15": NONE, "pc": NONE, "cpsr": CPSR, "apsr": CPSR}
    found |= {"itstate": NONE, "fpscr": NONE, "fpscr_nzcv": NONE, "sb": 9, "sl": 10, "fp": 11, "ip": 12}
    found |= {f"d{number}": D0 + number for number in range(32)}
    return found | {f"s{number}": D0 + number // 2 for number in range(32)}


def _decided_by(condition: int) -> frozenset[int]:
    """The flags that a condition asks for: EQ, NE, MI and PL no more than N and Z (DDI 0406C, A8.3)."""
    return _set(CPSR) if condition in (0, 1, 4, 5) else _set(CPSR, CARRY)


class Decoder:
    """One instruction set: its barriers are the rows of `isa`."""

    def __init__(self, isa: str) -> None:
        self.isa = isa

    def __call__(self, _address: int, _word: int, instruction: Any, slots: Mapping[str, int]) -> Row:
        if instruction is None:
            return Row(Kind.TRAP, length=2 if self.isa == ARMV7_M else 4, detail=1, ends=True)
        row = self._row(instruction, slots)
        row.length = instruction.size
        if instruction.cc < _ALWAYS and row.kind is not Kind.BRANCH and instruction.insn_name() != "it":
            row.flags |= Flag.CONDITIONAL
            row.condition, row.decided_by = instruction.cc, _decided_by(instruction.cc)
            row.ends = False
        return row

    def _row(self, instruction: Any, slots: Mapping[str, int]) -> Row:  # noqa: PLR0911  (a table)
        name = instruction.insn_name()
        if name in ("dmb", "dsb", "isb", "mcr"):
            return self._barrier(name, instruction)
        if name in ("wfi", "wfe"):
            return Row(Kind.WAIT)
        if name == "it":
            return Row(Kind.PLAIN, condition=instruction.bytes[0])  # DDI 0406C, A8.8.54: firstcond and mask
        if name in _HINTS:
            return Row(Kind.PLAIN)
        if name in ("udf", "bkpt", "trap"):
            return Row(Kind.TRAP, ends=True)
        if name in _REFUSED:
            return Row(Kind.REFUSED, why=_REFUSED[name])
        try:
            if name in ("b", "bl", "blx", "bx", "cbz", "cbnz", "tbb", "tbh", "bxj"):
                return _branch(name, instruction, slots)
            return _access(name, instruction, slots) or _plain(instruction, slots)
        except KeyError as error:
            return Row(Kind.REFUSED, why=f"an instruction that works on {error.args[0]}")

    def _barrier(self, name: str, instruction: Any) -> Row:
        option = instruction.op_str.replace("#0x", "#") or "sy"
        if name == "mcr":
            words = [word.strip() for word in instruction.op_str.split(",")]
            found = _CP15.get((words[4], words[5])) if words[0] == "p15" and words[3] == "c7" else None
            if found is None:
                return Row(Kind.REFUSED, why=_REFUSED["mcr"])
            name, option = found, "sy"
        if name == "isb":
            return Row(Kind.ISB)
        # DDI 0403E, A7.7.33: of Armv7-M SY is the only option. DDI 0406C, A8.8.43: reserved options are SY.
        wanted = f"{name} {option}" if (self.isa, f"{name} {option}") in BY_NAME else f"{name} sy"
        drained = BY_NAME.get((self.isa, wanted + DRAINED))
        return Row(
            Kind.BARRIER,
            load_by=BY_NAME[self.isa, wanted].number,
            store_by=drained.number if drained is not None else 0,
        )


def find_blocks(rows: Iterable[Row]) -> None:
    """Gives the instructions in IT blocks their ITSTATE (DDI 0406C, A2.5.2). `rows` are in the order of addresses.

    A look of a wait ends behind its first store. Inside of a block nothing ends: a block whose condition holds for a
    store, and that has more to do than to compute behind it, is no part of a look.
    """
    state, stored, begins = 0, set[int](), Row(Kind.PLAIN)
    for row in rows:
        if state:
            row.block = state
            if row.kind is Kind.EXCLUSIVE_STORE or (row.condition in stored and row.kind is not Kind.PLAIN):
                begins.condition = row.condition if not begins.flags & Flag.LEAVES else _ALWAYS
                begins.flags |= Flag.LEAVES
            stored |= {row.condition} if row.kind is Kind.STORE else set()
            state = state & 0xE0 | state << 1 & 0x1F if state & 7 else 0
        elif row.kind is Kind.PLAIN and row.condition and not row.flags & Flag.CONDITIONAL:
            state, stored, begins = row.condition, set(), row


def _registers(instruction: Any, slots: Mapping[str, int]) -> list[int]:
    """The slots of its register operands, in their order; NONE for the program counter."""
    return [slots[instruction.reg_name(each.reg)] for each in instruction.operands if each.type == 1]


def _memory(instruction: Any, slots: Mapping[str, int]) -> tuple[frozenset[int], int]:
    """The registers of which its address is computed, and the base."""
    for each in instruction.operands:
        if each.type == 128:
            base = slots[instruction.reg_name(each.mem.base)] if each.mem.base else NONE
            index = slots[instruction.reg_name(each.mem.index)] if each.mem.index else NONE
            return _set(base, index), base
    return _set(), NONE


def _plain(instruction: Any, slots: Mapping[str, int]) -> Row:
    reads, writes = ([instruction.reg_name(each) for each in side] for side in instruction.regs_access())
    if not writes:
        return Row(Kind.REFUSED, why="an instruction without a result")
    source, to = (frozenset(slots[name] for name in side) - {NONE} for side in (reads, writes))
    if instruction.cc < _ALWAYS:
        source -= {CPSR}  # what decides whether it happens is no part of its result
        if instruction.insn_name() in ("adc", "sbc", "rsc", "rrx"):
            source |= {CPSR}
    source |= {CARRY} if CPSR in source else set()
    if instruction.insn_name() in _ALL_FLAGS:
        to |= {CARRY} if CPSR in to else set()
    to |= {GE} if instruction.insn_name() in _SETS_GE else set()
    source |= {GE} if instruction.insn_name() == "sel" else set()  # each byte of its result is computed from them
    if "r15" in writes or "pc" in writes:
        return Row(Kind.BRANCH, flows=[(to, _set()), (_set(), source)], ends=instruction.cc >= _ALWAYS, indirect=True)
    keeps = frozenset(slots[name] for name in writes if name.startswith("s") and slots[name] >= D0)  # half of a double
    return Row(Kind.PLAIN, flows=[(to, source | keeps)], counts=instruction.insn_name() in _COUNTS, keeps=keeps)


def _access(name: str, instruction: Any, slots: Mapping[str, int]) -> Row | None:  # noqa: PLR0911  (a table)
    """A load or a store; None: it is none."""
    address, base = _memory(instruction, slots)
    if instruction.mnemonic.startswith(("push", "pop")):  # of one register: a load or store whose base is no operand
        address, base = _set(SP), SP
    # What is written back is computed from what the address is; so is a base that a register is added to afterwards.
    back = [(_set(base), address)] if instruction.writeback and base != NONE else []
    if name in _LOADS or name in _STORES:
        width, count = _LOADS.get(name) or _STORES[name]
        data = tuple(_registers(instruction, slots)[:count])
        kind = Kind.LOAD if name in _LOADS else Kind.STORE
        row = Row(kind, element=width, atom=width, data=data, address=address, flows=back, counts=bool(back))
        row.flags |= Flag.ALIGNED if count == 2 else Flag(0)  # DDI 0406C, A3.2.1: of doublewords and multiples
        if kind is Kind.LOAD and NONE in data:
            row.ends, row.indirect, row.returns = True, base != SP, base == SP
        return row
    if name in _EXCLUSIVE_LOADS or name in _EXCLUSIVE_STORES:
        data = tuple(_registers(instruction, slots))
        if name in _EXCLUSIVE_LOADS:
            width = _EXCLUSIVE_LOADS[name]
            return Row(Kind.EXCLUSIVE_LOAD, element=width, atom=width, data=data[:1], address=address)
        width = _EXCLUSIVE_STORES[name]
        status, value = data[:2]
        return Row(
            Kind.EXCLUSIVE_STORE,
            element=width,
            atom=width,
            data=(value,),
            address=address,
            flows=[(_set(status), _set())],
        )
    if name in _MULTIPLE_LOADS or name in _MULTIPLE_STORES:
        return _multiple(name, instruction, slots)
    if name in _FLOATING:
        vector = instruction.reg_name(instruction.operands[0].reg)
        width = 8 if vector[0] == "d" else 4
        keeps = frozenset({slots[vector]} if width == 4 else ())  # half of a double
        kind, data = _FLOATING[name], (slots[vector],)
        return Row(kind, element=width, atom=4, data=data, address=address, flags=Flag.ALIGNED, keeps=keeps)
    if name.startswith(("ld", "st", "vld", "vst", "vpush", "vpop", "lda", "stl")):
        return Row(Kind.REFUSED, why="a load or store of an extension that is not modelled")
    return None


def _multiple(name: str, instruction: Any, slots: Mapping[str, int]) -> Row:
    """The registers lie in the order of their numbers, the lowest at the lowest address (DDI 0406C, A8.8.58)."""
    named = _registers(instruction, slots)
    # push and pop are spelled so, or as the multiple that they are, whose base is then not among the operands.
    own_base = instruction.mnemonic.startswith(("push", "pop"))
    base, listed = (SP, named) if own_base else (named[0], named[1:])
    data = tuple(sorted(each for each in listed if each != NONE))
    if len(data) > DATA:
        return Row(Kind.REFUSED, why="more registers than are followed")
    loads = name in _MULTIPLE_LOADS
    row = Row(Kind.LOAD if loads else Kind.STORE, element=4, atom=4, data=data, address=_set(base), counts=base != SP)
    row.flags |= Flag.ALIGNED
    if loads and NONE in listed:
        row.ends, row.indirect, row.returns = True, base != SP, base == SP
    return row


def _branch(name: str, instruction: Any, slots: Mapping[str, int]) -> Row:
    last = instruction.operands[-1]
    conditional = instruction.cc < _ALWAYS
    decided = _decided_by(instruction.cc) if conditional else _set()
    if name in ("tbb", "tbh"):
        width = 1 if name == "tbb" else 2
        address, _ = _memory(instruction, slots)
        return Row(Kind.LOAD, element=width, atom=width, address=address, ends=True)
    if name in ("cbz", "cbnz"):
        decided = _set(*_registers(instruction, slots))
        return Row(Kind.BRANCH, flows=[(_set(), _set()), (_set(), decided)], target=last.imm & 0xFFFFFFFF)
    calls = name in ("bl", "blx")
    to = _set(LR) if calls else _set()
    if last.type == 1:
        source = decided | _set(*_registers(instruction, slots))
        returns = name == "bx" and instruction.reg_name(last.reg) in ("r14", "lr")
        return Row(
            Kind.BRANCH,
            flows=[(to, _set()), (_set(), source)],
            calls=calls,
            ends=not calls and not conditional,
            indirect=not returns,
            returns=returns,
        )
    return Row(
        Kind.BRANCH if conditional else Kind.PLAIN,
        flows=[(to, _set()), (_set(), decided)],
        target=last.imm & 0xFFFFFFFF,
        calls=calls,
        ends=not calls and not conditional,
    )


decode_a: Final = Decoder(ARMV7_A)
decode_m: Final = Decoder(ARMV7_M)
