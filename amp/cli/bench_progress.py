"""A bar of the time used, for commands that measure; drawn only on a terminal, and by no process that is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def share_progress(what: str) -> Iterator[Callable[[float], None] | None]:
    """Gives the function to call with the share that is done, 0 to 1; None where there is nothing to draw."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn(what), BarColumn(), TimeElapsedColumn())
    # No thread refreshes it: that one would take the CPU from what is measured.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda done: progress.update(task, completed=done, refresh=True)
