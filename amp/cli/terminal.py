"""The terminal: as wide as it is; in a pipe 100 columns, no colour, no progress.

Whatever is printed on a console made here is made visible first: no text of a user's or a firmware's can drive the
terminal, whichever way it came.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from amp.visible import visible

if TYPE_CHECKING:
    from amp.explore.explorer import Exploration

PIPE_COLUMNS: Final = 100
_PADDED: Final = re.compile(r"[ ]+$", re.MULTILINE)
SILENCE_S: Final = 2.0  # longer than that, a terminal is told that there is something going on


class _Console(Console):
    """A console that shows what a terminal would act upon, and does not draw ":sparkles:" where it is in a text."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown is segment.text or shown == segment.text else Segment(shown, segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """A line ends where its text does; on a terminal, which pads a column to its edge, nobody sees that."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as printed:
            super().print(*objects, **options)
        self.file.write(_PADDED.sub("", printed.get()))
        self.file.flush()

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def make_console(pipe_columns: int = PIPE_COLUMNS) -> Console:
    """The console that results are printed on."""
    console = _Console()
    return console if console.is_terminal else _Console(width=pipe_columns)


def say(console: Console, text: str, style: str = "", *, whole: bool = False) -> None:
    """A line, or a paragraph: in a pipe it is not wrapped, and nowhere if it is to stay `whole`."""
    console.print(Text(text, style=style), soft_wrap=whole or not console.is_terminal)


def print_grid(console: Console, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A table of plain text; what does not fit into its column goes on in the next line."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    console.print(grid)


@contextmanager
def working(what: str, after_s: float = SILENCE_S) -> Iterator[None]:
    """A line on stderr that says for how long `what` has gone on, once that is long enough to wonder."""
    console = _Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    # A thread redraws it, seldom enough to take nothing from who is measured.
    progress = Progress(*columns, console=console, transient=True, refresh_per_second=2)
    progress.add_task(what)
    timer = threading.Timer(after_s, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        progress.stop()


@contextmanager
def runs_progress() -> Iterator[Callable[[Exploration], None] | None]:
    """A line with runs, states and runs per second; gives the function to call with the exploration so far."""
    console = _Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status("exploring") as status:

        def show(so_far: Exploration) -> None:
            rate = so_far.runs / so_far.seconds if so_far.seconds else 0.0
            status.update(f"exploring: {so_far.runs:,} runs, {so_far.states:,} states, {rate:,.0f} runs/s")

        yield show


@contextmanager
def cells_done(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar of cells done; gives the function to call with (done, of how many), or None where nothing is drawn."""
    with _bar(what, None, MofNCompleteColumn()) as update:
        yield None if update is None else lambda done, of: update(completed=done, total=of)


@contextmanager
def cells_progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """As `cells_done`, for a bar whose name changes: the function is called with (what, done, of how many)."""
    with _bar("as coded", None, MofNCompleteColumn()) as update:
        yield None if update is None else lambda what, done, of: update(description=what, completed=done, total=of)


@contextmanager
def seeds_progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """A bar of seeds done; gives the function to call with their number, or None where there is nothing to draw."""
    if total == 1 or not _Console(stderr=True).is_terminal:
        with working("running"):
            yield None
        return
    with _bar("seeds", total, MofNCompleteColumn()) as update:
        yield None if update is None else lambda done: update(completed=done)


@contextmanager
def share_progress(what: str) -> Iterator[Callable[[float], None] | None]:
    """A bar of the time used, for who measures; gives the function to call with the share that is done, 0 to 1."""
    # No thread refreshes it: that one would take the CPU from what is measured.
    with _bar(what, 1.0, auto_refresh=False) as update:
        yield None if update is None else lambda done: update(completed=done, refresh=True)


@contextmanager
def _bar(
    what: str, total: float | None, *columns: ProgressColumn, auto_refresh: bool = True
) -> Iterator[Callable[..., None] | None]:
    """A bar on stderr; gives the function that updates it, or None where there is no terminal to draw on."""
    console = _Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    shown = (TextColumn("{task.description}", markup=False), BarColumn(), *columns, TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True, auto_refresh=auto_refresh) as progress:
        yield partial(progress.update, progress.add_task(what, total=total))
