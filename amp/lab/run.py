"""A program in processes of its own, once or over many seeds, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from amp.errors import AmpError, ProgramError
from amp.lab.descriptors import INTERRUPTED
from amp.lab.machine import TRACE_EVENTS, Machine, Outcome, SideDied
from amp.lab.plan import Plan
from amp.lab.trial import Trials
from amp.machine.config import Lines, Mode, RunConfig
from amp.ordering.placement import reach_one_by_one
from amp.report.blame import Explanation, Finding, blame
from amp.report.explanation_data import as_dict
from amp.report.places import place
from amp.report.repair import Repair, repair_data
from amp.report.shapes import Shape
from amp.report.trace import Trace

# An explanation takes some ten runs, and a long trace some 0.3 s to read: of very many only the first are examined.
EXPLAINED_LIMIT: Final = 256
TRACES_KEPT: Final = 32  # a long one is some 10 MB; only the first is shown
NOT_EXAMINED: Final = "not examined"

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Witness:
    """One seed's violation. `explanation` is None in direct mode, and where the witness was not examined.

    `trace` is None then, too, and where the witness is one of many. One that only the explorer has seen says why two
    processes did not repeat it (`not_repeated`; else ""), and its `story` is the explorer's execution, a step a line.
    `lines` says where in the program the accesses of each part stand.
    """

    seed: int
    outcome: Outcome
    trace: Trace | None
    explanation: Explanation | None
    not_repeated: str = ""
    story: tuple[str, ...] = ()
    lines: tuple[Lines | None, ...] = ()
    repair: Repair | None = None  # what was found to repair the program, if it was looked for

    def repaired(self, by: Repair | None) -> Witness:
        """The same with what repairs its program."""
        explanation = None if self.explanation is None else replace(self.explanation, repair=by)
        return replace(self, repair=by, explanation=explanation)

    @property
    def site(self) -> str | None:
        """The blamed site's name."""
        site = self.explanation.site if self.explanation is not None else None
        return None if site is None else site.name

    @property
    def place(self) -> tuple[str, int] | None:
        """Where in the program the fault is: the blamed barrier; else the later access of the pair, else what shows it.

        None where no line is known.
        """
        told = self.explanation
        if told is None or self.trace is None:
            return None
        events = (told.barrier, told.pair[1] if told.pair else None, told.bad, told.deciding)
        places = (self.trace.places.get(event.number) for event in events if event is not None)
        return next(filter(None, places), None)

    @property
    def symptom(self) -> str:
        """The site, or why none is named: "S1", "site not found", "not examined"."""
        if self.explanation is None:
            return NOT_EXAMINED
        if self.explanation.shape is Shape.INTERLEAVED:
            return "no barrier's fault"
        return self.site or "site not found"


@dataclass(slots=True)
class Result:
    """All runs of a plan."""

    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False  # Ctrl-C: not all that were asked for

    @property
    def exit_status(self) -> int:
        return INTERRUPTED if self.interrupted else int(not self.holds)

    @property
    def holds(self) -> bool:
        return not self.witnesses

    @property
    def messages(self) -> int:
        """Messages that made the whole way and were right, over all runs."""
        return sum(outcome.messages for outcome in self.outcomes)

    @property
    def round_trips_per_s(self) -> float:
        """Round trips a second of the runs' own time, by the host's clock; start-up is not in it."""
        busy_s = sum(outcome.elapsed_s for outcome in self.outcomes)
        return self.messages / busy_s if busy_s else 0.0


class SideFailed(AmpError):
    """A side's program ended in a way that is neither an end nor a violation."""


def run(plan: Plan, seeds: range, progress: Progress | None = None, *, explained: int = EXPLAINED_LIMIT) -> Result:
    """Run `plan` once per seed, in one pair of processes; explain the first so many witnesses.

    Ctrl-C gives what there is so far. Raises SideDied, SideFailed.
    """
    result = Result(plan)
    start = time.monotonic()
    try:
        with Machine(plan.at_seed(seeds.start)) as machine:
            for done, seed in enumerate(seeds, 1):
                outcome = machine.run(_lined(plan, seed), plan.platform, plan.sites)
                check_ended(outcome, plan.program.part_names)
                if outcome.finding is not None:
                    found = witness(machine, plan, outcome, explained=len(result.witnesses) < explained)
                    kept = found if len(result.witnesses) < TRACES_KEPT else replace(found, trace=None)
                    result.witnesses.append(kept)
                result.outcomes.append(outcome)
                if progress is not None:
                    progress(done)
    except KeyboardInterrupt:
        result.interrupted = True
    result.seconds = time.monotonic() - start
    return result


