"""How an untrusted file is refused: FirmwareError with the field, its value, and what is allowed. One line each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from amp.errors import FirmwareError


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks of one kind of file: `subject` opens each refusal, `writer` is who wrote what was refused."""

    subject: str
    writer: str

    def refuse(self, field: str, value: object, allowed: object) -> NoReturn:
        raise FirmwareError(f"{self.subject}: {field} is {value}, allowed is {allowed}; written by the {self.writer}")

    def exactly(self, field: str, value: int, expected: int) -> None:
        if value != expected:
            self.refuse(field, value, expected)

    def at_most(self, field: str, value: int, limit: int) -> None:
        if value > limit:
            self.refuse(field, value, f"at most {limit}")

    def at_least(self, field: str, value: int, limit: int) -> None:
        if value < limit:
            self.refuse(field, value, f"at least {limit}")

    def between(self, field: str, value: int, least: int, most: int) -> None:
        if not least <= value <= most:
            self.refuse(field, value, f"{least} to {most}" if most >= least else "nothing: the file is too short")

    def power_of_two(self, field: str, value: int, least: int, most: int) -> None:
        if not least <= value <= most or value & (value - 1):
            self.refuse(field, value, f"a power of two from {least} to {most}")

    def disjoint(self, ranges: Iterable[Range]) -> None:
        """No two ranges share an address, unless one is a ring's in the place that was reserved for it."""
        last: Range | None = None
        for each in sorted(ranges, key=lambda row: (row.start, -row.end, row.ring)):
            if last is not None and each.start < last.end and not each.reserved_by(last):
                allowed = f"outside of {last.label}, {last.start:#x} to {last.end - 1:#x}"
                self.refuse(each.label, hex(each.start), allowed)
            if last is None or each.end > last.end:
                last = each


class Range(NamedTuple):
    """Device addresses from `start` up to `end`; `label` names the field that says so.

    `name` is a carveout's own, or that of the carveout in which a `ring` may lie.
    """

    start: int
    end: int
    label: str
    name: str = ""
    ring: bool = False

    def reserved_by(self, other: Range) -> bool:
        return self.ring and not other.ring and self.name == other.name and self.end <= other.end
