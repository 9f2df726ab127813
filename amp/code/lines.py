"""Which source line an instruction is from: DWARF's line table."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from amp.port.lines import Place


@dataclass(frozen=True)
class Lines:
    """Rows of the table by address; None behind the end of a sequence."""

    starts: tuple[int, ...]
    places: tuple[Place | None, ...]

    @classmethod
    def of(cls, elf: Any) -> Lines:
        """What the file knows; nothing of one without debug information, or whose information lies."""
        rows: dict[int, Place | None] = {}
        try:
            if elf.has_dwarf_info():
                _collect(elf.get_dwarf_info(), rows)
        except Exception:  # what pyelftools raises for a table that lies is not always its own
            rows.clear()
        ordered = sorted(rows.items())
        return cls(tuple(address for address, _ in ordered), tuple(place for _, place in ordered))

    def at(self, address: int) -> Place | None:
        number = bisect_right(self.starts, address) - 1
        return self.places[number] if number >= 0 else None


def _collect(dwarf: Any, rows: dict[int, Place | None]) -> None:
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        names = files_of(program, unit)
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if state.end_sequence:
                rows.setdefault(state.address, None)
            elif state.line:
                rows[state.address] = (names.get(state.file, "?"), state.line)


def files_of(program: Any, unit: Any) -> dict[int, str]:
    """Paths by their number in the table of a unit: from 1 before DWARF 5, from 0 since.

    Directory 0 is where the compiler was started: since DWARF 5 the table has it, before the unit alone.
    """
    header = program.header
    directories = [_text(each) for each in header["include_directory"]]
    first = 0 if header["version"] >= 5 else 1
    if first:
        started = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        directories.insert(0, _text(started.value) if started is not None else "")
    found = {}
    for number, each in enumerate(header["file_entry"], first):
        at = each.dir_index
        directory = directories[at] if 0 <= at < len(directories) else ""
        name = _text(each.name)
        found[number] = name if name.startswith("/") or not directory else f"{directory}/{name}"
    return found


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
