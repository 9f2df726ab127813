"""AArch64 threads: A64 instructions, and what each orders.

An access is of 4 bytes through a W register, of 8 through an X register, of 1 or 2 where the mnemonic ends in B or H;
it is aligned, and inside one location. An atomic whose result nobody sees (WZR, XZR, STADD) is no acquire, and DMB LD
does not wait for its load. The result of a CAS that stores is what its register held before, or what was in memory:
the same value, with different dependencies (C6.2, CAS; herd7 enumerates both).

Barriers are by Arm ARM DDI 0487: B2.3 for what they order (as herd7's aarch64.cat), the DMB and DSB instructions for
the domains that their options name: ISH inner, OSH outer, SY (and LD, ST alone) full system, NSH none but the CPU
itself. A DSB also holds back every later instruction. Load-acquire, store-release and atomics name no domain: they
reach as far as the memory's own, Outer Shareable for Non-cacheable (B2.7).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from amp.litmus.assembly import JUMPS, AsmCompiler, Row
from amp.litmus.emit import NOTHING
from amp.litmus.program import ACQUIRE, FROM_EXPECTED, FULL, NO_RESULT, RELEASE, Alu, Ordering, Rmw
from amp.litmus.syntax import Immediate, Memory, Operand, Word
from amp.ordering.barriers import ALL_ORDERS, Orders, Reach

RR, RW, WR, WW, WD = Orders.RR, Orders.RW, Orders.WR, Orders.WW, Orders.WD

LOAD_ACQUIRE: Final = Ordering(RR | RW | Orders.RCSC, Reach.OUTER)
LOAD_ACQUIRE_PC: Final = Ordering(RR | RW, Reach.OUTER)
STORE_RELEASE: Final = Ordering(RW | WW | Orders.RCSC, Reach.OUTER)
# DDI 0487, B2.3: between an atomic operation's acquire and release nothing that is before or after it comes through.
ACQUIRE_RELEASE: Final = Ordering(ALL_ORDERS | Orders.RCSC, Reach.OUTER)

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
        """The register that `operand` is read from; a W register's is its low half."""
        register = self._register(operand)
        return self.code.alu(Alu.ZEXT32, register) if self._is_w(operand) else register

    def _write(self, operand: Operand) -> int:
        """The register of `operand` as a result; what goes to the zero register is lost."""
        register = self._register(operand)
        return self.code.scratch() if register == ZERO else register

    def _access_width(self, narrow: int, operand: Operand) -> int:
        """`narrow` bytes if the mnemonic says so, of a W register; else what the register is."""
        width = self._width(operand)
        if narrow and width != 4:
            raise self.unsupported("an access of part of a word has a W register")
        return narrow or width

    def _address(self, operand: Operand, width: int) -> int:
        """[Xn], [Xn,#offset], [Xn,Xm], [Xn,Wm,SXTW], [Xn,Wm,UXTW], for an access of `width` bytes."""
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
            case [Immediate(value=offset)]:
                # DDI 0487, C6.2: LDR has 12 bits, in units of its width; LDUR, which assemblers take it for, 9 signed.
                if not (-256 <= offset < 256 or (0 <= offset < 4096 * width and offset % width == 0)):
                    raise self.unsupported(f"the offset {offset} cannot be encoded")
                return self.code.alu(Alu.ADD, self._register(base), self.code.constant(offset & _MASK))
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
        """[Xn] or [Xn,#0]: only plain loads and stores have an index or an offset."""
        if isinstance(operand, Memory) and operand.parts[1:] not in ((), (Immediate(0),)):
            raise self.unsupported(f"address {operand}")
        return self._address(operand, 1)

    def _plain_or_ordered_address(self, order: Ordering, operand: Operand, width: int) -> int:
        return self._address(operand, width) if order is NOTHING else self._atomic_address(operand)

    # --- registers and memory

    def _mov(self, dst: Operand, source: Operand) -> None:
        width = self._width(dst)
        if isinstance(source, Immediate):
            if not _fits(source.value, width):
                raise self.unsupported(f"its number does not fit {8 * width} bits")
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
            b = self._immediate(operator, inverted, right.value, width)
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

    def _immediate(self, operator: Alu, inverted: bool, value: int, width: int) -> int:
        """The register with a number that the instruction can hold (DDI 0487, C6.2, the forms with an immediate)."""
        if inverted or operator is Alu.MUL:
            raise self.unsupported("its last operand is a register")
        arithmetic = operator in (Alu.ADD, Alu.SUB)
        if not (_is_shifted_12_bits(value) if arithmetic else _is_bitmask(value, 8 * width)):
            raise self.unsupported(f"the number {value} cannot be encoded")
        return self.code.literal(value)

    def _load(self, order: Ordering, narrow: int, dst: Operand, memory: Operand) -> None:
        width = self._access_width(narrow, dst)
        address = self._plain_or_ordered_address(order, memory, width)
        self.code.load(address, width, order, dst=self._write(dst))

    def _store(self, order: Ordering, narrow: int, source: Operand, memory: Operand) -> None:
        width = self._access_width(narrow, source)
        self.code.store(self._plain_or_ordered_address(order, memory, width), self._register(source), width, order)

    # --- atomics

    def _atomic(
        self,
        row: tuple[Rmw, bool, int],
        ordered: tuple[Ordering, int],
        source: Operand,
        dst: Operand,
        memory: Operand,
    ) -> None:
        """`row`: what is stored, whether the operand is complemented first, the width of part of a word.

        `ordered`: the ordering, and flags.
        """
        rmw, inverted, narrow = row
        self._width(source, dst)
        width = self._access_width(narrow, source)
        order, flags = self._ordered(ordered, dst)
        operand = self._register(source)
        if inverted:
            operand = self.code.alu(Alu.XOR, operand, self.code.constant(-1))
        address = self._atomic_address(memory)
        self.code.rmw(rmw, address, operand, width, order=order, flags=flags, dst=self._write(dst))

    def _atomic_without_result(
        self, row: tuple[Rmw, bool, int], ordered: tuple[Ordering, int], source: Operand, memory: Operand
    ) -> None:
        """STADD is LDADD with the zero register, and so on."""
        zero = Word("WZR" if self._is_w(source) else "XZR")
        self._atomic(row, ordered, source, zero, memory)

    def _ordered(self, ordered: tuple[Ordering, int], dst: Operand) -> tuple[Ordering, int]:
        """The ordering and flags of an atomic with this result: none, the zero register, makes it no acquire (C6.2)."""
        order, flags = ordered
        if self._register(dst) != ZERO:
            return order, flags
        return {NOTHING: NOTHING, LOAD_ACQUIRE: NOTHING}.get(order, STORE_RELEASE), NO_RESULT | (
            RELEASE if flags & (FULL | RELEASE) else 0
        )

    def _compare_and_swap(
        self, ordered: tuple[Ordering, int], narrow: int, expected: Operand, source: Operand, memory: Operand
    ) -> None:
        """Its load is an acquire even when it does not store (DDI 0487, C6.2, CAS)."""
        self._width(expected, source)
        width = self._access_width(narrow, source)
        order, flags = self._ordered(ordered, expected)
        compared, address = self._register(expected), self._atomic_address(memory)
        self.code.rmw(
            Rmw.CMPXCHG,
            address,
            self._register(source),
            width,
            expected=compared,
            order=order,
            flags=flags | FROM_EXPECTED,
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
        if isinstance(right, Immediate):
            b = self._immediate(Alu.SUB, False, right.value, 4 if extend else 8)
        else:
            self._width(left, right)
            b = self._register(right)
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

_MASK: Final = (1 << 64) - 1


def _fits(value: int, width_bytes: int) -> bool:
    """Whether it fits as a signed or as an unsigned number."""
    bits = 8 * width_bytes
    return -(1 << (bits - 1)) <= value < 1 << bits


def _is_shifted_12_bits(value: int) -> bool:
    """Whether it is an immediate; either sign is, since ADD with -1 is assembled as SUB with 1."""
    size = abs(value)
    return size < 1 << 12 or (size % (1 << 12) == 0 and size < 1 << 24)


def _is_bitmask(value: int, bits: int) -> bool:
    """A logical immediate: a run of ones, turned round in an element of 2 to 64 bits, which is repeated."""
    if not _fits(value, bits // 8):
        return False
    value &= (1 << bits) - 1
    while bits > 2 and value >> (bits // 2) == value & (1 << (bits // 2)) - 1:
        bits //= 2
        value &= (1 << bits) - 1
    turned = value >> 1 | (value & 1) << (bits - 1)
    return (value ^ turned).bit_count() == 2


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

_NARROW: Final = {"": 0, "B": 1, "H": 2}
_LOADS: Final = {"LDR": NOTHING, "LDUR": NOTHING, "LDAR": LOAD_ACQUIRE, "LDAPR": LOAD_ACQUIRE_PC}
_STORES: Final = {"STR": NOTHING, "STUR": NOTHING, "STLR": STORE_RELEASE}


def _atomic_rows() -> dict[str, Row]:
    rows = {}
    for suffix, ordered in _SUFFIXES.items():
        for part, narrow in _NARROW.items():
            for name, row in _ATOMICS.items():
                rows[f"{name}{suffix}{part}"] = Row(3, C._atomic, ((*row, narrow), ordered))
                if name != "SWP" and suffix in ("", "L"):
                    rows[f"ST{name[2:]}{suffix}{part}"] = Row(2, C._atomic_without_result, ((*row, narrow), ordered))
            rows[f"CAS{suffix}{part}"] = Row(3, C._compare_and_swap, (ordered, narrow))
    return rows


AArch64Compiler.instructions = MappingProxyType(
    {
        "MOV": Row(2, C._mov),
        "SXTW": Row(2, C._extend, (Alu.SEXT32,)),
        "UXTW": Row(2, C._extend, (Alu.ZEXT32,)),
        **{name: Row(3, C._alu, arguments) for name, arguments in _ALU.items()},
        **{name + part: Row(2, C._load, (o, n)) for name, o in _LOADS.items() for part, n in _NARROW.items()},
        **{name + part: Row(2, C._store, (o, n)) for name, o in _STORES.items() for part, n in _NARROW.items()},
        **_atomic_rows(),
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
