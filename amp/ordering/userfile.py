"""A user's own platform, from a TOML file: written whole, or as what differs from one of amp's (`base`).

docs/platforms.md describes the file. Every value is checked; a wrong one is a UsageError of one line that names the
file, the field, the value and what is allowed. Nothing is guessed: an unknown field is an error, a missing one too.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

import msgspec

from amp.errors import UsageError
from amp.files import read_whole
from amp.ordering.architectures import ARCHITECTURES, FENCES, Architecture, Row, with_fences
from amp.ordering.barriers import NO_ORDERS, Orders, Primitive, Reach
from amp.ordering.platforms import PLATFORMS, Platform, Processor, Side, Stage

MAX_BYTES = 256 * 1024  # a platform is a page; anything larger is the wrong file
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what would break a one-line report

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}\Z")]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _StageRecord(_Record, frozen=True):
    name: Text
    memory: str
    doorbell: str
    source: Text


class _RowRecord(_Record, frozen=True):
    primitive: str
    instruction: Text
    orders: list[str]
    reach: str
    source: Text
    fence: list[str] = []


class _SideRecord(_Record, frozen=True):
    architecture: Name | None = None
    implicit: list[str] | None = None
    implicit_source: Text | None = None
    multi_copy_atomic: bool | None = None
    multi_copy_source: Text | None = None
    load_reach: str | None = None
    stages: list[_StageRecord] | None = None
    rows: list[_RowRecord] = []


class _PlatformRecord(_Record, frozen=True):
    name: Name
    summary: Text
    source: Text
    base: str | None = None
    region_memory: Text | None = None
    host: _SideRecord = _SideRecord()
    remote: _SideRecord = _SideRecord()


_E = TypeVar("_E", bound=IntEnum)
_REACHES: Mapping[str, Reach] = MappingProxyType({reach.name.lower(): reach for reach in Reach})
# What a fence does to a mailbox's status is read from how its instruction is spelt (platforms.py), not said.
_SPELT: Final = Orders.NO_STATUS_BEFORE | Orders.NO_STATUS_AFTER
_ORDERS: Mapping[str, Orders] = MappingProxyType(
    {each.name: each for each in Orders if each.name and not each & _SPELT}
)
_PRIMITIVES: Mapping[str, Primitive] = MappingProxyType({primitive.label: primitive for primitive in Primitive})


class _Reader:
    """Turns records into a platform; knows the file's name, so that every error does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, field: str, problem: str) -> UsageError:
        return UsageError(_UNSAFE.sub(" ", f"{self.path}: {field}: {problem}"))

    def choice(self, field: str, value: str, known: Mapping[str, _E]) -> _E:
        if value not in known:
            close = get_close_matches(value.lower(), known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise self.error(field, f"{_show(value)} is not allowed; {hint}allowed: {', '.join(known)}")
        return known[value]

    def orders(self, field: str, values: list[str]) -> Orders:
        orders = NO_ORDERS
        for index, value in enumerate(values):
            if value not in _ORDERS:
                raise self.error(f"{field}[{index}]", f"{_show(value)} is not allowed; allowed: {', '.join(_ORDERS)}")
            orders |= _ORDERS[value]
        return orders

    def given(self, field: str, *values: Any) -> Any:
        """The first value that is there: the file's own, else the base's."""
        for value in values:
            if value is not None:
                return value
        raise self.error(field, "is missing, and there is no base to take it from")

    def row(self, field: str, record: _RowRecord) -> Row:
        return Row(
            self.choice(f"{field}.primitive", record.primitive, _PRIMITIVES),
            record.instruction,
            self.orders(f"{field}.orders", record.orders),
            self.choice(f"{field}.reach", record.reach, _REACHES),
            record.source,
            self.orders(f"{field}.fence", record.fence),
        )

    def rows(self, field: str, records: list[_RowRecord], base: Architecture | None) -> dict[Primitive, Row]:
        own: dict[Primitive, Row] = {}
        for index, record in enumerate(records):
            row = self.row(f"{field}[{index}]", record)
            if row.primitive in own:
                raise self.error(f"{field}[{index}].primitive", f"{_show(record.primitive)} has a row already")
            own[row.primitive] = row
        rows = {**base.rows, **own} if base else own
        # A fence follows the full barrier of its class, unless the file or the base says more.
        kept = {fence for barrier, *fences in FENCES if base and barrier not in own for fence in fences}
        rows = with_fences(rows, kept.union(own))
        # NONE and COMPILER are no instruction anywhere: a file need not say so.
        rows = {**{p: ARCHITECTURES["sc"].rows[p] for p in (Primitive.NONE, Primitive.COMPILER)}, **rows}
        missing = [primitive.label for primitive in Primitive if primitive not in rows]
        if missing:
            raise self.error(field, f"no row for {', '.join(missing)}, and no architecture to take it from")
        return rows

    def architecture(self, field: str, name: str, record: _SideRecord, base: Processor | None) -> Architecture:
        start = base.architecture if base else None
        if record.multi_copy_source is not None and record.multi_copy_atomic is None:
            raise self.error(
                f"{field}.multi_copy_atomic", "is missing, and multi_copy_source is given: say true or false"
            )
        if record.architecture is not None:
            if record.architecture not in ARCHITECTURES:
                raise self.error(
                    f"{field}.architecture",
                    f"{_show(record.architecture)} is not allowed; allowed: {', '.join(ARCHITECTURES)}",
                )
            start = ARCHITECTURES[record.architecture]
        said = record.implicit, record.implicit_source, record.multi_copy_atomic
        if start and not record.rows and all(each is None for each in said):
            return start
        implicit = self.orders(f"{field}.implicit", record.implicit) if record.implicit is not None else None
        if implicit is not None and record.implicit_source is None:
            raise self.error(f"{field}.implicit_source", "is missing, and implicit is given: say where it is from")
        if implicit is None and record.implicit_source is not None:
            raise self.error(f"{field}.implicit", "is missing, and implicit_source is given: say what is from there")
        copies: tuple[()] | tuple[bool, str] = (start.multi_copy_atomic, start.multi_copy_source) if start else ()
        if record.multi_copy_atomic is not None:
            if record.multi_copy_source is None:
                raise self.error(
                    f"{field}.multi_copy_source", "is missing, and multi_copy_atomic is given: say where it is from"
                )
            copies = (record.multi_copy_atomic, record.multi_copy_source)
        return Architecture(
            f"{name}-{field}",
            f"{start.title}, changed by {self.path.name}" if start else f"described by {self.path.name}",
            self.given(f"{field}.implicit", implicit, start.implicit if start else None),
            self.given(f"{field}.implicit_source", record.implicit_source, start.implicit_source if start else None),
            MappingProxyType(self.rows(f"{field}.rows", record.rows, start)),
            *copies,
        )

    def processor(self, field: str, name: str, record: _SideRecord, base: Processor | None) -> Processor:
        stages = None
        if record.stages is not None:
            stages = tuple(
                Stage(
                    stage.name,
                    self.choice(f"{field}.stages[{index}].memory", stage.memory, _REACHES),
                    self.choice(f"{field}.stages[{index}].doorbell", stage.doorbell, _REACHES),
                    stage.source,
                )
                for index, stage in enumerate(record.stages)
            )
        load_reach = None
        if record.load_reach is not None:
            load_reach = self.choice(f"{field}.load_reach", record.load_reach, _REACHES)
        return Processor(
            self.architecture(field, name, record, base),
            self.given(f"{field}.stages", stages, base.stages if base else None),
            self.given(f"{field}.load_reach", load_reach, base.load_reach if base else None),
        )

    def platform(self, record: _PlatformRecord) -> Platform:
        if record.name in PLATFORMS:
            raise self.error("name", f"{_show(record.name)} is one of amp's own platforms; choose another")
        base = None
        if record.base is not None:
            if record.base not in PLATFORMS:
                raise self.error("base", f"{_show(record.base)} is not allowed; allowed: {', '.join(PLATFORMS)}")
            base = PLATFORMS[record.base]
        return Platform(
            record.name,
            record.summary,
            self.given("region_memory", record.region_memory, base.region_memory if base else None),
            self.processor(Side.HOST, record.name, record.host, base.host if base else None),
            self.processor(Side.REMOTE, record.name, record.remote, base.remote if base else None),
            record.source,
        )


def _show(value: object) -> str:
    """A user's value on one line, cut short."""
    text = str(value) if isinstance(value, (datetime.date, datetime.time)) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _lookup(tree: Any, path: str) -> Any:
    """The value at msgspec's path ("$.host.stages[0].memory"); the whole of what is left where it leads nowhere."""
    for key, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path):
        try:
            tree = tree[key] if key else tree[int(index)]
        except (KeyError, IndexError, TypeError):
            break
    return tree


