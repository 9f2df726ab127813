"""What `amp run` prints: the runs, a violation's story, and the line that repeats it."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from amp.cli.timeline import render_timeline
from amp.lab.plan import Plan
from amp.lab.run import Result, Witness, by_symptom, not_shown, printed, progress, replay_command, title
from amp.machine.config import Mode
from amp.report.counts import processes


def render(console: Console, result: Result, machine_names: Callable[[int], str]) -> None:
    """The result for a reader."""
    plan, runs = result.plan, len(result.outcomes)
    console.print(f"[bold]{escape(title(plan))}[/bold]")
    if result.interrupted:
        console.print("[yellow]interrupted[/yellow]: what follows is of the runs that had ended")
    if result.holds:
        _print(console, printed(plan, result.outcomes[-1]) if runs else [])
        console.print(
            f"[green]0 violations[/green] in {runs} run{'s' * (runs != 1)}{_work(result)}",
        )
        if plan.config.mode is not Mode.DIRECT:
            _print(console, not_shown(plan))
        return
    first = result.witnesses[0]
    console.print(
        f"[red]{len(result.witnesses)} of {runs} run{'s' * (runs != 1)} found a violation[/red]", highlight=False
    )
    for line in by_symptom(result.witnesses):
        console.print(f"  {escape(line)}")
    render_witness(console, plan, first, machine_names)


def _work(result: Result) -> str:
    """What the runs did, where the program counts it."""
    if "messages" not in result.plan.program.sizes:
        return ""
    return (
        f": {result.messages} messages there and back, every one checked on both sides; "
        f"{result.round_trips_per_s:,.0f} round trips/s"
    )


def render_witness(console: Console, plan: Plan, shown: Witness, machine_names: Callable[[int], str]) -> None:
    """One violation: what was found, the timeline that explains it, and the line that repeats it."""
    report, finder = shown.outcome.finding, shown.outcome.finder
    assert report is not None, shown
    assert finder is not None, shown
    if shown.not_repeated:
        render_unrepeated(console, plan, shown)
        return
    _print(console, printed(plan, shown.outcome))
    which = f"seed {shown.seed}" if not plan.config.schedule else "the run of this schedule"
    console.print(f"\n[bold]{which}{progress(plan, shown)}[/bold]")
    replay = replay_command(plan, shown.seed)
    if shown.trace is not None and shown.explanation is not None:
        render_timeline(console, shown.trace, shown.explanation, machine_names, replay=replay)
    else:
        console.print(f"Found by the {plan.program.part_names[finder]}: {escape(report.text)}")
    if replay is None:
        console.print(f"A {plan.config.mode.value} run does not repeat exactly. The same again, with luck:")
        console.print(plan.command(shown.seed), soft_wrap=True, markup=False)


def render_unrepeated(console: Console, plan: Plan, shown: Witness) -> None:
    """What the explorer found and processes did not: why, and the execution step by step."""
    report, finder = shown.outcome.finding, shown.outcome.finder
    assert report is not None, shown
    assert finder is not None, shown
    console.print(f"\nnot repeated in {processes(len(plan.program.parts))}: {escape(shown.not_repeated)}")
    if shown.trace is not None and shown.explanation is not None:
        render_timeline(console, shown.trace, shown.explanation, plan.name_of)
        return
    console.print(f"Found by the {plan.program.part_names[finder]}: {escape(report.text)}")
    console.print("The explorer's execution, in an order in which it may happen:")
    _print(console, [f"{number:>6} {step}" for number, step in enumerate(shown.story, 1)])


def _print(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False)
