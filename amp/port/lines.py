"""Where in a program its accesses stand: a port that knows its caller's file and line.

It keeps them, access by access. Loads, stores and barriers are counted as schedules and traces do
(amp.machine.schedule): a kick is a store, an atomic is a load and, if it stores, a store. Lines of the product's own
ports do not count: the line that called them does.

It also stands at the sites before lines (`before:handover.py:12`), each time that such a line makes its first access. A
poll is one line: its looks, made as often as it takes, are behind the site.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, TypeAlias

from amp.machine.config import LINE_BITS, Instructions, Lines
from amp.ordering.barriers import Primitive
from amp.ordering.sites import BEFORE, Site, SiteMap
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


def line_word(text: str) -> str:
    """A line's text in the characters of a site's name, as many as one may have: the last."""
    name = re.sub(r"[^\w.:+@-]", "_", text, flags=re.ASCII)
    return (name if name[0].isalpha() or name[0] == "_" else f"_{name}")[-64 + len(BEFORE) :]


def line_name(place: Place) -> str:
    """What `before=` calls a line of Python: "handover.py:12"."""
    return line_word(place_text(place))


def of_line(site: Site) -> bool:
    """Is it a place before a line of Python, at which a port has to stand by itself? Compiled code has its own."""
    return site.is_place and not site.isas


def _stands_before(site: Site) -> Place:
    """The line that the site stands before: its file by the whole path, for two may have one name."""
    line = site.name.rpartition(":")[2]
    return site.source, int(line) if line.isdecimal() else 0


def stands_ahead(sites: SiteMap) -> bool:
    """Has a run something to do before a line of Python?"""
    return any(of_line(site) and barrier is not Primitive.AS_BUILT for site, barrier in sites.items())


class Keeping:
    """What a port keeps, whose methods `keeping` has made. `lines` gives it.

    The last of what a port is made of are the barriers at its sites (doors.site_bytes), anything, and their numbers.
    """

    def __init__(self, standing: bytes, numbers: Mapping[Site, int]) -> None:
        self._ahead = {
            _stands_before(site): number
            for site, number in numbers.items()
            if of_line(site) and standing[number] != Primitive.AS_BUILT
        }
        self._known: dict[Place, int] = {}  # the site before a line, 0 if there is none
        self._stood: tuple[CodeType, int, int] | None = None  # the last access's line, and how far in its code it was
        self._looks = False
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

    def begin(self) -> None:
        """A run begins: nothing goes on from the one before."""
        self._stood, self._looks = None, False

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
        """The caller's line; what is to be done before it is done."""
        frame = sys._getframe(2)
        while frame.f_code.co_filename.startswith(_PORTS) and frame.f_back is not None:
            frame = frame.f_back
        if self._ahead and not self._looks:
            self._stand_ahead(frame)
        return self._place(frame.f_code.co_filename, frame.f_lineno)

    def _stand_ahead(self, frame: FrameType) -> None:
        """Stand at the site before the frame's line, unless the line has made an access before and only goes on."""
        place = frame.f_code.co_filename, frame.f_lineno
        site = self._known.get(place)
        if site is None:
            site = self._known[place] = self._ahead.get(place, 0)
        stood, self._stood = self._stood, (frame.f_code, frame.f_lineno, frame.f_lasti)
        goes_on = stood is not None and stood[:2] == self._stood[:2] and stood[2] < frame.f_lasti
        if site and not goes_on:
            self._stand(site)

    def _stand(self, site: int) -> None:
        """At the site of that number."""
        looks, self._looks = self._looks, True  # the barrier is no access of the line
        try:
            self.barrier(site)  # type: ignore[attr-defined]  # the door's
        finally:
            self._looks = looks

    def poll(self, look: Any, predicate: Any = None, /) -> Any:
        """The door's, behind the site before its line."""
        if self._ahead:
            self._here()
        looks, self._looks = self._looks, True
        try:
            return super().poll(look, predicate)  # type: ignore[misc]
        finally:
            self._looks = looks

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
    """A ModelledPort that knows its caller's lines."""

    def __init__(self, *given: Any) -> None:
        Keeping.__init__(self, given[3], given[4])


for _name, _method in keeping(ModelledPort):
    setattr(LinedPort, _name, _method)
