"""Which functions the compiler has put into others, and where they were called: DWARF's inlined subroutines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amp.code.lines import files_of

Span = tuple[int, int]  # from, to behind the last


@dataclass(frozen=True, slots=True)
class Inlined:
    """One instance of a function: where its code is, and (path, line) of the call."""

    spans: tuple[Span, ...]
    call: tuple[str, int]

    def covers(self, address: int) -> bool:
        return any(low <= address < high for low, high in self.spans)

    @property
    def size(self) -> int:
        return sum(high - low for low, high in self.spans)


def inlined(elf: Any) -> tuple[Inlined, ...]:
    """All instances; none of a file without debug information, or whose information lies."""
    try:
        return tuple(_instances(elf.get_dwarf_info())) if elf.has_dwarf_info() else ()
    except Exception:  # what pyelftools raises for a table that lies is not always its own
        return ()


def _instances(dwarf: Any) -> Iterator[Inlined]:
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        names, base = files_of(program, unit), _low(unit.get_top_DIE())
        for entry in unit.iter_DIEs():
            if entry.tag != "DW_TAG_inlined_subroutine" or "DW_AT_call_line" not in entry.attributes:
                continue
            spans = tuple(_spans(dwarf, unit, entry, base))
            file = names.get(entry.attributes["DW_AT_call_file"].value, "?")
            if spans:
                yield Inlined(spans, (file, entry.attributes["DW_AT_call_line"].value))


def _low(entry: Any) -> int:
    found = entry.attributes.get("DW_AT_low_pc")
    return 0 if found is None else int(found.value)


def _spans(dwarf: Any, unit: Any, entry: Any, base: int) -> Iterator[Span]:
    attributes = entry.attributes
    if "DW_AT_ranges" in attributes:
        for each in dwarf.range_lists().get_range_list_at_offset(attributes["DW_AT_ranges"].value, unit):
            if hasattr(each, "base_address"):
                base = each.base_address
                continue
            start = 0 if getattr(each, "is_absolute", False) else base
            yield start + each.begin_offset, start + each.end_offset
    elif "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
        low, high = _low(entry), attributes["DW_AT_high_pc"]
        yield low, high.value if high.form == "DW_FORM_addr" else low + high.value
