"""An ELF file as a program: `ring.elf?host=send&remote=receive,3&shared=0x40000000:0x1000`.

A part may be of another file: `host=send&remote=m3.elf:receive`. `before=ring.c:77` makes a site right before that
line's accesses, where nothing stands as built: a place to try a barrier at.

The parts are functions, the sites are what orders of the code that they may come to (amp.code.sites). As built, at each
site stands what the compiler put there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from amp.code.code import Code, Function
from amp.code.elf import Image, read
from amp.code.engine import MAX_LOOP, Window
from amp.code.identity import program_digest
from amp.code.listing import Line, Listing
from amp.code.sites import side_of, sites_of
from amp.errors import UsageError
from amp.machine.config import RunConfig, Tally
from amp.machine.wiring import VRINGS_AT
from amp.ordering.barriers import BarrierClass, Primitive, primitive_for
from amp.ordering.instructions import ARMV7_A, BY_NUMBER, FITS
from amp.ordering.platforms import PLATFORMS, Platform
from amp.ordering.sites import SiteMap, Sites
from amp.port.port import Port
from amp.programs.program import Part, Program, Source
from amp.programs.room import small_region
from amp.region import Layout as RegionLayout

AS_BUILT: Final = "as-built"
ASKED: Final = ("shared", "mailbox", "status", "ack", "drain", "max-loop", "before")  # of a reference, beside its parts
_PART: Final = re.compile(r"(host|remote)([2-9]?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ElfSource(Source):
    """The file, and in place of a name what the program is made of."""

    @property
    def reference(self) -> str:
        return f"{self.path}?{self.name}"


@dataclass(frozen=True, slots=True)
class Windows:
    """The shared memory: amp.programs.program.Memory."""

    code: Code

    def layout(self, model_bytes: int) -> RegionLayout:
        return small_region(VRINGS_AT + sum(each.size for each in self.code.windows), model_bytes)

    def name_of(self, address: int) -> str:
        """The variable, or the address as the code has it."""
        for window in self.code.windows:
            if window.region <= address < window.region + window.size:
                return self._named(window, address - window.region)
        return f"{address:#x}"

    def _named(self, window: Window, offset: int) -> str:
        return self.code.image.name_at(window.start + offset) or f"{window.start + offset:#x}"


def load(reference: str) -> Program:
    """The program that a reference names. Raises UsageError that says what is wrong with it."""
    path, _, query = reference.partition("?")
    asked = _parsed(path, query)
    mailboxes = [_two_numbers(path, "mailbox", each) for each in asked["mailbox"]]
    statuses = [_two_numbers(path, "status", each if ":" in each else f"{each}:1") for each in asked["status"]]
    acknowledges = [_number(path, "ack", each) for each in asked["ack"]]
    drains = [_number(path, "drain", each) for each in asked["drain"]]
    loops = [_number(path, "max-loop", each) for each in asked["max-loop"]] or [MAX_LOOP]
    named = {name: texts[-1].rpartition(":") for name, texts in asked.items() if _PART.fullmatch(name)}
    whole = {name: (str(Path(file if colon else path).resolve()), text) for name, (file, colon, text) in named.items()}
    for name, (file, colon, text) in named.items():
        asked[name][-1] = f"{Path(file).resolve()}:{text}" if colon else text
    first = str(Path(path).resolve())
    images = {file: read(file) for file in dict.fromkeys([first, *(file for file, _ in whole.values())])}
    if not named:
        raise UsageError(f"{path}: --host and --remote name the functions that the processors run")
    shared = [_two_numbers(path, "shared", each) for each in asked["shared"]] or _own_windows(path, images)
    codes = {
        file: Code(
            image,
            shared=shared,
            mailboxes=mailboxes,
            statuses=statuses,
            acknowledges=acknowledges,
            drains=drains,
            max_loop=loops[-1],
        )
        for file, image in images.items()
    }
    if drains and not any(each.listing.isa.name == ARMV7_A for each in codes.values()):
        raise UsageError(f"{path}: --drain is for code of Armv7-A, whose outer cache a DSB does not drain")
    parts = {name: _function(codes[file], text) for name, (file, text) in whole.items()}
    query = "&".join(f"{name}={text}" for name, texts in asked.items() for text in texts)
    return program_of(codes[first], parts, ElfSource(images[first].path, query, ""), asked["before"])


def _own_windows(path: str, images: Mapping[str, Image]) -> list[tuple[int, int]]:
    """The shared memory that the files themselves name; where two begin at one place, the larger. Raises UsageError."""
    own = sorted(each.own_window for each in images.values() if each.own_window is not None)
    if not own:
        raise UsageError(f"{path}: --shared says where the shared memory is: ADDRESS:BYTES (it names none itself)")
    return list(dict(own).items())


def program_of(code: Code, parts: Mapping[str, Function], source: Source | None, before: Sequence[str] = ()) -> Program:
    """A program whose parts are functions of one file; `before` are lines that get a site of their own."""
    sites = sites_of(parts, before)
    if source is not None:
        source = replace(source, sha256=program_digest(parts))
    ordered = sorted(parts, key=lambda name: (name.startswith("remote"), name))
    memory = Windows(code)
    return Program(
        name=Path(code.image.path).name,
        summary=f"compiled code, {code.listing.isa.title}: "
        + ", ".join(f"{name} runs {parts[name].name}" for name in ordered),
        parts=tuple(Part(name, side_of(name), _run(parts[name])) for name in ordered),
        memory=lambda _: memory,
        sites=sites,
        violations="a failed amp_assert, a wild access, an undefined instruction, or all parts asleep with work left",
        policies=MappingProxyType({AS_BUILT: as_built(sites)}),
        barriers=AS_BUILT,
        fits=fits(parts),
        source=source,
        with_places=lambda before: program_of(code, {name: each.again() for name, each in parts.items()}, None, before),
    )


def as_built(sites: Sites) -> SiteMap:
    """At each site of compiled code what the compiler put there; elsewhere the mandatory barrier."""
    return SiteMap(
        AS_BUILT,
        sites,
        tuple(Primitive.AS_BUILT if site.built else primitive_for(BarrierClass.MANDATORY, site.kind) for site in sites),
    )


def _run(function: Function) -> Callable[[Port, RunConfig, Tally], None]:
    def run(port: Port, _config: RunConfig, tally: Tally) -> None:
        try:
            function(port)
        finally:
            tally.said = tuple(text for _, text in function.engine.core.said())

    run.__module__, run.__qualname__ = function.code.image.path, function.name
    vars(run).update(hazards=function.hazards, compiled=function)
    return run


# --- does the code fit a platform?


def _architecture(platform: Platform, part: str) -> str:
    return platform.processor(side_of(part)).architecture.name


def fits(parts: Mapping[str, Function]) -> Callable[[Platform], str]:
    """What a platform makes of the code's barriers, in words; raises UsageError where its processor has none."""

    def said(platform: Platform) -> str:
        native: list[str] = []
        for name, part in parts.items():
            code, isa = part.code, part.code.listing.isa
            architecture = _architecture(platform, name)
            found = _native(code.listing, part.entry)
            if found is None:
                continue
            if architecture not in FITS[isa.name]:
                fit = [each.name for each in PLATFORMS.values() if _architecture(each, name) in FITS[isa.name]]
                raise UsageError(
                    f"{code.image.path}: {code.listing.place(found.address)}: `{found.text}` is {isa.title}'s, and the "
                    f"{side_of(name).value} of {platform.name} is {architecture}; it fits {', '.join(fit)}; code for "
                    "any platform uses the symbolic barriers of amp_code.h"
                )
            native.append(isa.title)
        if native:
            return f"barriers as compiled ({', '.join(dict.fromkeys(native))})"
        if not any(part.sites for part in parts.values()):
            return "no barrier in the code"
        return f"symbolic barriers, as {platform.name} has them"

    return said


