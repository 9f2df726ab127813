"""An ELF file as the engine needs it: what lies where in memory, the symbols, the source lines.

A file that is no such thing, or a part of it that lies, is refused in one line: what is wrong, with its value. Nothing
in the file is executed by reading it.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from elftools.elf.elffile import ELFFile

from amp.code.identity import image_digest
from amp.errors import UsageError
from amp.files import read_whole
from amp.ordering.instructions import A64, ARMV7_A, ARMV7_M, RISCV32, RISCV64, X86

FILE_LIMIT_BYTES: Final = 1 << 26
MEMORY_LIMIT_BYTES: Final = 1 << 26  # of all segments: it is copied for each part
PAGE: Final = 4096
SYMBOLS_LIMIT: Final = 1 << 18
SHOWN_FUNCTIONS: Final = 8  # in the answer to a name that is none
_NOT_OWN: Final = ("_", "amp_")  # names of amp_code.h and the start file
_MACHINES: Final = {"EM_AARCH64": A64, "EM_ARM": ARMV7_A, "EM_X86_64": X86, "EM_RISCV": RISCV64}


@dataclass(frozen=True, slots=True)
class Segment:
    """What is loaded: `data` at `start`, zeroes behind it up to `size`. `flags` are PF_X, PF_W, PF_R: 1, 2, 4."""

    start: int
    data: bytes
    size: int
    flags: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function or a variable."""

    name: str
    start: int
    size: int
    is_function: bool
    thumb: bool = False


