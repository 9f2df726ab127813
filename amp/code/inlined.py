"""Where an inlined function was called, by DWARF's debugging information entries (DWARF 5, 3.3.8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from amp.code.lines import Place, files_of

_INSIDE = ("DW_TAG_inlined_subroutine", "DW_TAG_lexical_block")


@dataclass(frozen=True)
class Inlined:
    """Of one file. `elf` is pyelftools' of it."""

    elf: Any

    def callers(self, address: int) -> tuple[Place, ...]:
        """The places of the calls that `address` was inlined by, the innermost first; none where nobody knows."""
        try:
            found = [each for each in self._functions if _has(each, address)]
            return tuple(_callers(found[0], address)) if found else ()
        except Exception:  # what pyelftools raises for a table that lies is not always its own
            return ()

    @cached_property
    def _functions(self) -> list[Any]:
        if not self.elf.has_dwarf_info():
            return []
        tops = (unit.get_top_DIE() for unit in self.elf.get_dwarf_info().iter_CUs())
        return [each for top in tops for each in top.iter_children() if each.tag == "DW_TAG_subprogram"]


def _callers(entry: Any, address: int) -> list[Place]:
    """Those inside of `entry`."""
    for each in entry.iter_children():
        if each.tag not in _INSIDE or not _has(each, address):
            continue
        inner = _callers(each, address)
        return [*inner, _call(each)] if each.tag == _INSIDE[0] else inner
    return []


def _call(entry: Any) -> Place:
    names = files_of(entry.cu.dwarfinfo.line_program_for_CU(entry.cu))
    number, line = (entry.attributes[name].value for name in ("DW_AT_call_file", "DW_AT_call_line"))
    return names.get(number, "?"), line


def _has(entry: Any, address: int) -> bool:
    return any(low <= address < high for low, high in _ranges(entry))


def _ranges(entry: Any) -> Iterator[tuple[int, int]]:
    """The addresses of the code of an entry; none of one that has no code of its own."""
    attributes = entry.attributes
    if "DW_AT_ranges" in attributes:
        base = entry.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
        start = base.value if base is not None else 0
        lists = entry.dwarfinfo.range_lists()
        for each in lists.get_range_list_at_offset(attributes["DW_AT_ranges"].value, entry.cu):
            if hasattr(each, "base_address"):
                start = each.base_address
            else:
                offset = 0 if getattr(each, "is_absolute", False) else start
                yield offset + each.begin_offset, offset + each.end_offset
    elif "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
        low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
        yield low, high.value if high.form == "DW_FORM_addr" else low + high.value
