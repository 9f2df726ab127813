"""`amp bench ring`: the split ring between two pinned processes."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.bench.cpus import two_cpus
from amp.bench.facts import facts, one_line
from amp.bench.ring import Measured, RingPair, RingSetup, Wait, as_data, measure
from amp.cli.bench_lines import say
from amp.cli.output import print_json
from amp.cli.terminal import make_console, share_progress


def main(setup: RingSetup, time_s: float, cpus: tuple[int, ...], count: int | None, *, as_json: bool) -> int:
    """Measure and print. Exit status 3: no sample was undisturbed."""
    placed = two_cpus(cpus)
    with RingPair(setup, placed) as pair, share_progress("ring") as progress:
        measured = measure(pair, setup, time_s, count=count, progress=progress)
    known = facts(placed)
    if as_json:
        print_json(as_data(measured, known))
    else:
        render(make_console(), measured, known)
    return measured.exit_status


def render(console: Console, measured: Measured, known: dict[str, Any]) -> None:
    """A table of what a buffer costs, the proof, and what it was measured on."""
    figures, messages = measured.as_dict(), measured.runs[0].messages
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("per buffer")
    table.add_column("", justify="right")
    found = measured.ns
    if found is not None:
        table.add_row("time", f"{found.median:.2f} ns ({found.low:.2f} to {found.high:.2f})")
        table.add_row("throughput", f"{1e3 / found.median:.2f} M/s")
        for name, value in figures["per_buffer"].items():
            if measured.setup.wait is Wait.SLEEP or not name.endswith(("_waits", "_spurious")):
                table.add_row(name.replace("_", ": ", 1), f"{value:.4g}")
    console.print(table)
    samples = figures["samples"]
    for line in (
        f"{samples['kept']} of {samples['taken']} samples of {messages:,} buffers kept; "
        f"{samples['discarded_share']:.0%} were disturbed and discarded",
        f"in {messages:,} buffers: kicks {_counts(measured.each('driver'))}, calls {_counts(measured.each('device'))}",
        f"proved: {figures['delivered']['messages']:,} buffers, {figures['delivered']['payload_bytes']:,} bytes of "
        f"payload; both sides' digests agree in every sample",
        one_line(known),
    ):
        say(console, line)
    if found is None:
        console.print(Text("no sample was undisturbed: nothing can be said", style="bold"))


def _counts(values: list[int]) -> str:
    """One number if every sample had the same."""
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"
