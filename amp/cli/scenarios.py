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


def render_list(console: Console, scenarios: Iterable[Program] = EXPLORABLE.values()) -> None:
    """One line for each scenario: name, what it is, the sites it needs."""
    table = _table("scenario", "what it is", "sites")
    for scenario in scenarios:
        table.add_row(
            Text(scenario.name), Text(scenario.summary), Text(" ".join(site.name for site in scenario.needed))
        )
    console.print(table)


def render_scenario(console: Console, scenario: Program) -> None:
    """One scenario: what counts as a violation, its sizes, and its sites with what is seen when one is missing."""
    lines = [f"violations: {scenario.violations}"]
    for name, size in scenario.sizes.items():
        said = name.replace("_", " ")
        fixed = "no ring" if name == "ring_size" else f"{said}: {size.default}"
        lines.append(
            f"{said}: {size.default} unless asked otherwise, {size.range}" if size.least < size.most else fixed
        )
    if scenario.fixed:
        lines.append(f"fixed: {', '.join(f'{name} {value}' for name, value in scenario.fixed.items())}")
    if scenario.source is not None:
        lines.append(f"file: {scenario.source.path}")
    say(console, ": ".join(filter(None, (scenario.name, scenario.summary))), style="bold")
    for line in lines:
        say(console, line)
    table = _table("site", "barrier", "if it is missing, all others mandatory")
    for site in scenario.needed:
        table.add_row(site.name, site.kind.value, Text(scenario.symptom(site) or f"not kept: {site.orders}"))
    for site, text in scenario.idle.items():
        table.add_row(site.name, site.kind.value, Text(f"nothing: {text}"))
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in {"scenario", "site", "barrier"}, overflow="fold")
    return table
