"""A parsed test to the program that the core runs, for one platform, and to the columns of its outcomes.

C threads depend on the platform: its host's architecture says what each primitive compiles to. Assembly does not: an
instruction orders and reaches what it says, and the platform decides what that is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from amp.litmus.aarch64 import AArch64Compiler
from amp.litmus.c import CCompiler
from amp.litmus.c_types import INT, LONG, UINT, CType, c_type
from amp.litmus.emit import Shared
from amp.litmus.program import LOCATION_BYTES, OBSERVED, THREADS, Program, address_of
from amp.litmus.syntax import (
    All,
    AsmThread,
    Constant,
    CThread,
    Dialect,
    Equal,
    Initial,
    LitmusTest,
    LocationName,
    Not,
    Observable,
    Proposition,
    RegisterName,
    Some,
    Truth,
)
from amp.litmus.x86 import X86Compiler
from amp.ordering.platforms import Platform

DEFAULT_PLATFORM: Final[Mapping[Dialect, str]] = {
    Dialect.C: "arm64",
    Dialect.AARCH64: "arm64",
    Dialect.X86: "x86-wb",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One observed register or location. `type` None: an untyped location, as wide as what is in it."""

    what: Observable
    type: CType | None

    def canonical(self, value: int) -> int:
        """The value of this column for 64 bits of the core's, or for a number in the condition."""
        if self.type is None:
            return (INT if -(1 << 31) <= value < 1 << 32 else LONG).canonical(value)
        return self.type.canonical(value)


@dataclass(frozen=True, slots=True)
class Compiled:
    """`columns` are in the order of the program's outcomes: registers, then locations."""

    test: LitmusTest
    program: Program
    columns: tuple[Column, ...]
    locations: tuple[str, ...]

    def constant(self, column: Column, value: Constant) -> int:
        """A constant of the condition, as an outcome has it in `column`."""
        return column.canonical(address_of(self.locations.index(value)) if isinstance(value, str) else value)


def compile_test(test: LitmusTest, platform: Platform) -> Compiled:
    """Raises UsageError that names file, line and construct."""
    if len(test.threads) > THREADS:
        raise Shared(test.file).refuse(test.body_line, f"{len(test.threads)} threads, expected at most {THREADS}")
    return _Joiner(test, platform).compiled()


