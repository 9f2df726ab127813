"""`amp bench question`: SMP barriers, mandatory ones everywhere, or a branch at run time: which costs what?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from amp.bench import charts
from amp.bench.facts import facts, one_line
from amp.bench.pairs import two_cpus
from amp.bench.question import REPORTED, REPORTED_MANDATORY, Answer, Build, ask, conclusion
from amp.bench.ring import Dispatch, RingPair, RingSetup, Wait, keep_ring
from amp.bench.stats import PAIRS_MIN, Interval, Kept, Ratio, Sample, percent
from amp.cli.bench_lines import say
from amp.cli.bench_progress import share_progress
from amp.cli.output import print_json, wrote
from amp.cli.terminal import make_console
from amp.ordering.barriers import BarrierClass

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLE: Final = "What do mandatory barriers cost a split ring, and what does choosing at run time cost?"
_SOURCE: Final = "reported in 2011 (Linux 7b21e34fd1c2)"

BATCHES: Final = 8  # samples of a build in one turn; the median of the undisturbed ones is the turn's value
BATCH_S: Final = 0.001  # each: long beside the start, short beside a time slice
BUFFERS_MIN: Final = 64
_WAITS: Final = {Wait.POLL: "polling", Wait.SLEEP: "sleeping"}

Progress = Callable[[float], None] | None


Answers = Mapping[str, Answer]  # by how the ring was used


def exit_status(answers: Answers) -> int:
    """3 if some use of the ring left too few undisturbed turns to say anything."""
    return 0 if all(len(each.turns.kept) >= PAIRS_MIN for each in answers.values()) else 3


def as_data(answers: Answers, known: dict[str, Any], ring: dict[str, Any]) -> dict[str, Any]:
    """The --json object. `ring` is how the ring was set up."""
    return {
        "command": "bench question",
        "status": "holds" if exit_status(answers) == 0 else "inconclusive",
        "seconds": round(sum(each.seconds for each in answers.values()), 3),
        "machine": known,
        "ring": ring,
        "reported": {build.value: text for build, text in REPORTED.items()},
        "answers": {use: answer.as_dict() for use, answer in answers.items()},
        "conclusion": conclusion(answers),
    }


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


def chart(answers: Answers, known: dict[str, Any], setup: str) -> Figure:
    """Time per buffer, a panel for each use of the ring; and the throughputs against SMP, with the reported figure."""
    panels = [
        charts.Panel(
            use.replace(", ", "\n"),
            "ns per buffer",
            [charts.Series(use, [_enough(each.ns.get(build)) for build in Build], mark)],
            from_zero=True,
        )
        for mark, (use, each) in enumerate(answers.items())
    ]
    against = [
        charts.Series(use, [_percent(each.ratios.get(build)) for build in Build], mark)
        for mark, (use, each) in enumerate(answers.items())
    ]
    row = list(Build).index(Build.MANDATORY)
    reported = (row, 100 * (REPORTED_MANDATORY - 1), "reported in 2011, at worst")
    panels.append(charts.Panel("throughput\nagainst SMP", "% more or less than SMP barriers", against, reported))
    rows = [build.words.replace(" everywhere", "\neverywhere").replace(", ", ",\n") for build in Build]
    caption = f"Medians and 95 % intervals over turns of all four; {setup}. {one_line(known)}"
    return charts.intervals(_TITLE, rows, panels, caption)


def _enough(found: Interval | None) -> Interval | None:
    return found if found is not None and found.enough else None


def _percent(found: Ratio | None) -> Interval | None:
    """As points around 0."""
    if found is None or not found.enough:
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
    looks, sleeps = dict.fromkeys(Build, 0), dict.fromkeys(Build, 0)
    buffers = dict.fromkeys(Build, 0)

    def undisturbed(samples: Sequence[Sample]) -> Kept[Sample]:
        return keep_ring(base, list(samples))

    with RingPair(base, cpus) as pair:
        count = _count_for(pair, setups[Build.SMP])

        def measure(build: Build) -> list[Sample]:
            runs = [pair.run(setups[build], count) for _ in range(BATCHES)]
            kept = [run for run in runs if undisturbed([run.sample]).kept]
            looks[build] += sum(run.driver["looks"] + run.device["looks"] for run in kept)
            sleeps[build] += sum(run.driver["waits"] + run.device["waits"] for run in kept)
            buffers[build] += count * len(kept)
            return [run.sample for run in runs]

        answer = ask(measure, time_s, progress, undisturbed=undisturbed)
    per = [{each: count[each] / buffers[each] for each in Build if buffers[each]} for count in (looks, sleeps)]
    return replace(answer, looks=per[0], sleeps=per[1])


def _count_for(pair: RingPair, setup: RingSetup) -> int:
    """Buffers that take about BATCH_S, and BUFFERS_MIN at least: sleeping, a single one may take 0.1 ms."""
    count = BUFFERS_MIN
    while (run := pair.run(setup, count)).sample.wall_s < BATCH_S / 4:
        count *= 2
    return max(BUFFERS_MIN, int(BATCH_S * 1e9 / run.sample.value))


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
        paths = chart_paths(chart_prefix)
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
        charts.write(chart(answers, known, text), path)
        wrote(path)
    return exit_status(answers)


def use_text(setup: RingSetup) -> str:
    """How the ring is used, in words."""
    return f"{_WAITS[setup.wait]}, {'one buffer at a time' if setup.most == 1 else f'{setup.most} outstanding'}"


def setup_text(base: RingSetup) -> str:
    """The ring in words."""
    return (
        f"split ring of {base.ring_size}, announced {'one by one' if base.batch == 1 else f'by {base.batch}'}, "
        f"payload {base.payload} bytes, {'event index' if base.event_idx else 'flags'}"
    )
