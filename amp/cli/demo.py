"""`amp demo`: the bug of the 2011 thread, shown, explained and cured, on real input.

Four acts: SMP barriers on omap4-2011 at many seeds, one witness of S1 told and repeated; at its seed the whole file
with mandatory barriers, and with SMP barriers on x86-wb; this machine's bare silicon. The model runs in lockstep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amp.cli.output import print_json
from amp.cli.run import render_witness
from amp.cli.terminal import make_console, seeds_progress, working
from amp.lab import silicon
from amp.lab.plan import Plan, make_plan
from amp.lab.run import Result, SideFailed, Witness, by_symptom, finding_data, run
from amp.lab.witness import repeat
from amp.machine.wiring import plan as wire
from amp.ordering.barriers import Primitive
from amp.virtio.sites import S1

PAYLOAD_BYTES: Final = 4096
RING_SIZE: Final = 16
SEEDS: Final = 128  # act one tries so many; each takes some twenty milliseconds, the search for its cause included


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the closing table."""

    where: str
    barriers: str
    messages: int
    violations: int
    seconds: float
    remark: str


@dataclass(frozen=True, slots=True)
class Acts:
    """What the four acts gave. `shown` is the witness of S1, `repeated`: running it again gave the same trace."""

    searched: Result
    shown: Witness | None
    repeated: bool
    cured: Result
    harmless: Result
    bare: list[silicon.SiliconResult]

    @property
    def as_they_must(self) -> bool:
        """Corruption without sfence is the CPU's to show or not; with it there must be none."""
        fenced = [result.corrupted for result in self.bare if result.primitive is Primitive.WMB]
        return self.shown is not None and self.repeated and self.cured.holds and self.harmless.holds and not any(fenced)


def main(file: str | None, seed: int, *, as_json: bool) -> int:
    """The whole demo; returns the exit status: 0 if everything went as it must, else 1."""
    console = Console(quiet=True) if as_json else make_console()
    options = {"payload_bytes": PAYLOAD_BYTES, "file": file, "seed": seed}
    stream = partial(make_plan, "stream", ring_size=RING_SIZE, options=options)
    weak = stream(platform="omap4-2011", barriers="smp")
    strong = stream(platform="omap4-2011", barriers="mandatory")
    x86 = stream(platform="x86-wb", barriers="smp")
    assert weak.config.file is not None, weak
    content = Path(weak.config.file).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    _open(console, weak, len(content), digest)
    searched, shown, repeated = _first_act(console, weak, seed)
    told = seed if shown is None else shown.seed
    acts = Acts(
        searched,
        shown,
        repeated,
        _whole_file(
            console, "2. The same file, the same seed, mandatory barriers (mb, rmb, wmb)", strong, told, digest
        ),
        _whole_file(console, "3. SMP barriers again, on x86 with write-back memory", x86, told, digest),
        _silicon(console),
    )
    if as_json:
        print_json(_data(acts, digest))
    else:
        _close(console, _rows(acts))
    return 0 if acts.as_they_must else 1


def _open(console: Console, plan: Plan, size: int, digest: str) -> None:
    console.print(f"{plan.config.file}: {size:,} bytes, sha256 {digest}", soft_wrap=True, markup=False)
    console.print(
        f"{plan.config.messages:,} messages, host -> remote -> host, through two vrings of {RING_SIZE} entries, "
        f"between two processes; every message is checked on both sides",
    )


def _first_act(console: Console, plan: Plan, seed: int) -> tuple[Result, Witness | None, bool]:
    """SMP barriers: all seeds, a witness of S1, and whether repeating it gave the very same trace."""
    console.rule("[bold]1. SMP barriers on omap4-2011: what the 2011 thread reported[/bold]", align="left")
    with seeds_progress(SEEDS) as progress:
        searched = run(plan, range(seed, seed + SEEDS), progress, explained=SEEDS)
    found, done = len(searched.witnesses), len(searched.outcomes)
    console.print(
        f"{found} of {done} seeds end in a violation, after {searched.messages / max(1, done):.0f} good messages on "
        "average"
    )
    for line in by_symptom(searched.witnesses):
        console.print(f"  {escape(line)}")
    _unless_interrupted(searched)
    names = wire(plan.config).name_of
    at_s1 = [each for each in searched.witnesses if each.site == S1.name and each.trace is not None]
    shown = max(at_s1, key=lambda each: _telling(each, names), default=None)
    if shown is None:
        console.print("[red]no witness of S1 among them[/red]")
        return searched, None, False
    render_witness(console, plan, shown, names)
    _, repeated = repeat(plan, shown)
    console.print(
        f"Replayed just now in two fresh processes: {'the same' if repeated else '[red]ANOTHER[/red]'} trace, "
        f"{shown.outcome.events:,} events, digest {shown.outcome.digest:016x}",
    )
    return searched, shown, repeated


