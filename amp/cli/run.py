"""`amp run`: a program on both sides, once or over many seeds, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from amp.cli.ending import INTERRUPTED
from amp.cli.machine import Machine, Outcome, SideDied
from amp.cli.options import Plan
from amp.cli.trial import Trials
from amp.errors import AmpError
from amp.machine.config import Mode
from amp.report.blame import Explanation, Finding, blame
from amp.report.shapes import Shape
from amp.report.timeline import as_dict, render_timeline
from amp.report.trace import Trace

# An explanation takes some ten runs, and a long trace some 0.3 s to read: of very many only the first are examined.
EXPLAINED_LIMIT: Final = 256
TRACES_KEPT: Final = 32  # a long one is some 10 MB; only the first is shown
NOT_EXAMINED: Final = "not examined"

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Witness:
    """One seed's violation. `explanation` is None in direct mode, and of a witness that was not examined.

    `trace` is None then, too, and of a witness that is one of many. One that only the explorer has seen says why two
    processes did not repeat it (`not_repeated`; else ""), and its `story` is the explorer's execution, a step a line.
    """

    seed: int
    outcome: Outcome
    trace: Trace | None
    explanation: Explanation | None
    not_repeated: str = ""
    story: tuple[str, ...] = ()

    @property
    def site(self) -> str | None:
        """The blamed site's name."""
        site = self.explanation.site if self.explanation is not None else None
        return None if site is None else site.name

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
        """Of the runs' own time, by the host's clock; start-up is not in it."""
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
                outcome = machine.run(plan.at_seed(seed), plan.platform, plan.sites)
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


def check_ended(outcome: Outcome, names: Sequence[str]) -> None:
    """Raises SideFailed, SideDied for a run that came neither to its end nor to a violation."""
    for name, report in zip(names, outcome.reports, strict=True):
        if report.outcome == "error":
            raise SideFailed(f"the {name}'s program failed: {report.kind or 'internal error'}: {report.text}")
    if outcome.finding is None and any(report.outcome == "lost" for report in outcome.reports):
        raise SideDied("a side went on long after the other had ended, and was stopped")


def witness(machine: Machine, plan: Plan, outcome: Outcome, *, explained: bool) -> Witness:
    """The outcome's violation; with its trace and the explanation if asked for, and the mode keeps a trace."""
    if not explained or outcome.config.mode is Mode.DIRECT:
        return Witness(outcome.config.seed, outcome, None, None)
    trace = trace_of(machine)
    return Witness(outcome.config.seed, outcome, trace, explain(plan, outcome, trace, machine))


def trace_of(machine: Machine) -> Trace:
    """The trace of the machine's last run."""
    return Trace.from_region(memoryview(machine.region.memory), machine.model_offset, machine.program.sites)


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
    finding = Finding(outcome.finder, report.text, report.address, stall=report.kind == "Stall")
    sides = plan.program.sides
    lockstep = machine if plan.config.mode is Mode.LOCKSTEP else None
    if repeatable:
        with suppress(AmpError, OSError), Trials(plan, trace, finding, lockstep) as trials:
            if trials.possible:
                return blame(trace, finding, plan.platform, sides, trials)
    return blame(trace, finding, plan.platform, sides)


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


def render(console: Console, result: Result, machine_names: Callable[[int], str]) -> None:
    """The result for a reader."""
    plan, runs = result.plan, len(result.outcomes)
    console.print(f"[bold]{escape(title(plan))}[/bold]")
    if result.interrupted:
        console.print("[yellow]interrupted[/yellow]: what follows is of the runs that had ended")
    if result.holds:
        console.print(
            f"[green]0 violations[/green] in {runs} run{'s' * (runs != 1)}: {result.messages} messages there and back, "
            f"every one checked on both sides; {result.round_trips_per_s:,.0f} round trips/s",
        )
        if plan.config.mode is not Mode.DIRECT:
            console.print("(a sample of what the platform allows: no violation seen is not a proof)")
        return
    first = result.witnesses[0]
    console.print(
        f"[red]{len(result.witnesses)} of {runs} run{'s' * (runs != 1)} found a violation[/red]", highlight=False
    )
    for line in by_symptom(result.witnesses):
        console.print(f"  {escape(line)}")
    render_witness(console, plan, first, machine_names)


def by_symptom(witnesses: list[Witness]) -> list[str]:
    """How many of each kind, most frequent first: "12 x S1: BadRing"."""
    counts = Counter(f"{w.symptom}: {w.outcome.finding.kind}" for w in witnesses if w.outcome.finding)
    return [f"{count} x {what}" for what, count in counts.most_common()]


def render_witness(console: Console, plan: Plan, shown: Witness, machine_names: Callable[[int], str]) -> None:
    """One violation: what was found, the timeline that explains it, and the line that repeats it."""
    report, finder = shown.outcome.finding, shown.outcome.finder
    assert report is not None, shown
    assert finder is not None, shown
    if shown.not_repeated:
        render_unrepeated(console, plan, shown)
        return
    which = f"seed {shown.seed}" if not plan.config.script else "this schedule"
    console.print(f"\n[bold]{which}, {progress(shown)}[/bold]")
    replay = _replay(plan, shown.seed)
    if shown.trace is not None and shown.explanation is not None:
        render_timeline(console, shown.trace, shown.explanation, machine_names, replay=replay)
    else:
        console.print(f"Found by the {plan.program.part_names[finder]}: {escape(report.text)}")
    if replay is None:
        console.print(f"A {plan.config.mode.value} run does not repeat exactly. The same again, with luck:")
        console.print(plan.command(shown.seed), soft_wrap=True, markup=False)


def render_unrepeated(console: Console, plan: Plan, shown: Witness) -> None:
    """What the explorer found and two processes did not: why, and the execution step by step."""
    report, finder = shown.outcome.finding, shown.outcome.finder
    assert report is not None, shown
    assert finder is not None, shown
    console.print(f"\nFound by the {plan.program.part_names[finder]}: {escape(report.text)}")
    console.print(f"not repeated in two processes: {escape(shown.not_repeated)}")
    console.print("The explorer's execution, in an order in which it may happen:")
    for number, step in enumerate(shown.story, 1):
        console.print(f"{number:>6} {step}", markup=False, highlight=False)


def progress(found: Witness) -> str:
    """How far it came: "after 3 good messages"."""
    good = found.outcome.messages
    return f"after {good} good message{'s' * (good != 1)}"


def _replay(plan: Plan, seed: int) -> str | None:
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
        "replay": None if found.not_repeated else _replay(plan, found.seed),
        "not_repeated": found.not_repeated or None,
        "story": list(found.story),
        "explanation": None if found.explanation is None else as_dict(found.explanation),
    }
