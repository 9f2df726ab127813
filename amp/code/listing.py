"""A function's instructions as rows: what each is, where its loops are, which of its barriers are sites.

A loop is a branch back, and what lies between. It may be a wait if it loads, and stores nowhere but on its own stack.
That a loop is not found costs nothing but time: whoever goes round without end reaches a bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice, pairwise
from typing import Any, Final, TypeVar

from amp.code import arm32, emulator, x86
from amp.code.elf import Image, Symbol
from amp.code.files import Files
from amp.code.isa import ISAS, Isa
from amp.code.rows import Flag, Kind, Row, Service
from amp.errors import UsageError
from amp.ordering.barriers import Primitive
from amp.ordering.instructions import RISCV32, RISCV64, X86
from amp.port.lines import Place, place_text

T = TypeVar("T", Primitive, Service)
FUNCTION_LIMIT_BYTES: Final = 1 << 20
_ACCESSES: Final = (Kind.LOAD, Kind.STORE, Kind.ATOMIC, Kind.EXCLUSIVE_LOAD)
_ORDERED: Final = (Kind.LOAD, Kind.STORE)
_PAIRED: Final = (Kind.ATOMIC, Kind.EXCLUSIVE_LOAD, Kind.EXCLUSIVE_STORE)
_HEADERS: Final = (".h", ".hh", ".hpp", ".hxx")
_UNKNOWN_FUNCTION_BYTES: Final = 4096  # of code that no symbol names
_THUNK_BYTES: Final = 32  # of either half

# Functions that the engine knows by their symbols: amp/_core/include/amp.h and amp/code/include/amp_code.h.
SYMBOLIC: Final[Mapping[str, Primitive]] = {
    f"amp_{name}": Primitive[name.upper()]
    for name in (
        *("mb", "rmb", "wmb", "smp_mb", "smp_rmb", "smp_wmb"),
        *("dma_mb", "dma_rmb", "dma_wmb", "virt_mb", "virt_rmb", "virt_wmb"),
    )
}
SERVICES: Final[Mapping[str, Service]] = {
    "amp_code_fail": Service.FAIL,
    "amp_code_kick": Service.KICK,
    "amp_code_wait": Service.SLEEP,
    "amp_code_choose": Service.CHOOSE,
    "amp_code_print": Service.PRINT,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction: its row, and how an assembler writes it."""

    address: int
    row: Row
    text: str


@cache
def _disassembler(architecture: str, mode: str) -> Any:
    capstone = emulator.capstone()
    found = capstone.Cs(getattr(capstone, architecture), sum(getattr(capstone, each, 0) for each in mode.split("+")))
    found.detail = True
    return found