class _Joiner:
    def __init__(self, test: LitmusTest, platform: Platform) -> None:
        self.test = test
        self.shared = Shared(test.file)
        self.types: dict[str, CType] = {}
        self.values: dict[str, int] = {}
        self.of_thread: list[list[Initial]] = [[] for _ in test.threads]
        for entry in test.initial:
            self._initial(entry)
        threads: tuple[CThread | AsmThread, ...] = test.threads
        self.threads = [self._thread(number, thread, platform) for number, thread in enumerate(threads)]

    def _initial(self, entry: Initial) -> None:
        """Locations get their first value here, registers when their thread is compiled."""
        found = c_type(entry.type_words) if entry.type_words else None
        if entry.type_words and (found is None or found.width_bytes == 0):
            raise self.shared.refuse(entry.line, f"type {' '.join(entry.type_words)!r} is not supported")
        if isinstance(entry.target, RegisterName):
            if entry.target.thread >= len(self.of_thread):
                raise self.shared.refuse(entry.line, f"{entry.target}: there is no P{entry.target.thread}")
            self.of_thread[entry.target.thread].append(entry)
            return
        name = entry.target.name
        self.shared.location(entry.line, name)
        if found is not None:
            self.types[name] = found
        if isinstance(entry.value, str):
            self.values[name] = address_of(self.shared.location(entry.line, entry.value))
        elif entry.value is not None:
            self.values[name] = self.shared.number(entry.line, entry.value)

    def _thread(
        self, number: int, thread: CThread | AsmThread, platform: Platform
    ) -> CCompiler | AArch64Compiler | X86Compiler:
        initial = self.of_thread[number]
        if isinstance(thread, CThread):
            compiler = CCompiler(self.shared, thread, platform.host.architecture.rows, initial)
            for name, pointer in compiler.parameters.items():
                if pointer.target.width_bytes:
                    self.types.setdefault(name, pointer.target)
            return compiler
        if self.test.dialect is Dialect.AARCH64:
            return AArch64Compiler(self.shared, number, thread, initial)
        return X86Compiler(self.shared, number, thread, initial)

    def compiled(self) -> Compiled:
        found = [*self.test.final.locations, *_observed(self.test.final.proposition)]
        columns: dict[Observable, Column] = {what: self._column(line, what) for line, what in found}
        for line, name in _named(self.test.final.proposition):
            self._check_location(line, name)
        if len(columns) > OBSERVED:
            line = found[OBSERVED][0]
            raise self.shared.refuse(
                line, f"{len(columns)} registers and locations are observed, at most {OBSERVED} can be"
            )
        for equal in _equalities(self.test.final.proposition):
            if isinstance(equal.right, int):
                self.shared.fits(equal.line, equal.right)
        registers = sorted(self._register(what) for what in columns if isinstance(what, RegisterName))
        locations = sorted(what.name for what in columns if isinstance(what, LocationName))
        ordered: list[Observable] = [
            *(RegisterName(thread, name) for thread, _, _, name in registers),
            *map(LocationName, locations),
        ]
        program = Program(
            tuple(thread.code.finish() for thread in self.threads),
            tuple(self._first_value(name) for name in self.shared.locations),
            tuple(self.shared.orderings),
            tuple((thread, register) for thread, _, register, _ in registers),
            tuple(self.shared.locations.index(name) for name in locations),
            tuple(self._size_bytes(name) for name in self.shared.locations),
        )
        return Compiled(self.test, program, tuple(columns[what] for what in ordered), tuple(self.shared.locations))

    def _first_value(self, name: str) -> int:
        """64 bits, of which a location narrower than that holds the low ones."""
        column = Column(LocationName(name), self.types.get(name))
        value = column.canonical(self.values.get(name, 0))
        return value & (0xFFFFFFFF if -(1 << 31) <= value < 0 and column.type != LONG else (1 << 64) - 1)

    def _size_bytes(self, name: str) -> int:
        found = self.types.get(name)
        return LOCATION_BYTES if found is None else found.width_bytes

    def _check_location(self, line: int, name: str) -> None:
        if name not in self.shared.locations:
            raise self.shared.refuse(line, f"{name!r} is no location of this test")

    def _column(self, line: int, what: Observable) -> Column:
        if isinstance(what, LocationName):
            self._check_location(line, what.name)
            return Column(what, self.types.get(what.name))
        if what.thread >= len(self.threads):
            raise self.shared.refuse(line, f"{what}: there is no P{what.thread}")
        thread = self.threads[what.thread]
        if isinstance(thread, CCompiler):
            if what.name not in thread.variables:
                raise self.shared.refuse(line, f"{what}: {what.name!r} is no variable of P{what.thread}")
            return Column(what, thread.variables[what.name].type)
        if what.name.upper() not in thread.registers:
            raise self.shared.refuse(line, f"{what}: {what.name!r} is no register")
        narrow = isinstance(thread, X86Compiler)
        return Column(what, INT if narrow else UINT if what.name[0] in "wW" else LONG)

    def _register(self, what: RegisterName) -> tuple[int, str, int, str]:
        """(thread, sort key, number, name): C's variables by name, as herd7 has them, others by number."""
        thread = self.threads[what.thread]
        if isinstance(thread, CCompiler):
            return what.thread, what.name, thread.variables[what.name].register, what.name
        number = thread.registers[what.name.upper()]
        return what.thread, f"{number:02}", number, what.name


def _equalities(proposition: Proposition) -> list[Equal]:
    match proposition:
        case Equal():
            return [proposition]
        case Not(inner):
            return _equalities(inner)
        case All(parts) | Some(parts):
            return [equal for part in parts for equal in _equalities(part)]
        case Truth():
            return []


def _observed(proposition: Proposition) -> list[tuple[int, Observable]]:
    return [(equal.line, equal.left) for equal in _equalities(proposition)]


def _named(proposition: Proposition) -> list[tuple[int, str]]:
    """Locations whose address a condition compares with."""
    return [(equal.line, equal.right) for equal in _equalities(proposition) if isinstance(equal.right, str)]