def _lined(plan: Plan, seed: int) -> RunConfig:
    """The run of a seed. No run in free mode can be made again for its lines: a user's keeps them at once."""
    config = plan.at_seed(seed)
    keeps = config.mode is Mode.FREE and plan.program.source is not None
    return msgspec.structs.replace(config, lines=True) if keeps else config


def check_ended(outcome: Outcome, names: Sequence[str]) -> None:
    """Raises SideFailed, SideDied for a run that came neither to its end nor to a violation."""
    for name, report in zip(names, outcome.reports, strict=True):
        if report.outcome == "error":
            if report.kind == ProgramError.__name__:
                raise ProgramError(f"{report.text} (in {name})")
            raise SideFailed(f"the {name}'s program failed: {report.kind or 'internal error'}: {report.text}")
    if outcome.finding is None and any(report.outcome == "lost" for report in outcome.reports):
        raise SideDied("a side went on long after the other had ended, and was stopped")


def witness(machine: Machine, plan: Plan, outcome: Outcome, *, explained: bool) -> Witness:
    """The outcome's violation; with its trace and the explanation if asked for, and the mode keeps a trace."""
    if not explained or outcome.config.mode is Mode.DIRECT:
        return Witness(outcome.config.seed, outcome, None, None)
    trace, lines = trace_of(machine), lines_of(machine, plan, outcome)
    place(trace, lines)
    return Witness(outcome.config.seed, outcome, trace, explain(plan, outcome, trace, machine), lines=lines)


def lines_of(machine: Machine, plan: Plan, outcome: Outcome) -> tuple[Lines | None, ...]:
    """The lines of the program at the accesses of the machine's last run, an entry a part.

    Keeping them slows a run down, so a run in lockstep is made again for them; it is the same one, or there are none.
    """
    lines = tuple(report.lines for report in outcome.reports)
    if any(lines) or outcome.config.mode is not Mode.LOCKSTEP or outcome.events > TRACE_EVENTS:
        return lines
    with suppress(AmpError):
        config = msgspec.structs.replace(outcome.config, lines=True)
        again = machine.run(config, plan.platform, plan.sites)
        if again.digest == outcome.digest:
            return tuple(report.lines for report in again.reports)
    return lines


def trace_of(machine: Machine) -> Trace:
    """The trace of the machine's last run."""
    program = machine.program
    memory = memoryview(machine.region.memory)
    return Trace.from_region(memory, machine.model_offset, program.sites, machine.staged)


def explain(
    plan: Plan, outcome: Outcome, trace: Trace, machine: Machine | None = None, *, repeatable: bool = True
) -> Explanation | None:
    """What `trace` says of the outcome's violation, tried in runs of `machine`, or of one that is made for it.

    If it is not repeatable, or cannot be here, nothing is tried, and the explanation says so.
    """
    report = outcome.finding
    assert report is not None, outcome
    assert outcome.finder is not None, outcome
    assert plan.platform is not None, plan
    ends = tuple(each.text or each.outcome for each in outcome.reports)
    finding = Finding(outcome.finder, report.text, report.address, stall=report.kind == "Stall", ends=ends)
    sides, names = plan.program.sides, plan.program.part_names
    lockstep = machine if plan.config.mode is Mode.LOCKSTEP else None
    if repeatable:
        with suppress(AmpError, OSError), Trials(plan, trace, finding, lockstep) as trials:
            if trials.possible:
                return blame(trace, finding, plan.platform, sides, trials, names=names)
    return blame(trace, finding, plan.platform, sides, names=names)


def title(plan: Plan) -> str:
    """What runs, in one line."""
    config = plan.config
    where = "this machine" if plan.platform is None else plan.platform.name
    extras = [name for name, on in (("event_idx", config.event_idx), ("indirect", config.indirect)) if on]
    sizes = [f"ring {config.ring_size}"] if "ring_size" in plan.program.sizes else []
    if "messages" in plan.program.sizes:
        sizes.append(f"{config.payload_bytes}-byte messages")
    named = f"{plan.program.name} on {where}"
    return ", ".join([named, f"{plan.sites.name} barriers", config.mode.value, *sizes, *extras])


