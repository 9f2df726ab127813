"""`@amp.program`: a class whose methods are the parts of a protocol becomes a Program.

    @amp.program(layout=box, sites=[publish, consume])
    class Handover:
        def host(self, cpu, at): ...
        def remote(self, cpu, at): ...

A method is called `host` or `remote`, with a number where one side has several parts: `host2`, `remote2`; it may be
inherited. It is given its processor's port and the places of the layout. Each run, and in it each part, gets an object
of its own: processes share no Python object. `sizes` are set on it as attributes. A failed `assert`, and any Violation
that a part raises, is the program's finding; every other exception is an error of the program.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, isasyncgenfunction, iscoroutinefunction, isfunction, isgeneratorfunction, signature
from pathlib import Path
from types import CodeType, MappingProxyType
from typing import Any, Final

from amp.errors import AccessFault, AmpError, FailedCheck, PeerFinished, ProgramError, Stall, UsageError
from amp.layout import Layout, Placed
from amp.machine.config import RunConfig, Tally
from amp.ordering.platforms import Side
from amp.ordering.sites import Site, Sites
from amp.port.port import Polling, Port
from amp.programs.program import Part, Program, Size, Source
from amp.virtio.sites import LINUX, SITES

_PART: Final = re.compile(r"(host|remote)([2-6]?)", re.ASCII)
_LIKE_A_PART: Final = re.compile(r"(host|remote)_?[0-9]+", re.ASCII)
_PYTHON_LINE: Final = re.compile(r".+\.py:\d+")  # lines of compiled code are of files with other endings
_PART_TAKES: Final = 3  # self, cpu, at
_OURS: Final = str(Path(__file__).resolve().parents[1]) + os.sep


def program(
    *,
    layout: Layout | Callable[..., Layout],
    sites: Iterable[Site] | Sites = (),
    sizes: Mapping[str, int | Size] = MappingProxyType({}),
    name: str | None = None,
    summary: str | None = None,
    violations: str = "a failed check, or all parts asleep with work left",
    symptoms: Mapping[Site, str] = MappingProxyType({}),
    idle: Mapping[Site, str] = MappingProxyType({}),
    apart: Iterable[str] = (),
) -> Callable[[type], Program]:
    """Make a Program of a class whose methods are the parts: `host(self, cpu, at)`, `remote(self, cpu, at)`.

    A number behind the name is a further part of that side: `host2`. `cpu` is the part's port, `at` the places of the
    layout. Each run, and in it each part, has an object of its own, with the sizes as attributes. A failed `assert` and
    any Violation that a part raises are findings; another exception is the program's error.

    `layout` is the shared memory, or a function of some sizes that returns it. `sites` are the barrier sites at which
    the parts may stand. `sizes` are numbers that a user may choose, by name: a default, or an amp.Size with limits.
    `name` is the class's unless given, `summary` the first line of its docstring. The others are as in amp.Program.

    Processors are numbered host, remote, host2, remote2, ..., as far as they are there. Parts of one side are siblings,
    CPUs of one inner domain; those named in `apart` have no siblings. Raises UsageError for a class without parts, for
    a part that is no plain function of (self, cpu, at), for a method of that shape which is no part and which no other
    calls, and under `python -O`, which drops the class's asserts.
    """
    alone = frozenset(apart)

    def decorate(cls: type) -> Program:
        names = sorted((each for each in dir(cls) if _PART.fullmatch(each)), key=_order)
        if not names:
            raise UsageError(
                f"program {cls.__name__}: has no part: define host(self, cpu, at) and remote(self, cpu, at)"
            )
        for each in dir(cls):
            if _LIKE_A_PART.fullmatch(each) and each not in names:
                raise UsageError(
                    f"program {cls.__name__}: {each} is no part: they are host, host2 ... remote, remote2 ..."
                )
        for each in names:
            _check_part(cls, each)
        _check_others(cls, names)
        if not __debug__ and not _keeps_asserts(cls):
            raise UsageError(f"program {cls.__name__}: python -O drops its asserts; run it by its file, or without -O")
        if unknown := alone.difference(names):
            has = ", ".join(names)
            raise UsageError(f"program {cls.__name__}: apart names {min(unknown)!r:.80}, its parts are {has}")
        chosen = sites if isinstance(sites, Sites) else Sites(sites)
        known = {key: size if isinstance(size, Size) else Size(size) for key, size in sizes.items()}
        places = _places(layout, known)
        for size in known:
            if hasattr(cls, size):
                raise UsageError(f"program {cls.__name__}: size {size} is also an attribute of the class")

        def made(before: Sequence[str]) -> Program:
            all_sites, compiled, more = _sited(cls, names, chosen, before)
            return Program(
                name=name or cls.__name__,
                summary=summary or next(iter((cls.__doc__ or "").strip().splitlines()), ""),
                parts=tuple(
                    Part(each, _side(each), _code(cls, each, places, known, compiled.get(each)), each in alone)
                    for each in names
                ),
                memory=places,
                sites=all_sites,
                violations=violations,
                symptoms=symptoms,
                idle=idle,
                sizes=MappingProxyType(known),
                source=_source(cls),
                with_places=made,
                **({"policies": LINUX if chosen is SITES else MappingProxyType({})} | more),
            )

        return made(())

    return decorate


def _sited(
    cls: type, names: list[str], sites: Sites, before: Sequence[str]
) -> tuple[Sites, Mapping[str, Any], dict[str, Any]]:
    """The sites with those of compiled parts and `before` these lines; those parts; what else such a program has.

    Each program has compiled parts of its own: they know its sites by their numbers.
    """
    inside = [each for each in before if _PYTHON_LINE.fullmatch(each)]
    if inside:
        from amp.programs.places import place_sites  # noqa: PLC0415  (few programs have any)

        sites = Sites([*sites, *place_sites(cls, {each: _side(each) for each in names}, inside)])
    given: dict[str, Any] = {each: getattr(cls, each) for each in names}
    parts = {each: part.again() for each, part in given.items() if getattr(part, "is_compiled", False)}
    ahead = [each for each in before if each not in inside]
    if not parts:
        if ahead:
            raise UsageError(f"program {cls.__name__}: {ahead[0]!r:.80} is no line of Python, FILE.py:LINE")
        return sites, parts, {}
    from amp.code import program as code  # noqa: PLC0415  (who has no compiled code loads none of it)
    from amp.code.sites import sites_of  # noqa: PLC0415

    both = sites_of(parts, ahead, own=sites)
    policies = MappingProxyType({code.AS_BUILT: code.as_built(both)})
    return both, parts, {"policies": policies, "barriers": code.AS_BUILT, "fits": code.fits(parts)}


def _order(name: str) -> tuple[int, str]:
    """host, remote, host2, remote2, ...: so amp.HOST and amp.REMOTE are those wherever both are there."""
    match = _PART.fullmatch(name)
    assert match is not None, name
    return int(match[2] or 1), match[1]


def _check_part(cls: type, name: str) -> None:
    """Raises UsageError for what does nothing when it is called as a part is."""
    part = getattr(cls, name)
    for what, holds in (
        ("no function", not callable(part)),
        ("a generator function", isgeneratorfunction(part) or isasyncgenfunction(part)),
        ("a coroutine function", iscoroutinefunction(part)),
    ):
        if holds:
            raise UsageError(f"program {cls.__name__}: part {name} is {what}, expected a plain function")
    if isfunction(part) and not _takes(part, _PART_TAKES):
        raise UsageError(
            f"program {cls.__name__}: part {name} is {name}{signature(part)}, expected {name}(self, cpu, at)"
        )


def _check_others(cls: type, names: list[str]) -> None:
    """Raises UsageError for a method that looks like a part under another name: it would never run."""
    methods = [(each, value) for base in cls.__mro__ for each, value in vars(base).items() if isfunction(value)]
    alike = [name for name, method in methods if name not in names and name[0] != "_" and _takes(method, _PART_TAKES)]
    if not alike:
        return
    beside = vars(sys.modules[cls.__module__]).values() if cls.__module__ in sys.modules else ()
    called = {
        name for value in (*(value for _, value in methods), *beside) if isfunction(value) for name in _named(value)
    }
    for each in alike:
        if each not in called:
            raise UsageError(
                f"program {cls.__name__}: {each} is no part, and no other method calls it: "
                "parts are host, host2 ... remote, remote2 ..."
            )


def _named(function: Callable[..., Any]) -> set[str]:
    """The names that it uses, also inside of lambdas, and as texts."""
    todo, found = [function.__code__], set[str]()
    while todo:
        code = todo.pop()
        found.update(code.co_names)
        found.update(each for each in code.co_consts if isinstance(each, str))
        todo += [each for each in code.co_consts if isinstance(each, CodeType)]
    return found


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Can it be called with so many arguments, by position?"""
    try:
        signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


