"""Known findings, accepted by what they are known by: check, platform, class of barriers, site, kind. New ones fail.

The file is JSON with an entry for each, in a fixed order, to be kept in git. Lines and texts are no part of it, so that
an edit elsewhere in the file makes no known finding new. A known finding may hide another one: an exploration ends with
the first that it meets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from amp.check.judged import JudgedCell, Mark, Summary
from amp.errors import UsageError
from amp.files import read_whole

FORMAT: Final = "amp baseline 1"
FILE_LIMIT_BYTES: Final = 1 << 24


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One finding. `fingerprint` is what counts, the other fields are for the reader."""

    check: str
    cell: str
    site: str
    kind: str
    fingerprint: str


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's object."""

    format: str = FORMAT
    findings: tuple[Known, ...] = ()

    @property
    def fingerprints(self) -> frozenset[str]:
        return frozenset(each.fingerprint for each in self.findings)


def load(path: str, *, new: bool = False) -> Baseline:
    """The baseline in that file; with `new` an empty one where there is no file. Raises UsageError."""
    if new and not Path(path).exists():
        return Baseline()
    try:
        found = msgspec.json.decode(read_whole(path, FILE_LIMIT_BYTES), type=Baseline)
    except OSError as error:
        hint = "; --update-baseline makes it" if isinstance(error, FileNotFoundError) else ""
        raise UsageError(f"--baseline {path}: {error.strerror}{hint}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"--baseline {path}: is no baseline: {error}") from None
    if found.format != FORMAT:
        raise UsageError(f"--baseline {path}: format is {found.format!r:.40}, this is {FORMAT!r}")
    return found


def updated(before: Baseline, summary: Summary) -> Baseline:
    """The findings of this run; of cells that were not decided, what was known of them before."""
    decided = {
        (cell.check.name, cell.name) for cell in summary.cells if cell.mark in (Mark.OK, Mark.KNOWN, Mark.FAILED)
    }
    cells = {(cell.check.name, cell.name) for cell in summary.cells}
    kept = [each for each in before.findings if (each.check, each.cell) in cells - decided]
    found = [_known(cell) for cell in summary.cells if cell.is_finding]
    return Baseline(findings=tuple(sorted((*kept, *found), key=lambda each: (each.check, each.cell, each.fingerprint))))


def content(baseline: Baseline) -> bytes:
    """The file's content."""
    return msgspec.json.format(msgspec.json.encode(baseline)) + b"\n"


def _known(cell: JudgedCell) -> Known:
    found = cell.told.found
    assert found is not None, cell
    return Known(check=cell.check.name, cell=cell.name, site=found.site, kind=found.kind, fingerprint=cell.fingerprint)
