"""`amp bench question`: SMP barriers, mandatory ones everywhere, or a branch at run time: which costs what?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from amp.bench import charts, drawn
from amp.bench.cpus import two_cpus
from amp.bench.facts import facts, one_line
from amp.bench.question import REPORTED, Answer, Build, conclusion
from amp.bench.ring import RingSetup, Wait
from amp.bench.ring_question import Answers, as_data, ask_ring, exit_status, setup_text, use_text
from amp.bench.stats import Interval, percent
from amp.cli.bench_lines import say
from amp.cli.output import print_json, wrote
from amp.cli.terminal import make_console, share_progress

_SOURCE: Final = "reported in 2011 (Linux 7b21e34fd1c2)"


def render(console: Console, answers: Answers, known: dict[str, Any], setup: str) -> None:
    """A table for each use of the ring, and the sentence that follows from all of them."""
    for use, answer in answers.items():
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column(use, overflow="fold")
        table.add_column("ns per buffer", justify="right", no_wrap=True)
        table.add_column("throughput / SMP", overflow="fold")
        table.add_column("looks", justify="right", no_wrap=True)
        table.add_column("sleeps", justify="right", no_wrap=True)
        table.add_column(_SOURCE, overflow="fold")
        for build in Build:
            counts = [f"{per[build]:.2f}" if build in per else "?" for per in (answer.looks, answer.sleeps)]
            table.add_row(
                build.words, _ns(answer.ns.get(build)), _ratio(answer, build), *counts, REPORTED.get(build, "")
            )
        console.print(table)
        say(
            console,
            f"{len(answer.turns.kept)} of {answer.turns.taken} turns of all four count; "
            f"{answer.discarded:.0%} of {answer.batches_taken:,} batches were disturbed and discarded",
        )
        console.print()
    say(console, conclusion(answers), style="bold")
    say(console, "looks: at the other side's index, per buffer; each takes its cache line from the side that writes it")
    say(console, "sleeps: per buffer; how often a side sleeps follows from its speed, and may outweigh its barriers")
    say(console, f"{setup}. Medians, 95 % intervals. {one_line(known)}")


def _ns(found: Interval | None) -> str:
    return "?" if found is None or not found.enough else f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


def _ratio(answer: Answer, build: Build) -> str:
    if build is Build.SMP:
        return "1"
    found = answer.ratios.get(build)
    if found is None:
        return "?"
    if found.shown and build is not Build.CONTROL and not answer.differs(build):
        return f"no further from 1 than the control: {percent(found.low)} to {percent(found.high)}"
    return found.text


def main(
    base: RingSetup,
    uses: Sequence[tuple[Wait, int]],
    cpus: Sequence[int],
    time_s: float,
    chart_prefix: str | None,
    *,
    as_json: bool,
) -> int:
    """Measure each use of the ring, (wait, outstanding), for its part of the time; print, draw; the exit status."""
    paths: tuple[Path, ...] = ()
    if chart_prefix is not None:
        charts.require()
        paths = charts.both_forms(chart_prefix)
    bound = two_cpus(cpus)
    setups = [replace(base, wait=wait, outstanding=outstanding) for wait, outstanding in uses]
    answers = {}
    for setup in setups:
        use = use_text(setup)
        try:
            with share_progress(use) as progress:
                answers[use] = ask_ring(setup, bound, time_s / len(setups), progress)
        except KeyboardInterrupt as error:
            measured = conclusion(answers) if answers else "none was measured before"
            raise KeyboardInterrupt(f"{use}: {error or 'before its first turn'}; {measured}") from None
    known, text = facts(bound), setup_text(base)
    if as_json:
        print_json(as_data(answers, known, {**base.as_dict(), "uses": [[wait, most] for wait, most in uses]}))
    else:
        render(make_console(), answers, known, text)
    for path in paths:
        charts.write(drawn.question_chart(answers, known, text), path)
        wrote(path)
    return exit_status(answers)
