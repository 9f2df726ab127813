"""Sites before lines of a program's own Python: `before=handover.py:12`, where nothing stands as written.

The port stands at such a site before the line's first access (amp.port.lines). The lines are those of the functions in
the modules that the program's class, and the classes above it, are from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import isclass, isfunction, unwrap
from types import CodeType
from typing import Any

from amp.errors import UsageError
from amp.ordering.barriers import ALL_ORDERS, Kind, Primitive
from amp.ordering.platforms import Side
from amp.ordering.sites import BEFORE, Site
from amp.port.lines import line_name
from amp.users import is_users


def place_sites(cls: type, parts: Mapping[str, Side], lines: Sequence[str]) -> list[Site]:
    """A site before each of these lines; `parts` are the methods that run as such.

    Raises UsageError for what is no line, or a line of each of two files.
    """
    return [_site(cls, parts, line) for line in dict.fromkeys(lines)]


def _site(cls: type, parts: Mapping[str, Side], line: str) -> Site:
    found = [code for code in _codes(cls, parts) if line in _names(code)]
    if not found:
        raise UsageError(
            f"program {cls.__name__}: none of its code stands at {line!r:.80}, so no site can be before it"
        )
    files = sorted({code.co_filename for code in found})
    if len(files) > 1:
        raise UsageError(
            f"program {cls.__name__}: {line!r:.80} may be in {files[0]} or in {files[1]}, so no site can be before it"
        )
    code = found[0]
    sides = {side for part, side in parts.items() if _code_of(getattr(cls, part)) is code}
    return Site(
        BEFORE + line,
        f"no barrier in {code.co_name}",
        needs=ALL_ORDERS,
        kind=Kind.MB,
        side=sides.pop() if len(sides) == 1 else None,
        built=(int(Primitive.NONE),),
        symptom="what the program itself checks",
        source=code.co_filename,
    )


def _codes(cls: type, parts: Mapping[str, Side]) -> Iterator[CodeType]:
    """The functions that the program may run, its parts first; what is inside of one is of it."""
    given = [getattr(cls, part) for part in parts]
    modules = dict.fromkeys(base.__module__ for base in cls.__mro__)
    found = [value for name in modules if _is_users(name) for value in vars(sys.modules[name]).values()]
    classes = [each for each in (*cls.__mro__, *filter(isclass, found)) if _is_users(each.__module__)]
    methods = [value for each in classes for value in vars(each).values()]
    yield from dict.fromkeys(code for each in (*given, *found, *methods) if (code := _code_of(each)) is not None)


def _is_users(module: str) -> bool:
    return is_users(module, getattr(sys.modules.get(module), "__file__", None))


def _code_of(value: Any) -> CodeType | None:
    function: Callable[..., Any] = getattr(value, "__func__", value)
    return unwrap(function).__code__ if isfunction(function) else None


def _names(code: CodeType) -> set[str]:
    """Its lines, and those of what is inside."""
    todo, found = [code], set[str]()
    while todo:
        each = todo.pop()
        found |= {line_name((each.co_filename, line)) for _, _, line in each.co_lines() if line}
        todo += [inner for inner in each.co_consts if isinstance(inner, CodeType)]
    return found
