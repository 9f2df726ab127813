"""What the engine is told of an instruction: struct code_row of amp/_core/code/code.h, and its numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

NONE: Final = 255  # no register
HALVES: Final = 2  # `detail` of a barrier: it is that of `load_by`, and that of `store_by`
DATA: Final = 14  # registers that one instruction moves to or from memory, at most
_FORMAT: Final = struct.Struct("<BBHBBBB2H2BHBB14BQ18Q")
assert _FORMAT.size == 184, _FORMAT.size


class Kind(IntEnum):
    """What an instruction is: enum code_kind."""

    UNKNOWN = 0
    PLAIN = 1
    SELECT = 2
    BRANCH = 3
    LOAD = 4
    STORE = 5
    ATOMIC = 6
    EXCLUSIVE_LOAD = 7
    EXCLUSIVE_STORE = 8
    BARRIER = 9
    ISB = 10
    WAIT = 11
    SERVICE = 12
    TRAP = 13
    REFUSED = 14


class Flag(IntFlag):
    """enum code_flag"""

    HEAD = 1
    WHOLE = 2
    UNSEEN = 4
    COMPARES = 8
    READ_STORED = 16
    MIXED = 32
    PRIVATE = 64
    LOOKS = 128
    CONDITIONAL = 256
    FENCES = 512
    BEHIND = 1024
    LEAVES = 2048
    NAMED = 4096
    ALIGNED = 8192
    SPREADS = 16384
    KEEPS = 32768


NO_FLAGS: Final = Flag(0)


class Service(IntEnum):
    """Functions that the engine does itself: enum code_service."""

    RETURN = 1
    FAIL = 2
    KICK = 3
    SLEEP = 4
    CHOOSE = 5
    PRINT = 6


class Device(IntEnum):
    """Registers that the code knows by their addresses: enum code_device_kind."""

    DOORBELL = 0  # a store rings that CPU
    STATUS = 1  # a load gives that value if its own doorbell has rung, and was not taken; else 0
    ACKNOWLEDGE = 2  # a store takes it
    DRAIN = 3  # a store drains an outer cache


def mask(slots: Iterable[int]) -> tuple[int, int]:
    """The slots as struct code_mask."""
    bits = 0
    for slot in slots:
        bits |= 1 << slot
    return bits & (1 << 64) - 1, bits >> 64


@dataclass(slots=True)
class Row:
    """One instruction. Registers are slots of the instruction set's own numbering; `flows` are (to, from).

    `target` is where a direct branch leads, `calls` whether it comes back, `ends` whether nothing follows it by itself,
    `returns` whether it goes back to who has called the function.
    `block` is the ITSTATE of an instruction in an IT block of Thumb. `counts`: it may be what a loop counts by. `why`
    says of a refused one what it is. `named` is the primitive whose function a direct branch leads to; 0: none. `site`
    is the number of the site that a barrier is, or an access that orders; `ahead` of one right before it, where the
    compiler put nothing. `on_stack`: the memory is of its own frame.
    `keeps` are registers that it writes a part of, `decided_by` the flags that say whether it does anything.
    """

    kind: Kind
    length: int = 4
    flags: Flag = NO_FLAGS
    condition: int = 0
    detail: int = 0
    element: int = 0
    atom: int = 0
    expected: int = NONE
    block: int = 0
    load_by: int = 0
    store_by: int = 0
    site: int = 0
    ahead: int = 0
    loop_end: int = 0
    spins: bool = False
    counts: bool = False
    data: tuple[int, ...] = ()
    address: frozenset[int] = frozenset()
    flows: list[tuple[frozenset[int], frozenset[int]]] = field(default_factory=list)
    picks: frozenset[int] = frozenset()
    dead: frozenset[int] = frozenset()
    keeps: frozenset[int] = frozenset()
    decided_by: frozenset[int] = frozenset()
    target: int | None = None
    calls: bool = False
    ends: bool = False
    indirect: bool = False
    on_stack: bool = False
    returns: bool = False
    why: str = ""
    named: int = 0

    @property
    def barrier(self) -> int:
        """The primitive that it is, or calls by name; 0: none."""
        return self.named or (self.load_by if self.kind is Kind.BARRIER else 0)

    @property
    def reads(self) -> frozenset[int]:
        """All registers that it reads."""
        found = self.address | self.picks | self.decided_by | frozenset().union(*(source for _, source in self.flows))
        if self.kind not in (Kind.LOAD, Kind.EXCLUSIVE_LOAD):
            found |= frozenset(self.data[:1] if self.kind is Kind.ATOMIC else self.data)
        return (found | {self.expected}) - {NONE}

    @property
    def writes(self) -> frozenset[int]:
        """All registers that it overwrites whole, whatever happens."""
        if self.flags & Flag.CONDITIONAL:
            return frozenset()
        found = frozenset().union(*(to for to, _ in self.flows))
        if self.kind in (Kind.LOAD, Kind.EXCLUSIVE_LOAD):
            found |= frozenset(self.data)
        return (found | frozenset(self.data[1:2] if self.kind is Kind.ATOMIC else ())) - self.keeps - {NONE}

    def pack(self) -> bytes:
        """The bytes of struct code_row."""
        flows = [*self.flows, *((frozenset(), frozenset()),) * (2 - len(self.flows))]
        masks = [mask(self.address)]
        for to, source in flows:
            masks += [mask(to), mask(source)]
        masks += [mask(self.picks), mask(self.dead), mask(self.reads), mask(self.writes)]
        return _FORMAT.pack(
            self.kind,
            self.condition,
            self.flags | (Flag.KEEPS if self.keeps and self.kind is Kind.LOAD else NO_FLAGS),
            self.length,
            self.detail,
            self.element,
            self.atom,
            self.named or self.load_by,
            self.store_by,
            self.site,
            self.ahead,
            int(self.spins),
            self.expected,
            self.block,
            *(*self.data, *(NONE,) * (DATA - len(self.data))),
            self.loop_end,
            *(word for pair in masks for word in pair),
        )