def _side(name: str) -> Side:
    return Side.HOST if name.startswith("host") else Side.REMOTE


def _source(cls: type) -> Source | None:
    """Where another process finds it; None for a class that is made inside a function, or typed in."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if "<locals>" in cls.__qualname__ or file is None or not os.path.isfile(file):
        return None
    from amp.programs.loader import digest_of  # noqa: PLC0415  (the loader knows programs)

    path = os.path.realpath(file)
    return Source(path, cls.__qualname__, digest_of(path), module=cls.__module__)


def _keeps_asserts(cls: type) -> bool:
    """Was the class compiled by amp's loader, which keeps them?"""
    from amp.programs.loader import KEEPS_ASSERTS  # noqa: PLC0415

    return getattr(sys.modules.get(cls.__module__), KEEPS_ASSERTS, False) is True


def _places(layout: Layout | Callable[..., Layout], sizes: Mapping[str, Size]) -> Callable[[RunConfig], Placed]:
    known: dict[tuple[int, ...], Placed] = {}
    asked = [] if isinstance(layout, Layout) else _asked(layout, sizes)

    def places(config: RunConfig) -> Placed:
        values = {name: _value(config, name) for name in sizes}
        key = tuple(values.values())
        if key not in known:
            made = layout if isinstance(layout, Layout) else layout(**{name: values[name] for name in asked})
            if not isinstance(made, Layout):
                raise UsageError(f"layout is {made!r:.60}, expected amp.Layout")
            known[key] = made.place()
        return known[key]

    return places


