"""The examples and the verdicts that are expected of them: tests/examples/verdicts.txt, read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import amp
from amp.lab.api import Verification

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
PAGE: Final = EXAMPLES.parent / "docs" / "programs.md"
VERDICTS: Final = Path(__file__).with_name("verdicts.txt")
_SAID: Final = {"ok": "verified", "BAD": "violation"}

Cell = tuple[str, str, str]  # (program, class of barriers, platform)


def expected(text: str) -> dict[Cell, str]:
    """The status of every cell. The last line of those with a "#" names the platforms."""
    head = next(line for line in reversed(text.splitlines()) if line.startswith("#"))
    platforms = head.split()[3:]
    cells = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            program, barriers, *said = line.split()
            for platform, word in zip(platforms, said, strict=True):
                cells[program, barriers, platform] = _SAID[word]
    return cells


def programs_of(path: Path) -> list[str]:
    """The programs that the file defines."""
    module: dict[str, object] = {"__name__": path.stem}
    exec(compile(path.read_text(), str(path), "exec"), module)
    return [name for name, value in module.items() if isinstance(value, amp.Program)]


def found(program: str, verdict: Verification) -> dict[Cell, str]:
    return {(program, cell.barriers, cell.platform): cell.status for cell in verdict.cells}


def differences(rows: Mapping[Cell, str], seen: Mapping[Cell, str], programs: Iterable[str]) -> list[str]:
    """Every cell of `programs` that is not as its row says, or has no row, or was not explored."""
    asked = set(programs)
    cells = sorted({cell for cell in rows if cell[0] in asked} | set(seen))
    return [
        f"{' '.join(cell)}: {seen.get(cell, 'not explored')}, the row says {rows.get(cell, 'nothing')}"
        for cell in cells
        if seen.get(cell) != rows.get(cell)
    ]
