"""`amp bench model`: what the ordering model costs, as two tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from amp.bench.cpus import two_cpus
from amp.bench.facts import facts, one_line
from amp.bench.model import KINDS, PLATFORM
from amp.bench.overhead import FROM_C, FROM_PYTHON, RING_SIZE, WINDOW, WITHOUT, Measured, as_data, measure
from amp.bench.words import count_line, rate, spread, times
from amp.cli.bench_lines import say, table
from amp.cli.output import print_json
from amp.cli.terminal import make_console, share_progress
from amp.machine.config import Mode


def render(console: Console, measured: Measured, known: dict[str, Any]) -> None:
    """Two tables and what they were measured on."""
    alone, exchange = measured.alone, measured.exchange
    rows = []
    for origin in (FROM_C, FROM_PYTHON, WITHOUT):
        for kind in KINDS:
            name = f"{origin} {kind}"
            found = alone.interval(name)
            against = "1" if origin == WITHOUT else times(alone.ratio(name, f"{WITHOUT} {kind}"))
            rows.append((origin, kind, spread(found), rate(found), against))
    console.print(table(("one process, from", "access", "ns", "", "/ no model"), rows, left=2))
    rows = []
    for mode in (Mode.DIRECT, Mode.FREE):
        found = exchange.interval(mode)
        against = "1" if mode is Mode.DIRECT else times(exchange.ratio(mode, Mode.DIRECT))
        rows.append((f"{mode}: round trip", "", spread(found), rate(found), against))
    found = exchange.interval(Mode.LOCKSTEP)
    rows.append(("lockstep: turn", "", spread(found), rate(found), ""))
    console.print(table(("two processes, Python", "", "ns", "", "/ direct"), rows, left=2))
    say(console, count_line(alone, exchange))
    say(
        console,
        f"mixed: a store and a load, two accesses. Round trips: ring of {RING_SIZE}, {WINDOW} messages of 64 bytes "
        f"under way, each checked on both sides; {PLATFORM}",
    )
    say(console, f"Medians, 95 % intervals. {one_line(known)}")


def main(cpus: Sequence[int], time_s: float, *, as_json: bool) -> int:
    """Measure, print; the exit status."""
    placed = two_cpus(cpus)
    with share_progress("model") as progress:
        measured = measure(placed, time_s, progress)
    known = facts(placed)
    if as_json:
        print_json(as_data(measured, known))
    else:
        render(make_console(), measured, known)
    return measured.exit_status