@dataclass(frozen=True)
class Image:
    """An executable file. `isa` is the instruction set, `digest` is of what runs (amp.code.identity).

    `shared` is where its section .amp_shared lies, (address, bytes): the variables that amp_code.h calls AMP_SHARED.
    """

    path: str
    digest: str
    isa: str
    segments: tuple[Segment, ...]
    symbols: Mapping[str, Symbol]
    every: tuple[Symbol, ...]  # also those that share a name: static ones of several files
    shared: tuple[int, int] | None = None
    _content: bytes = field(repr=False, default=b"")

    def function(self, name: str) -> Symbol:
        """Raises UsageError if there is none."""
        found = self.symbols.get(name)
        if found is None or not found.is_function:
            functions = sorted((each for each in self.symbols.values() if each.is_function), key=lambda s: s.start)
            own = [each.name for each in functions if not each.name.startswith(_NOT_OWN)]
            close = get_close_matches(name, own, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            has = ", ".join([*own[:SHOWN_FUNCTIONS], *(["..."] if len(own) > SHOWN_FUNCTIONS else [])])
            raise UsageError(f"{self.path}: has no function {name!r:.80}{hint} (it has {has or 'none'})")
        return found

    @cached_property
    def _functions(self) -> tuple[list[int], list[Symbol]]:
        functions = sorted((s for s in self.every if s.is_function), key=lambda s: (s.start, s.name))
        return [each.start for each in functions], functions

    def function_at(self, address: int) -> Symbol | None:
        """The function whose code `address` is in."""
        starts, functions = self._functions
        number = bisect_right(starts, address) - 1
        if number < 0:
            return None
        found = functions[number]
        return found if address < found.start + max(found.size, 4) else None

    def name_at(self, address: int) -> str:
        """The variable there, "flag" or "data+0x4"; "" if there is none."""
        found = self.variable_at(address)
        return "" if found is None else found[0].name + (f"+{found[1]:#x}" if found[1] else "")

    def variable_at(self, address: int) -> tuple[Symbol, int] | None:
        """The variable at `address`, and the offset in it."""
        for each in self.every:
            if not each.is_function and each.start <= address < each.start + each.size:
                return each, address - each.start
        return None

    @property
    def own_window(self) -> tuple[int, int] | None:
        """(address, bytes) of the shared memory that the file itself names, in whole pages; None: it names none.

        By the symbols of amp/code/libc/link.ld, else by the section .amp_shared.
        """
        start, size = (self.symbols.get(f"amp_shared_{each}") for each in ("start", "size"))
        named = (start.start, size.start) if start is not None and size is not None else self.shared
        if named is None or not named[1]:
            return None
        first = named[0] & -PAGE
        return first, -(-(sum(named) - first) // PAGE) * PAGE

    def bytes_at(self, address: int, length: int) -> bytes:
        """As loaded; fewer where nothing is."""
        for each in self.segments:
            if each.start <= address < each.start + len(each.data):
                return each.data[address - each.start : address - each.start + length]
        return b""

    @cached_property
    def lines(self) -> Any:
        """The source lines (amp.code.lines.Lines)."""
        from amp.code.lines import Lines  # noqa: PLC0415  (only where somebody asks for a line)

        return Lines.of(ELFFile(io.BytesIO(self._content)))

    @cached_property
    def inlined(self) -> Any:
        """Functions that the compiler has put into others (amp.code.inlined.Inlined)."""
        from amp.code.inlined import inlined  # noqa: PLC0415  (as the lines)

        return inlined(ELFFile(io.BytesIO(self._content)))


def read(path: str) -> Image:
    """Raises UsageError for a file that is no executable of an instruction set that is known."""
    try:
        content = read_whole(path, FILE_LIMIT_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    return image_of(path, content)


def image_of(path: str, content: bytes) -> Image:
    """The same of what is in memory; `path` is what it is called."""
    try:
        return _read(path, content)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except Exception as error:  # what pyelftools raises for a header that lies is not always its own
        said = " ".join(str(error).split())
        raise UsageError(f"{path}: not an ELF file that can be read: {said or type(error).__name__:.80}") from None


def _read(path: str, content: bytes) -> Image:
    elf = ELFFile(io.BytesIO(content))
    machine = elf["e_machine"]
    isa = _MACHINES.get(machine)
    if isa == RISCV64 and elf.elfclass == 32:
        isa = RISCV32
    if isa == ARMV7_A and _is_microcontroller(elf):
        isa = ARMV7_M
    if isa is None:
        known = ", ".join(_MACHINES.values())
        raise UsageError(f"e_machine is {machine}, expected an executable of {known}")
    if not elf.little_endian:
        raise UsageError("it is big endian, and shared memory is little endian here")
    if elf["e_type"] != "ET_EXEC":
        raise UsageError(f"e_type is {elf['e_type']}, expected ET_EXEC: a linked executable, not position-independent")
    segments = tuple(_segments(elf, len(content)))
    if not segments:
        raise UsageError("it has no segment to load")
    for one, other in pairwise(sorted(segments, key=lambda each: each.start)):
        if one.start + one.size > other.start:
            raise UsageError(f"two of its segments lie at {other.start:#x}")
    symbols, every = _symbols(elf, arm=machine == "EM_ARM")
    section = elf.get_section_by_name(".amp_shared")
    shared = (section["sh_addr"], section["sh_size"]) if section is not None and section["sh_size"] else None
    return Image(path, image_digest(isa, elf), isa, segments, symbols, every, shared, content)


def _is_microcontroller(elf: Any) -> bool:
    """Tag_CPU_arch_profile is M (Arm IHI 0045, "Target-related attributes")."""
    section = elf.get_section_by_name(".ARM.attributes")
    if section is None:
        return False
    return any(
        attribute.tag == "TAG_CPU_ARCH_PROFILE" and attribute.value in ("M", ord("M"))
        for sub in section.iter_subsections()
        for each in sub.iter_subsubsections()
        for attribute in each.iter_attributes()
    )


def _segments(elf: Any, length: int) -> Any:
    total = 0
    for number, each in enumerate(elf.iter_segments()):
        if each["p_type"] == "PT_INTERP":
            raise UsageError("it is linked dynamically, expected a static executable")
        if each["p_type"] != "PT_LOAD" or each["p_memsz"] == 0:
            continue
        size, start, filled = each["p_memsz"], each["p_vaddr"], each["p_filesz"]
        total += size
        if filled > size or (filled and each["p_offset"] + filled > length):
            raise UsageError(f"segment {number}: {filled} bytes at {each['p_offset']:#x}, the file has {length}")
        if total > MEMORY_LIMIT_BYTES:
            raise UsageError(f"its segments take more than {MEMORY_LIMIT_BYTES} bytes")
        if start + size > 1 << 48:
            raise UsageError(f"segment {number}: address {start:#x} is out of range")
        yield Segment(start, each.data(), size, each["p_flags"] & 7)


def _symbols(elf: Any, *, arm: bool) -> tuple[dict[str, Symbol], tuple[Symbol, ...]]:
    """By name, a global one before a static one; and all."""
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return {}, ()
    if table.num_symbols() > SYMBOLS_LIMIT:
        raise UsageError(f"it has {table.num_symbols()} symbols, expected at most {SYMBOLS_LIMIT}")
    found: dict[str, Symbol] = {}
    every: list[Symbol] = []
    for each in table.iter_symbols():
        kind = each["st_info"]["type"]
        if kind not in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE") or not each.name or each["st_shndx"] == "SHN_UNDEF":
            continue
        if kind == "STT_NOTYPE" and each.name.startswith("$"):
            continue  # mapping symbols of the Arm ABI
        start, is_function = each["st_value"], kind == "STT_FUNC"
        thumb = arm and is_function and bool(start & 1)
        symbol = Symbol(each.name, start & ~1 if thumb else start, each["st_size"], is_function, thumb)
        every.append(symbol)
        if each.name not in found or each["st_info"]["bind"] != "STB_LOCAL":
            found[each.name] = symbol
    return found, tuple(every)
