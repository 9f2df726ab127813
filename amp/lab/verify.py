"""Every behaviour of a program on a platform, or the smallest counterexample.

A counterexample is made small, then run in lockstep, in a real process for each part; what is shown, saved and replayed
is that run.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final

from amp.errors import AmpError, Stall, UsageError
from amp.explore.explorer import (
    Bounds,
    Chooser,
    Exploration,
    ExploredPort,
    Explorer,
    Finding,
    Machine,
    Program,
)
from amp.explore.follow import follow
from amp.explore.lined import LinedExploredPort
from amp.explore.schedule import Execution
from amp.explore.shrink import Shrunk, shrink, told
from amp.lab.beyond import unrepeated
from amp.lab.descriptors import INTERRUPTED
from amp.lab.machine import Machine as TwoProcesses
from amp.lab.machine import Outcome
from amp.lab.plan import Plan
from amp.lab.run import Witness, check_ended, finding_data
from amp.lab.run import witness as explained_witness
from amp.lab.stopping import Progress, Stop, explore, stoppable
from amp.machine.config import RunConfig, Tally
from amp.machine.schedule import Schedule
from amp.port.lines import stands_ahead
from amp.programs.program import Code
from amp.report.counts import count_of, processes

UNFIT: Final = "does not fit"
LOOK_EVERY: Final = 64  # runs by chance between two looks at the clock


class NotRepeated(AmpError):
    """Two processes did not show what the explorer had found: a gap between the two, which is a defect of amp."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """`plan` is the run that shows it, with its schedule and as few messages as it takes; `smaller` says of fewer.

    `witness` is the run in processes, or, if those did not repeat it, the explorer's own execution and the reason.
    """

    plan: Plan
    shrunk: Shrunk
    witness: Witness
    smaller: str

    @property
    def finder(self) -> str:
        """The part that found it."""
        return self.plan.program.part_names[self.shrunk.finding.cpu]

    @property
    def repeated(self) -> bool:
        """Did processes repeat it?"""
        return not self.witness.not_repeated


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it. `unfit`: nothing, for the code does not fit the platform; the exploration's bound says why."""

    plan: Plan
    exploration: Exploration
    counterexample: Counterexample | None
    seconds: float
    interrupted: bool = False  # Ctrl-C
    unfit: bool = False

    @property
    def status(self) -> str:
        if self.unfit:
            return UNFIT
        if self.exploration.finding is not None:
            return "violation"
        return "verified" if self.exploration.bound is None else "inconclusive"

    @property
    def exit_status(self) -> int:
        if self.interrupted:
            return INTERRUPTED
        return {"verified": 0, "violation": 1, "inconclusive": 3}[self.status]


def explorer_of(plan: Plan) -> Explorer:
    """The explorer of a plan. Raises UsageError for an exchange, which is too large."""
    program = plan.program
    if program.exchange:
        raise UsageError(f"{program.name} is too large to be explored: vring is the same rings, small")
    assert plan.platform is not None, plan
    memory = program.memory(plan.config).layout(model_bytes=8).shared
    machine = Machine(plan.platform, plan.sites, memory, program.placement)
    codes = [part.load() for part in program.parts]
    classes = [code.of_class for code in codes if hasattr(code, "of_class")]
    hazards = all(getattr(code, "hazards", False) for code in codes)
    door = LinedExploredPort if stands_ahead(plan.sites) else ExploredPort
    parts = [_part(code, plan.config) for code in codes]
    return Explorer(machine, parts, classes=classes, door=door, hazards=hazards)


def _part(code: Code, config: RunConfig) -> Program:
    return lambda port: code(port, config, Tally())


def check_touched(plan: Plan, explorer: Explorer, exploration: Exploration) -> None:
    """Raises UsageError for compiled code without any access: it was given the wrong window, or no argument."""
    decided = exploration.finding is not None or exploration.bound is not None
    if plan.program.fits is not None and not decided and exploration.runs == 1 and not explorer.core.events():
        raise UsageError(
            f"{plan.shown}: no part touches the shared memory: is it where the program says, and has each function "
            "its arguments?"
        )


def verify(plan: Plan, bounds: Bounds, progress: Progress | None = None) -> Verdict:
    """Explore `plan`; make a counterexample small and show it in processes."""
    started = time.monotonic()
    explorer = explorer_of(plan)
    with stoppable() as stop:
        exploration = explore(explorer, bounds, stop, progress)
        check_touched(plan, explorer, exploration)
        found = None
        if exploration.finding is not None:
            found = shown(*fewest_messages(plan, explorer, exploration.finding, bounds, stop), stop)
    return Verdict(plan, exploration, found, time.monotonic() - started, stop.asked)


def sample(
    plan: Plan, chooser: Chooser, seed: int, depth: int, bounds: Bounds, *, progress: Progress | None = None
) -> Verdict:
    """Runs by chance, until one shows a violation or a bound is reached. Never "verified"."""
    started = time.monotonic()
    explorer = explorer_of(plan)
    with stoppable() as stop:
        result = _by_chance(explorer, (chooser, seed, depth), bounds, stop, progress)
        found = None if result.finding is None else _found_by_chance(plan, explorer, result.finding)
    return Verdict(plan, result, found, time.monotonic() - started, stop.asked)


