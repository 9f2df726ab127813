"""AArch64 threads: A64 instructions, and what each orders.

An access is to a whole location, 4 bytes through a W register and 8 through an X register; there is no access to part
of one. Barriers are by Arm ARM DDI 0487: B2.3 for what they order (as herd7's aarch64.cat), the DMB and DSB
instructions for the domains that their options name: ISH inner, OSH outer, SY (and LD, ST alone) full system, NSH none
but the CPU itself. A DSB also holds back every later instruction. Load-acquire, store-release and atomics name no
domain: they reach as far as the memory's own, Outer Shareable for Non-cacheable (B2.7).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from amp.litmus.assembly import JUMPS, AsmCompiler, Row
from amp.litmus.emit import NOTHING
from amp.litmus.program import ACQUIRE, FULL, RELEASE, Alu, Ordering, Rmw
from amp.litmus.syntax import Immediate, Memory, Operand, Word
from amp.ordering.barriers import ALL_ORDERS, Orders, Reach

RR, RW, WR, WW, WD = Orders.RR, Orders.RW, Orders.WR, Orders.WW, Orders.WD

LOAD_ACQUIRE: Final = Ordering(RR | RW | Orders.RCSC, Reach.OUTER)
LOAD_ACQUIRE_PC: Final = Ordering(RR | RW, Reach.OUTER)
STORE_RELEASE: Final = Ordering(RW | WW | Orders.RCSC, Reach.OUTER)
# DDI 0487, B2.3: between an atomic operation's acquire and release nothing that is before or after it comes through.
ACQUIRE_RELEASE: Final = Ordering(ALL_ORDERS, Reach.OUTER)

_DOMAINS: Final = {"ISH": Reach.INNER, "OSH": Reach.OUTER, "NSH": Reach.NONE}
_OPTIONS: Final = {
    "SY": ("", Reach.SYSTEM),
    "LD": ("LD", Reach.SYSTEM),
    "ST": ("ST", Reach.SYSTEM),
    **{domain + access: (access, reach) for domain, reach in _DOMAINS.items() for access in ("", "LD", "ST")},
}
_DMB: Final = {"": ALL_ORDERS, "LD": RR | RW, "ST": WW | WD}
_DSB: Final = {"": ALL_ORDERS, "LD": RR | RW, "ST": WR | WW | WD}

ZERO: Final = 31
FLAG_LEFT, FLAG_RIGHT = 32, 33  # what the last CMP compared


class AArch64Compiler(AsmCompiler):
    """One thread. Register 31 is the zero register: nothing writes it. W and X names are one register."""

    registers = MappingProxyType(
        {
            **{f"{size}{number}": number for size in "WX" for number in range(31)},
            **{"WZR": ZERO, "XZR": ZERO},
        }
    )
    named = FLAG_RIGHT + 1
    _compared = False

    # --- operands

    def _register(self, operand: Operand) -> int:
        if not isinstance(operand, Word) or not self.is_register(operand):
            raise self.unsupported(f"{str(operand)!r} is no register")
        return self.register_named(operand.text)

    def _is_w(self, operand: Operand) -> bool:
        self._register(operand)
        return str(operand)[0] in "wW"

    def _width(self, *operands: Operand) -> int:
        """4 or 8 bytes: what all of these registers are."""
        sizes = {4 if self._is_w(operand) else 8 for operand in operands}
        if len(sizes) != 1:
            raise self.unsupported("W and X registers are mixed")
        return sizes.pop()

    def _read(self, operand: Operand) -> int:
        """The register of `operand` as an input: of a W register, the low half."""
        register = self._register(operand)
        return self.code.alu(Alu.ZEXT32, register) if self._is_w(operand) else register

    def _write(self, operand: Operand) -> int:
        """The register of `operand` as a result; what goes to the zero register is lost."""
        register = self._register(operand)
        return self.code.scratch() if register == ZERO else register

    def _address(self, operand: Operand) -> int:
        """[Xn], [Xn,#0], [Xn,Xm], [Xn,Wm,SXTW], [Xn,Wm,UXTW]."""
        if not isinstance(operand, Memory):
            raise self.unsupported(f"{str(operand)!r} is no memory operand")
        base, *rest = operand.parts
        if self._is_w(base):
            raise self.unsupported("the address is not in an X register")
        match rest:
            case []:
                return self._register(base)
            case [Immediate(value=0)]:
                return self._register(base)
            case [Word() as index]:
                if self._is_w(index):
                    raise self.unsupported("a W register is extended by SXTW or UXTW")
                return self.code.alu(Alu.ADD, self._register(base), self._register(index))
            case [Word() as index, Word(text=extend)] if extend.upper() in _EXTENDS:
                if not self._is_w(index):
                    raise self.unsupported(f"{extend} extends a W register")
                offset = self.code.alu(_EXTENDS[extend.upper()], self._register(index))
                return self.code.alu(Alu.ADD, self._register(base), offset)
        raise self.unsupported(f"address {operand}")

    def _atomic_address(self, operand: Operand) -> int:
        """[Xn] alone: only plain loads and stores have an index."""
        if isinstance(operand, Memory) and any(isinstance(part, Word) for part in operand.parts[1:]):
            raise self.unsupported(f"address {operand}")
        return self._address(operand)

    # --- registers and memory

    def _mov(self, dst: Operand, source: Operand) -> None:
        width = self._width(dst)
        if isinstance(source, Immediate):
            value = source.value & 0xFFFFFFFF if width == 4 else source.value
            self.code.literal(value, self._write(dst))
        else:
            self._width(dst, source)
            self.code.move(self._read(source), self._write(dst))

    def _extend(self, extend: Alu, dst: Operand, source: Operand) -> None:
        if not self._is_w(source):
            raise self.unsupported("its source is no W register")
        if extend is Alu.SEXT32 and self._is_w(dst):
            raise self.unsupported("its result is no X register")
        self.code.alu(extend, self._register(source), dst=self._write(dst))

    def _alu(self, operator: Alu, inverted: bool, dst: Operand, left: Operand, right: Operand) -> None:
        width = self._width(dst, left)
        if isinstance(right, Immediate):
            b = self.code.literal(right.value)
        else:
            self._width(dst, right)
            b = self._register(right)
        if inverted:
            b = self.code.alu(Alu.XOR, b, self.code.constant(-1))
        result = self.code.alu(operator, self._register(left), b)
        if width == 4:
            self.code.alu(Alu.ZEXT32, result, dst=self._write(dst))
        else:
            self.code.move(result, self._write(dst))

    def _load(self, order: Ordering, dst: Operand, memory: Operand) -> None:
        address = self._address(memory) if order is NOTHING else self._atomic_address(memory)
        self.code.load(address, self._width(dst), order, dst=self._write(dst))

    def _store(self, order: Ordering, source: Operand, memory: Operand) -> None:
        address = self._address(memory) if order is NOTHING else self._atomic_address(memory)
        self.code.store(address, self._register(source), self._width(source), order)

    # --- atomics

    def _atomic(
        self, row: tuple[Rmw, bool], ordered: tuple[Ordering, int], source: Operand, dst: Operand, memory: Operand
    ) -> None:
        """`row`: what is stored, and whether the operand is complemented first; `ordered`: the ordering, and flags."""
        (rmw, inverted), (order, flags) = row, ordered
        width = self._width(source, dst)
        if self._register(dst) == ZERO:
            raise self.unsupported("without a result its load is ordered by less")
        operand = self._register(source)
        if inverted:
            operand = self.code.alu(Alu.XOR, operand, self.code.constant(-1))
        address = self._atomic_address(memory)
        self.code.rmw(rmw, address, operand, width, order=order, flags=flags, dst=self._register(dst))

    def _compare_and_swap(
        self, ordered: tuple[Ordering, int], expected: Operand, source: Operand, memory: Operand
    ) -> None:
        """Its load is an acquire even when it does not store (DDI 0487, C6.2, CAS)."""
        width, (order, flags) = self._width(expected, source), ordered
        compared, address = self._register(expected), self._atomic_address(memory)
        self.code.rmw(
            Rmw.CMPXCHG,
            address,
            self._register(source),
            width,
            expected=compared,
            order=order,
            flags=flags,
            dst=self._write(expected),
        )

    # --- barriers and branches

    def _barrier(self, orders: dict[str, Orders], option: Operand) -> None:
        access, reach = _OPTIONS.get(str(option).upper(), (None, Reach.NONE))
        if access is None:
            raise self.unsupported()
        self.code.fence(Ordering(orders[access], reach))

    def _isb(self) -> None:
        self.code.isb()

    def _nop(self) -> None:
        """Nothing."""

    def _branch(self, target: Operand) -> None:
        self.code.jump(self.jump_target(target))

    def _branch_if_zero(self, zero: bool, tested: Operand, target: Operand) -> None:
        jump = self.code.jump_if_zero if zero else self.code.jump_if_not_zero
        jump(self._read(tested), self.jump_target(target))

    def _compare(self, left: Operand, right: Operand) -> None:
        extend = self._is_w(left)
        b = self.code.literal(right.value) if isinstance(right, Immediate) else self._register(right)
        if not isinstance(right, Immediate):
            self._width(left, right)
        for dst, source in ((FLAG_LEFT, self._register(left)), (FLAG_RIGHT, b)):
            self.code.alu(Alu.SEXT32, source, dst=dst) if extend else self.code.move(source, dst)
        self._compared = True

    def _branch_on(self, relation: Alu, target: Operand) -> None:
        if not self._compared:
            raise self.unsupported("no CMP stands before it since the last label")
        holds = self.code.alu(relation, FLAG_LEFT, FLAG_RIGHT)
        self.code.jump_if_not_zero(holds, self.jump_target(target))

    def at_label(self) -> None:
        self._compared = False


C = AArch64Compiler

_EXTENDS: Final = {"SXTW": Alu.SEXT32, "UXTW": Alu.ZEXT32}
_ALU: Final = {
    **{"ADD": (Alu.ADD, False), "SUB": (Alu.SUB, False), "MUL": (Alu.MUL, False)},
    **{"AND": (Alu.AND, False), "ORR": (Alu.OR, False), "EOR": (Alu.XOR, False)},
    **{"BIC": (Alu.AND, True), "ORN": (Alu.OR, True), "EON": (Alu.XOR, True)},
}
# What is stored, and whether the operand is complemented first: DDI 0487, C6.2, the atomics of FEAT_LSE.
_ATOMICS: Final = {
    "SWP": (Rmw.XCHG, False),
    "LDADD": (Rmw.ADD, False),
    "LDSET": (Rmw.OR, False),
    "LDEOR": (Rmw.XOR, False),
    "LDCLR": (Rmw.AND, True),
}
_SUFFIXES: Final = {
    "": (NOTHING, 0),
    "A": (LOAD_ACQUIRE, ACQUIRE),
    "L": (STORE_RELEASE, RELEASE),
    "AL": (ACQUIRE_RELEASE, FULL | ACQUIRE),
}

AArch64Compiler.instructions = MappingProxyType(
    {
        "MOV": Row(2, C._mov),
        "SXTW": Row(2, C._extend, (Alu.SEXT32,)),
        "UXTW": Row(2, C._extend, (Alu.ZEXT32,)),
        **{name: Row(3, C._alu, arguments) for name, arguments in _ALU.items()},
        **{name: Row(2, C._load, (NOTHING,)) for name in ("LDR", "LDUR")},
        **{name: Row(2, C._store, (NOTHING,)) for name in ("STR", "STUR")},
        "LDAR": Row(2, C._load, (LOAD_ACQUIRE,)),
        "LDAPR": Row(2, C._load, (LOAD_ACQUIRE_PC,)),
        "STLR": Row(2, C._store, (STORE_RELEASE,)),
        **{
            name + suffix: Row(3, C._atomic, (row, ordered))
            for name, row in _ATOMICS.items()
            for suffix, ordered in _SUFFIXES.items()
        },
        **{f"CAS{suffix}": Row(3, C._compare_and_swap, (ordered,)) for suffix, ordered in _SUFFIXES.items()},
        "DMB": Row(1, C._barrier, (_DMB,)),
        "DSB": Row(1, C._barrier, (_DSB,)),
        "ISB": Row(0, C._isb),
        "NOP": Row(0, C._nop),
        "B": Row(1, C._branch),
        "CBZ": Row(2, C._branch_if_zero, (True,)),
        "CBNZ": Row(2, C._branch_if_zero, (False,)),
        "CMP": Row(2, C._compare),
        **{f"B.{condition}": Row(1, C._branch_on, (relation,)) for condition, relation in JUMPS.items()},
        **{f"B{condition}": Row(1, C._branch_on, (relation,)) for condition, relation in JUMPS.items()},
    }
)