class Listing:
    """The instructions of an image, by function, as they are asked for."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.isa = ISAS[image.isa]
        self._functions: dict[int, dict[int, Line]] = {}
        self._called: dict[int, tuple[Place, ...]] = {}
        self._thunks: dict[int, str | None] = {}
        self.files = Files(self.paths)
        self._symbolic = self._known(SYMBOLIC)
        self._services = self._known(SERVICES)

    @cached_property
    def paths(self) -> set[str]:
        """Of all source files that the image has lines of."""
        lines = {place[0] for place in self.image.lines.places if place is not None}
        return lines | {each.call[0] for each in self.image.inlined}

    def _known(self, names: Mapping[str, T]) -> dict[int, T]:
        """By address. Raises UsageError for two at one: nobody could say which of them is called."""
        found: dict[int, T] = {}
        for each in self.image.every:
            known = names.get(each.name)
            if known is not None and found.setdefault(each.start, known) != known:
                raise UsageError(
                    f"{self.image.path}: {each.name} and another function of amp_code.h are one, at {each.start:#x}: "
                    "link without folding of identical functions"
                )
        return found

    def function(self, address: int) -> dict[int, Line]:
        """All instructions of the function that `address` is in, by address; none where there is no code."""
        start = self._start(address)
        if start not in self._functions:
            self._functions[start] = self._listed(start, self.image.function_at(start))
        return self._functions[start]

    def at(self, address: int) -> Line | None:
        return self.function(address).get(address)

    def _start(self, address: int) -> int:
        symbol = self.image.function_at(address)
        return symbol.start if symbol is not None else address

    def _listed(self, start: int, symbol: Symbol | None) -> dict[int, Line]:
        size = min(symbol.size, FUNCTION_LIMIT_BYTES) if symbol is not None else 0
        code = self.image.bytes_at(start, size or _UNKNOWN_FUNCTION_BYTES)
        thumb = symbol.thumb if symbol is not None else self.isa.thumb == 1
        lines = {line.address: line for line in self._decoded(start, code, whole=bool(size), thumb=thumb)}
        if self.isa.thumb:
            arm32.find_blocks(line.row for line in lines.values())
        name = symbol.name if symbol is not None else ""
        if start in self._services and start in lines:
            lines[start].row.kind, lines[start].row.detail = Kind.SERVICE, int(self._services[start])
        if start in self._symbolic and start in lines:
            lines[start].row.flags |= Flag.NAMED
            lines[start].row.why = f"{name} is called by a pointer, and no line says which barrier that is"
        for before, line in pairwise([None, *lines.values()]):
            assert line is not None
            if name in SYMBOLIC and line.row.kind is Kind.BARRIER:
                line.row.kind = Kind.PLAIN  # the barrier is the call of it
            if line.row.indirect and before is not None and self.isa.far_target is not None:
                self._find_far_target(before, line)
            if self.isa.name == X86:
                self._find_retpoline(before, line)
            if line.row.calls:
                line.row.detail = 1
            elif line.row.kind is Kind.LOAD and line.row.ends:
                line.row.detail = 2
            if line.row.target in self._symbolic:
                line.row.named = int(self._symbolic[line.row.target])
        _find_loops(lines, self.isa)
        return lines

    def _find_far_target(self, before: Line, line: Line) -> None:
        """Where a jump leads whose address the instruction before has made."""
        assert self.isa.far_target is not None
        words = [int.from_bytes(self.image.bytes_at(each.address, 4), "little") for each in (before, line)]
        target = self.isa.far_target(before.address, *words)
        if target is not None:
            line.row.target, line.row.indirect = target, False

    def _find_retpoline(self, before: Line | None, line: Line) -> None:
        """A return that is a jump by a register, and what calls, or jumps to, such a one in place of the jump."""
        row = line.row
        if row.returns and before is not None and x86.jump_by_return(before.text):
            row.returns, row.indirect = False, True
        if row.target is None or not (row.calls or row.ends):
            return
        if row.target not in self._thunks:
            self._thunks[row.target] = self._thunk(row.target)
        thunk = self._thunks[row.target]
        if thunk is None:
            return
        row.target = None
        register = x86.jump_by_return(thunk)
        if register is None:
            row.returns = True
        else:
            row.indirect = True
            row.flows.append((frozenset(), frozenset({self.isa.slots[register]})))

    def _thunk(self, address: int) -> str | None:
        """Of a thunk, by which a compiler jumps or returns, the instruction before its return; None: it is none."""
        first = next(self._decoded(address, self.image.bytes_at(address, _THUNK_BYTES), whole=False, thumb=False), None)
        if first is None or not first.row.calls or first.row.target is None:
            return None
        code = self.image.bytes_at(first.row.target, _THUNK_BYTES)
        body = list(islice(self._decoded(first.row.target, code, whole=False, thumb=False), 2))
        if len(body) < 2 or not body[1].row.returns:
            return None
        found = body[0].text
        return found if x86.jump_by_return(found) or x86.is_return(found) else None

    def _decoded(self, start: int, code: bytes, *, whole: bool, thumb: bool) -> Iterator[Line]:
        """All of `code`; up to the first end if nobody says how long the function is."""
        architecture, mode = self.isa.disassembler
        disassembler = _disassembler(architecture, mode if thumb or not self.isa.thumb else "CS_MODE_ARM")
        step, at = 2 if thumb else 1 << self.isa.shift if not self.isa.thumb else 4, 0
        while at + step <= len(code):
            found = None
            # In one go: what an IT makes of the next instructions is known to the disassembler.
            for found in disassembler.disasm(code[at:], start + at):
                yield (line := self._line(start + at, code[at:], found, thumb=thumb))
                at += line.row.length
                if not whole and line.row.ends:
                    return
            if at + step > len(code):
                return
            yield (line := self._line(start + at, code[at:], None, thumb=thumb))
            at += line.row.length if self.isa.name in (RISCV32, RISCV64) else step
            if not whole and line.row.ends:
                return

    def _line(self, address: int, code: bytes, found: Any, *, thumb: bool) -> Line:
        if self.isa.name in (RISCV32, RISCV64):
            found = found if found is not None and found.size == (4 if code[0] & 3 == 3 else 2) else None
        raw = code[: found.size if found is not None else 2 if thumb else 4 if self.isa.shift else 1]
        word = int.from_bytes(code[:4] if self.isa.shift == 1 else raw, "little")
        row = self.isa.decode(address, word, found, self.isa.slots)
        if self.isa.strict and (row.kind in _PAIRED or (row.kind in _ORDERED and (row.load_by or row.store_by))):
            row.flags |= Flag.ALIGNED
        text = f"{found.mnemonic} {found.op_str}".strip() if found is not None else f".inst {raw[::-1].hex()}"
        return Line(address, row, text)

    def reachable(self, entry: int) -> list[dict[int, Line]]:
        """The functions that the one at `entry` may call, and itself; all that have a symbol if it calls by pointer."""
        found: dict[int, dict[int, Line]] = {}
        left = [entry]
        while left:
            start = self._start(left.pop())
            if start in found or not self.image.bytes_at(start, 4):
                continue
            found[start] = self.function(start)
            for line in found[start].values():
                target = line.row.target
                if target is not None and target not in found[start]:
                    left.append(target)
                if line.row.indirect:
                    left += [each.start for each in self.image.every if each.is_function]
        return [found[start] for start in sorted(found)]

    def source_of(self, address: int) -> Place:
        """(path, line); of code without lines (function, offset), with no file: `line_name` has both in words."""
        line: Place | None = self.image.lines.at(address)
        symbol = self.image.function_at(address)
        if line is not None:
            return line
        return (f"{symbol.name}+{address - symbol.start:#x}", 0) if symbol is not None else (f"{address:#x}", 0)

    def called_at(self, address: int) -> Place:
        """Where the source asks for a barrier, or an access: `source_of`, but for what is wrapped in a function.

        A function that was put into another one and makes no access but this is named by its call: always if it is for
        a barrier, and of an access if it is of another file, as accessors in a header are.
        """
        return self.calls_at(address)[0]

    def calls_at(self, address: int) -> tuple[Place, ...]:
        """The same; of a place in a header behind it the calls that put it there, up to that of a source file."""
        if address not in self._called:
            self._called[address] = self._unwrapped(address)
        return self._called[address]

    def _unwrapped(self, address: int) -> tuple[Place, ...]:
        chain = [self.source_of(address)]
        own, lines = self.at(address), self.function(address).values()
        accesses, wraps = own is not None and self.may_share(own), True
        for each in sorted((each for each in self.image.inlined if each.covers(address)), key=lambda one: one.size):
            others = (one for one in lines if one.address != address and each.covers(one.address))
            wraps = wraps and not any(map(self.may_share, others)) and not (accesses and each.call[0] == chain[0][0])
            if wraps:
                chain = [each.call]
            elif chain[-1][0].endswith(_HEADERS):
                chain.append(each.call)
            else:
                break
        return tuple(chain)

    def may_share(self, line: Line) -> bool:
        """May it access shared memory, or ring a doorbell? Not on its own stack, nor at a constant's address."""
        row = line.row
        if row.target is not None and self._services.get(row.target) is Service.KICK:
            return True
        if row.kind not in _ACCESSES or row.calls or row.ends:
            return False
        return not row.on_stack if self.isa.name == X86 else not row.address <= self.isa.frames

    def line_name(self, address: int) -> str:
        """Where an instruction stands, for a reader: "ring.c:31", without lines "send+0x1c"."""
        return place_text(self.source_of(address))

    def place(self, address: int) -> str:
        """The same with its function: "send, ring.c:31"; without lines "send+0x1c"."""
        symbol, name = self.image.function_at(address), self.line_name(address)
        return f"{symbol.name}, {name}" if symbol is not None and self.image.lines.at(address) is not None else name