def _native(listing: Listing, entry: int) -> Line | None:
    """An instruction, of those that the function may come to, that orders by itself."""
    for function in listing.reachable(entry):
        for line in function.values():
            row = line.row
            if any(number in BY_NUMBER for number in (row.load_by, row.store_by)):
                return line
    return None


# --- the reference


def _parsed(path: str, query: str) -> dict[str, list[str]]:
    asked: dict[str, list[str]] = {name: [] for name in ASKED}
    for word in filter(None, query.split("&")):
        name, equals, value = word.partition("=")
        if not equals or (name not in asked and not _PART.fullmatch(name)):
            raise UsageError(f"{path}: {word!r:.80} says nothing of a program (host, remote, {', '.join(ASKED)})")
        asked.setdefault(name, []).append(value)
    return asked


def _number(path: str, what: str, text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"{path}: {what} is {text!r:.80}, expected a number") from None


def _two_numbers(path: str, what: str, text: str) -> tuple[int, int]:
    first, colon, second = text.partition(":")
    if not colon:
        raise UsageError(f"{path}: {what} is {text!r:.80}, expected two numbers with a colon between")
    return _number(path, what, first), _number(path, what, second)


def _function(code: Code, text: str) -> Function:
    name, *arguments = text.split(",")
    return code.function(name, *(_number(code.image.path, "an argument", each) for each in arguments))
