"""`amp bench verify`: how fast executions are explored, a line for each number of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from amp.bench.cpus import one_cpu
from amp.bench.facts import facts, one_line
from amp.bench.stats import Interval
from amp.bench.verify import MESSAGES, MOST, Measured, as_data, measure
from amp.bench.words import UNKNOWN, count_line, figure, spread
from amp.cli.bench_lines import say, table
from amp.cli.output import print_json
from amp.cli.terminal import make_console, share_progress
from amp.programs import load


def render(console: Console, measured: Measured, platform: str, known: dict[str, Any]) -> None:
    """A line for each number of messages."""
    rows = []
    for name, counts in measured.counts.items():
        program, messages = name.split()
        found = measured.turns.interval(name)
        shown = (f"{counts.executions:,}", f"{counts.runs:,}", f"{counts.states:,}")
        rows.append((program, messages, *shown, _ms(found), _per_s(found, counts.runs), _per_s(found, counts.states)))
    heads = ("program", "messages", "complete", "runs", "states", "ms", "runs/s", "states/s")
    console.print(table(heads, rows))
    say(console, count_line(measured.turns))
    say(
        console,
        "complete: executions met to their end; runs: these and those cut short; states: told apart. Counts are the "
        f"same on every machine. {platform}, mandatory barriers, building the explorer included",
    )
    say(console, f"Medians, 95 % intervals. {one_line(known)}")


def _ms(found: Interval | None) -> str:
    if found is None:
        return UNKNOWN
    return spread(Interval(found.median / 1e6, found.low / 1e6, found.high / 1e6, found.n))


def _per_s(found: Interval | None, count: int) -> str:
    return UNKNOWN if found is None else figure(1e9 * count / found.median)


def main(
    programs: Sequence[str], messages: int | None, platform: str, cpus: Sequence[int], time_s: float, *, as_json: bool
) -> int:
    """Measure, print; the exit status. Without programs those of MOST, without messages as many as it says."""
    cpu = one_cpu(cpus)
    most = {name: messages or MOST.get(name, MESSAGES) for name in programs or MOST}
    for name in most:
        load(name)
    with share_progress("verify") as progress:
        measured = measure(most, platform, cpu, time_s, progress=progress)
    known = facts((cpu,))
    if as_json:
        print_json(as_data(measured, platform, known))
    else:
        render(make_console(), measured, platform, known)
    return measured.exit_status
