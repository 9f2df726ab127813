"""`amp demo`: the bug of the 2011 thread, shown, explained and cured, on real input.

Four acts: SMP barriers on omap4-2011, until a witness of S1 is found and repeated; mandatory barriers there, the whole
file; SMP barriers on x86-wb, the whole file; and this machine's bare silicon. Everything modelled runs in lockstep.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amp.cli import silicon
from amp.cli.machine import Machine
from amp.cli.main import print_json
from amp.cli.options import Plan, resolve
from amp.cli.run import Result, SideFailed, Witness, by_symptom, finding_data, render_witness, run, witness
from amp.cli.terminal import make_console
from amp.machine.config import Mode, RunConfig
from amp.machine.wiring import plan as wire
from amp.ordering.barriers import Primitive
from amp.ordering.sites import Site

PAYLOAD_BYTES: Final = 4096
RING_SIZE: Final = 16
SEEDS: Final = 20  # act one tries so many; each takes some ten milliseconds


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the closing table."""

    where: str
    barriers: str
    messages: int
    violations: int
    seconds: float
    remark: str


def main(file: str | None, seed: int, *, as_json: bool) -> int:
    """The whole demo; returns the exit status: 0 if everything went as it must, else 1."""
    console = Console(quiet=True) if as_json else make_console()
    config = RunConfig(
        program="stream", mode=Mode.LOCKSTEP, payload_bytes=PAYLOAD_BYTES, ring_size=RING_SIZE, file=file, seed=seed
    )
    weak = resolve(config, platform="omap4-2011", barriers="smp", weaken=(), messages=None)
    strong = resolve(config, platform="omap4-2011", barriers="mandatory", weaken=(), messages=None)
    x86 = resolve(config, platform="x86-wb", barriers="smp", weaken=(), messages=None)
    assert weak.config.file is not None, weak
    content = Path(weak.config.file).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    _open(console, weak, len(content), digest)

    searched, shown, repeated = _first_act(console, weak, seed)
    cured = _whole_file(console, "2. The same file, the same seed, mandatory barriers (mb, rmb, wmb)", strong, digest)
    harmless = _whole_file(console, "3. SMP barriers again, on x86 with write-back memory", x86, digest)
    bare = _silicon(console)

    rows = _rows(searched, cured, harmless, bare)
    expected = shown is not None and repeated and cured.holds and harmless.holds and _as_it_must(bare)
    if as_json:
        print_json(_data(weak, seed, digest, searched, shown, repeated, rows, expected))
    else:
        _close(console, rows)
    return 0 if expected else 1


def _open(console: Console, plan: Plan, size: int, digest: str) -> None:
    console.print(
        f"{escape(str(plan.config.file))}: {size:,} bytes in {plan.config.messages:,} messages, host -> remote -> host, "
        f"through two vrings of {RING_SIZE} entries, two processes, every message checked on both sides\n"
        f"sha256 {digest}",
        highlight=False, soft_wrap=True,
    )


def _first_act(console: Console, plan: Plan, seed: int) -> tuple[Result, Witness | None, bool]:
    """SMP barriers: all seeds, a witness of S1, and whether repeating it gave the very same trace."""
    console.rule("[bold]1. SMP barriers on omap4-2011: what the 2011 thread reported[/bold]", align="left")
    searched = run(plan, range(seed, seed + SEEDS))
    found = len(searched.witnesses)
    console.print(f"{found} of {SEEDS} seeds end in a violation, after {searched.messages / SEEDS:.0f} good messages on average")
    for line in by_symptom(searched.witnesses):
        console.print(f"  {escape(line)}", highlight=False)
    shown = next((each for each in searched.witnesses if each.site == Site.S1.name), None)
    if shown is None:
        console.print("[red]no witness of S1 among them[/red]")
        return searched, None, False
    render_witness(console, plan, shown, wire(plan.config).name_of)
    repeated = _repeat(plan, shown)
    console.print(
        f"Replayed just now in two fresh processes: {'the same' if repeated else '[red]ANOTHER[/red]'} trace, "
        f"{shown.outcome.events:,} events, digest {shown.outcome.digest:016x}",
        highlight=False,
    )
    return searched, shown, repeated


