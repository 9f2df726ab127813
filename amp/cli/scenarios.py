"""What `amp scenarios` prints: the list of programs, and one program's sites and limits."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.cli.terminal import say
from amp.programs import EXPLORABLE
from amp.programs.program import Program


def render_list(console: Console, programs: Iterable[Program] = EXPLORABLE.values()) -> None:
    """One line for each program: name, what it is, the sites it needs."""
    table = _table("program", "what it is", "sites")
    for program in programs:
        table.add_row(Text(program.name), Text(program.summary), Text(" ".join(site.name for site in program.needed)))
    console.print(table)


def render_program(console: Console, program: Program) -> None:
    """One program: what counts as a violation, its sizes, and its sites with what is seen when one is missing."""
    lines = [f"violations: {program.violations}"]
    for name, size in program.sizes.items():
        said = name.replace("_", " ")
        fixed = "no ring" if name == "ring_size" else f"{said}: {size.default}"
        lines.append(
            f"{said}: {size.default} unless asked otherwise, {size.range}" if size.least < size.most else fixed
        )
    if program.fixed:
        lines.append(f"fixed: {', '.join(f'{name} {value}' for name, value in program.fixed.items())}")
    if program.source is not None:
        lines.append(f"file: {program.source.path}")
    say(console, ": ".join(filter(None, (program.name, program.summary))), style="bold")
    for line in lines:
        say(console, line)
    table = _table("site", "barrier", "if it is missing, all others mandatory")
    for site in program.needed:
        table.add_row(site.name, site.kind.value, Text(program.symptom(site) or f"not kept: {site.orders}"))
    for site, text in program.idle.items():
        table.add_row(site.name, site.kind.value, Text(f"nothing: {text}"))
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in {"program", "site", "barrier"}, overflow="fold")
    return table
