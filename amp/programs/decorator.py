"""`@amp.program`: a class whose methods are the parts of a protocol becomes a Program.

    @amp.program(layout=box, sites=[publish, consume])
    class Handover:
        def host(self, cpu, at): ...
        def remote(self, cpu, at): ...

A method is called `host` or `remote`, with a number where one side has several parts: `host2`, `remote2`. It is given
its processor's port and the places of the layout. Each run, and in it each part, gets an object of its own: processes
share no Python object. `sizes` are set on it as attributes. A failed `assert`, and any Violation that a part raises, is
the program's finding; every other exception is an error of the program.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from amp.errors import AmpError, FailedCheck, ProgramError, UsageError
from amp.layout import Layout, Placed
from amp.machine.config import RunConfig, Tally
from amp.ordering.platforms import Side
from amp.ordering.sites import Site, Sites
from amp.port.port import Port
from amp.programs.program import Part, Program, Size, Source
from amp.virtio.sites import LINUX, SITES

_PART: Final = re.compile(r"(host|remote)([2-9]?)", re.ASCII)
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
) -> Callable[[type], Program]:
    """Make a Program of a class whose methods are the parts: `host(self, cpu, at)`, `remote(self, cpu, at)`.

    A number behind the name is a further part of that side: `host2`. `cpu` is the part's port, `at` the places of the
    layout. Each run, and in it each part, has an object of its own, with the sizes as attributes. A failed `assert` and
    any Violation that a part raises are findings; another exception is the program's error.

    `layout` is the shared memory, or a function that makes it of the sizes (by keyword). `sites` are the barrier sites
    at which the parts may stand. `sizes` are numbers that a user may choose, by name: a default, or an amp.Size with
    limits. `name` is the class's unless given, `summary` the first line of its docstring. The others are as in
    amp.Program. Raises UsageError for a class without parts, and under `python -O`, which drops the class's asserts.
    """
    frame = sys._getframe(1)
    path = os.path.realpath(frame.f_code.co_filename)

    def decorate(cls: type) -> Program:
        names = sorted((each for each in vars(cls) if _PART.fullmatch(each)), key=_order)
        if not names:
            raise UsageError(
                f"program {cls.__name__}: has no part: define host(self, cpu, at) and remote(self, cpu, at)"
            )
        if not __debug__ and not _keeps_asserts(cls):
            raise UsageError(f"program {cls.__name__}: python -O drops its asserts; run it by its file, or without -O")
        chosen = sites if isinstance(sites, Sites) else Sites(sites)
        built, more = _compiled(cls, names, chosen)
        known = {key: size if isinstance(size, Size) else Size(size) for key, size in sizes.items()}
        places = _places(layout, known)
        found = Program(
            name=name or cls.__name__,
            summary=summary or next(iter((cls.__doc__ or "").strip().splitlines()), ""),
            parts=tuple(Part(each, _side(each), _code(cls, each, places, known)) for each in names),
            memory=places,
            sites=built,
            violations=violations,
            symptoms=symptoms,
            idle=idle,
            sizes=MappingProxyType(known),
            source=_source(path, cls),
            **({"policies": LINUX if chosen is SITES else MappingProxyType({})} | more),
        )
        for size in known:
            if hasattr(cls, size):
                raise UsageError(f"program {cls.__name__}: size {size} is also an attribute of the class")
        return found

    return decorate


def _compiled(cls: type, names: list[str], sites: Sites) -> tuple[Sites, dict[str, Any]]:
    """The sites with those of compiled parts, and what else a program with such parts has."""
    parts: dict[str, Any] = {each: vars(cls)[each] for each in names if getattr(vars(cls)[each], "is_compiled", False)}
    if not parts:
        return sites, {}
    from amp.code import program as code  # noqa: PLC0415  (who has no compiled code loads none of it)

    own = {site.name for site in sites}
    both = Sites((*sites, *(site for site in code.sites_of(parts) if site.name not in own)))
    code.bind(parts, both)
    policies = MappingProxyType({code.AS_BUILT: code.as_built(both)})
    return both, {"policies": policies, "barriers": code.AS_BUILT, "fits": code.fits(parts)}


def _order(name: str) -> tuple[int, str]:
    match = _PART.fullmatch(name)
    assert match is not None, name
    return int(match[2] or 1) + (0 if match[1] == "host" else 10), name


def _side(name: str) -> Side:
    return Side.HOST if name.startswith("host") else Side.REMOTE


def _source(path: str, cls: type) -> Source | None:
    """Where another process finds it; None for a class that is made inside a function, or typed in."""
    if "<locals>" in cls.__qualname__ or not os.path.isfile(path):
        return None
    from amp.programs.loader import digest_of  # noqa: PLC0415  (the loader knows programs)

    return Source(path, cls.__qualname__, digest_of(path))


def _keeps_asserts(cls: type) -> bool:
    """Was the class compiled by amp's loader, which keeps them?"""
    from amp.programs.loader import KEEPS_ASSERTS  # noqa: PLC0415

    return getattr(sys.modules.get(cls.__module__), KEEPS_ASSERTS, False) is True


def _places(layout: Layout | Callable[..., Layout], sizes: Mapping[str, Size]) -> Callable[[RunConfig], Placed]:
    known: dict[tuple[int, ...], Placed] = {}

    def places(config: RunConfig) -> Placed:
        values = {name: _value(config, name) for name in sizes}
        key = tuple(values.values())
        if key not in known:
            made = layout if isinstance(layout, Layout) else layout(**values)
            if not isinstance(made, Layout):
                raise UsageError(f"layout is {made!r:.60}, expected amp.Layout")
            known[key] = made.place()
        return known[key]

    return places


def _value(config: RunConfig, name: str) -> int:
    return int(getattr(config, name)) if name in ("messages", "ring_size") else config.sizes[name]


def _code(
    cls: type, name: str, places: Callable[[RunConfig], Placed], sizes: Mapping[str, Size]
) -> Callable[[Port, RunConfig, Tally], None]:
    def run(port: Port, config: RunConfig, _tally: Tally) -> None:
        part: Any = cls()
        for size in sizes:
            setattr(part, size, _value(config, size))
        try:
            getattr(part, name)(port, places(config).at)
        except AssertionError as error:
            raise FailedCheck.of(error, skip=_OURS) from error
        except UsageError as error:
            raise ProgramError.said(error, skip=_OURS) from error
        except AmpError:
            raise
        except Exception as error:
            raise ProgramError.of(error, skip=_OURS) from error

    run.__module__, run.__qualname__ = cls.__module__, f"{cls.__qualname__}.{name}"
    vars(run)["hazards"] = getattr(vars(cls)[name], "hazards", False) is True
    return run
