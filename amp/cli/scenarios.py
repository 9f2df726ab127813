"""What `amp scenarios` prints: the list of programs, one program's sites and limits, and the same as data.

Rendering only. Nothing here runs a scenario or decides what a weakened site leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.cli.terminal import say
from amp.errors import UsageError
from amp.ordering.sites import Site, kind_at
from amp.scenarios import SCENARIOS, Scenario


def find(name: str) -> Scenario:
    """The scenario of that name. Raises UsageError with the known ones."""
    if name not in SCENARIOS:
        close = get_close_matches(name.lower(), SCENARIOS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"scenario {name!r:.80} is unknown{hint} (known: {', '.join(SCENARIOS)})")
    return SCENARIOS[name]


def render_list(console: Console, scenarios: Iterable[Scenario] = SCENARIOS.values()) -> None:
    """One line for each scenario: name, what it is, the sites it needs."""
    table = _table("scenario", "what it is", "sites")
    for scenario in scenarios:
        table.add_row(Text(scenario.name), Text(scenario.summary), Text(" ".join(site.name for site in scenario.sites)))
    console.print(table)


def render_scenario(console: Console, scenario: Scenario) -> None:
    """One scenario: what counts as a violation, its sizes, and its sites with what is seen when one is missing."""
    least, most = scenario.ring_size_limits
    lines = [
        f"violations: {scenario.violations}",
        f"messages: {scenario.messages} unless asked otherwise, 1 to {scenario.messages_limit}",
        f"ring size: {scenario.ring_size} unless asked otherwise, {least} to {most}" if least < most else "no ring",
        f"fixed: {', '.join(f'{name} {value}' for name, value in scenario.fixed.items())}",
    ]
    say(console, f"{scenario.name}: {scenario.summary}", style="bold")
    for line in lines:
        say(console, line)
    table = _table("site", "barrier", "if it is missing, all others mandatory")
    _add_sites(table, scenario, scenario.sites, "")
    _add_sites(table, scenario, scenario.idle_sites, "nothing: ")
    console.print(table)


def _add_sites(table: Table, scenario: Scenario, sites: Mapping[Site, str], prefix: str) -> None:
    for site, text in sites.items():
        table.add_row(site.name, kind_at(site, scenario.kinds).value, Text(prefix + text))


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in {"scenario", "site", "barrier"}, overflow="fold")
    return table
