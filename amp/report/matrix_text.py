"""The necessity matrix in the terminal, and the sentences that its page has too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import Site
from amp.report.counts import count_of
from amp.report.matrix import Assignment, Cell, Explored, Matrix, Row, Verdict

WIDE_COLUMNS: Final = 100  # below, a long cell goes to two lines
CELL_COLUMNS: Final = 8
ORDERS_COLUMNS: Final = 12
_STYLES: Final[Mapping[Verdict, str]] = {Verdict.HOLDS: "green", Verdict.BROKEN: "red", Verdict.UNKNOWN: "yellow"}


def coded_text(matrix: Matrix) -> str:
    """The verdict on the program as it is coded."""
    explored = matrix.coded
    match explored.verdict:
        case Verdict.HOLDS:
            return f"as coded: verified, {_runs(explored)}"
        case Verdict.BROKEN:
            found = matrix.coded_counterexample
            return f"as coded: violation: {explored.text if found is None else found.text}"
        case Verdict.UNKNOWN:
            return f"as coded: inconclusive, stopped after {explored.bound}"


def together_title(matrix: Matrix) -> str:
    """What is enough together: "Enough together: S1=dma S2=smp, K1 as coded"."""
    assignment = matrix.assignment
    if assignment is not None:
        kept = [row.site.name for row in matrix.rows if row.site not in assignment.classes]
        kept_text = f"{' '.join(kept)} as coded" if kept else ""
        return "Enough together: " + ", ".join(filter(None, [" ".join(assignment.weaken), kept_text]))
    if matrix.coded.verdict is Verdict.UNKNOWN:
        return "Enough together: unknown"
    repairs = [f"{row.site.name}={row.weakest.barrier_class.value}" for row in matrix.rows if row.weakest]
    return f"Enough to repair it: {', or '.join(repairs)}" if repairs else "No single site repairs it"


def together_text(matrix: Matrix) -> str:
    """What is known of it."""
    assignment = matrix.assignment
    if assignment is None:
        return "Only what holds as coded can be weakened. --barriers mandatory starts from the strongest."
    said = [f"{assignment.explored.verdict.value} with all of these at once, {_runs(assignment.explored)}."]
    weaker = ", ".join(f"{trial.site.name}={trial.barrier_class.value}" for trial in assignment.weaker)
    unknown = [trial for trial in assignment.weaker if trial.explored.verdict is Verdict.UNKNOWN]
    if unknown:
        said.append(f"Of those that are weaker at one more site {len(unknown)} could not be decided: {weaker}.")
    elif weaker:
        said.append(f"Weaker at any one more site it is broken, each explored: {weaker}.")
    else:
        said.append("Nothing can be weaker still.")
    stronger, less = (_unlike_alone(matrix.rows, assignment, less=less) for less in (False, True))
    if stronger:
        said.append(f"Stronger than is needed alone, as the others are weaker now: {stronger}.")
    if less:
        said.append(f"Weaker than is needed alone, as another site's class orders more of what it is for: {less}.")
    return " ".join(said)


def _unlike_alone(rows: tuple[Row, ...], assignment: Assignment, *, less: bool) -> str:
    """Sites whose class is weaker (`less`) or stronger than the weakest that holds with all others as coded."""
    order = list(BarrierClass)
    found = []
    for row in rows:
        chosen = assignment.classes.get(row.site)
        if chosen is None or row.weakest is None:
            continue
        more = order.index(chosen) - order.index(row.weakest.barrier_class)
        if more < 0 if less else more > 0:
            found.append(f"{row.site.name}={chosen.value} (alone {row.weakest.barrier_class.value})")
    return ", ".join(found)


def legend(matrix: Matrix) -> str:
    """What a cell says, and what "needs compiler" means."""
    said = (
        "Each cell: that class at this one site, all others as coded. holds N: every one of N runs holds; "
        "= CLASS: the same orders there, explored once; unknown: a bound was reached."
    )
    if all(row.least is BarrierClass.NONE for row in matrix.rows):
        return said
    return (
        f"{said} needs compiler: the hardware keeps that order by itself, but a C compiler may not: barrier() is the "
        "least there. The exploration cannot tell it from none, because Python does not reorder."
    )


def who_text(site: Site) -> str:
    """Who stands there: "driver (host)"."""
    role = f"{site.role} " if site.role else ""
    return "both sides" if site.side is None else f"{role}({site.side.value})"


def totals_text(matrix: Matrix) -> str:
    """What it took: "12 explorations, 1 run, 0.1 s"."""
    return f"{count_of(matrix.explorations, 'exploration')}, {count_of(matrix.runs, 'run')}, {matrix.seconds:.1f} s"


def cell_text(cell: Cell) -> str:
    """ "holds 29", "broken", "= none"."""
    if cell.same_as is not None:
        return f"= {cell.same_as.value}"
    explored = cell.explored
    return explored.verdict.value + (f" {explored.runs:,}" if explored.verdict is Verdict.HOLDS else "")


def _runs(explored: Explored) -> str:
    counts = (("run", explored.runs), ("complete execution", explored.executions), ("state", explored.states))
    return ", ".join(f"{count:,} {what}{'s' * (count != 1)}" for what, count in counts)


def render_matrix(console: Console, matrix: Matrix) -> None:
    """The matrix for a reader: the verdict as coded, the table, the assignment, and why nothing less will do."""
    _line(console, matrix.title, style="bold")
    _line(console, coded_text(matrix), style=_STYLES[matrix.coded.verdict])
    if matrix.coded_counterexample is not None:
        _line(console, f"  {matrix.coded_counterexample.command}", whole=True)
    if matrix.caution is not None:
        _line(console, f"Caution: {matrix.caution}", style="yellow")
    console.print(_table(matrix, wide=console.width >= WIDE_COLUMNS))
    _line(console, legend(matrix), style="dim")
    for site, weaker, stronger in matrix.inversions:
        _line(console, f"Odd: {site.name} holds with {weaker.value} and not with {stronger.value}.", style="yellow")
    _render_together(console, matrix)
    if matrix.coded.verdict is not Verdict.BROKEN:  # else every site's story is the same
        _render_reasons(console, matrix)
    _line(console, totals_text(matrix), style="dim")


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
    _line(console, together_title(matrix), style="bold")
    _line(console, together_text(matrix))
    if matrix.assignment is not None:
        _line(console, f"  {matrix.assignment.command}", whole=True)


def _render_reasons(console: Console, matrix: Matrix) -> None:
    """A line for each site: why one class less is not enough, or why nothing is needed."""
    for row in matrix.rows:
        cell = row.decisive
        if cell is not None and cell.counterexample is not None:
            shown = cell.counterexample
            text = Text.assemble(
                (f"{row.site.name}={cell.barrier_class.value}", "bold red"),
                f" is not enough ({cell.barrier}). Seen by the {shown.side}: {shown.text}",
            )
            console.print(text, soft_wrap=not console.is_terminal)
            _line(console, f"  {shown.command}", whole=True)
        elif row.note is not None:
            _line(console, f"{row.site.name} {row.note}")


def _line(console: Console, text: str, style: str = "", *, whole: bool = False) -> None:
    console.print(Text(text, style=style), soft_wrap=whole or not console.is_terminal)
