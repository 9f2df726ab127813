"""What the gate and its workers say to each other, and what the cache keeps: records that are JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Status = Literal["verified", "violation", "inconclusive", "never", "sometimes", "always", "error", "not run"]


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cell: a program on a platform with a class of barriers, or a litmus test on a platform.

    Paths are relative to the configuration's folder, or absolute. `platform` is a name or a TOML file; "" is the litmus
    dialect's own. `barriers` "" are the program's own. `max_seconds` and `max_executions` bound the exploration.
    """

    program: str = ""
    litmus: str = ""
    platform: str = ""
    barriers: str = ""
    weaken: tuple[str, ...] = ()
    messages: int | None = None
    ring_size: int | None = None
    sizes: dict[str, int] = {}
    observers: str = "together"
    max_seconds: float = 600.0
    max_executions: int = 1_000_000

    @property
    def runs(self) -> str:
        """What a worker has loaded once it has run this cell; litmus tests load nothing of the user's."""
        return self.program


class CellFinding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A violation, or what a litmus test can end in. `kind` is the exception's name, or the observation.

    `site` is the blamed site, "" if none is; `path` and `line` are where its barrier stands, or where it is missing, or
    the check that failed. `story` are its lines as amp.Finding prints them, `command` repeats it, and `witness` is the
    file that `amp explain` takes ("" for none). `drawn` is what a page shows of it (amp.report.drawn), None where there
    is no event to draw, or too many to keep.
    """

    kind: str
    text: str
    part: str = ""
    site: str = ""
    path: str = ""
    line: int = 0
    story: tuple[str, ...] = ()
    command: str = ""
    witness: str = ""
    drawn: dict[str, Any] | None = None


class CellOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of a cell. `why` says what bound was reached, or what is wrong with the program.

    `holds` is of a litmus test: whether its condition does. `sites` are the names of the program's. `exit_status` is
    that of an error.
    """

    status: Status
    barriers: str = ""
    runs: int = 0
    executions: int = 0
    states: int = 0
    seconds: float = 0.0
    why: str = ""
    holds: bool | None = None
    found: CellFinding | None = None
    sites: tuple[str, ...] = ()
    exit_status: int = 0


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where modules were looked for: of each folder the entries that could be one of `names`, whichever was taken."""

    folders: tuple[str, ...]
    names: tuple[str, ...]
    entries: tuple[tuple[str, ...], ...]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a verdict was seen to depend on, besides amp, Python and the cell itself.

    `files`: sha256 by path, "" of one that was looked for in vain. `environment`: sha256 of the value by name, "" of a
    variable that is not set. `doubt` says what it depends on besides, that nobody keeps track of; "" if nothing.
    """

    files: dict[str, str] = {}
    searches: tuple[Search, ...] = ()
    environment: dict[str, str] = {}
    doubt: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker's answer to an Asked."""

    told: CellOutcome
    record: Record
