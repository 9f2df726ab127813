"""X86 threads (32 bits, Intel's order of operands, as herd7's X86): instructions, and what each orders.

A memory operand is one location, [x] or [EAX]. A locked instruction, and XCHG with memory always, is a full barrier,
even where nothing is stored: Intel SDM vol. 3A, 8.2.5. MFENCE, SFENCE and LFENCE order what their rows say; what the
processor keeps in order without them is the platform's. An unlocked ADD to memory is a load and a store.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from amp.litmus.assembly import JUMPS, AsmCompiler, Row
from amp.litmus.program import FULL, SIGNED, Alu, Ordering, Rmw
from amp.litmus.syntax import AsmInstruction, Immediate, Memory, Operand, Word
from amp.ordering.barriers import ALL_ORDERS, Orders, Reach

FULL_BARRIER: Final = Ordering(ALL_ORDERS, Reach.SYSTEM)
_FENCES: Final = {
    "MFENCE": FULL_BARRIER,
    "SFENCE": Ordering(Orders.WW | Orders.WD, Reach.SYSTEM),
    "LFENCE": Ordering(Orders.RR | Orders.RW, Reach.SYSTEM),
}

NAMES: Final = ("EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP", "ESP")
EAX: Final = NAMES.index("EAX")
FLAG_LEFT, FLAG_RIGHT = len(NAMES), len(NAMES) + 1  # what the last instruction with flags compared
WIDTH_BYTES: Final = 4


class X86Compiler(AsmCompiler):
    """One thread. Registers hold their 32 bits sign-extended."""

    registers = MappingProxyType({name: number for number, name in enumerate(NAMES)})
    named = FLAG_RIGHT + 1
    _flags: frozenset[Alu] = frozenset()  # the relations that a jump may test here

    # --- operands

    def check_prefix(self, instruction: AsmInstruction) -> None:
        memory = bool(instruction.operands) and isinstance(instruction.operands[0], Memory)
        if instruction.locked and (instruction.mnemonic not in _LOCKABLE or not memory):
            raise self.unsupported("it cannot be locked")

    def _value(self, operand: Operand) -> int:
        """The register that holds an immediate or register operand."""
        if isinstance(operand, Immediate):
            if not -(1 << 31) <= operand.value < 1 << 32:
                raise self.unsupported("its number does not fit 32 bits")
            return self.code.alu(Alu.SEXT32, self.code.literal(operand.value))
        return self._register(operand)

    def _register(self, operand: Operand) -> int:
        if not isinstance(operand, Word) or not self.is_register(operand):
            raise self.unsupported(f"{str(operand)!r} is no register")
        return self.register_named(operand.text)

    def _address(self, memory: Memory) -> int:
        match memory.parts:
            case (Word(text=name),) if name.upper() in self.registers:
                return self.registers[name.upper()]
            case (Word(text=name),):
                return self.code.address(name)
        raise self.unsupported(f"address {memory}")

    def _read(self, operand: Operand) -> int:
        """The value of any operand; memory is loaded."""
        if isinstance(operand, Memory):
            return self.code.load(self._address(operand), WIDTH_BYTES, flags=SIGNED)
        return self._value(operand)

    def _write(self, operand: Operand, value: int) -> None:
        if isinstance(operand, Memory):
            self.code.store(self._address(operand), value, WIDTH_BYTES)
        else:
            self.code.move(value, self._register(operand))

    def _set_flags(self, left: int, right: int, relations: frozenset[Alu]) -> None:
        self.code.move(left, FLAG_LEFT)
        self.code.move(right, FLAG_RIGHT)
        self._flags = relations

    def _set_flags_of(self, result: int) -> None:
        """Flags are set as arithmetic sets them: zero or not. Signs need the overflow flag too, which is not kept."""
        self._set_flags(result, self.code.constant(0), _ZERO_OR_NOT)

    # --- instructions

    def _mov(self, dst: Operand, source: Operand) -> None:
        if isinstance(dst, Memory) and isinstance(source, Memory):
            raise self.unsupported("both operands are memory")
        self._write(dst, self._read(source))

    def _arithmetic(self, operator: Alu, rmw: Rmw, dst: Operand, source: Operand) -> None:
        if isinstance(dst, Memory) and isinstance(source, Memory):
            raise self.unsupported("both operands are memory")
        self._update(operator, rmw, dst, self._read(source))

    def _step(self, operator: Alu, rmw: Rmw, dst: Operand) -> None:
        self._update(operator, rmw, dst, self.code.constant(1))

    def _update(self, operator: Alu, rmw: Rmw, dst: Operand, operand: int) -> None:
        assert self.instruction is not None
        if self.instruction.locked:
            assert isinstance(dst, Memory)
            old = self._locked(rmw, dst, operand)
            new = self.code.alu(Alu.SEXT32, self.code.alu(operator, old, operand))
        else:
            new = self.code.alu(Alu.SEXT32, self.code.alu(operator, self._read(dst), operand))
            self._write(dst, new)
        self._set_flags_of(new)

    def _locked(self, rmw: Rmw, memory: Memory, operand: int, expected: int = 0) -> int:
        """The old value. A cmpxchg that fails is a full barrier, too: it has fences of its own."""
        address, around = self._address(memory), rmw is Rmw.CMPXCHG
        if around:
            self.code.fence(FULL_BARRIER)
        old = self.code.rmw(
            rmw, address, operand, WIDTH_BYTES, expected=expected, order=FULL_BARRIER, flags=FULL | SIGNED
        )
        if around:
            self.code.fence(FULL_BARRIER)
        return old

    def _xchg(self, dst: Operand, source: Operand) -> None:
        if isinstance(source, Memory):
            dst, source = source, dst
        register = self._register(source)
        if isinstance(dst, Memory):
            self.code.move(self._locked(Rmw.XCHG, dst, register), register)
        else:
            other, held = self._register(dst), self.code.scratch()
            self.code.move(register, held)
            self.code.move(other, register)
            self.code.move(held, other)

    def _xadd(self, dst: Operand, source: Operand) -> None:
        assert self.instruction is not None
        if not isinstance(dst, Memory) or not self.instruction.locked:
            raise self.unsupported("only LOCK XADD with memory is")
        register = self._register(source)
        old = self._locked(Rmw.ADD, dst, register)
        self._set_flags_of(self.code.alu(Alu.SEXT32, self.code.alu(Alu.ADD, old, register)))
        self.code.move(old, register)

    def _cmpxchg(self, dst: Operand, source: Operand) -> None:
        assert self.instruction is not None
        if not isinstance(dst, Memory) or not self.instruction.locked:
            raise self.unsupported("only LOCK CMPXCHG with memory is")
        old = self._locked(Rmw.CMPXCHG, dst, self._register(source), EAX)
        self._set_flags(old, EAX, _ZERO_OR_NOT)
        self.code.move(old, EAX)

    def _cmp(self, left: Operand, right: Operand) -> None:
        if isinstance(left, Memory) and isinstance(right, Memory):
            raise self.unsupported("both operands are memory")
        self._set_flags(self._read(left), self._read(right), frozenset(JUMPS.values()))

    def _test(self, left: Operand, right: Operand) -> None:
        self._set_flags_of(self.code.alu(Alu.AND, self._read(left), self._read(right)))

    def _fence(self, order: Ordering) -> None:
        self.code.fence(order)

    def _nop(self) -> None:
        """Nothing."""

    def _jmp(self, target: Operand) -> None:
        self.code.jump(self.jump_target(target))

    def _jump_on(self, relation: Alu, target: Operand) -> None:
        if relation not in self._flags:
            raise self.unsupported("the instruction that sets its flags is not just before it")
        self.code.jump_if_not_zero(self.code.alu(relation, FLAG_LEFT, FLAG_RIGHT), self.jump_target(target))

    def at_label(self) -> None:
        self._flags = frozenset()


C = X86Compiler

_ZERO_OR_NOT: Final = frozenset({Alu.EQ, Alu.NE})
_LOCKABLE: Final = frozenset({"ADD", "SUB", "AND", "OR", "XOR", "INC", "DEC", "XADD", "XCHG", "CMPXCHG"})
_ARITHMETIC: Final = {
    "ADD": (Alu.ADD, Rmw.ADD),
    "SUB": (Alu.SUB, Rmw.SUB),
    "AND": (Alu.AND, Rmw.AND),
    "OR": (Alu.OR, Rmw.OR),
    "XOR": (Alu.XOR, Rmw.XOR),
}
_JUMPS: Final = {"JE": "EQ", "JZ": "EQ", "JNE": "NE", "JNZ": "NE", "JL": "LT", "JLE": "LE", "JG": "GT", "JGE": "GE"}

X86Compiler.instructions = MappingProxyType(
    {
        **dict.fromkeys(("MOV", "MOVL"), Row(2, C._mov)),
        **{name: Row(2, C._arithmetic, arguments) for name, arguments in _ARITHMETIC.items()},
        "INC": Row(1, C._step, (Alu.ADD, Rmw.ADD)),
        "DEC": Row(1, C._step, (Alu.SUB, Rmw.SUB)),
        "XCHG": Row(2, C._xchg),
        "XADD": Row(2, C._xadd),
        "CMPXCHG": Row(2, C._cmpxchg),
        "CMP": Row(2, C._cmp),
        "TEST": Row(2, C._test),
        **{name: Row(0, C._fence, (order,)) for name, order in _FENCES.items()},
        "NOP": Row(0, C._nop),
        "JMP": Row(1, C._jmp),
        **{name: Row(1, C._jump_on, (JUMPS[relation],)) for name, relation in _JUMPS.items()},
    }
)
