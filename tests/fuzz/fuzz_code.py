"""Hostile compiled code: an executable that lies, and machine code that is anything at all. Not a test.

An input is a sound executable of some instruction set, with bytes of an input as its function, then with fields of its
headers overwritten. It is read; and what can be read is run, in a few executions of a few instructions. Whatever it
does ends in a finding, a bound or a refusal of one line.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Final

from fuzz_arena import one_line
from fuzz_input import Input, overwritten

from amp.code import elf
from amp.code.code import Code
from amp.code.program import program_of
from amp.errors import AmpError, UsageError
from amp.explore.explorer import Bounds
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

SHARED: Final = (0x40000000, 0x1000)
AT: Final = 0x20000
CODE_BYTES: Final = 64
MACHINES: Final = ((2, 183), (1, 40), (2, 62), (2, 243), (1, 243))  # (ELF class, e_machine)
STEPS, ROUNDS, RUNS = 2000, 8, 12
_STRINGS: Final = b"\0f\0amp_wmb\0.symtab\0.strtab\0"
_EHDR: Final = {1: struct.Struct("<HHIIIIIHHHHHH"), 2: struct.Struct("<HHIQQQIHHHHHH")}
_PHDR: Final = {1: struct.Struct("<IIIIIIII"), 2: struct.Struct("<IIQQQQQQ")}
_SHDR: Final = {1: struct.Struct("<IIIIIIIIII"), 2: struct.Struct("<IIQQQQIIQQ")}


def _symbol(kind: int, name: int, value: int, size: int) -> bytes:
    if kind == 1:
        return struct.pack("<IIIBBH", name, value, size, 0x12, 0, 1)
    return struct.pack("<IBBHQQ", name, 0x12, 0, 1, value, size)


def executable(kind: int, machine: int, code: bytes, *, thumb: int) -> bytes:
    """`code` as function f at AT, and behind it a function amp_wmb of no bytes of its own."""
    ehdr, phdr, shdr = _EHDR[kind], _PHDR[kind], _SHDR[kind]
    symbols = _symbol(kind, 0, 0, 0) + _symbol(kind, 1, AT | thumb, len(code))
    symbols += _symbol(kind, 3, (AT + len(code) - 4) | thumb, 4)
    head = 16 + ehdr.size
    at_code = head + phdr.size
    at_symbols = at_code + len(code)
    at_strings = at_symbols + len(symbols)
    at_sections = at_strings + len(_STRINGS)
    ident = b"\x7fELF" + bytes([kind, 1, 1]) + bytes(9)
    sizes = (head, phdr.size, 1, shdr.size, 3, 2)
    heads = ident + ehdr.pack(2, machine, 1, AT, head, at_sections, 0, *sizes)
    size = len(code)
    fields = (1, at_code, AT, AT, size, size, 5, 4096) if kind == 1 else (1, 5, at_code, AT, AT, size, size, 4096)
    entry = len(_symbol(kind, 0, 0, 0))
    tables = [
        (0,) * 10,
        (11, 2, 0, 0, at_symbols, len(symbols), 2, 1, 8, entry),
        (19, 3, 0, 0, at_strings, len(_STRINGS), 0, 0, 1, 0),
    ]
    return heads + phdr.pack(*fields) + code + symbols + _STRINGS + b"".join(shdr.pack(*each) for each in tables)


def some_file(source: Input) -> bytes:
    kind, machine = source.choice(MACHINES)
    thumb = source.below(2) if machine == 40 else 0
    lies = source.below(3) == 0
    made = executable(kind, machine, source.take(CODE_BYTES), thumb=thumb)
    return overwritten(source, made) if lies else made


def run(image: elf.Image) -> None:
    """A few executions of its first function."""
    code = Code(image, shared=[SHARED], max_loop=ROUNDS, mailboxes=[(0x48000000, 0)])
    code.settings = replace(code.settings, max_steps=STEPS)
    name = next((each.name for each in image.every if each.is_function), "f")
    plan = make_plan(program_of(code, {"host": code.function(name, SHARED[0], SHARED[0] + 8)}, None), platform="sc")
    explorer_of(plan).explore(Bounds(RUNS, 1.0))


def one_input(data: bytes) -> None:
    """Raises for a file that its reader does not stand, or code that the engine does not."""
    file = some_file(Input(data))
    try:
        image = elf.image_of("hostile.elf", file)
    except UsageError as error:
        one_line(error)
        return
    try:
        run(image)
    except AmpError as error:
        if error.exit_status not in (1, 2, 3):  # whatever else it is, it is the tool's
            raise
        one_line(error)
