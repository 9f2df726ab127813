"""The terminal: as wide as it is; in a pipe 100 columns, no colour, no progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from amp.explore.explorer import Exploration

PIPE_COLUMNS: Final = 100


class _Console(Console):
    """A console that leaves it to the command line what a reader who left means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def make_console() -> Console:
    """The console that results are printed on."""
    console = _Console(highlight=False)
    return console if console.is_terminal else _Console(width=PIPE_COLUMNS, highlight=False)


def say(console: Console, text: str, style: str = "") -> None:
    """A line, or a paragraph: in a pipe it is not wrapped."""
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def print_grid(console: Console, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A table of plain text; what does not fit into its column goes on in the next line."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    console.print(grid)


@contextmanager
def runs_progress(*, quiet: bool) -> Iterator[Callable[[Exploration], None] | None]:
    """A line with runs, states and runs per second; gives the function to call with the exploration so far."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    with console.status("exploring") as status:

        def show(so_far: Exploration) -> None:
            rate = so_far.runs / so_far.seconds if so_far.seconds else 0.0
            status.update(f"exploring: {so_far.runs:,} runs, {so_far.states:,} states, {rate:,.0f} runs/s")

        yield show


@contextmanager
def seeds_progress(total: int, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """A bar of seeds done; gives the function to call with their number, or None where there is nothing to draw."""
    console = Console(stderr=True)
    if quiet or total == 1 or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("seeds", total=total)
        yield lambda done: progress.update(task, completed=done)
