"""Programs of two CPUs as data: statements that are Python source, so a program is shrunk by deletion. Not a test.

A part is a function of its port. Its names are there from the start, so whatever is deleted, the rest still runs:
`w0`.. hold numbers (a loaded `Word` or an int), `o0`, `o1` what the other CPU told of its own, `b0`, `b1` payloads of
bulk loads, `g0` a generator, `t0` a list. It ends by returning what it saw, as plain values; how it looks at its names
is part of the program.
"""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import functools
import itertools
import math
import operator
import pickle
import re
import struct
import textwrap
import types
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy

from amp._core._bridge import Word
from amp.errors import AccessFault, Stall, Violation
from amp.explore.explorer import Machine
from amp.ordering.barriers import BarrierClass, Primitive
from amp.ordering.platforms import PLATFORMS
from amp.ordering.sites import SiteMap
from amp.virtio.sites import SITES

MEMORY_BYTES = 1024
SIDES = ("host", "remote")
WORDS, OTHERS, PAYLOADS = ("w0", "w1", "w2"), ("o0", "o1"), ("b0", "b1")
X, Y, Z = 0x40, 0x80, 0xC0
APART = 0x100  # one CPU alone acts on it atomically, the other stores there and never loads
THERE = 0x140  # where one CPU tells the other what it has
FAILED = 97  # what a computation gives that Python refuses
NEVER = {8: 0x5D, 16: 0x5D5D, 32: 0x5D5D5D5D, 64: 0x5D5D5D5D5D5D5D5D}  # values that no program stores
CANNOT_SLEEP = "# its own kick wakes it"


@dataclass(frozen=True)
class Twin:
    """The statement in other words: what they can lead to, it can as well; and nothing else, if `exactly`."""

    by: Statement
    exactly: bool = True


@dataclass(frozen=True)
class Statement:
    """Lines of Python. If there is a `body` it is what the last line of `head` opens; `tail` comes after it."""

    head: tuple[str, ...]
    body: tuple[Statement, ...] = ()
    tail: tuple[str, ...] = ()
    twin: Twin | None = None

    def lines(self) -> Iterator[str]:
        yield from self.head
        for line in itertools.chain.from_iterable(each.lines() for each in self.body):
            yield f"    {line}"
        if not self.body and self.head and self.head[-1].endswith(":"):
            yield "    pass"
        yield from self.tail


Block = tuple[Statement, ...]
Functions = tuple[Callable[[Any], tuple[Any, ...]], ...]


def line(text: str, twin: str | None = None, *, exactly: bool = True) -> Statement:
    return Statement((text,), twin=None if twin is None else Twin(Statement(tuple(twin.split("\n"))), exactly))


@dataclass(frozen=True)
class Program:
    """A part and what it returns for each side, and the machine: a platform's name, and what stands at the sites."""

    parts: tuple[Block, Block]
    seen: tuple[tuple[str, ...], tuple[str, ...]]
    platform: str
    sites: BarrierClass = BarrierClass.NONE

    def source(self) -> str:
        return "\n\n".join(self.function(cpu) for cpu in range(2))

    def function(self, cpu: int) -> str:
        used = "\n".join([*(text for each in self.parts[cpu] for text in each.lines()), *self.seen[cpu]])
        names = [(name, "0") for name in (*WORDS, *OTHERS)] + [(name, 'b"\\0"') for name in PAYLOADS]
        names += [("g0", "iter(())"), ("t0", "[]")]
        first = [f"{name} = {value}" for name, value in names if re.search(rf"\b{name}\b", used)]
        body = [*first, *(text for each in self.parts[cpu] for text in each.lines())]
        body.append(f"return ({', '.join(self.seen[cpu])}{',' if len(self.seen[cpu]) == 1 else ''})")
        return "\n".join([f"def {SIDES[cpu]}(port):", *(f"    {text}" for text in body)])

    def functions(self) -> Functions:
        space = dict(SPACE)
        exec(compile(self.source(), "<program>", "exec"), space)
        return tuple(space[side] for side in SIDES)

    def machine(self) -> Machine:
        return Machine(PLATFORMS[self.platform], SiteMap.for_class(self.sites, SITES), (0, MEMORY_BYTES))

    def size(self) -> int:
        return sum(len(list(each.lines())) for part in self.parts for each in part)

    def rings_itself(self) -> bool:
        return any(re.search(rf"port\.kick\(({cpu}|w)", self.function(cpu)) for cpu in range(2))

    def on(self, platform: str) -> Program:
        return replace(self, platform=platform)


