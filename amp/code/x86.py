"""x86-64: what each instruction is, for the engine.

x86 keeps its loads in order with all that follows, whatever they depend on (Intel SDM vol. 3A, 8.2.2; write-combining
memory as well), so no value needs to be followed: rows say what touches memory, what is locked, and what orders. A
register counts as overwritten only by instructions of which that is certain; as read, by every instruction that names
it.

A retpoline (gcc, -mindirect-branch=thunk; clang, -mretpoline) calls what is near, writes over the return address, and
returns: that is a jump, or with the call that led there a call, by the register.

A locked instruction is a full barrier, also where its memory is private: `lock or` on the stack is a compiler's fence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from amp.code.rows import NONE, Flag, Kind, Row
from amp.ordering.instructions import BY_NAME, X86

_NAMES: Final = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
SP, BP, FLAGS, XMM0 = 4, 5, 16, 17
SLOTS: Final = XMM0 + 16
_LOCK: Final = BY_NAME[X86, "lock"].number

_IMPLICIT: Final = MappingProxyType(
    {"push": Kind.STORE, "call": Kind.STORE, "pop": Kind.LOAD, "ret": Kind.LOAD, "leave": Kind.LOAD}
)
_NOTHING: Final = ("nop", "endbr64", "pause", "prefetcht0", "prefetcht1", "prefetcht2", "prefetchnta", "lea")
_TRAPS: Final = ("ud2", "ud1", "ud0", "int3", "int1")
_NON_TEMPORAL: Final = ("movnti", "movntdq", "movntps", "movntpd", "movntq")
# To a first operand in memory: of some, Capstone says that they read it.
_STORES: Final = ("mov", "set", "pextr", "extractps")
_OVERWRITES: Final = ("mov", "movabs", "movzx", "movsx", "movsxd", "lea", "pop")  # a register of 32 or 64 bits, whole
_SETS_FLAGS: Final = ("cmp", "test", "add", "sub", "and", "or", "xor")
_COUNTS: Final = ("add", "sub", "inc", "dec", "lea", "shl", "shr", "sar")
# What reads or writes memory, or orders, otherwise than its operands say; or depends on more than memory.
_REFUSED: Final = (
    *(
        "syscall",
        "sysenter",
        "int",
        "into",
        "iretq",
        "hlt",
        "in",
        "out",
        "rdtsc",
        "rdtscp",
        "cpuid",
        "rdrand",
        "rdseed",
    ),
    *("cmpxchg8b", "cmpxchg16b", "clflush", "clflushopt", "clwb", "xsave", "xrstor", "fxsave", "fxrstor", "maskmovdqu"),
    *("enter", "pushfq", "popfq", "xbegin", "xend", "wrfsbase", "rdfsbase", "swapgs", "serialize"),
)


def register_slots() -> dict[str, int]:
    """Capstone's names of registers, by slot; NONE for those that do not matter."""
    found = {"rip": NONE, "eip": NONE, "ss": NONE, "ds": NONE, "es": NONE, "mxcsr": NONE}
    found |= {"rflags": FLAGS, "eflags": FLAGS}
    for number, name in enumerate(_NAMES):
        found |= {f"r{name}": number, f"e{name}": number, name: number}
        low = name[0] if name[1] == "x" else name
        found |= {f"{low}l": number} | ({f"{low}h": number} if name[1] == "x" else {})
    for number in range(8, 16):
        found |= {f"r{number}{width}": number for width in ("", "d", "w", "b")}
    return found | {f"xmm{number}": XMM0 + number for number in range(16)}


def decode(_address: int, _word: int, instruction: Any, slots: Mapping[str, int]) -> Row:
    """The row of one instruction; `instruction` is Capstone's of it."""
    if instruction is None:
        return Row(Kind.TRAP, length=1, detail=1, ends=True)
    name = instruction.mnemonic.split()[-1]
    try:
        row = _row(name, instruction, slots)
    except KeyError as error:
        row = Row(Kind.REFUSED, why=f"an instruction that works on {error.args[0]}")
    row.length = instruction.size
    row.on_stack = name in _IMPLICIT or any(
        each.type == 128 and each.mem.base and slots.get(instruction.reg_name(each.mem.base)) in (SP, BP)
        for each in instruction.operands
    )
    row.counts = name in _COUNTS and row.kind is Kind.PLAIN
    return row