def _by_chance(
    explorer: Explorer, chooser: tuple[Chooser, int, int], bounds: Bounds, stop: Stop, progress: Progress | None
) -> Exploration:
    """Run by run, as `chooser` (who, seed, depth) has it."""
    result, started = Exploration(), time.monotonic()
    with closing(explorer.samples(*chooser)) as samples:
        for finding in samples:
            result.finding = finding
            result.runs, result.seconds = result.runs + 1, time.monotonic() - started
            if finding is not None or result.runs >= bounds.executions:
                break
            if result.runs % LOOK_EVERY == 0:
                if stop.asked or result.seconds > bounds.seconds:
                    break
                if progress is not None:
                    progress(result)
    stats = explorer.core.stats()
    result.executions, result.redundant = int(stats["executions"]), int(stats["redundant"])
    result.bound = f"{count_of(result.runs, 'run')} by chance ({chooser[0].name.lower()})"
    return result


def _found_by_chance(plan: Plan, explorer: Explorer, finding: Finding) -> Counterexample:
    """Found again by its schedule: what chance decided besides the choices is not in them. Else it is told as it is."""
    execution, smaller = Execution.of(explorer.core.events()), "not asked of fewer"
    as_it_is = told(finding, execution)
    why = as_it_is.beyond
    if as_it_is.schedule is not None:
        try:
            _, again = follow(explorer, as_it_is.schedule)
        except AmpError as error:
            again, why = None, str(error)
        if again is not None:
            return shown(plan, explorer, again, smaller)
    why = why or "the explorer itself found nothing along its schedule: a defect of amp"
    return Counterexample(plan, as_it_is, unrepeated(plan, explorer, finding, why), smaller)


def along(plan: Plan, schedule: Schedule) -> Verdict:
    """The one execution that a schedule names. Never "verified"."""
    started = time.monotonic()
    explorer = explorer_of(plan)
    _, finding = follow(explorer, schedule)
    result = Exploration(runs=1, executions=1, finding=finding, seconds=time.monotonic() - started)
    result.bound = "the one execution of the schedule"
    found = None if finding is None else shown(plan, explorer, finding, "not asked of fewer")
    return Verdict(plan, result, found, time.monotonic() - started)


def fewest_messages(
    plan: Plan, explorer: Explorer, finding: Finding, bounds: Bounds, stop: Stop
) -> tuple[Plan, Explorer, Finding, str]:
    """The same with as few messages as it takes to find anything, and what is known of still fewer."""
    if "messages" not in plan.program.sizes:
        return plan, explorer, finding, ""
    smaller = "a single message is the least there is"
    least = plan.program.sizes["messages"].least
    for messages in range(least, plan.config.messages):
        fewer = plan.with_config(messages=messages)
        attempt = explorer_of(fewer)
        result = explore(attempt, bounds, stop)
        if result.finding is not None:
            return fewer, attempt, result.finding, smaller
        known = "none" if result.bound is None else f"none within {result.bound}"
        smaller = f"with {messages} message{'s' * (messages > 1)} there is {known}"
    return plan, explorer, finding, smaller


def shown(plan: Plan, explorer: Explorer, finding: Finding, smaller: str, stop: Stop | None = None) -> Counterexample:
    """The finding made small, shown in processes, and with what repairs the program."""
    from amp.lab.repair import repair_compiled  # noqa: PLC0415  (it explores, by what is here)

    shrunk = told(finding, Execution.of(explorer.core.events()))
    try:
        shrunk = shrink(explorer, finding)
        if shrunk.schedule is not None:
            plan = plan.with_config(schedule=shrunk.schedule.token())
        witness = replay(plan, shrunk)
    except (AmpError, OSError) as error:  # whatever became of the replay, the finding stands
        witness = unrepeated(plan, explorer, shrunk.finding, " ".join(str(error).split()))
    return Counterexample(plan, shrunk, witness.repaired(repair_compiled(plan, stop)), smaller)


def retold(plan: Plan, found: Witness) -> Witness:
    """A saved finding that processes do not repeat, with its trace: explored once more.

    As it was saved where that does not lead to it again, within what is allowed for it.
    """
    from amp.lab.repair import BOUNDS  # noqa: PLC0415

    explorer = explorer_of(plan)
    finding = explore(explorer, BOUNDS, Stop()).finding
    report = found.outcome.finding
    if finding is None or report is None or str(finding.error) != report.text:
        return found
    again = unrepeated(plan, explorer, shrink(explorer, finding).finding, found.not_repeated)
    return replace(found, trace=again.trace, explanation=again.explanation)


