"""What `amp demo` prints: the bug of the 2011 thread, shown, explained and cured, act by act."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amp.cli.output import print_json
from amp.cli.run import render_witness
from amp.cli.terminal import make_console, seeds_progress, working
from amp.lab import demo, silicon
from amp.lab.demo import Acts, Row, Stage
from amp.lab.plan import Plan
from amp.lab.run import Result, Witness, by_symptom
from amp.lab.witness import repeat
from amp.ordering.barriers import Primitive


def main(file: str | None, seed: int, *, as_json: bool) -> int:
    """The whole demo; returns the exit status: 0 if everything went as it must, else 1."""
    console = Console(quiet=True) if as_json else make_console()
    stage = demo.stage(file, seed)
    _open(console, stage)
    searched, shown, repeated = _first_act(console, stage.weak, seed)
    told = seed if shown is None else shown.seed
    mandatory = "2. The same file, the same seed, mandatory barriers (mb, rmb, wmb)"
    acts = Acts(
        searched,
        shown,
        repeated,
        _whole_file(console, mandatory, stage.strong, told, stage.digest),
        _whole_file(console, "3. SMP barriers again, on x86 with write-back memory", stage.x86, told, stage.digest),
        _silicon(console),
    )
    if as_json:
        print_json(demo.as_data(acts, stage.digest))
    else:
        _close(console, demo.rows(acts))
    return 0 if acts.as_they_must else 1


def _open(console: Console, stage: Stage) -> None:
    config = stage.weak.config
    console.print(f"{config.file}: {stage.size:,} bytes, sha256 {stage.digest}", soft_wrap=True, markup=False)
    console.print(
        f"{config.messages:,} messages, host -> remote -> host, through two vrings of {demo.RING_SIZE} entries, "
        f"between two processes; every message is checked on both sides",
    )


def _first_act(console: Console, plan: Plan, seed: int) -> tuple[Result, Witness | None, bool]:
    """SMP barriers: all seeds, a witness of S1, and whether repeating it gave the very same trace."""
    console.rule("[bold]1. SMP barriers on omap4-2011: what the 2011 thread reported[/bold]", align="left")
    with seeds_progress(demo.SEEDS) as progress:
        searched = demo.search(plan, seed, progress)
    found, done = len(searched.witnesses), len(searched.outcomes)
    console.print(
        f"{found} of {done} seeds end in a violation, after {searched.messages / max(1, done):.0f} good messages on "
        "average"
    )
    for line in by_symptom(searched.witnesses):
        console.print(f"  {escape(line)}")
    demo.unless_interrupted(searched)
    shown = demo.most_telling(searched)
    if shown is None:
        console.print("[red]no witness of S1 among them[/red]")
        return searched, None, False
    render_witness(console, plan, shown, plan.name_of)
    _, repeated = repeat(plan, shown)
    console.print(
        f"Replayed just now in two fresh processes: {'the same' if repeated else '[red]ANOTHER[/red]'} trace, "
        f"{shown.outcome.events:,} events, digest {shown.outcome.digest:016x}",
    )
    return searched, shown, repeated


def _whole_file(console: Console, heading: str, plan: Plan, seed: int, digest: str) -> Result:
    console.rule(f"[bold]{heading}[/bold]", align="left")
    with working("the whole file"):
        result = demo.whole_file(plan, seed, digest)
    if not result.holds:
        console.print("[red]violation[/red]")
        render_witness(console, plan, result.witnesses[0], plan.name_of)
        return result
    console.print(
        f"[green]intact[/green]: {result.messages:,} messages there and back in {result.seconds:.1f} s; "
        f"sha256 of what came back is the file's",
    )
    return result


def _silicon(console: Console) -> list[silicon.SiliconResult]:
    console.rule("[bold]4. This machine's own silicon, no model: payload by non-temporal stores[/bold]", align="left")
    with working("this machine's own silicon"):
        results, reason = demo.bare_silicon()
    if reason is not None:
        console.print(f"skipped: {escape(reason)}")
    for result in results:
        colour = "red" if result.corrupted else "green"
        console.print(
            f"{_INSTRUCTION[result.primitive]}: [{colour}]{result.corrupted:,} of {result.messages:,} messages "
            f"corrupted[/{colour}] on the reader's own CPU",
        )
        if result.first is not None:
            number, word, value, due = result.first
            console.print(
                f"  the first: message {number}, word {word} reads {value:#x}, written for "
                f"{f'message {(value >> 16) - 1}' if value else 'nothing yet'}; due was {due:#x}",
            )
    return results


_INSTRUCTION: Final = {
    Primitive.SMP_WMB: "SMP barrier (smp_wmb: compiler only)",
    Primitive.WMB: "mandatory barrier (wmb: sfence)",
}


def _close(console: Console, rows: list[Row]) -> None:
    console.rule(align="left")
    table = Table(box=None, pad_edge=False)
    for heading, right in (("platform", 0), ("barriers", 0), ("messages", 1), ("violations", 1), ("s", 1), ("", 0)):
        table.add_column(heading, justify="right" if right else "left")
    for row in rows:
        colour = "red" if row.violations else "green"
        table.add_row(
            row.where,
            row.barriers,
            f"{row.messages:,}",
            f"[{colour}]{row.violations:,}[/{colour}]",
            f"{row.seconds:.2f}",
            row.remark,
        )
    console.print(table)
