"""Shared memory by name: what a program's cells are called, how wide they are, and where they lie.

    box = amp.Layout(flag=amp.u32, data=amp.u32[4], desc=amp.Struct(addr=amp.u64, len=amp.u32, flags=amp.u16)[8])

Every name is a variable of its own: it starts at a multiple of 8 bytes (the model's granule), so that no two meet by
accident. Elements of an array follow each other, fields of a struct lie as C lays them out (aligned to their size). All
scalars are unsigned and little endian. In a run `at.flag` is a Cell: the address, as an int that knows its width, which
`port.load(at.flag)` and `port.store(at.flag, 1)` use.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from amp.errors import UsageError
from amp.machine.wiring import VRINGS_AT
from amp.programs.room import GRANULE_BYTES, plus, small_region
from amp.region import Layout as RegionLayout

LAYOUT_LIMIT_BYTES: Final = 1 << 20


class Cell(int):
    """An address (bytes from the region's start) and the width of the scalar there (1, 2, 4 or 8 bytes)."""

    width: int
    name: str

    def __new__(cls, address: int, width: int, name: str) -> Cell:
        cell = super().__new__(cls, address)
        cell.width, cell.name = width, name
        return cell

    def __repr__(self) -> str:
        return f"<{self.name} at {int(self):#x}, {self.width} bytes>"


class Area(int):
    """The address of bytes that are read and written in bulk, and how many there are."""

    length: int
    name: str

    def __new__(cls, address: int, length: int, name: str) -> Area:
        area = super().__new__(cls, address)
        area.length, area.name = length, name
        return area

    def __repr__(self) -> str:
        return f"<{self.name} at {int(self):#x}, {self.length} bytes>"


def _padded(offset: int, to: int) -> int:
    return -(-offset // to) * to


class _Type:
    """What may stand in a layout. `size` and `align` in bytes."""

    size: int
    align: int

    def __getitem__(self, count: int) -> Array:
        return Array(self, count)

    def __call__(self, *_count: object) -> NoReturn:
        raise UsageError("layout: a type is not called: amp.u32 is one, amp.u32[4] are four")

    def place(self, address: int, name: str) -> Any:
        raise NotImplementedError

    def name_at(self, offset: int) -> str:
        """What lies `offset` bytes from the start, as it stands behind the variable's name."""
        raise NotImplementedError


@dataclass(frozen=True)
class Scalar(_Type):
    """An unsigned number of 1, 2, 4 or 8 bytes, little endian."""

    size: int

    @property
    def align(self) -> int:  # type: ignore[override]
        return self.size

    def place(self, address: int, name: str) -> Cell:
        return Cell(address, self.size, name)

    def name_at(self, offset: int) -> str:
        return plus(offset)


u8: Final = Scalar(1)
u16: Final = Scalar(2)
u32: Final = Scalar(4)
u64: Final = Scalar(8)


@dataclass(frozen=True)
class Bytes(_Type):
    """`size` bytes, loaded and stored in bulk: `cpu.load(at.text)`, `cpu.store(at.text, data)`."""

    size: int

    def __post_init__(self) -> None:
        if not 1 <= self.size <= LAYOUT_LIMIT_BYTES:
            raise UsageError(f"layout: {self.size} bytes, expected 1 to {LAYOUT_LIMIT_BYTES}")

    @property
    def align(self) -> int:  # type: ignore[override]
        return 1

    def place(self, address: int, name: str) -> Area:
        return Area(address, self.size, name)

    def name_at(self, offset: int) -> str:
        return plus(offset)


@dataclass(frozen=True)
class Array(_Type):
    """`count` elements in a row. `amp.u32[4][2]` is two arrays of four, the reverse of C."""

    element: _Type
    count: int

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or not 1 <= self.count * self.element.size <= LAYOUT_LIMIT_BYTES:
            raise UsageError(
                f"layout: an array of {self.count!r:.40} elements of {self.element.size} bytes, "
                f"expected 1 to {LAYOUT_LIMIT_BYTES} bytes in all"
            )

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.count * self.element.size

    @property
    def align(self) -> int:  # type: ignore[override]
        return self.element.align

    def place(self, address: int, name: str) -> Sequence[Any]:
        return tuple(
            self.element.place(address + number * self.element.size, f"{name}[{number}]")
            for number in range(self.count)
        )

    def name_at(self, offset: int) -> str:
        number, offset = divmod(offset, self.element.size)
        return f"[{number}]{self.element.name_at(offset)}"


class Struct(_Type):
    """Fields as C lays them out: each aligned to its size, the whole padded to its largest alignment."""

    def __init__(self, **fields: _Type) -> None:
        self._fields = _checked(fields, "struct")
        self.align = max(field.align for field in fields.values())
        self._offsets: dict[str, int] = {}
        at = 0
        for name, field in fields.items():
            at = _padded(at, field.align)
            self._offsets[name] = at
            at += field.size
        self.size = _padded(at, self.align)

    def place(self, address: int, name: str) -> Named:
        return Named(
            {key: field.place(address + self._offsets[key], f"{name}.{key}") for key, field in self._fields.items()}
        )

    def name_at(self, offset: int) -> str:
        for name, field in self._fields.items():
            start = self._offsets[name]
            if start <= offset < start + field.size:
                return f".{name}{field.name_at(offset - start)}"
        return plus(offset)  # padding


class Named:
    """Places by name, as attributes: `at.flag`, `at.desc[0].addr`. Does not change."""

    def __init__(self, places: Mapping[str, Any]) -> None:
        vars(self).update(places)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: shared memory is written by port.store")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the layout has no {name} (it has {', '.join(vars(self))})")


Type: TypeAlias = _Type


def _checked(fields: Mapping[str, _Type], what: str) -> Mapping[str, _Type]:
    if not fields:
        raise UsageError(f"{what}: names nothing")
    for name, field in fields.items():
        if not isinstance(field, _Type):
            raise UsageError(
                f"{what}: {name} is {field!r:.60}, expected amp.u8, u16, u32, u64, Bytes(n), Struct(...), or n of them"
            )
        if name.startswith("_"):
            raise UsageError(f"{what}: {name} starts with an underscore")
    return fields


class Layout:
    """Variables by name, placed in the order they are given. Raises UsageError for what is no type, or too large."""

    def __init__(self, **variables: _Type) -> None:
        self._variables = _checked(variables, "layout")
        size = sum(_padded(variable.size, GRANULE_BYTES) for variable in variables.values())
        if size > LAYOUT_LIMIT_BYTES:
            raise UsageError(f"layout: {size} bytes, expected at most {LAYOUT_LIMIT_BYTES}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def place(self, base: int = VRINGS_AT) -> Placed:
        """The variables from address `base`, a multiple of 8, on."""
        starts, places, at = [], {}, base
        for name, variable in self._variables.items():
            starts.append(at)
            places[name] = variable.place(at, name)
            at += _padded(variable.size, GRANULE_BYTES)
        return Placed(Named(places), tuple(self._variables.items()), tuple(starts), at)


@dataclass(frozen=True, slots=True)
class Placed:
    """A layout in a region: amp.programs.program.Memory, and `at`, what the parts are given."""

    at: Named
    variables: tuple[tuple[str, _Type], ...]
    starts: tuple[int, ...]
    end: int

    def layout(self, model_bytes: int) -> RegionLayout:
        """The region's layout for this run."""
        return small_region(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        """The variable at `address`: "data[2]"; the number where none is."""
        number = bisect_right(self.starts, address) - 1
        if number < 0:
            return f"{address:#x}"
        name, variable = self.variables[number]
        offset = address - self.starts[number]
        return f"{name}{variable.name_at(offset)}" if offset < variable.size else f"{address:#x}"