def replay(plan: Plan, shrunk: Shrunk) -> Witness:
    """The counterexample in two real processes. Raises NotRepeated if they show something else, or cannot show it."""
    if shrunk.schedule is None:
        raise NotRepeated(shrunk.beyond)
    with TwoProcesses(plan.config) as machine:
        outcome = machine.run(plan.config, plan.platform, plan.sites)
        check_ended(outcome, plan.program.part_names)
        finder = _same_finder(outcome, shrunk.finding)
        if finder is None:
            shown = "no violation" if outcome.finding is None else outcome.finding.text
            raise NotRepeated(
                f"{processes(len(plan.program.parts))} with the schedule showed {shown}; this is a defect of amp"
            )
        return explained_witness(machine, plan, replace(outcome, finder=finder), explained=True)


def _same_finder(outcome: Outcome, finding: Finding) -> int | None:
    """Which side reported the very finding; the other may have found something as well, later. None: neither did."""
    if isinstance(finding.error, Stall):  # each side speaks for itself; which of the two is heard first means nothing
        found = outcome.finding
        return outcome.finder if found is not None and found.kind == type(finding.error).__name__ else None
    report = outcome.reports[finding.cpu]
    same = (report.outcome, report.kind, report.text) == ("violation", type(finding.error).__name__, str(finding.error))
    return finding.cpu if same else None


def title(plan: Plan) -> str:
    """What was explored, with its bounds, in one line."""
    weakened = f", weakened {', '.join(plan.weaken)}" if plan.weaken else ""
    sizes = plan.program.said(plan.config)
    fits = plan.program.fits(plan.platform) if plan.program.fits is not None and plan.platform is not None else ""
    compiled = fits.startswith("barriers as compiled") and plan.barriers == "as-built"  # it says the same
    barriers = fits if compiled else f"{plan.barriers} barriers"
    where = f"{plan.program.name} on {plan.platform_name} with {barriers}{weakened}"
    where += f", {fits}" if fits and not compiled else ""
    return f"{where}: {sizes}" if sizes else where


def as_data(verdict: Verdict) -> dict[str, Any]:
    """The verdict as one JSON object."""
    plan, result, found = verdict.plan, verdict.exploration, verdict.counterexample
    data: dict[str, Any] = {
        "command": "verify",
        "status": verdict.status,
        "program": plan.program.name,
        "platform": plan.platform_name,
        "barriers": plan.barriers,
        "weaken": list(plan.weaken),
        "messages": plan.config.messages,
        "ring_size": plan.config.ring_size,
        "sizes": {name: plan.program.size_of(plan.config, name) for name in plan.program.sizes},
        "violations": int(result.finding is not None),
        "executions": result.executions,
        "runs": result.runs,
        "states": result.states,
        "merged": result.merged,
        "redundant": result.redundant,
        "bound": result.bound,
        "seconds": round(verdict.seconds, 3),
        "counterexample": None,
    }
    if result.finding is not None:
        data["finding"] = str(result.finding.error)
    if found is not None:
        data["counterexample"] = counterexample_data(found)
    return data


def counterexample_data(found: Counterexample) -> dict[str, Any]:
    error, cost = found.shrunk.finding.error, found.shrunk.cost
    return {
        "side": found.finder,
        "kind": type(error).__name__,
        "text": str(error),
        "needs_load_store_reordering": cost.reordered,
        "needs_stores_one_by_one": cost.one_by_one,
        "messages": found.plan.config.messages,
        "smaller": found.smaller,
        "stale_loads": cost.stale_loads,
        "switches": cost.switches,
        "steps": cost.goals,
        "changes_tried": found.shrunk.tried,
        "schedule": found.plan.config.schedule or None,
        "repeated": found.repeated,
        "not_repeated": found.witness.not_repeated or None,
        "finding": finding_data(found.plan, found.witness),
    }


def search_command(found: Counterexample) -> str | None:
    """The command that looks for a repair, where nobody has and no site is to blame; None where none can."""
    from amp.lab.repair import is_possible  # noqa: PLC0415

    told = found.witness.explanation
    nothing_to_order = told is not None and (told.site is not None or told.sequential)
    if found.witness.repair is not None or nothing_to_order or not is_possible(found.plan):
        return None
    return found.plan.verify_command().replace("amp verify", "amp sites", 1)


def smallness(found: Counterexample) -> list[str]:
    """In words how small a counterexample is, and what it needs."""
    cost = found.shrunk.cost
    messages = f"{count_of(found.plan.config.messages, 'message')} ({found.smaller}); " if found.smaller else ""
    lines = [
        f"smallest: {messages}{count_of(cost.stale_loads, 'stale load')}, "
        f"{count_of(cost.switches, 'context switch', 'es')}; "
        f"locally minimal: none of {count_of(found.shrunk.tried, 'single change')} makes it simpler",
    ]
    if cost.one_by_one:
        lines.append("It needs a machine without multi-copy atomicity: a store reaches one observer before another.")
    if cost.reordered:
        lines.append("It needs load->store reordering: a load performed after a later store of its CPU is visible.")
    if found.repeated:
        lines.append(f"repeated in {processes(len(found.plan.program.parts))}: yes")
    return lines
