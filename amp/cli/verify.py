"""`amp verify`: every behaviour of a scenario on a platform, or the smallest counterexample.

Composition root: the two sides' programs meet the explorer here. A counterexample is made small, then run in two real
processes in lockstep; what is shown, saved and replayed is that run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from amp.cli.machine import Machine as TwoProcesses
from amp.cli.options import Plan
from amp.cli.run import Witness, check_ended, finding_data, render_witness, witness
from amp.errors import AmpError, Stall
from amp.explore.explorer import Bounds, Chooser, Exploration, Explorer, Finding, Machine, Program
from amp.explore.follow import follow
from amp.explore.schedule import Execution, script_of
from amp.explore.shrink import Shrunk, shrink
from amp.machine.config import RunConfig, Tally
from amp.machine.script import Script
from amp.machine.small import plan_for
from amp.port.port import CPU_NAMES, Port
from amp.scenarios import SCENARIOS

Progress = Callable[[Exploration], None]


class NotRepeated(AmpError):
    """Two processes did not show what the explorer had found: a defect of amp."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """`plan` is the run that shows it, with its schedule and as few messages as it takes; `smaller` says of fewer."""

    plan: Plan
    shrunk: Shrunk
    witness: Witness | None  # None: no schedule of two processes shows it, see Shrunk.script
    smaller: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it."""

    plan: Plan
    exploration: Exploration
    counterexample: Counterexample | None
    seconds: float

    @property
    def status(self) -> str:
        if self.counterexample is not None:
            return "violation"
        return "verified" if self.exploration.bound is None else "inconclusive"

    @property
    def exit_status(self) -> int:
        return {"verified": 0, "violation": 1, "inconclusive": 3}[self.status]


def explorer_of(plan: Plan) -> Explorer:
    """The explorer of a scenario's plan."""
    scenario = SCENARIOS[plan.config.program]
    assert plan.platform is not None, plan
    machine = Machine(plan.platform, plan.sites, plan_for(plan.config).layout(model_bytes=8).shared)
    return Explorer(machine, [_part(scenario.host, plan.config), _part(scenario.remote, plan.config)])


def _part(program: Callable[[Port, RunConfig, Tally], None], config: RunConfig) -> Program:
    return lambda port: program(port, config, Tally())


def verify(plan: Plan, bounds: Bounds, progress: Progress | None = None) -> Verdict:
    """Explore `plan`; make a counterexample small and show it in two processes."""
    started = time.monotonic()
    explorer = explorer_of(plan)
    exploration = explorer.explore(bounds, progress)
    found = None
    if exploration.finding is not None:
        found = _shown(*fewest_messages(plan, explorer, exploration.finding, bounds))
    return Verdict(plan, exploration, found, time.monotonic() - started)


def sample(plan: Plan, chooser: Chooser, seed: int, depth: int, bounds: Bounds) -> Verdict:
    """Runs by chance, until one shows a violation or there are `bounds.executions` of them. Never "verified"."""
    started = time.monotonic()
    explorer = explorer_of(plan)
    runs, finding = explorer.sample(chooser, seed, bounds.executions, depth)
    stats = explorer.core.stats()
    result = Exploration(
        runs=runs,
        executions=int(stats["executions"]),
        redundant=int(stats["redundant"]),
        finding=finding,
        seconds=time.monotonic() - started,
    )
    result.bound = f"{runs} runs by chance ({chooser.name.lower()})"
    found = None
    if finding is not None:  # by its schedule: what chance decided besides the choices is not in them
        _, finding = follow(explorer, script_of(Execution.of(explorer.core.events())))
        assert finding is not None, "a schedule leads where it came from"
        found = _shown(plan, explorer, finding, "not asked of fewer")
    return Verdict(plan, result, found, time.monotonic() - started)


def along(plan: Plan, script: Script) -> Verdict:
    """The one execution that a schedule names. Never "verified"."""
    started = time.monotonic()
    explorer = explorer_of(plan)
    _, finding = follow(explorer, script)
    result = Exploration(runs=1, executions=1, finding=finding, seconds=time.monotonic() - started)
    result.bound = "the one execution of the schedule"
    found = None if finding is None else _shown(plan, explorer, finding, "not asked of fewer")
    return Verdict(plan, result, found, time.monotonic() - started)


def fewest_messages(
    plan: Plan, explorer: Explorer, finding: Finding, bounds: Bounds
) -> tuple[Plan, Explorer, Finding, str]:
    """The same with as few messages as it takes to find anything, and what is known of still fewer."""
    smaller = "a single message is the least there is"
    for messages in range(1, plan.config.messages):
        fewer = plan.with_config(messages=messages)
        attempt = explorer_of(fewer)
        result = attempt.explore(bounds)
        if result.finding is not None:
            return fewer, attempt, result.finding, smaller
        known = "none" if result.bound is None else f"none within {result.bound}"
        smaller = f"with {messages} message{'s' * (messages > 1)} there is {known}"
    return plan, explorer, finding, smaller


