"""What `amp sites` prints: the necessity matrix, what is enough together, and why nothing less will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.cli.terminal import say
from amp.ordering.barriers import BarrierClass
from amp.report.matrix import Matrix, Verdict
from amp.report.matrix_text import (
    built_lines,
    cell_text,
    coded_text,
    legend,
    one_by_one_text,
    reasons,
    together_lines,
    totals_text,
)

WIDE_COLUMNS: Final = 100  # below, a long cell goes to two lines
CELL_COLUMNS: Final = 8
ORDERS_COLUMNS: Final = 12
_STYLES: Final[Mapping[Verdict, str]] = {Verdict.HOLDS: "green", Verdict.BROKEN: "red", Verdict.UNKNOWN: "yellow"}


def render_matrix(console: Console, matrix: Matrix) -> None:
    """The matrix for a reader: the verdict as coded, the table, the assignment, and why nothing less will do.

    Of what is broken as it is coded the repair comes first, for the table can say little more.
    """
    broken = matrix.coded.verdict is Verdict.BROKEN
    say(console, matrix.title, style="bold")
    say(console, coded_text(matrix), style=_STYLES[matrix.coded.verdict])
    if matrix.coded_counterexample is not None:
        say(console, f"  {matrix.coded_counterexample.command}", whole=True)
    if matrix.caution is not None:
        say(console, f"Caution: {matrix.caution}", style="yellow")
    if broken:
        _render_together(console, matrix)
        say(console, one_by_one_text(matrix), style="bold")
    console.print(_table(matrix, wide=console.width >= WIDE_COLUMNS))
    say(console, legend(matrix), style="dim")
    for site, weaker, stronger in matrix.inversions:
        say(console, f"Odd: {site.name} holds with {weaker.value} and not with {stronger.value}.", style="yellow")
    for line in built_lines(matrix):
        say(console, line)
    if not broken:
        _render_together(console, matrix)
    for line, is_command in reasons(matrix):
        say(console, line, whole=is_command)
    say(console, totals_text(matrix), style="dim")


def _table(matrix: Matrix, *, wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("site", no_wrap=True)
    table.add_column("needs", no_wrap=True, style="bold")
    for barrier_class in BarrierClass:
        table.add_column(barrier_class.value, no_wrap=True)
    table.add_column("who: what it orders", min_width=ORDERS_COLUMNS, overflow="fold")
    for row in matrix.rows:
        cells = []
        for cell in row.cells:
            style = _STYLES[cell.explored.verdict]
            marked = "bold " if row.judged and cell is row.weakest else "dim " if cell.same_as is not None else ""
            text = cell_text(cell)
            lines = text if wide or len(text) <= CELL_COLUMNS else text.replace(" ", "\n")
            cells.append(Text(lines, style=marked + style))
        about = row.site
        table.add_row(
            row.site.name, row.needs, *cells, Text(f"{about.role}: {about.orders}" if about.role else about.orders)
        )
    return table


def _render_together(console: Console, matrix: Matrix) -> None:
    title, lines = together_lines(matrix)
    say(console, title, style="bold")
    for line in lines:
        say(console, line)
    if matrix.command:
        say(console, f"  {matrix.command}", whole=True)
