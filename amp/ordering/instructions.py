"""What a barrier instruction in compiled code orders, and how far it reaches: one row per instruction, with its source.

An instruction set has its own rows; what a row is worth to the other side, a platform says, as of any barrier. The
numbers follow those of `Primitive` in the core's table and never change meaning: a trace may carry them. `FITS` says
which of amp's architectures run which instruction set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from amp.ordering.barriers import ALL_ORDERS, PROMISES, Orders, Primitive, Reach

FIRST: Final = 32  # the numbers below are Primitive's

RR, RW, WR, WW, WD = Orders.RR, Orders.RW, Orders.WR, Orders.WW, Orders.WD


@dataclass(frozen=True, slots=True)
class Instruction:
    """One row. `isa` is the instruction set; `name` is how an assembler writes it.

    `of_access`: it is no instruction of its own, but what an access orders that is made in this way. `offered`: it is
    put where a barrier is wanted.
    """

    number: int
    isa: str
    name: str
    orders: Orders
    reach: Reach
    source: str
    of_access: bool = False
    offered: bool = True

    @property
    def label(self) -> str:
        """The name in option values: "dmb-ish", "fence-w-w"."""
        return self.name.replace(" ", "-").replace(",", "-")


A64: Final = "aarch64"
ARMV7_A: Final = "armv7-a"
ARMV7_M: Final = "armv7-m"
X86: Final = "x86-64"
RISCV: Final = "riscv"  # rows of both widths
RISCV32: Final = "riscv32"
RISCV64: Final = "riscv64"
ISA_OF_ROWS: Final[Mapping[str, str]] = MappingProxyType({RISCV32: RISCV, RISCV64: RISCV})

_V8: Final = "Arm ARM DDI 0487, B2.3; C6.2, DMB and DSB: the options name a domain and the accesses"
_V8_DSB: Final = f"{_V8}; a DSB also holds back every later instruction"
# stlr, ldar and the atomics name no domain: they order for the domain of the address, and Non-cacheable is Outer
# Shareable.
_V8_ACCESS: Final = "Arm ARM DDI 0487, B2.3, load-acquire and store-release; B2.7, Non-cacheable is Outer Shareable"

_DOMAINS: Final = (("", Reach.SYSTEM), ("ish", Reach.INNER), ("osh", Reach.OUTER), ("nsh", Reach.NONE))
_DMB: Final = (("", ALL_ORDERS), ("ld", RR | RW), ("st", WW | WD))
_DSB: Final = (("", ALL_ORDERS), ("ld", RR | RW), ("st", WR | WW | WD))


def _a64() -> list[Instruction]:
    rows: list[Instruction] = []
    for mnemonic, accesses, source in (("dmb", _DMB, _V8), ("dsb", _DSB, _V8_DSB)):
        for domain, reach in _DOMAINS:
            for access, orders in accesses:
                name = f"{mnemonic} {domain + access or 'sy'}"
                rows.append(Instruction(FIRST + len(rows), A64, name, orders, reach, source))
    for name, orders in (
        ("ldar", RR | RW | Orders.RCSC),
        ("ldapr", RR | RW),
        ("stlr", RW | WW | Orders.RCSC),
        # Between an atomic operation's acquire and release nothing that is before or after it comes through.
        ("acquire-release", ALL_ORDERS | Orders.RCSC),
    ):
        rows.append(Instruction(FIRST + len(rows), A64, name, orders, Reach.OUTER, _V8_ACCESS, of_access=True))
    return rows


# On Armv7 parts with a PL310 SY does not reach behind it (amp.ordering.architectures); without one OUTER is as far.
_V7: Final = "Arm ARM DDI 0406C, A8.8.43 DMB, A8.8.44 DSB, A3.8.3 for the domains of the options"
_V7_ORDERS: Final = (("dmb", ALL_ORDERS, WW | WD), ("dsb", ALL_ORDERS, WR | WW | WD))
_V7_DOMAINS: Final = (("", Reach.OUTER), ("ish", Reach.INNER), ("osh", Reach.OUTER), ("nsh", Reach.NONE))
_V7M: Final = "Arm ARM DDI 0403E, A7.7.33 DMB, A7.7.34 DSB: SY is the only option, all others execute as SY"


def _armv7(first: int) -> list[Instruction]:
    rows: list[Instruction] = []
    for mnemonic, orders, of_stores in _V7_ORDERS:
        for domain, reach in _V7_DOMAINS:
            rows.append(Instruction(first + len(rows), ARMV7_A, f"{mnemonic} {domain or 'sy'}", orders, reach, _V7))
            name = f"{mnemonic} {domain}st"
            rows.append(Instruction(first + len(rows), ARMV7_A, name, of_stores, reach, _V7))
    for mnemonic, orders, _ in _V7_ORDERS:
        rows.append(Instruction(first + len(rows), ARMV7_M, f"{mnemonic} sy", orders, Reach.SYSTEM, _V7M))
    return rows


# A DSB and, behind it, a store to the register of an outer cache that drains it: what Linux's mb() and wmb() are there.
_DRAIN: Final = (
    "Linux v6.1 arch/arm/include/asm/barrier.h, __arm_heavy_mb; arch/arm/mm/cache-l2x0.c, l2c210_sync; L2C-310 TRM "
    "DDI 0246, Cache Sync: drains the store buffer"
)
DRAINED: Final = "; outer_sync"  # behind the name of the DSB


def _drained(first: int) -> list[Instruction]:
    """Only of what has reached the outer cache: a DSB of a nearer domain has waited for less."""
    rows: list[Instruction] = []
    for each in _armv7(0):
        if each.isa == ARMV7_A and each.name.startswith("dsb") and each.reach >= Reach.OUTER:
            rows.append(
                Instruction(first + len(rows), ARMV7_A, f"{each.name}{DRAINED}", each.orders, Reach.SYSTEM, _DRAIN)
            )
    return rows


_SDM: Final = "Intel SDM vol. 3A, 8.2 and 8.3; vol. 2, MFENCE, SFENCE, LFENCE"
_X86: Final = (
    ("mfence", ALL_ORDERS),
    ("sfence", WW | WD),
    ("lfence", RR | RW),
    ("lock", ALL_ORDERS),  # a locked instruction, which drains
)


def _x86(first: int) -> list[Instruction]:
    return [
        Instruction(first + n, X86, name, orders, Reach.SYSTEM, _SDM, of_access=name == "lock")
        for n, (name, orders) in enumerate(_X86)
    ]


# A fence names what is before and after it: r, w memory; o a device's output, a doorbell; i its input, a mailbox's
# status. Of devices before it: _riscv_input; output before later loads: _riscv_devices. Doorbells keep their own order.
_RVWMO: Final = "RISC-V unprivileged ISA, RVWMO; FENCE, and the aq and rl bits of the A extension"
_BEFORE: Final = {"r": (RR, RW, Orders(0)), "w": (WR, WW, WD), "rw": (RR | WR, RW | WW, WD)}  # to r, to w, to o
_AFTER: Final = ("r", "w", "rw", "o", "or", "ow", "orw")


def _riscv(first: int) -> list[Instruction]:
    rows: list[tuple[str, Orders]] = []
    for before, (to_read, to_write, to_device) in _BEFORE.items():
        for after in _AFTER:
            orders = Orders(0)
            for letter, pairs in (("r", to_read), ("w", to_write), ("o", to_device)):
                orders |= pairs if letter in after else Orders(0)
            rows.append((f"fence {before},{after}", orders))
    rows.append(("fence.tso", RR | RW | WW))
    rows += [("aq", RR | RW | Orders.RCSC), ("rl", RW | WW | Orders.RCSC), ("aq.rl", ALL_ORDERS | Orders.RCSC)]
    return [
        Instruction(first + number, RISCV, name, orders, Reach.SYSTEM, _RVWMO, of_access=not name.startswith("fence"))
        for number, (name, orders) in enumerate(rows)
    ]


_INPUT: Final = (
    ("ir", "r ir rw irw"),
    ("irw", "rw irw orw iorw"),
)  # what compilers and Linux write; of others i is left out


def _riscv_input(first: int) -> list[Instruction]:
    """Fences that name a device's input as well, that is, a mailbox's status (Platform.core_table)."""
    pairs = [(before, after) for before, all_after in _INPUT for after in all_after.split()]
    plain = {each.name: each for each in _riscv(0)}
    return [
        replace(
            plain[f"fence {before},{after}".replace("i", "")], number=first + number, name=f"fence {before},{after}"
        )
        for number, (before, after) in enumerate(pairs)
    ]


def _riscv_devices(first: int) -> list[Instruction]:
    """Fences that name all accesses before them, a device's output as well: an acknowledgement before a later look."""
    plain = {each.name: each for each in _riscv_input(0)}
    return [
        replace(plain[f"fence irw,{after}"], number=first + number, name=f"fence iorw,{after}")
        for number, after in enumerate(_INPUT[-1][1].split())
    ]


