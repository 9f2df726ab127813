"""A processor's words, as small_programs has them, written as a litmus test's instructions. Not a test."""

from __future__ import annotations

from typing import Any

from small_programs import parse

from amp.litmus.emit import Shared, Thread
from amp.litmus.program import Alu, Rmw
from amp.ordering.barriers import Primitive

WIDTH_BYTES = 4
OPERATIONS = {"add": Rmw.ADD, "xchg": Rmw.XCHG, "cas": Rmw.CMPXCHG}


class WordWriter:
    """One thread. `nothing` is an access without an order of its own; `worth` is what a primitive orders there."""

    nothing: Any
    atomic_order: Any
    atomic_flags = 0

    def __init__(self, shared: Shared, cpu: int, text: str) -> None:
        self.code, self.registers = Thread(shared, cpu), dict[str, int]()
        for name in parse(text).registers:
            self.registers[name] = self.code.constant(-1, dst=self.code.name_register())
        for word in text.split():
            self.word(word)
            self.code.release_scratch()

    def worth(self, primitive: Primitive) -> Any:
        raise NotImplementedError

    def word(self, word: str) -> None:
        condition, mark, rest = word.partition("?")
        left, equals, right = (rest if mark else word).partition("=")
        if mark:
            register, _, number = condition.partition("=")
            label = self.code.new_label()
            differs = self.code.alu(Alu.NE, self.registers[register], self.code.constant(int(number)))
            self.code.jump_if_not_zero(differs, label)
            self.store(left, right)
            self.code.label(label)
        elif not equals:
            self.code.fence(self.worth(Primitive[word.upper()]))
        elif left in self.registers:
            self.load(left, right)
        else:
            self.store(left, right)

    def address(self, name: str) -> int:
        name, _, register = name.partition("@")
        address = self.code.address(name)
        if not register:
            return address
        zero = self.code.alu(Alu.AND, self.registers[register], self.code.constant(0))
        return self.code.alu(Alu.ADD, address, zero)

    def store(self, target: str, value: str) -> None:
        release, _, name = target.rpartition(":")
        order = self.worth(Primitive.STORE_RELEASE) if release else self.nothing
        what = self.code.constant(int(value)) if value.isdigit() else self.registers[value.rstrip("^")]
        if value.endswith("^"):
            zero = self.code.alu(Alu.AND, what, self.code.constant(0))
            what = self.code.alu(Alu.ADD, zero, self.code.constant(1))
        self.code.store(self.address(name), what, WIDTH_BYTES, order)

    def load(self, register: str, source: str) -> None:
        kind, _, rest = source.rpartition(":")
        if kind in OPERATIONS:
            return self.atomic(register, kind, rest)
        order = self.worth(Primitive.LOAD_ACQUIRE) if kind else self.nothing
        self.code.load(self.address(rest), WIDTH_BYTES, order, dst=self.registers[register])
        return None

    def atomic(self, register: str, kind: str, rest: str) -> None:
        """The fences before and after are the whole of its order, but for `atomic_order`."""
        name, *numbers = rest.split(",")
        values = [self.code.constant(int(number)) for number in numbers]
        full = self.worth(Primitive.SMP_MB)
        self.code.fence(full)
        self.code.rmw(
            OPERATIONS[kind],
            self.address(name),
            values[-1],
            WIDTH_BYTES,
            expected=values[0],
            order=self.atomic_order,
            flags=self.atomic_flags,
            dst=self.registers[register],
        )
        self.code.fence(full)
