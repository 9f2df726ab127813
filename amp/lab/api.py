"""What a Python program calls: verify, run, sites, replay, explain. Plain records come back, nothing is printed.

    verdict = amp.verify(Handover, platform="all", barriers="smp")
    assert verdict.verified, verdict

Verification, Finding and Runs print as a short text and convert to JSON (`as_dict`). A program is an amp.Program, or
what the command line takes: a name, a file. All functions raise UsageError for what cannot be, and
amp.errors.ProgramError for a program that fails by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from amp.errors import UsageError
from amp.explore.explorer import Bounds
from amp.files import write_whole
from amp.lab import witness as files
from amp.lab.plan import Plan, make_plan
from amp.lab.run import Witness, finding_data
from amp.lab.run import as_data as run_data
from amp.lab.run import run as run_plan
from amp.lab.table import Platforms, Table, plans_of, table_data, verify_table
from amp.lab.verify import title
from amp.machine.config import Mode
from amp.ordering.platforms import Platform
from amp.programs.program import Program
from amp.report.counts import count_of
from amp.report.history import History
from amp.report.matrix import Matrix
from amp.report.repair import Repair
from amp.report.words import Words

Sizes = Mapping[str, int]
NO_SIZES: Final[Sizes] = MappingProxyType({})
Weaken = Sequence[str] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation: who found it, what it said, and how it came about.

    `part` is the finder's name, `kind` the exception's, `text` what it says. `site` is the blamed site's name, None if
    none is blamed. `why` are the explanation's paragraphs, (heading, text). `story` is the run, an event a line, with
    the program's lines where they are known. `schedule` is the token that repeats it ("" if none can), `command` the
    command line that does. `platform` and `barriers` say where it was found. `place` is (path, line) of the blamed
    barrier; without one of the access that should have waited, or the one that shows it; None if no line is known.
    """

    part: str
    kind: str
    text: str
    platform: str | None
    barriers: str
    site: str | None
    why: tuple[tuple[str, str], ...]
    story: tuple[str, ...]
    schedule: str
    command: str
    place: tuple[str, int] | None
    _plan: Plan = field(repr=False, compare=False)
    _witness: Witness = field(repr=False, compare=False)

    def __str__(self) -> str:
        where = f" on {self.platform} with {self.barriers} barriers" if self.platform else ""
        lines = [f"violation by the {self.part}{where}: {self.text}", *self.story]
        lines += [f"{heading}: {text}" for heading, text in self.why]
        if self._witness.not_repeated:
            lines.append(f"Not repeated in processes: {self._witness.not_repeated}")
        return "\n".join([*lines, f"Replay: {self.command}"] if self.command else lines)

    @property
    def repair(self) -> Repair | None:
        """Of compiled code: the barriers that repair it, verified, or why there are none; None if not sought."""
        return self._witness.repair

    def as_dict(self) -> dict[str, Any]:
        """The same object as `--json` prints."""
        return finding_data(self._plan, self._witness)

    def save(self, path: str) -> None:
        """Write it as a witness, for `amp explain`, `amp replay`, amp.explain and amp.replay.

        Raises OSError, and UsageError for a finding that has no trace: of direct mode, or beyond the first 32 of a run.
        """
        write_whole(path, files.content(self._plan, self._witness))