def _row(name: str, instruction: Any, slots: Mapping[str, int]) -> Row:  # noqa: PLR0911  (a table)
    flows = [_flow(name, instruction, slots)]
    if (X86, name) in BY_NAME:
        return Row(Kind.BARRIER, load_by=BY_NAME[X86, name].number)
    if name in _TRAPS:
        return Row(Kind.TRAP, ends=True)
    if name in _REFUSED or instruction.mnemonic.startswith("rep") or name.startswith(("v", "x87", "f")):
        return Row(Kind.REFUSED, why="a kind of instruction that is not modelled")
    groups = {instruction.group_name(each) for each in instruction.groups}
    if "jump" in groups or "call" in groups or "ret" in groups:
        return _branch(name, instruction, flows, conditional="jump" in groups and name != "jmp")
    memory = [each for each in instruction.operands if each.type == 128]
    if name in _NOTHING or (not memory and name not in _IMPLICIT):
        return Row(Kind.PLAIN, flows=flows)
    if memory and (instruction.prefix[0] == 0xF0 or name == "xchg"):
        flags = Flag.WHOLE | Flag.FENCES | (Flag.COMPARES if name == "cmpxchg" else Flag(0))
        size = memory[0].size
        expected = slots["rax"] if name == "cmpxchg" else NONE
        return Row(
            Kind.ATOMIC,
            element=size,
            atom=size,
            flags=flags,
            expected=expected,
            flows=flows,
            load_by=_LOCK,
            store_by=_LOCK,
        )
    into = bool(memory) and instruction.operands[0].type == 128 and name.startswith(_STORES)
    writes = into or name in _NON_TEMPORAL or any(each.access & 2 for each in memory) or name == "cmpxchg"
    kind = _IMPLICIT.get(name) or (Kind.STORE if writes else Kind.LOAD)
    if memory and name == "pop":
        kind = Kind.STORE
    # Intel SDM vol. 3A, 8.1.1: what happens at once is up to 8 bytes, aligned.
    return Row(kind, atom=8, flows=flows)


# What stands before a return that goes where a register says: it puts the register where the return address is.
_PUTS_RETURN: Final = re.compile(r"(?:mov qword ptr \[rsp\], |push )(r\w+)$")
_DROPS_RETURN: Final = ("lea rsp, [rsp + 8]", "add rsp, 8")  # of the thunk's own call: its caller's is next


def jump_by_return(before: str) -> str | None:
    """The register that a return goes to right behind the instruction `before`; None: it goes back to the caller."""
    found = _PUTS_RETURN.match(before)
    return found[1] if found is not None else None


def is_return(before: str) -> bool:
    """The same of a thunk in place of a return (gcc, -mfunction-return=thunk)."""
    return before in _DROPS_RETURN


def _flow(name: str, instruction: Any, slots: Mapping[str, int]) -> tuple[frozenset[int], frozenset[int]]:
    """(what it overwrites for certain, what it may read)"""
    reads, writes = ({instruction.reg_name(each) for each in side} for side in instruction.regs_access())
    named = {instruction.reg_name(each.reg) for each in instruction.operands if each.type == 1}
    to: frozenset[int] = frozenset()
    first = instruction.operands[0] if instruction.operands else None
    if name in _OVERWRITES and first is not None and first.type == 1 and first.size >= 4:
        to = frozenset({slots[instruction.reg_name(first.reg)]})
        named -= {instruction.reg_name(first.reg)} - reads
    elif name in _SETS_FLAGS:
        to = frozenset({FLAGS})
    source = frozenset(slots[each] for each in reads | named | (writes - {"rflags"} if not to else set()))
    return to - {NONE}, source - {NONE}


def _branch(name: str, instruction: Any, flows: list[Any], *, conditional: bool) -> Row:
    operand = instruction.operands[0] if instruction.operands else None
    direct = operand is not None and operand.type == 2
    calls = name == "call"
    target = operand.imm & (1 << 64) - 1 if direct and operand is not None else None
    if conditional:
        return Row(Kind.BRANCH, flows=[(frozenset(), frozenset()), flows[0]], target=target)
    if name == "ret" or calls:
        return Row(
            _IMPLICIT[name],
            atom=8,
            flows=flows,
            target=target,
            calls=calls,
            ends=not calls,
            indirect=calls and not direct,
            returns=not calls,
        )
    loads = operand is not None and operand.type == 128
    kind = Kind.PLAIN if direct else Kind.LOAD if loads else Kind.BRANCH
    return Row(kind, atom=8 if loads else 0, flows=flows, target=target, ends=True, indirect=not direct)
