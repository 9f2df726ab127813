"""The terminal: as wide as it is; in a pipe 100 columns, no colour, no progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PIPE_COLUMNS: Final = 100


class _Console(Console):
    """A console that leaves it to the command line what a reader who left means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def make_console() -> Console:
    """The console that results are printed on."""
    console = _Console(highlight=False)
    return console if console.is_terminal else _Console(width=PIPE_COLUMNS, highlight=False)


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