def _find_loops(lines: dict[int, Line], isa: Isa) -> None:
    ends: dict[int, list[int]] = {}
    for line in list(lines.values()):
        target = line.row.target
        if target is None or line.row.calls or target > line.address or target not in lines:
            continue
        if not _leads(lines, target, line.address):
            continue  # a way back to the code that returns, and the like
        ends.setdefault(target, []).append(line.address)
    for target, back in ends.items():
        head = lines[target].row
        head.flags |= Flag.HEAD
        # A wait may share its head with a loop around it: the largest that may be one counts.
        head.loop_end = max([end for end in back if _may_wait(lines, target, end, isa)] or back)
    for line in lines.values():
        if line.row.flags & Flag.HEAD and _may_wait(lines, line.address, line.row.loop_end, isa):
            line.row.flags |= Flag.LOOKS
            body = [each for each in lines.values() if line.address <= each.address <= line.row.loop_end]
            pairs = zip([None, *body], body, strict=False)
            counts = any(each.row.calls or _counts(each.row, before) for before, each in pairs)
            line.row.spins = not counts and not _only_retries(body)


def _only_retries(body: list[Line]) -> bool:
    """Does it go round only behind a store-exclusive, that is, where that has failed? It is no wait of its own."""
    others = {each.address: each for each in body if each.row.kind is not Kind.EXCLUSIVE_STORE}
    return len(others) < len(body) and not _leads(others, body[0].address, body[-1].address)