def _shown(plan: Plan, explorer: Explorer, finding: Finding, smaller: str) -> Counterexample:
    """The finding made small, and shown in two processes."""
    shrunk = shrink(explorer, finding)
    if shrunk.script is None:
        return Counterexample(plan, shrunk, None, smaller)
    plan = plan.with_config(script=shrunk.script.token())
    return Counterexample(plan, shrunk, replay(plan, shrunk), smaller)


def replay(plan: Plan, shrunk: Shrunk) -> Witness:
    """The counterexample in two real processes. Raises NotRepeated if they show something else."""
    with TwoProcesses(plan.config) as machine:
        outcome = machine.run(plan.config, plan.platform, plan.sites)
        check_ended(outcome)
        report, error = outcome.finding, shrunk.finding.error
        # Of a stall each side speaks for itself; which of the two is heard first means nothing.
        same = (
            report is not None
            and report.kind == type(error).__name__
            and (isinstance(error, Stall) or report.text == str(error))
        )
        if not same:
            shown = "no violation" if report is None else report.text
            raise NotRepeated(f"the explorer found {error}; two processes with its schedule showed {shown}")
        return witness(machine, plan, outcome, explained=True)


def title(plan: Plan) -> str:
    """What was explored, with its bounds, in one line."""
    config = plan.config
    weakened = f", weakened {', '.join(plan.weaken)}" if plan.weaken else ""
    return (
        f"{config.program} on {plan.platform_name} with {plan.barriers} barriers{weakened}: "
        f"{config.messages} message{'s' * (config.messages != 1)}, ring of {config.ring_size}"
    )


def render(console: Console, verdict: Verdict, names: Callable[[int], str]) -> None:
    """The verdict for a reader."""
    result, found = verdict.exploration, verdict.counterexample
    console.print(f"[bold]{escape(title(verdict.plan))}[/bold]")
    counts = (
        f"{result.runs:,} runs: {result.executions:,} complete, {result.merged:,} merged with one of {result.states:,} "
        f"states, {result.redundant:,} redundant; {result.seconds:.2f} s"
    )
    if found is None and verdict.status == "verified":
        console.print(f"[green]verified[/green]: every execution holds within these bounds. {counts}")
        return
    if found is None:
        console.print(f"[yellow]inconclusive[/yellow]: stopped after {result.bound}; nothing found so far. {counts}")
        return
    console.print(
        f"[red]violation[/red] by the {CPU_NAMES[found.shrunk.finding.cpu]}: {escape(str(found.shrunk.finding.error))}"
    )
    console.print(f"found in {counts}")
    for line in _smallness(found):
        console.print(escape(line))
    if found.witness is not None:
        render_witness(console, found.plan, found.witness, names)


def _smallness(found: Counterexample) -> list[str]:
    cost, config = found.shrunk.cost, found.plan.config
    lines = [
        f"smallest: {config.messages} message{'s' * (config.messages != 1)} ({found.smaller}); "
        f"{cost.stale_loads} stale load{'s' * (cost.stale_loads != 1)}, {cost.switches} context switches; "
        f"locally minimal: none of {found.shrunk.tried} single changes makes it simpler",
    ]
    if cost.reordered:
        lines.append("It needs load->store reordering: a load performed after a later store of its CPU is visible.")
    if found.witness is None:
        lines.append("Two processes cannot show it: the value of that load is used before the store.")
    return lines


def as_data(verdict: Verdict) -> dict[str, Any]:
    """The verdict as one JSON object."""
    plan, result, found = verdict.plan, verdict.exploration, verdict.counterexample
    data: dict[str, Any] = {
        "command": "verify",
        "status": verdict.status,
        "scenario": plan.config.program,
        "platform": plan.platform_name,
        "barriers": plan.barriers,
        "weaken": list(plan.weaken),
        "messages": plan.config.messages,
        "ring_size": plan.config.ring_size,
        "violations": int(found is not None),
        "executions": result.executions,
        "runs": result.runs,
        "states": result.states,
        "merged": result.merged,
        "redundant": result.redundant,
        "bound": result.bound,
        "seconds": round(verdict.seconds, 3),
        "counterexample": None,
    }
    if found is not None:
        data["counterexample"] = _counterexample_data(found)
    return data


def _counterexample_data(found: Counterexample) -> dict[str, Any]:
    error, cost = found.shrunk.finding.error, found.shrunk.cost
    return {
        "side": CPU_NAMES[found.shrunk.finding.cpu],
        "kind": type(error).__name__,
        "text": str(error),
        "needs_load_store_reordering": cost.reordered,
        "messages": found.plan.config.messages,
        "smaller": found.smaller,
        "stale_loads": cost.stale_loads,
        "switches": cost.switches,
        "steps": cost.goals,
        "changes_tried": found.shrunk.tried,
        "schedule": found.plan.config.script or None,
        "finding": None if found.witness is None else finding_data(found.plan, found.witness),
    }
