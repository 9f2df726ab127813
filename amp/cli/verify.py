"""What `amp verify` prints: the verdict with its bounds, and a counterexample's story."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from amp.cli import output
from amp.cli.explain import save
from amp.cli.output import print_json
from amp.cli.run import render_witness
from amp.cli.terminal import cells_done, make_console, runs_progress
from amp.errors import UsageError
from amp.explore.explorer import Bounds, Chooser
from amp.lab.plan import Plan
from amp.lab.table import Table, table_data, verify_table
from amp.lab.verify import Counterexample, Verdict, along, as_data, sample, search_command, smallness, title, verify
from amp.machine.schedule import Schedule
from amp.report.counts import count_of

_STYLES = {"verified": "green", "violation": "red", "inconclusive": "yellow", "does not fit": "dim"}


def main(
    plans: Sequence[Plan],
    bounds: Bounds,
    *,
    by_chance: tuple[Chooser, int, int],
    schedule: str | None,
    save_as: str | None,
    as_json: bool,
) -> int:
    """Explore the plans, print what came of it; the exit status. `by_chance`: who chooses, seed, depth."""
    output.check_output("--save", save_as)
    if len(plans) > 1:
        return _table(plans, bounds, by_chance=by_chance, schedule=schedule, save_as=save_as, as_json=as_json)
    plan = plans[0]
    if schedule is not None:
        verdict = along(plan, Schedule.from_token(schedule))
    else:
        with runs_progress() as progress:
            if by_chance[0] is Chooser.EXHAUSTIVE:
                verdict = verify(plan, bounds, progress)
            else:
                verdict = sample(plan, *by_chance, bounds, progress=progress)
    if as_json:
        print_json(as_data(verdict))
    else:
        render(make_console(), verdict)
    return _saved(save_as, verdict.counterexample, verdict.exit_status)


def _table(
    plans: Sequence[Plan],
    bounds: Bounds,
    *,
    by_chance: tuple[Chooser, int, int],
    schedule: str | None,
    save_as: str | None,
    as_json: bool,
) -> int:
    if schedule is not None or by_chance[0] is not Chooser.EXHAUSTIVE:
        raise UsageError("--schedule and --chooser take one platform and one class of barriers")
    with cells_done("cells") as progress:
        table = verify_table(plans, bounds, progress)
    if as_json:
        print_json(table_data(table))
    else:
        render_table(make_console(), table)
    return _saved(save_as, table.smallest, table.exit_status)


def _saved(path: str | None, found: Counterexample | None, status: int) -> int:
    if path is None:
        return status
    if found is None:
        output.complain(f"nothing written to {path}: no counterexample")
        return status
    return save(path, found.plan, found.witness, status)


def render_table(console: Console, table: Table) -> None:
    """A line for each cell; then the smallest finding's story."""
    first = table.cells[0].plan
    weakened = f", weakened {', '.join(first.weaken)}" if first.weaken else ""
    sizes = first.program.said(first.config)
    console.print(f"[bold]{escape(f'{first.program.name}{weakened}')}[/bold]{escape(f': {sizes}' if sizes else '')}")
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    for column in ("platform", "barriers", "verdict"):
        grid.add_column(column, no_wrap=True)
    for column in ("runs", "states", "s"):
        grid.add_column(column, justify="right", no_wrap=True)
    grid.add_column("found", overflow="ellipsis", no_wrap=True, ratio=1)
    for cell in table.cells:
        result = cell.exploration
        said = str(result.finding.error) if result.finding is not None else result.bound or ""
        grid.add_row(
            Text(str(cell.plan.platform_name)),
            Text(cell.plan.barriers),
            Text(cell.status, style=_STYLES[cell.status]),
            f"{result.runs:,}",
            f"{result.states:,}",
            f"{result.seconds:.2f}",
            Text(said),
        )
    console.print(grid)
    for reason in dict.fromkeys(cell.exploration.bound for cell in table.cells if not cell.exploration.runs):
        console.print(Text(f"not explored: {reason}"))
    broken = sum(cell.status == "violation" for cell in table.cells)
    console.print(f"{count_of(broken, 'violation')} in {count_of(len(table.cells), 'cell')}, {table.seconds:.1f} s")
    if table.smallest is not None:
        plan = table.smallest.plan
        console.print(f"\nThe smallest: [bold]{escape(title(plan))}[/bold]")
        _say_violation(console, table.smallest)
        render_found(console, table.smallest)


def render(console: Console, verdict: Verdict) -> None:
    """The verdict for a reader."""
    result, found = verdict.exploration, verdict.counterexample
    console.print(f"[bold]{escape(title(verdict.plan))}[/bold]")
    counts = (
        f"{count_of(result.runs, 'run')}: {result.executions:,} complete, {result.merged:,} merged with one of "
        f"{count_of(result.states, 'state')}, {result.redundant:,} redundant; {result.seconds:.2f} s"
    )
    if found is None and verdict.status == "verified":
        console.print(f"[green]verified[/green]: every execution holds within these bounds. {counts}")
        return
    if found is None:
        console.print(f"[yellow]inconclusive[/yellow]: stopped after {result.bound}; nothing found so far. {counts}")
        return
    _say_violation(console, found)
    console.print(f"found in {counts}")
    render_found(console, found)


def _say_violation(console: Console, found: Counterexample) -> None:
    console.print(f"[red]violation[/red] by the {found.finder}: {escape(str(found.shrunk.finding.error))}")


def render_found(console: Console, found: Counterexample) -> None:
    """How small it is, and its story."""
    for line in smallness(found):
        console.print(escape(line))
    render_witness(console, found.plan, found.witness, found.plan.name_of)
    if (command := search_command(found)) is not None:
        console.print(f"Repair: {command}", soft_wrap=True, markup=False)