def _repeat(plan: Plan, shown: Witness) -> bool:
    with Machine(plan.at_seed(shown.seed)) as machine:
        outcome = machine.run(plan.at_seed(shown.seed), plan.platform, plan.sites)
        again = witness(machine, plan, outcome, explain=True) if outcome.finding is not None else None
    return again is not None and again.trace == shown.trace and outcome.digest == shown.outcome.digest


def _whole_file(console: Console, heading: str, plan: Plan, digest: str) -> Result:
    console.rule(f"[bold]{heading}[/bold]", align="left")
    result = run(plan, range(plan.config.seed, plan.config.seed + 1))
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
        highlight=False,
    )
    return result


def _silicon(console: Console) -> list[silicon.SiliconResult]:
    console.rule("[bold]4. This machine's own silicon, no model: payload by non-temporal stores[/bold]", align="left")
    reason = silicon.available()
    if reason is not None:
        console.print(f"skipped: {reason}", highlight=False)
        return []
    results = [silicon.run(primitive) for primitive in (Primitive.SMP_WMB, Primitive.WMB)]
    for result in results:
        colour = "red" if result.corrupted else "green"
        console.print(
            f"{_INSTRUCTION[result.primitive]}: [{colour}]{result.corrupted:,} of {result.messages:,} messages "
            f"corrupted[/{colour}] on the reader's own CPU",
            highlight=False,
        )
        if result.first is not None:
            number, word, value, due = result.first
            console.print(
                f"  the first: message {number}, word {word} reads {value:#x}, written for "
                f"{f'message {(value >> 16) - 1}' if value else 'nothing yet'}; due was {due:#x}",
                highlight=False,
            )
    return results


_INSTRUCTION: Final = {
    Primitive.SMP_WMB: "SMP barrier (smp_wmb: compiler only)",
    Primitive.WMB: "mandatory barrier (wmb: sfence)",
}


def _as_it_must(bare: list[silicon.SiliconResult]) -> bool:
    """Corruption without sfence is the CPU's to show or not; with it there must be none."""
    return all(result.corrupted == 0 for result in bare if result.primitive is Primitive.WMB)


def _rows(searched: Result, cured: Result, harmless: Result, bare: list[silicon.SiliconResult]) -> list[Row]:
    rows = []
    for result, remark in (
        (searched, f"{SEEDS} seeds, each until its first violation"), (cured, "whole file, sha256 equal"),
        (harmless, "whole file, sha256 equal"),
    ):
        name = result.plan.platform_name
        assert name is not None, result.plan
        remark = remark if result.holds or result is searched else "VIOLATION"
        rows.append(Row(name, result.plan.barriers, result.messages, len(result.witnesses), result.seconds, remark))
    for each in bare:
        barriers = "smp" if each.primitive is Primitive.SMP_WMB else "mandatory"
        share = f"{100 * each.corrupted / each.messages:.1f} % of the messages corrupted"
        rows.append(Row("this CPU", barriers, each.messages, each.corrupted, each.seconds, share))
    return rows


def _close(console: Console, rows: list[Row]) -> None:
    console.rule(align="left")
    table = Table(box=None, pad_edge=False)
    for heading, right in (("platform", 0), ("barriers", 0), ("messages", 1), ("violations", 1), ("s", 1), ("", 0)):
        table.add_column(heading, justify="right" if right else "left")
    for row in rows:
        colour = "red" if row.violations else "green"
        table.add_row(
            row.where, row.barriers, f"{row.messages:,}", f"[{colour}]{row.violations:,}[/{colour}]",
            f"{row.seconds:.2f}", row.remark,
        )
    console.print(table, highlight=False)


def _data(
    plan: Plan, seed: int, digest: str, searched: Result, shown: Witness | None, repeated: bool, rows: list[Row],
    expected: bool,
) -> dict[str, Any]:
    return {
        "command": "demo",
        "status": "holds" if expected else "violation",
        "violations": len(searched.witnesses),
        "executions": SEEDS + 2,
        "states": sum(outcome.events for outcome in searched.outcomes),
        "seconds": round(sum(row.seconds for row in rows), 3),
        "file": plan.config.file,
        "sha256": digest,
        "seed": seed,
        "by_symptom": by_symptom(searched.witnesses),
        "shown": None if shown is None else finding_data(plan, shown),
        "replayed_identically": repeated,
        "silicon": silicon.available() or "run",
        "rows": [msgspec.to_builtins(row) for row in rows],
    }
