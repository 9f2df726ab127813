"""Where in a TOML file a key stands: tomllib tells of mistakes in the syntax only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final


def line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """The line of `keys` in a TOML text: the first of the longest beginning of them that has one, from 1 on."""
    best: tuple[int, int] | None = None
    for number, path in _lines(text):
        common = min(len(path), len(keys))
        if path[:common] != keys[:common]:
            continue
        if best is None or common > best[0]:
            best = common, number
    return None if best is None else best[1]


_KEY: Final = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART: Final = re.compile(r"""[\w-]+|"([^"]*)"|'([^']*)'""")


def _lines(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each line that begins a table or a value, with its path. A line inside a text of several may look like one."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        key = _KEY.match(line)
        if header:
            table = _path(header[1])
            yield number, table
        elif key:
            yield number, (*table, *_path(key[1]))


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(next(filter(None, each.groups()), each[0]) for each in _PART.finditer(dotted))
