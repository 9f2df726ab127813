"""Where in a program its accesses stand: a port that keeps, access by access, the caller's file and line.

Loads, stores and barriers are counted as schedules and traces do (amp.machine.script): a kick is a store, an atomic is
a load and, if it stores, a store. Lines of the product's own ports do not count: the line that called them does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from amp.machine.config import LINE_BITS, Instructions, Lines
from amp.port.doors import ModelledPort

Place: TypeAlias = tuple[str, int]  # (path, line); line 0 where there is none
KINDS: Final = ("loads", "stores", "barriers")  # of accesses, as the fields of Lines have them
LINES_LIMIT: Final = 1 << 16  # of each kind; a trace keeps so many events
_AMP: Final = Path(__file__).resolve().parent.parent
_PORTS: Final = tuple(str(_AMP / room) for room in ("port", "explore"))
_WIDTHS: Final = (8, 16, 32, 64)


def place_text(place: Place) -> str:
    """As a reader is told: "handover.py:12"; a place without a line is named by itself: "send+0x1c"."""
    path, line = place
    return f"{Path(path).name}:{line}" if line else path


class Keeping:
    """What a port keeps, whose methods `keeping` has made. `lines` gives it."""

    def __init__(self, *_: Any) -> None:
        self._files: dict[str, int] = {}
        self._loads: list[int] = []
        self._stores: list[int] = []
        self._barriers: list[int] = []
        self._code: Instructions | None = None

    @property
    def lines(self) -> Lines:
        return Lines(
            files=tuple(self._files),
            loads=tuple(self._loads),
            stores=tuple(self._stores),
            barriers=tuple(self._barriers),
            code=self._code,
        )

    def forget(self, loads: int, stores: int, barriers: int) -> None:
        """All but the first so many."""
        del self._loads[loads:], self._stores[stores:], self._barriers[barriers:]

    def take(self, places: tuple[Sequence[tuple[str, int]], ...], code: Instructions) -> None:
        """Where compiled code has made its loads, stores and barriers: (path, line), line 0 where there is none."""
        self._code = code
        for kept, kind in zip((self._loads, self._stores, self._barriers), places, strict=True):
            for path, line in kind:
                _keep(kept, self._place(path, line))

    def _here(self) -> int:
        frame = sys._getframe(2)
        while frame.f_code.co_filename.startswith(_PORTS) and frame.f_back is not None:
            frame = frame.f_back
        return self._place(frame.f_code.co_filename, frame.f_lineno)

    def _place(self, path: str, line: int) -> int:
        number = self._files.setdefault(path, len(self._files))
        return (number << LINE_BITS) | min(line, (1 << LINE_BITS) - 1)


def _keep(places: list[int], place: int) -> None:
    if len(places) < LINES_LIMIT:
        places.append(place)


def _kept(plain: Callable[..., Any], list_name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any) -> Any:
        _keep(getattr(self, list_name), self._here())
        return plain(self, *arguments)

    return method


def _kept_atomic(plain: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, address: int, *operands: int) -> Any:
        place = self._here()
        _keep(self._loads, place)
        old = plain(self, address, *operands)
        if len(operands) == 1 or old == operands[0]:
            _keep(self._stores, place)
        return old

    return method


def keeping(door: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The accesses of `door`, by name, as methods that keep their caller's line: for a class of both kinds."""
    for width in _WIDTHS:
        for name in (f"load_u{width}", f"load_acquire_u{width}"):
            yield name, _kept(getattr(door, name), "_loads")
        for name in (f"store_u{width}", f"store_release_u{width}"):
            yield name, _kept(getattr(door, name), "_stores")
        for name in (f"xchg_u{width}", f"cmpxchg_u{width}", f"fetch_add_u{width}"):
            yield name, _kept_atomic(getattr(door, name))
    for name, list_name in (
        ("read", "_loads"),
        ("write", "_stores"),
        ("kick", "_stores"),
        ("rung", "_loads"),
        ("acknowledge", "_stores"),
        ("barrier", "_barriers"),
        ("fence", "_barriers"),
    ):
        yield name, _kept(getattr(door, name), list_name)


class LinedPort(Keeping, ModelledPort):
    """A ModelledPort that keeps lines."""


for _name, _method in keeping(ModelledPort):
    setattr(LinedPort, _name, _method)
