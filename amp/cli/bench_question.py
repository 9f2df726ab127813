"""`amp bench question`: SMP barriers, mandatory ones everywhere, or a branch at run time: which costs what?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.bench import charts
from amp.bench.facts import facts, one_line
from amp.bench.pairs import two_cpus
from amp.bench.question import REPORTED, REPORTED_MANDATORY, Answer, Build, ask, conclusion
from amp.bench.ring import Dispatch, RingPair, RingSetup, Wait, keep_ring
from amp.bench.stats import PAIRS_MIN, Interval, Ratio, Sample, percent
from amp.cli.bench_progress import share_progress
from amp.cli.main import print_json
from amp.cli.terminal import make_console
from amp.ordering.barriers import BarrierClass

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLE: Final = "What do mandatory barriers cost a split ring, and what does choosing at run time cost?"
_SOURCE: Final = "reported in 2011 (Linux 7b21e34fd1c2)"

BATCHES: Final = 4  # samples of a build in one turn, 5 ms each; their median is the turn's value
_WAITS: Final = {Wait.POLL: "polling", Wait.SLEEP: "sleeping"}

Progress = Callable[[float], None] | None
# How the two sides wait for each other -> what was measured so.
Answers = Mapping[str, Answer]


def exit_status(answers: Answers) -> int:
    """3 if some way of waiting left too few undisturbed turns to say anything."""
    return 0 if all(len(answer.turns.kept) >= PAIRS_MIN for answer in answers.values()) else 3


def as_data(answers: Answers, known: dict[str, Any], ring: dict[str, Any]) -> dict[str, Any]:
    """The --json object. `ring` is how the ring was set up."""
    return {
        "command": "bench question",
        "status": "holds" if exit_status(answers) == 0 else "inconclusive",
        "seconds": round(sum(answer.seconds for answer in answers.values()), 3),
        "machine": known,
        "ring": ring,
        "reported": {build.value: text for build, text in REPORTED.items()},
        "answers": {wait: answer.as_dict() for wait, answer in answers.items()},
    }


def render(console: Console, answers: Answers, known: dict[str, Any], setup: str) -> None:
    """A table for each way of waiting, and the sentence that follows from it."""
    for wait, answer in answers.items():
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column(wait)
        table.add_column("ns per buffer", justify="right", no_wrap=True)
        table.add_column("throughput / SMP", overflow="fold")
        table.add_column(_SOURCE, overflow="fold")
        for build in Build:
            table.add_row(build.words, _ns(answer.ns.get(build)), _ratio(answer, build), REPORTED.get(build, ""))
        console.print(table)
        _line(console, conclusion(answer), style="bold")
        _line(
            console,
            f"{len(answer.turns.kept)} of {answer.turns.taken} turns of all four in turn; "
            f"{answer.discarded:.0%} of {answer.batches_taken:,} batches were disturbed and discarded",
        )
        console.print()
    _line(console, f"{setup}. Medians, 95 % intervals. {one_line(known)}")


def _ns(found: Interval | None) -> str:
    return "?" if found is None else f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


def _ratio(answer: Answer, build: Build) -> str:
    if build is Build.SMP:
        return "1"
    found = answer.ratios.get(build)
    if found is None:
        return "?"
    if found.shown and build is not Build.CONTROL and not answer.differs(build):
        return f"no further from 1 than the control: {percent(found.low)} to {percent(found.high)}"
    return found.text


def _line(console: Console, text: str, style: str = "dim") -> None:
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def chart(answers: Answers, known: dict[str, Any], setup: str) -> Figure:
    """Time per buffer, a panel for each way of waiting; and the throughputs against SMP, with the reported figure."""
    panels = [
        charts.Panel(
            f"{wait}: time",
            "ns per buffer",
            [charts.Series(wait, [answer.ns.get(each) for each in Build], mark)],
            from_zero=True,
        )
        for mark, (wait, answer) in enumerate(answers.items())
    ]
    against = [
        charts.Series(wait, [_percent(answer.ratios.get(each)) for each in Build], mark)
        for mark, (wait, answer) in enumerate(answers.items())
    ]
    row = list(Build).index(Build.MANDATORY)
    reported = (row, 100 * (REPORTED_MANDATORY - 1), "reported in 2011, at worst")
    panels.append(charts.Panel("throughput against SMP", "% more or less than SMP barriers", against, reported))
    rows = [build.words.replace(" everywhere", "\neverywhere").replace(", ", ",\n") for build in Build]
    caption = f"Medians and 95 % intervals over turns of all four; {setup}. {one_line(known)}"
    return charts.intervals(_TITLE, rows, panels, caption)


def _percent(found: Ratio | None) -> Interval | None:
    """As points around 0."""
    if found is None:
        return None
    return Interval(100 * (found.median - 1), 100 * (found.low - 1), 100 * (found.high - 1), found.n)


def chart_paths(prefix: str) -> tuple[Path, ...]:
    """PREFIX.png and PREFIX.svg, if they can be written. UsageError otherwise."""
    return tuple(charts.check(f"{prefix}{form}") for form in charts.FORMATS)


def question_setups(base: RingSetup) -> dict[Build, RingSetup]:
    """The same ring, built in the four ways."""
    smp = replace(base, barriers=BarrierClass.SMP, dispatch=Dispatch.CONSTANT)
    return {
        Build.SMP: smp,
        Build.MANDATORY: replace(smp, barriers=BarrierClass.MANDATORY),
        Build.BRANCH: replace(smp, dispatch=Dispatch.BRANCH),
        Build.CONTROL: smp,
    }


def ask_ring(base: RingSetup, cpus: tuple[int, int], time_s: float, progress: Progress = None) -> Answer:
    """One interleaved run over two processes that stay; every build moves the same number of buffers."""
    setups = question_setups(base)
    with RingPair(base, cpus) as pair:
        count = pair.count_for(setups[Build.SMP])

        def measure(build: Build) -> list[Sample]:
            return [pair.run(setups[build], count).sample for _ in range(BATCHES)]

        return ask(measure, time_s, progress, undisturbed=lambda samples: keep_ring(base, list(samples)))


def main(
    base: RingSetup,
    waits: Sequence[Wait],
    cpus: Sequence[int],
    time_s: float,
    chart_prefix: str | None,
    *,
    as_json: bool,
) -> int:
    """Measure each way of waiting for its part of the time, draw, print; the exit status."""
    paths: tuple[Path, ...] = ()
    if chart_prefix is not None:
        charts.require()
        paths = chart_paths(chart_prefix)
    bound = two_cpus(cpus)
    answers = {}
    for wait in waits:
        with share_progress(_WAITS[wait], quiet=as_json) as progress:
            answers[_WAITS[wait]] = ask_ring(replace(base, wait=wait), bound, time_s / len(waits), progress)
    known, setup = facts(bound), setup_text(base)
    for path in paths:
        charts.write(chart(answers, known, setup), path)
    if as_json:
        print_json(as_data(answers, known, {**base.as_dict(), "wait": list(waits)}))
    else:
        render(make_console(), answers, known, setup)
    return exit_status(answers)


def setup_text(base: RingSetup) -> str:
    """The ring in words."""
    told = base.as_dict()
    return (
        f"split ring of {told['ring_size']}, {told['outstanding']} outstanding, {told['batch']} announced at a time, "
        f"payload {told['payload']} bytes, {'event index' if told['event_idx'] else 'flags'}"
    )