_LOADS: Final = ("i", "r", "ir")
_STORES: Final = ("o", "w", "ow")
_SETS: Final = tuple(
    "".join(letter for bit, letter in ((8, "i"), (4, "o"), (2, "r"), (1, "w")) if number & bit)
    for number in range(1, 16)
)


def _riscv_halves(first: int) -> list[Instruction]:
    """All other fences that name loads before them, or stores: any fence is one of these, or one of each.

    Of what they order of devices nothing is in `orders`: Platform.device_orders.
    """
    known = {each.name for rows in (_riscv, _riscv_input, _riscv_devices) for each in rows(0)}
    rows: list[Instruction] = []
    for before in (*_LOADS, *_STORES):
        for after in _SETS:
            name, orders = f"fence {before},{after}", Orders(0)
            if name in known:
                continue
            for letter, (to_read, to_write, to_device) in _BEFORE.items():
                for named, pairs in (("r", to_read), ("w", to_write), ("o", to_device)):
                    orders |= pairs if letter in before and named in after else Orders(0)
            rows.append(Instruction(first + len(rows), RISCV, name, orders, Reach.SYSTEM, _RVWMO, offered=False))
    return rows


def _all() -> tuple[Instruction, ...]:
    """In this order for good: numbers never change meaning."""
    rows = _a64()
    for more in (_armv7, _x86, _riscv, _drained, _riscv_input, _riscv_devices, _riscv_halves):
        rows += more(FIRST + len(rows))
    return tuple(rows)