def _leads(lines: dict[int, Line], start: int, to: int) -> bool:
    """May `to` be reached from `start` inside of the function?"""
    left, seen = [start], set[int]()
    while left:
        if (address := left.pop()) == to:
            return True
        if address in seen or address not in lines:
            continue
        seen.add(address)
        row = lines[address].row
        left += [] if row.ends else [address + row.length]
        left += [row.target] if row.target is not None and not row.calls else []
        if row.ends and row.target is None and not row.returns and row.kind not in (Kind.TRAP, Kind.REFUSED):
            return True  # a jump of which nobody knows where it leads
    return False


def _counts(row: Row, before: Line | None) -> bool:
    """May a loop count by it? Not if it only completes a constant, as `lui a0, 16; addi a0, a0, -1` do."""
    if not row.counts or row.kind is not Kind.PLAIN or before is None or before.row.kind is not Kind.PLAIN:
        return row.counts
    made = before.row.flows[:1]
    return not (made and not made[0][1] and made[0][0] == row.flows[0][0])


def _may_wait(lines: dict[int, Line], head: int, end: int, isa: Isa) -> bool:
    """Does the loop load, or call what may, and store only on its own stack? An atomic may leave what was there."""
    body = [line.row for address, line in lines.items() if head <= address <= end]
    stores = [row for row in body if row.kind is Kind.STORE]
    if any(not row.address <= isa.frames for row in stores):
        return False
    return any(row.kind in (Kind.LOAD, Kind.EXCLUSIVE_LOAD, Kind.ATOMIC) or row.calls for row in body)