@dataclass(frozen=True, slots=True)
class TableCell:
    """One platform and class of barriers: its status and what it took.

    The status is "verified", "violation", "inconclusive", or "does not fit" of compiled code for another processor.
    `runs` counts also those cut short, `executions` the complete ones. `bound` says what limit was reached, None if
    none. `text` is what the finding says, "" without one.
    """

    platform: str
    barriers: str
    status: str
    runs: int
    executions: int
    states: int
    seconds: float
    bound: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What exploring came to. `cells` has an entry for each platform and class; `finding` is the smallest of theirs."""

    title: str
    status: str
    cells: tuple[TableCell, ...]
    finding: Finding | None
    seconds: float
    _table: Table = field(repr=False, compare=False)

    @property
    def verified(self) -> bool:
        """Does every execution hold, in every cell, with no bound reached?"""
        return self.status == "verified"

    def __bool__(self) -> bool:
        raise UsageError("a Verification is neither true nor false: ask for .verified, .finding or .status")

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.status}"]
        lines += [
            f"  {cell.platform:<14} {cell.barriers:<10} {cell.status:<12} {cell.runs:>8,} runs  "
            f"{cell.text or cell.bound or ''}".rstrip()
            for cell in self.cells
        ]
        return "\n".join([*lines, str(self.finding)] if self.finding else lines)

    def as_dict(self) -> dict[str, Any]:
        """The object that `amp verify --json` prints for a table."""
        return table_data(self._table)


@dataclass(frozen=True, slots=True)
class Runs:
    """What runs in processes came to: how many runs, and what each violation was."""

    title: str
    runs: int
    findings: tuple[Finding, ...]
    seconds: float
    data: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def holds(self) -> bool:
        """No violation was seen. A sample of what the platform allows, not a proof."""
        return not self.findings

    def __str__(self) -> str:
        lines = [f"{self.title}: {count_of(len(self.findings), 'violation')} in {count_of(self.runs, 'run')}"]
        return "\n".join([*lines, str(self.findings[0])] if self.findings else lines)

    def as_dict(self) -> dict[str, Any]:
        """The object that `amp run --json` prints."""
        return dict(self.data)


@dataclass(frozen=True, slots=True)
class Replay:
    """A witness run again: `same` says whether it was the same run, access for access."""

    finding: Finding
    same: bool
    events: int
    digest: str


def verify(
    program: str | Program,
    *,
    platform: Platforms = None,
    barriers: str | Sequence[str] | None = None,
    weaken: Weaken = (),
    messages: int | None = None,
    ring_size: int | None = None,
    sizes: Sizes = NO_SIZES,
    max_executions: int = 1_000_000,
    max_seconds: float = 600.0,
) -> Verification:
    """Explore every behaviour of `program` on each platform with each class of barriers.

    `platform` is a name, a TOML file, a Platform, names with commas between, a list of these, or "all"; None is
    omap4-2011. `barriers` is one name, names with commas between, a list of names, or "all"; None is "mandatory", and
    of compiled code its own. `weaken` are other barriers at single sites: ["publish=smp"], or {"publish": "smp"}.
    `sizes` are the program's own. `max_executions` (runs) and `max_seconds` bound each cell; one that reaches a bound
    is "inconclusive".
    """
    plans = plans_of(
        program,
        platforms=platform,
        barriers=barriers,
        weaken=_weakened(weaken),
        messages=messages,
        ring_size=ring_size,
        sizes=sizes,
    )
    table = verify_table(plans, Bounds(max_executions, max_seconds))
    if table.interrupted:
        raise KeyboardInterrupt
    cells = tuple(
        TableCell(
            str(cell.plan.platform_name),
            cell.plan.barriers,
            cell.status,
            cell.exploration.runs,
            cell.exploration.executions,
            cell.exploration.states,
            cell.exploration.seconds,
            cell.exploration.bound,
            "" if cell.exploration.finding is None else str(cell.exploration.finding.error),
        )
        for cell in table.cells
    )
    found = None if table.smallest is None else finding_of(table.smallest.plan, table.smallest.witness)
    shown = title(plans[0]) if len(plans) == 1 else plans[0].program.name
    return Verification(shown, table.status, cells, found, table.seconds, table)


def run(
    program: str | Program,
    *,
    mode: str | Mode = Mode.LOCKSTEP,
    platform: str | Platform | None = None,
    barriers: str | None = None,
    weaken: Weaken = (),
    seed: int = 1,
    seeds: int = 1,
    messages: int | None = None,
    ring_size: int | None = None,
    sizes: Sizes = NO_SIZES,
) -> Runs:
    """Run `program` in processes of its own, `seeds` times, with one seed after the other from `seed` on.

    `mode` is lockstep (the seed decides everything), free (the model at full speed) or direct (no model, no platform).
    Raises amp.errors.AmpError if a process dies.
    """
    plan = make_plan(
        program,
        mode=_mode(mode),
        platform=platform,
        barriers=barriers,
        weaken=_weakened(weaken),
        messages=messages,
        ring_size=ring_size,
        sizes=sizes,
    )
    if seeds < 1:
        raise UsageError(f"seeds is {seeds}, expected at least 1")
    plan.at_seed(seed + seeds - 1).check()
    result = run_plan(plan, range(seed, seed + seeds))
    if result.interrupted:
        raise KeyboardInterrupt
    findings = tuple(finding_of(plan, each) for each in result.witnesses)
    return Runs(plan.program.name, len(result.outcomes), findings, result.seconds, run_data(result))


def sites(
    program: str | Program,
    *,
    platform: str | Platform | None = None,
    barriers: str | None = None,
    weaken: Weaken = (),
    messages: int | None = None,
    ring_size: int | None = None,
    sizes: Sizes = NO_SIZES,
    max_executions: int = 1_000_000,
    max_seconds: float = 120.0,
) -> Matrix:
    """The necessity matrix: which barriers `program` needs on a platform, and how strong. Bounds are of one cell."""
    from amp.lab.necessity import necessity, plan_of  # noqa: PLC0415  (loads what verify does not need)

    plan = plan_of(
        program,
        platform=platform,
        barriers=barriers,
        weaken=_weakened(weaken),
        messages=messages,
        ring_size=ring_size,
        sizes=sizes,
    )
    return necessity(plan, Bounds(max_executions, max_seconds))


def explain(path: str, *, program: str | None = None) -> Finding:
    """The finding that a witness file holds. `program` says where its program is now (FILE:NAME), if it was moved."""
    return finding_of(*files.load(path, program))


def replay(path: str, *, program: str | None = None) -> Replay:
    """Run a witness again in fresh processes, access for access. `program` as for explain."""
    plan, found, outcome, same = files.replay(path, program)
    return Replay(finding_of(plan, found), same, outcome.events, f"{outcome.digest:016x}")


def _weakened(weaken: Weaken) -> tuple[str, ...]:
    return tuple(f"{site}={to}" for site, to in weaken.items()) if isinstance(weaken, Mapping) else tuple(weaken)


def _mode(mode: str | Mode) -> Mode:
    try:
        return Mode(mode)
    except ValueError:
        raise UsageError(f"mode is {mode!r:.40}, expected {', '.join(each.value for each in Mode)}") from None


def finding_of(plan: Plan, found: Witness) -> Finding:
    """The record of a witness that a run of `plan` left."""
    report, finder = found.outcome.finding, found.outcome.finder
    assert report is not None, found
    assert finder is not None, found
    why: tuple[tuple[str, str], ...] = ()
    story = found.story
    if found.trace is not None and found.explanation is not None:
        words = Words(History(found.trace), found.explanation, plan.name_of, gives="->")
        why, story = tuple(words.paragraphs()), tuple(files.story_of(plan, found))
    lockstep = plan.config.mode is Mode.LOCKSTEP and not found.not_repeated
    return Finding(
        part=plan.program.part_names[finder],
        kind=report.kind,
        text=report.text,
        platform=plan.platform_name,
        barriers=plan.sites.name,
        site=found.site,
        why=why,
        story=story,
        schedule=plan.config.schedule if lockstep else "",
        command=plan.command(found.seed) if lockstep and plan.is_nameable else "",
        place=found.place,
        _plan=plan,
        _witness=found,
    )
