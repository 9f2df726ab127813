"""What `amp sites` draws while it works, and its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from amp.cli.output import write_output
from amp.lab.search import CellsDone
from amp.report.matrix import Matrix


@contextmanager
def cells_progress() -> Iterator[CellsDone | None]:
    """A bar of explorations done; gives the function to call with them, or None where there is nothing to draw."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("as coded")
        yield lambda what, done, of: progress.update(task, description=what, completed=done, total=of)


def write_page(path: str, matrix: Matrix, status: int) -> int:
    """Write the matrix as a page; gives the exit status of a command that else ends with `status`."""
    from amp.report.matrix_page import render_matrix_html  # noqa: PLC0415  (loads what other commands never need)

    return write_output("--html", path, render_matrix_html(matrix).encode(), status)
