"""What the tables of `amp bench model`, `rpmsg` and `verify` have in common."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.cli import terminal


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> Table:
    """The first `left` columns are words, the others figures."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads):
        made.add_column(head, justify="left" if number < left else "right", no_wrap=True)
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def say(console: Console, text: str, style: str = "dim") -> None:
    """A line below a table."""
    terminal.say(console, text, style)