@dataclass(frozen=True)
class GivenProgram(Program):
    """One whose parts are functions already."""

    given: Functions = ()

    def functions(self) -> Functions:
        return self.given


# --- what a program's source can name ---------------------------------------------------------------------------------


@dataclass
class Header:
    """A record that holds what was loaded."""

    word: Any


def attempt(compute: Callable[[], Any]) -> Any:
    """What comes of it, or FAILED where Python or the port refuses it."""
    try:
        return compute()
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, AccessFault, struct.error):
        return FAILED


def told(compute: Callable[[], Any]) -> int:
    """What the port's complaint tells, as a number: the sum of all numbers in its text; 0 without a complaint."""
    try:
        compute()
    except (OverflowError, AccessFault) as error:
        return sum(map(int, re.findall(r"\d+", str(error)))) % 1000
    return 0


def carried(word: Any) -> Any:
    """The same through an exception."""
    try:
        raise LookupError(word)
    except LookupError as error:
        return error.args[0]


def missed(word: Any) -> Any:
    """... through the KeyError of a dict that has no such key."""
    nothing: dict[Any, Any] = {}
    try:
        return nothing[word]
    except KeyError as error:
        return error.args[0]


def returned(word: Any) -> Any:
    """... through a generator's end."""

    def ends() -> Generator[int, None, Any]:
        yield 0
        return word

    run = ends()
    try:
        while True:
            next(run)
    except StopIteration as end:
        return end.value


def again(word: Any) -> Any:
    """A Word made anew from the value and the time of one, where it has one."""
    return Word(word, getattr(word, "time", 0)) if isinstance(word, Word) else word


class Slots:
    """An object that holds what was loaded."""

    __slots__ = ("word",)

    def __init__(self, word: Any) -> None:
        self.word = word


MODULES = (array, collections, copy, dataclasses, functools, itertools, math, numpy, operator, pickle, struct, types)
HELPERS = (AccessFault, Header, Slots, Word, again, attempt, carried, missed, returned, told)
SPACE: dict[str, Any] = {
    **{module.__name__: module for module in MODULES},
    **{helper.__name__: helper for helper in HELPERS},
    **{site.name: site for site in SITES},
    **{"P": Primitive, "X": X, "Y": Y, "Z": Z, "APART": APART, "THERE": THERE},
}
HEADER = """\
import sys
sys.path.insert(0, "tests/explore")  # run from the project's folder
from python_programs import *
from python_programs import SPACE
globals().update(SPACE)
"""


def runnable(program: Program, why: str = "") -> str:
    """A script that shows on its own what each of the judges says of the program."""
    judged = f"judge_script(host, remote, {program.platform!r}, {program.sites.value!r})"
    text = textwrap.indent(why, "# ", lambda _: True)
    return f"{text}\n{HEADER}from program_judges import judge_script\n\n{program.source()}\n\n{judged}\n"


# --- what came of a run -----------------------------------------------------------------------------------------------


class Seen(Violation):
    """What was asked for came about."""


Place = tuple[int, tuple[Any, ...]]  # a line of the part, and its numbers there


@dataclass(frozen=True)
class Fact:
    """Something that a violation could be about: one CPU's end, or where everybody was stuck."""

    cpu: int  # -1: a stall
    what: tuple[Any, ...]

    def __str__(self) -> str:
        if self.cpu >= 0:
            return f"{SIDES[self.cpu]} returned {self.what}"
        places = zip(SIDES, self.what, strict=True)
        stuck = [f"{side} at line {at[0]} with {at[1]}" for side, at in places if at is not None]
        return f"stuck: {'; '.join(stuck)}"


def place_of(stall: Stall, function: Callable[..., Any]) -> Place:
    """Where the part stood when it was told that nothing will come, and what it had."""
    trace = stall.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code is function.__code__:
            names = [name for name in WORDS if isinstance(frame.f_locals.get(name), int | Word)]
            offset = trace.tb_lineno - function.__code__.co_firstlineno
            return offset, tuple(int(frame.f_locals[name]) for name in names)
        trace = trace.tb_next
    raise AssertionError("the stall was not raised inside the part")