def _shown(result: Result) -> list[Outcome]:
    """The run that is shown: the first with a violation, else the last."""
    return [result.witnesses[0].outcome] if result.witnesses else result.outcomes[-1:]


def printed(plan: Plan, outcome: Outcome) -> list[str]:
    """The lines that compiled code has printed, each with its part."""
    reports = zip(plan.program.part_names, outcome.reports, strict=True)
    return [f"{name} prints: {text}" for name, report in reports for text in report.said]


def not_shown(plan: Plan) -> list[str]:
    """In words what runs by chance that have held do not say."""
    lines = ["(a sample of what the platform allows: no violation seen is not a proof)"]
    if plan.platform is not None and reach_one_by_one(plan.platform, plan.program.placement):
        lines.append("(here a store may reach one observer before another: by chance, and by no schedule)")
    return lines


def by_symptom(witnesses: list[Witness]) -> list[str]:
    """How many of each kind, most frequent first: "12 x S1: BadRing"."""
    counts = Counter(f"{w.symptom}: {w.outcome.finding.kind}" for w in witnesses if w.outcome.finding)
    return [f"{count} x {what}" for what, count in counts.most_common()]


def progress(plan: Plan, found: Witness) -> str:
    """How far it came: ", after 3 good messages"; "" of a program that counts none."""
    good = found.outcome.messages
    return f", after {good} good message{'s' * (good != 1)}" if "messages" in plan.program.sizes else ""


def verdict(plan: Plan, found: Witness) -> str:
    """The verdict in one line, with its platform and bounds."""
    site = "" if found.site is None else f" at {found.site}"
    where = "by this schedule" if plan.config.schedule else f"at seed {found.seed}"
    return f"Violation{site}: {title(plan)}; {where}{progress(plan, found)}"


def replay_command(plan: Plan, seed: int) -> str | None:
    """The command that repeats the run of `seed` exactly; only lockstep does."""
    return plan.command(seed) if plan.config.mode is Mode.LOCKSTEP else None


def as_data(result: Result) -> dict[str, Any]:
    """The result as one JSON object."""
    plan = result.plan
    return {
        "command": "run",
        "status": "violation" if not result.holds else "inconclusive" if result.interrupted else "holds",
        "program": plan.program.name,
        "mode": plan.config.mode.value,
        "platform": plan.platform_name,
        "barriers": plan.sites.name,
        "ring_size": plan.config.ring_size,
        "payload_bytes": plan.config.payload_bytes,
        "violations": len(result.witnesses),
        "executions": len(result.outcomes),
        "states": sum(outcome.events for outcome in result.outcomes),
        "messages": result.messages,
        "round_trips_per_s": round(result.round_trips_per_s, 1),
        "messages_per_s": round(2 * result.round_trips_per_s, 1),
        "notifications": sum(report.notifications for outcome in result.outcomes for report in outcome.reports),
        "sleeps": sum(report.waits for outcome in result.outcomes for report in outcome.reports),
        "seconds": round(result.seconds, 3),
        "printed": [line for outcome in _shown(result) for line in printed(plan, outcome)],
        "findings": [finding_data(plan, found) for found in result.witnesses],
    }


def finding_data(plan: Plan, found: Witness) -> dict[str, Any]:
    """One violation as data."""
    report, finder = found.outcome.finding, found.outcome.finder
    assert report is not None, found
    assert finder is not None, found
    return {
        "seed": found.seed,
        "side": plan.program.part_names[finder],
        "kind": report.kind,
        "text": report.text,
        "address": report.address,
        "after_messages": found.outcome.messages,
        "site": found.site,
        "examined": found.explanation is not None,
        "digest": f"{found.outcome.digest:016x}",
        "events": found.outcome.events,
        "replay": None if found.not_repeated else replay_command(plan, found.seed),
        "not_repeated": found.not_repeated or None,
        "printed": printed(plan, found.outcome),
        "story": list(found.story),
        "explanation": None if found.explanation is None else as_dict(found.explanation, found.trace),
        "repair": None if found.repair is None else repair_data(found.repair),
    }