INSTRUCTIONS: Final[tuple[Instruction, ...]] = _all()
BY_NAME: Final[Mapping[tuple[str, str], Instruction]] = MappingProxyType({(i.isa, i.name): i for i in INSTRUCTIONS})
BY_NUMBER: Final[Mapping[int, Instruction]] = MappingProxyType({i.number: i for i in INSTRUCTIONS})


Barrier = Primitive | Instruction


def barrier_of(number: int) -> Barrier:
    """The barrier that a trace has the number of. Raises ValueError."""
    return BY_NUMBER[number] if number in BY_NUMBER else Primitive(number)


def number_of(barrier: Barrier) -> int:
    """The way back: what traces, and the core, have of a barrier."""
    return barrier.number if isinstance(barrier, Instruction) else int(barrier)


def cost(row: Instruction) -> tuple[bool, int, int]:
    """Cheaper is what holds less back: a dmb before a dsb, then what orders fewer pairs, then what reaches less far."""
    return row.name.startswith("dsb"), (row.orders & ~Orders.RCSC).bit_count(), row.reach


def rows_of(isa: str) -> tuple[Instruction, ...]:
    """The barrier instructions of an instruction set, the cheapest first: what may be put where a barrier is wanted.

    Both widths of RISC-V have the same.
    """
    found = [row for row in INSTRUCTIONS if row.isa == ISA_OF_ROWS.get(isa, isa) and row.offered and not row.of_access]
    return tuple(sorted(found, key=cost))


def promise_of(barrier: Barrier) -> Orders:
    """What who writes it may hope for: an instruction promises what it orders."""
    return barrier.orders & ~Orders.RCSC if isinstance(barrier, Instruction) else PROMISES[barrier]


# amp's architectures (amp.ordering.architectures) that execute an instruction set. "sc" is any machine's reference;
# what an instruction is worth on "paranoid" nobody says: there only the mandatory barriers' names mean something.
FITS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        A64: ("arm64", "armv8-firmware", "sc"),
        ARMV7_A: ("armv7-smp", "armv7-up", "armv7-2011", "sc"),
        ARMV7_M: ("cortex-m", "sc"),
        X86: ("x86-wb", "x86-wc", "sc"),
        RISCV32: ("riscv", "riscv-firmware", "sc"),
        RISCV64: ("riscv", "riscv-firmware", "sc"),
    }
)
