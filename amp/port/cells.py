"""Accesses to named memory: a Cell (amp.layout) knows its width, an Area its length.

Each method is one access, the port's own of that width. All doors have them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from amp.errors import UsageError

if TYPE_CHECKING:
    from amp.layout import Area, Cell


T = TypeVar("T")


def _by_width(name: str) -> Mapping[int, str]:
    return MappingProxyType({bits // 8: f"{name}_u{bits}" for bits in (8, 16, 32, 64)})


_LOADS: Final = _by_width("load")
_ACQUIRES: Final = _by_width("load_acquire")
_STORES: Final = _by_width("store")
_RELEASES: Final = _by_width("store_release")
_EXCHANGES: Final = _by_width("xchg")
_COMPARES: Final = _by_width("cmpxchg")
_ADDS: Final = _by_width("fetch_add")


class CellAccess:
    """See the module. All arguments are positional. Raises UsageError for an address that is no cell."""

    def load(self, cell: Cell | Area, /) -> Any:
        """The value; of an Area its bytes, loaded at the latest when they are used (`bytes(...)`)."""
        if hasattr(cell, "length"):
            return self.read(cell, cell.length)  # type: ignore[attr-defined]
        return self._method(_LOADS, cell)(cell)

    def load_acquire(self, cell: Cell, /) -> int:
        return self._method(_ACQUIRES, cell)(cell)  # type: ignore[no-any-return]

    def store(self, cell: Cell | Area, value: Any, /) -> None:
        """Store the value; to an Area bytes, at most as many as it has."""
        if not hasattr(cell, "length"):
            self._method(_STORES, cell)(cell, value)
            return
        if len(value) > cell.length:
            raise UsageError(f"store: {len(value)} bytes to {cell.name}, which has {cell.length}")
        self.write(cell, value)  # type: ignore[attr-defined]

    def store_release(self, cell: Cell, value: int, /) -> None:
        self._method(_RELEASES, cell)(cell, value)

    def xchg(self, cell: Cell, value: int, /) -> int:
        return self._method(_EXCHANGES, cell)(cell, value)  # type: ignore[no-any-return]

    def cmpxchg(self, cell: Cell, old: int, new: int, /) -> int:
        return self._method(_COMPARES, cell)(cell, old, new)  # type: ignore[no-any-return]

    def fetch_add(self, cell: Cell, addend: int, /) -> int:
        return self._method(_ADDS, cell)(cell, addend)  # type: ignore[no-any-return]

    def _method(self, names: Mapping[int, str], cell: Cell | Area) -> Callable[..., Any]:
        width = getattr(cell, "width", None)
        if width is None:
            name = names[4].rpartition("_")[0]
            if isinstance(cell, tuple):
                raise UsageError(f"{name}: {cell!r:.60} is an array: name one of its elements, at.NAME[0]")
            raise UsageError(
                f"{name}: {cell!r:.60} is no cell of a layout; of a bare address say the width: {names[4]}"
            )
        return getattr(self, names[width])  # type: ignore[no-any-return]


def as_look(
    port: Any, look: Callable[[], T | None] | Cell, predicate: Callable[[int], object] | None
) -> Callable[[], T | None]:
    """What a poll calls: the look itself; or one at a cell, which finds the value once `predicate` is true of it.

    Raises UsageError for a cell without a predicate, a predicate that is no function, and a look with one.
    """
    if predicate is None:
        if not callable(look):
            raise UsageError("poll: a cell needs a predicate, such as poll(at.flag, lambda flag: flag == 1)")
        return look
    if callable(look):
        raise UsageError("poll: a look takes no predicate")
    if not callable(predicate):
        such = f"lambda value: value == {predicate!r:.60}"
        raise UsageError(f"poll: the predicate is {predicate!r:.60}, expected a function, such as {such}")
    cell, is_met = look, predicate

    def look_at_cell() -> Any:
        value = port.load(cell)
        return value if is_met(value) else None

    look_at_cell.__wrapped__ = predicate  # type: ignore[attr-defined]  # for messages: that one is the program's
    return look_at_cell
