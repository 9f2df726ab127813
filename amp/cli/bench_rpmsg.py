"""`amp bench rpmsg`: round trips and floods through a booted firmware that echoes, a line for each way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from amp.bench.cpus import two_cpus
from amp.bench.facts import facts, one_line
from amp.bench.rpmsg import PLATFORM, RANKS, SPIN_NS, UNDER_WAY, Measured, Wait, Way, as_data, measure
from amp.bench.stats import Ratio
from amp.bench.words import UNKNOWN, count_line, figure, rate, times
from amp.cli.bench_lines import say, table
from amp.cli.output import print_json
from amp.cli.terminal import make_console, share_progress
from amp.machine.config import Mode


def render(console: Console, measured: Measured, known: dict[str, Any]) -> None:
    """A line for each way."""
    heads = ("mode", "wait", "bytes", *(f"p{rank:g} µs" for rank in RANKS), "flood", "/ spin", "/ direct")
    rows = []
    for way in measured.ways:
        ranks = measured.percentiles_us(way)
        found = [UNKNOWN] * len(RANKS) if ranks is None else [figure(value) for value in ranks.values()]
        spin, direct = measured.against(way, wait=Wait.SPIN), measured.against(way, mode=Mode.DIRECT)
        against = ["1" if way.wait is Wait.SPIN else _short(spin), "1" if way.mode is Mode.DIRECT else _short(direct)]
        rows.append((way.mode, way.wait, str(way.size), *found, rate(measured.turns.interval(way.flood)), *against))
    console.print(table(heads, rows, left=2))
    say(console, count_line(measured.turns))
    say(
        console,
        f"p50 …: of single round trips; flood: echoes with {UNDER_WAY} under way; / …: medians of batches, in turn. "
        f"spin: for {SPIN_NS // 1000} µs, then sleep. free: the model, {PLATFORM}",
    )
    say(console, one_line(known))


def _short(found: Ratio | None) -> str:
    text = times(found)
    return text if found is None or not found.shown else figure(found.median)


def main(ways: Sequence[Way], cpus: Sequence[int], time_s: float, *, as_json: bool) -> int:
    """Measure, print; the exit status."""
    placed = two_cpus(cpus)
    with share_progress("rpmsg") as progress:
        measured = measure(ways, placed, time_s, progress)
    known = facts(placed)
    if as_json:
        print_json(as_data(measured, known))
    else:
        render(make_console(), measured, known)
    return measured.exit_status