def _telling(found: Witness, names: Callable[[int], str]) -> tuple[bool, int]:
    """The thread's own symptom first: idx there, and the ring entry not. Then one that went well for a while."""
    pair = found.explanation.pair if found.explanation is not None else None
    return pair is not None and "avail.ring" in names(pair[0].address), found.outcome.messages


def _whole_file(console: Console, heading: str, plan: Plan, seed: int, digest: str) -> Result:
    console.rule(f"[bold]{heading}[/bold]", align="left")
    with working("the whole file"):
        result = run(plan, range(seed, seed + 1))
    _unless_interrupted(result)
    if not result.holds:
        console.print("[red]violation[/red]")
        render_witness(console, plan, result.witnesses[0], wire(plan.config).name_of)
        return result
    arrived = result.outcomes[0].reports[0].sha256
    if arrived != digest:
        raise SideFailed(f"every message was right, but the file's sha256 is {digest}, and {arrived} came back")
    console.print(
        f"[green]intact[/green]: {result.messages:,} messages there and back in {result.seconds:.1f} s; "
        f"sha256 of what came back is the file's",
    )
    return result


def _unless_interrupted(result: Result) -> None:
    """What there is to see was told act by act; there is no table of half of it."""
    if result.interrupted:
        raise KeyboardInterrupt


def _silicon(console: Console) -> list[silicon.SiliconResult]:
    console.rule("[bold]4. This machine's own silicon, no model: payload by non-temporal stores[/bold]", align="left")
    reason = silicon.available()
    if reason is not None:
        console.print(f"skipped: {reason}")
        return []
    try:
        with working("this machine's own silicon"):
            results = [silicon.run(primitive) for primitive in (Primitive.SMP_WMB, Primitive.WMB)]
    except silicon.SiliconUnfinished as error:
        console.print(f"skipped: {escape(str(error))}")
        return []
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


def _rows(acts: Acts) -> list[Row]:
    searched = acts.searched
    remark = f"{SEEDS} seeds, each to its first violation"
    rows = [_row(searched, remark)]
    rows += [_row(act, "whole file, sha256 equal" if act.holds else "VIOLATION") for act in (acts.cured, acts.harmless)]
    for each in acts.bare:
        barriers = "smp" if each.primitive is Primitive.SMP_WMB else "mandatory"
        share = f"{100 * each.corrupted / each.messages:.1f} % of the messages corrupted"
        rows.append(Row("this CPU", barriers, each.messages, each.corrupted, each.seconds, share))
    return rows


def _row(act: Result, remark: str) -> Row:
    name = act.plan.platform_name
    assert name is not None, act.plan
    return Row(name, act.plan.barriers, act.messages, len(act.witnesses), act.seconds, remark)


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


def _data(acts: Acts, digest: str) -> dict[str, Any]:
    plan, rows = acts.searched.plan, _rows(acts)
    outcomes = [outcome for act in (acts.searched, acts.cured, acts.harmless) for outcome in act.outcomes]
    return {
        "command": "demo",
        "status": "holds" if acts.as_they_must else "violation",
        "violations": len(acts.searched.witnesses),
        "executions": len(outcomes),
        "states": sum(outcome.events for outcome in outcomes),
        "seconds": round(sum(row.seconds for row in rows), 3),
        "file": plan.config.file,
        "sha256": digest,
        "seed": plan.config.seed,
        "by_symptom": by_symptom(acts.searched.witnesses),
        "shown": None if acts.shown is None else finding_data(plan, acts.shown),
        "replayed_identically": acts.repeated,
        "silicon": silicon.available() or "run",
        "rows": [msgspec.to_builtins(row) for row in rows],
    }
