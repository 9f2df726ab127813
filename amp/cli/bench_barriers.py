"""`amp bench barriers`: what each barrier costs on this CPU, as a table, as JSON, as a chart."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.bench import barriers, charts
from amp.bench.barriers import SITUATIONS, Costs, Situation
from amp.bench.facts import facts, one_line
from amp.bench.stats import PAIRS_MIN
from amp.cli.bench_lines import say
from amp.cli.bench_progress import share_progress
from amp.cli.output import print_json, wrote
from amp.cli.terminal import make_console
from amp.errors import UsageError
from amp.ordering.barriers import Primitive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLE = "What a barrier costs the CPU that issues it"
NO_INSTRUCTION = "no instruction"
ROW_COLUMNS = 30
_GROUPS = {"back to back": "alone", "near": "after stores that hit", "far": "after stores that miss"} | {
    "streamed": "after non-temporal stores"
}


@contextmanager
def bound_to(cpu: int) -> Iterator[None]:
    """This thread on that CPU alone, as long as it lasts. UsageError for a CPU that it may not use."""
    usable = os.sched_getaffinity(0)
    if cpu not in usable:
        raise UsageError(f"--cpus {cpu}: the usable ones are {', '.join(map(str, sorted(usable)))}")
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def one_cpu(cpus: Sequence[int]) -> int:
    """The CPU to measure on; without a wish the last one, since the first gets most of the machine's interrupts."""
    if len(cpus) > 1:
        raise UsageError(f"--cpus {','.join(map(str, cpus))}: one thread is measured, so one CPU")
    return cpus[0] if cpus else max(os.sched_getaffinity(0))


def run(cpu: int, time_s: float, progress: Callable[[float], None] | None = None) -> Costs:
    """Measure on `cpu` for about `time_s`."""
    with bound_to(cpu):
        return barriers.measure(time_s, progress=progress)


def exit_status(costs: Costs) -> int:
    """3 if nothing could be kept in some situation: there is no figure to print."""
    return 0 if all(cost.cost_ns is not None for cost in costs.costs) else 3


def as_data(costs: Costs, known: dict[str, Any]) -> dict[str, Any]:
    """The --json object. Costs in ns."""
    return {
        "command": "bench barriers",
        "status": "holds" if exit_status(costs) == 0 else "inconclusive",
        "seconds": round(costs.seconds, 3),
        "machine": known,
        "samples": {"taken": 2 * costs.taken, "kept": 2 * costs.kept, "discarded_share": _discarded(costs)},
        "situations": [
            {"name": each.name, "lines": each.lines, "before": each.what, "error_ns": costs.error_ns(each)}
            for each in SITUATIONS
            if each.name not in costs.left_out
        ],
        "left_out": costs.left_out,
        "costs": [
            {
                "primitive": cost.primitive.label,
                "instruction": barriers.instruction(cost.primitive),
                "situation": cost.situation.name,
                "cost_ns": cost.cost_ns.as_dict() if cost.cost_ns is not None else None,
                "taken": cost.turns.taken,
            }
            for cost in costs.costs
        ],
    }


def _discarded(costs: Costs) -> float:
    return 1 - costs.kept / costs.taken if costs.taken else 0.0


def render(console: Console, costs: Costs, known: dict[str, Any]) -> None:
    """A line for each instruction, a column for each situation; under it what the columns are."""
    situations = _measured(costs)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("instruction")
    for situation in situations:
        table.add_column(situation.name.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for text in barriers.instructions():
        table.add_row(Text(text or NO_INSTRUCTION), *(_cell(costs, text, each) for each in situations))
    table.add_section()
    table.add_row("error", *(_error(costs.error_ns(each)) for each in situations), style="dim")
    console.print(Text(f"{_TITLE}: ns, median ± half of the 95 % interval", style="bold"))
    console.print(table)
    for line in _legend(costs, situations):
        say(console, line)
    say(console, one_line(known))


def _measured(costs: Costs) -> list[Situation]:
    return [each for each in SITUATIONS if each.name not in costs.left_out]


def _names(primitives: Sequence[Primitive]) -> str:
    return ", ".join(primitive.label for primitive in primitives)


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
        yield f"{text or NO_INSTRUCTION}: {_names(primitives)}"
    kinds = {each.name.rpartition(" ")[2]: each.what for each in situations if each.lines}
    yield from (f"N {name}: N {what}; 8 bytes to each line" for name, what in kinds.items())
    yield from (f"{name}: left out, {why}" for name, why in costs.left_out.items())
    yield f"error: how far from 0 a primitive that is {NO_INSTRUCTION} came out; what is not larger is printed as 0"
    yield f"?: fewer than {PAIRS_MIN} undisturbed pairs; of all {costs.taken:,} {_discarded(costs):.0%} were disturbed"


def _lines(situation: Situation) -> str:
    return {0: "nothing before it", 1: "after 1 store"}.get(
        situation.lines, f"after {situation.lines} stores to {situation.lines} lines"
    )


def chart(costs: Costs, known: dict[str, Any]) -> Figure:
    """One panel for each kind of store, one mark for each number of lines."""
    texts = barriers.instructions()
    panels = []
    for kind, title in _GROUPS.items():
        group = [each for each in _measured(costs) if each.name.endswith(kind)]
        series = [
            charts.Series(_lines(each), [costs.of_instruction(text, each) for text in texts], mark)
            for mark, each in enumerate(group)
        ]
        if series:
            panels.append(charts.Panel(title, "ns per barrier", series))
    rows = [
        "\n".join(
            [text or NO_INSTRUCTION, *textwrap.wrap(_names(primitives), ROW_COLUMNS, max_lines=2, placeholder=" …")]
        )
        for text, primitives in texts.items()
    ]
    caption = f"Medians and 95 % intervals of pairs with and without the barrier, in turn. {one_line(known)}"
    return charts.intervals(_TITLE, rows, panels, caption)


def main(time_s: float, cpus: Sequence[int], chart_path: str | None, *, as_json: bool) -> int:
    """Measure, print, draw; the exit status."""
    path = None
    if chart_path is not None:
        charts.require()
        path = charts.check(chart_path)
    cpu = one_cpu(cpus)
    with share_progress("barriers") as progress:
        costs = run(cpu, time_s, progress)
    known = facts((cpu,))
    if as_json:
        print_json(as_data(costs, known))
    else:
        render(make_console(), costs, known)
    if path is not None:
        charts.write(chart(costs, known), path)
        wrote(path)
    return exit_status(costs)