def _asked(layout: Callable[..., Layout], sizes: Mapping[str, Size]) -> list[str]:
    """The sizes that the function takes: those it names, or all. Raises UsageError for a parameter that is no size."""
    parameters = signature(layout).parameters.values()
    if any(each.kind is Parameter.VAR_KEYWORD for each in parameters):
        return list(sizes)
    for each in parameters:
        if each.name not in sizes and each.default is Parameter.empty:
            has = ", ".join(sizes) or "none"
            raise UsageError(f"layout takes {each.name}, which is no size of the program (it has {has})")
    return [each.name for each in parameters if each.name in sizes]


def _value(config: RunConfig, name: str) -> int:
    return int(getattr(config, name)) if name in ("messages", "ring_size") else config.sizes[name]


def _code(
    cls: type, name: str, places: Callable[[RunConfig], Placed], sizes: Mapping[str, Size], compiled: Any
) -> Callable[[Port, RunConfig, Tally], None]:
    """The part as a process runs it; `compiled` is the function of an ELF file that it is, None of Python's."""

    def run(port: Port, config: RunConfig, _tally: Tally) -> None:
        try:
            if isinstance(port, Polling):
                port.limits_end = True
            if (begin := getattr(port, "begin", None)) is not None:  # of a port that knows its caller's lines
                begin()
            part: Any = cls()
            for size in sizes:
                setattr(part, size, _value(config, size))
            (compiled or getattr(part, name))(port, places(config).at)
        except AssertionError as error:
            raise FailedCheck.of(error, skip=_OURS) from error
        except (Stall, PeerFinished) as error:  # who waits when all others have ended has stalled
            raise Stall.of(error, skip=_OURS) from error
        except (UsageError, AccessFault) as error:
            raise ProgramError.said(error, skip=_OURS) from error
        except AmpError:
            raise
        except Exception as error:
            raise ProgramError.of(error, skip=_OURS) from error

    run.__module__, run.__qualname__ = cls.__module__, f"{cls.__qualname__}.{name}"
    vars(run)["of_class"] = cls  # what it may keep between runs is looked for there
    if compiled is not None:
        vars(run).update(hazards=compiled.hazards, compiled=compiled)
    return run
