"""A cell of a gate: a program on one platform with one class of barriers, explored within bounds.

A violation leaves two files in a folder: its witness, for `amp explain` and `amp replay`, and its schedule. The next
time the schedule is tried first, so that what was broken yesterday is told at once; only what is explored to its end is
verified, and then the files are gone.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec

from amp.errors import UsageError
from amp.explore.explorer import Bounds, Chooser, Exploration
from amp.files import read_whole, write_whole
from amp.lab import witness as files
from amp.lab.api import NO_SIZES, Finding, Sizes, finding_of
from amp.lab.folder import prepare
from amp.lab.plan import Plan, make_plan
from amp.lab.verify import Counterexample, Verdict, along, sample, verify
from amp.machine.schedule import Schedule
from amp.ordering.platforms import Platform
from amp.programs.program import Program

_FORMAT: Final = "amp schedule 1"
_FILE_LIMIT_BYTES: Final = 1 << 20
_NAME_LIMIT: Final = 80  # characters of a cell's name in a file's


class _Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's object: the schedule of a violation, and the sizes that it is of."""

    format: str
    schedule: str
    messages: Annotated[int, msgspec.Meta(ge=1)]
    ring_size: Annotated[int, msgspec.Meta(ge=1)]
    sizes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is explored, as amp.verify takes it. `runs`: so many runs by chance, as `seed` has it; 0 explores all."""

    program: str | Program
    platform: str | Platform | None = None
    barriers: str | None = None
    weaken: tuple[str, ...] = ()
    messages: int | None = None
    ring_size: int | None = None
    sizes: Sizes = field(default_factory=lambda: NO_SIZES)
    max_executions: int = 1_000_000
    max_seconds: float = 600.0
    runs: int = 0
    seed: int = 1

    def plan(self) -> Plan:
        """The plan that it makes. Raises UsageError for what cannot be."""
        return make_plan(
            self.program,
            platform=self.platform,
            barriers=self.barriers,
            weaken=self.weaken,
            messages=self.messages,
            ring_size=self.ring_size,
            sizes=self.sizes,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a cell. `status` is "verified", "violation", "inconclusive"; "sampled": no violation by chance;
    "followed": none along a schedule.

    `remembered`: the schedule of an earlier violation showed it again, and nothing else was explored. `witness` is the
    file that was written, None where a violation cannot be saved, and `unsaved` says why. `shown` is the run that shows
    the finding.
    """

    status: str
    exploration: Exploration
    finding: Finding | None
    remembered: bool = False
    witness: Path | None = None
    unsaved: str = ""
    shown: Counterexample | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """The files of one cell in `folder`, called after `name`, whatever characters that has."""

    folder: Path
    name: str
    _stem: str = field(init=False)

    def __post_init__(self) -> None:
        words = re.sub(r"[^A-Za-z0-9._-]+", "-", self.name).strip("-.")[-_NAME_LIMIT:]
        mark = hashlib.sha256(self.name.encode()).hexdigest()[:8]
        object.__setattr__(self, "_stem", f"{words}-{mark}")

    @property
    def witness(self) -> Path:
        return self.folder / "witnesses" / f"{self._stem}.json"

    @property
    def schedule(self) -> Path:
        return self.folder / "schedules" / f"{self._stem}.json"

    def tried_first(self, plan: Plan) -> Verdict | None:
        """The violation that the remembered schedule shows; None if there is none, or the program goes another way."""
        try:
            known = msgspec.json.decode(read_whole(self.schedule, _FILE_LIMIT_BYTES), type=_Schedule)
            if known.format != _FORMAT or set(known.sizes) != set(plan.config.sizes):
                return None
            sized = plan.with_config(messages=known.messages, ring_size=known.ring_size, sizes=known.sizes)
            plan.program.settle(sized.config)
            verdict = along(sized, Schedule.from_token(known.schedule))
        except (OSError, msgspec.MsgspecError, RecursionError, UsageError):  # another program's, or no file of ours
            return None
        return verdict if verdict.status == "violation" else None

    def keep(self, finding: Finding, plan: Plan) -> str:
        """Write both files, as far as can be; why the witness cannot be."""
        for path in (self.witness, self.schedule):
            path.parent.mkdir(parents=True, exist_ok=True)
        prepare(self.folder)
        if plan.config.schedule:
            config = plan.config
            known = _Schedule(
                format=_FORMAT,
                schedule=config.schedule,
                messages=config.messages,
                ring_size=config.ring_size,
                sizes=dict(config.sizes),
            )
            write_whole(self.schedule, msgspec.json.encode(known) + b"\n")
        try:
            finding.save(str(self.witness))
        except UsageError as error:
            return str(error)
        return ""

    def forget(self) -> None:
        """What was found once is found no more."""
        for path in (self.witness, self.schedule):
            with suppress(FileNotFoundError):
                os.unlink(path)


def explored(cell: Cell, memory: Memory | None = None) -> Result:
    """Explore the cell; the remembered schedule first. Raises UsageError, ProgramError, and OSError of the files."""
    plan = cell.plan()
    again = None if memory is None else memory.tried_first(plan)
    if again is not None:
        return _told(again, memory, remembered=True)
    bounds = Bounds(cell.max_executions, cell.max_seconds)
    if cell.runs:
        chance = Bounds(cell.runs, cell.max_seconds)
        return _told(sample(plan, Chooser.URW, cell.seed, 3, chance), memory, holds="sampled")
    return _told(verify(plan, bounds), memory)


def replayed(cell: Cell, schedule: str) -> Result:
    """The one execution that a schedule names, or that of a witness file. Never "verified"."""
    if os.path.exists(schedule):
        plan, _ = files.load(schedule)
        token = plan.config.schedule
        if not token:
            raise UsageError(f"witness {schedule} has no schedule: a run by its seed is repeated by amp replay")
    else:
        plan, token = cell.plan(), schedule
    return _told(along(plan, Schedule.from_token(token)), None, holds="followed")


def _told(verdict: Verdict, memory: Memory | None, *, remembered: bool = False, holds: str = "") -> Result:
    """`holds` is the status of what found nothing and is no exploration."""
    if verdict.interrupted:
        raise KeyboardInterrupt
    found, status = verdict.counterexample, verdict.status
    if found is None:
        if memory is not None and status == "verified":
            memory.forget()
        return Result(holds or status, verdict.exploration, None)
    finding = finding_of(found.plan, found.witness)
    unsaved = "" if memory is None else memory.keep(finding, found.plan)
    witness = None if memory is None or unsaved else memory.witness
    return Result(status, verdict.exploration, finding, remembered, witness, unsaved, found)
