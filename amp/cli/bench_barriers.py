"""`amp bench barriers`: what each barrier costs on this CPU, as a table; the chart and the JSON are written here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.bench import barriers, charts, drawn
from amp.bench.barriers import NO_INSTRUCTION, Costs, Situation, names
from amp.bench.cpus import bound_to, one_cpu
from amp.bench.facts import facts, one_line
from amp.bench.stats import PAIRS_MIN
from amp.cli.bench_lines import say
from amp.cli.output import print_json, wrote
from amp.cli.terminal import make_console, share_progress


def render(console: Console, costs: Costs, known: dict[str, Any]) -> None:
    """A line for each instruction, a column for each situation; under it what the columns are."""
    situations = costs.situations
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("instruction")
    for situation in situations:
        table.add_column(situation.name.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for text in barriers.instructions():
        table.add_row(Text(text or NO_INSTRUCTION), *(_cell(costs, text, each) for each in situations))
    table.add_section()
    table.add_row("error", *(_error(costs.error_ns(each)) for each in situations), style="dim")
    console.print(Text(f"{drawn.BARRIERS_TITLE}: ns, median ± half of the 95 % interval", style="bold"))
    console.print(table)
    for line in _legend(costs, situations):
        say(console, line)
    say(console, one_line(known))


def _cell(costs: Costs, text: str, situation: Situation) -> Text:
    found, error_ns = costs.of_instruction(text, situation), costs.error_ns(situation)
    if found is None or not found.enough:
        return Text("?", style="yellow")
    if not found.shown or abs(found.median) <= (error_ns or 0.0):
        return Text("0", style="dim")
    half = max(found.high - found.median, found.median - found.low)
    return Text(_ns(found.median)).append(f"\n±{_ns(half)}", style="dim")


def _ns(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _error(error_ns: float | None) -> str:
    return "?" if error_ns is None else _ns(error_ns) if error_ns >= 0.1 else "<0.1"


def _legend(costs: Costs, situations: Sequence[Situation]) -> Iterator[str]:
    for text, primitives in barriers.instructions().items():
        yield f"{text or NO_INSTRUCTION}: {names(primitives)}"
    kinds = {each.name.rpartition(" ")[2]: each.what for each in situations if each.lines}
    yield from (f"N {name}: N {what}; 8 bytes to each line" for name, what in kinds.items())
    yield from (f"{name}: left out, {why}" for name, why in costs.left_out.items())
    yield f"error: how far from 0 a primitive that is {NO_INSTRUCTION} came out; what is not larger is printed as 0"
    yield f"?: fewer than {PAIRS_MIN} undisturbed pairs; of all {costs.taken:,} {costs.discarded:.0%} were disturbed"


def main(time_s: float, cpus: Sequence[int], chart_path: str | None, *, as_json: bool) -> int:
    """Measure, print, draw; the exit status."""
    path = None
    if chart_path is not None:
        charts.require()
        path = charts.check(chart_path)
    cpu = one_cpu(cpus)
    with share_progress("barriers") as progress, bound_to(cpu):
        costs = barriers.measure(time_s, progress=progress)
    known = facts((cpu,))
    if as_json:
        print_json(barriers.as_data(costs, known))
    else:
        render(make_console(), costs, known)
    if path is not None:
        charts.write(drawn.barriers_chart(costs, known), path)
        wrote(path)
    return costs.exit_status
