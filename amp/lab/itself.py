"""What amp is made of: one digest of its own files, sources and compiled core, on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_ROOMS: Final = ("amp", "hostside", "remoteside")
_NO_PART: Final = frozenset({"__pycache__"})


def folders() -> tuple[str, ...]:
    """Where amp's packages lie, absolute."""
    found = []
    for room in _ROOMS:
        spec = find_spec(room)
        found += list(spec.submodule_search_locations or ()) if spec is not None else []
    return tuple(str(Path(each).resolve()) for each in found)


@cache
def digest() -> str:
    """sha256 over names and bytes of all files of amp's packages, as they are when first asked. Raises OSError."""
    whole = hashlib.sha256()
    for folder in folders():
        for path in sorted(_files(Path(folder))):
            content = path.read_bytes()
            whole.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode())
            whole.update(content)
    return whole.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not _NO_PART.intersection(path.parts) and path.is_file():
            yield path