def _parse(path: Path, fail: Callable[[str, str], UsageError]) -> dict[str, Any]:
    try:
        data = read_whole(path, MAX_BYTES)
    except OSError as error:
        raise fail("file", f"cannot be read: {error.strerror}; a platform is a page of TOML") from None
    try:
        return tomllib.loads(data.decode())
    except RecursionError:
        raise fail("file", "has lists or tables too deep in one another") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise fail("file", f"is not TOML: {error}") from None
    except ValueError:  # of int(): the only one that is none of those
        raise fail("file", "has a number of too many digits") from None


def load(path: str | Path) -> Platform:
    """The platform that the TOML file `path` describes.

    Raises UsageError, one line naming file, field, value and what is allowed, if it cannot be read or used.
    """
    reader = _Reader(Path(path))
    tree = _parse(reader.path, reader.error)
    try:
        record = msgspec.convert(tree, _PlatformRecord)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `")
        field = where.rstrip("`").removeprefix("$").removeprefix(".")
        value = _lookup(tree, where.rstrip("`"))
        problem = problem.replace("`str | null`", "a text").replace("`str`", "a text")
        shown = "" if isinstance(value, dict) else f"{_show(value)}: "
        raise reader.error(field or "file", f"{shown}{problem}") from None
    return reader.platform(record)
