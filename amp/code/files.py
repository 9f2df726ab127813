"""Source files of compiled code by name: the end of the path, as long as tells it from others of the program.

Two spellings are one file if one of them ends as the other does whole: what a unit was compiled from is told from where
its compiler was started, or from the root.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from os.path import normpath

from amp.port.lines import Place

Parts = tuple[str, ...]


def _parts(path: str) -> Parts:
    found = [part for part in normpath(path).split("/") if part not in ("", ".")]
    return tuple(part for number, part in enumerate(found) if part != ".." or any(p != ".." for p in found[:number]))


def _is_end(short: Parts, whole: Parts) -> bool:
    return whole[-len(short) :] == short


class Files:
    """All that a program is of, by path."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._alike: dict[str, set[Parts]] = {}
        for path in paths:
            parts = _parts(path)
            if parts:
                self._alike.setdefault(parts[-1], set()).add(parts)

    def text(self, place: Place) -> str:
        """ "ring.c:12"; of two files of that name "host/ring.c:12"; a place without a line is named by itself."""
        path, line = place
        if not line:
            return path
        own = _parts(path)
        if not own:
            return f"{path}:{line}"
        others = {each for each in self._alike.get(own[-1], ()) if not _is_end(each, own) and not _is_end(own, each)}
        return f"{'/'.join(own[-_length(own, others) :])}:{line}"


def _length(own: Parts, others: Collection[Parts]) -> int:
    return next((n for n in range(1, len(own)) if not any(_is_end(own[-n:], each) for each in others)), len(own))


def _word(text: str) -> str:
    return re.sub(r"[^\w.:+-]", "_", text, flags=re.ASCII)


def are_called(places: Sequence[Place], name: str) -> bool:
    """Are these, from the inmost on, what somebody calls "ring.h:3@host/ring.c:12"? Each by the end of its path."""
    words = name.split("@")
    return len(words) == len(places) and all(_is_called(place, word) for place, word in zip(places, words, strict=True))


def _is_called(place: Place, word: str) -> bool:
    path, line = place
    if not line:
        return _word(path) == _word(word)
    file, _, number = word.rpartition(":")
    own, wanted = _parts(path), _word(file.removeprefix("./"))
    return number == str(line) and any(_word("/".join(own[-n:])) == wanted for n in range(1, len(own) + 1))


def are_one(one: Sequence[Place], other: Sequence[Place]) -> bool:
    """Two spellings of the same places."""
    return len(one) == len(other) and all(
        a[1] == b[1] and (_is_end(_parts(a[0]), _parts(b[0])) or _is_end(_parts(b[0]), _parts(a[0])))
        for a, b in zip(one, other, strict=True)
    )
