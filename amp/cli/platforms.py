"""What `amp platforms` prints: the list of machines, and one machine's rows."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.cli.terminal import say
from amp.ordering.barriers import Primitive, orders_text
from amp.ordering.platforms import PLATFORMS, Explanation, Platform, Side, Verdict

_STYLES = {Verdict.YES: "green", Verdict.NO: "red", Verdict.NOTHING: "dim"}


def render_list(console: Console, platforms: Iterable[Platform] = PLATFORMS.values()) -> None:
    """One line for each platform: name, summary, host, remote, memory of the region."""
    table = _table("platform", "what it is", "host", "remote", "region")
    for platform in platforms:
        table.add_row(
            *map(
                Text,
                (
                    platform.name,
                    platform.summary,
                    platform.host.architecture.name,
                    platform.remote.architecture.name,
                    platform.region_memory,
                ),
            )
        )
    console.print(table)


def render_platform(console: Console, platform: Platform) -> None:
    """The platform's two processors: every primitive, what it orders, how far it reaches, and whether that is enough.

    Sources are numbered, and listed below each table.
    """
    say(console, f"{platform.name}: {platform.summary}", style="bold")
    say(console, f"region: {platform.region_memory}")
    say(console, f"source: {platform.source}")
    for side in Side:
        console.print()
        _render_side(console, platform, side)


def _render_side(console: Console, platform: Platform, side: Side) -> None:
    processor = platform.processor(side)
    architecture, other = processor.architecture, _other(side)
    sources: dict[str, int] = {}
    say(console, f"{side}: {architecture.title} ({architecture.name})", style="bold")
    say(
        console,
        f"with no barrier: {orders_text(architecture.implicit)} kept "
        f"[{_number(sources, architecture.implicit_source)}]",
    )
    copies = (
        "multi-copy atomic" if architecture.multi_copy_atomic else "not multi-copy atomic: seen by one before another"
    )
    say(console, f"stores: {copies} [{_number(sources, architecture.multi_copy_source)}]")
    say(console, f"to order loads of what the {other} wrote: {processor.load_reach.name}")
    for stage in processor.stages:
        say(
            console,
            f"stores pass the {stage.name}: {stage.memory.name} for memory, "
            f"{stage.doorbell.name} for the doorbell [{_number(sources, stage.source)}]",
        )
    table = _table("primitive", "instruction", "orders", "reach", f"to the {other}?", "src")
    for primitive in Primitive:
        explanation = platform.explain(side, primitive)
        row = explanation.row
        table.add_row(
            primitive.label,
            Text(row.instruction),
            orders_text(row.orders),
            row.reach.name,
            _verdict(explanation),
            str(_number(sources, row.source)),
        )
    console.print(table)
    for source, number in sources.items():
        say(console, f"[{number}] {source}", style="dim")


def _verdict(explanation: Explanation) -> Text:
    text = Text(explanation.verdict.value, style=_STYLES.get(explanation.verdict, "yellow"))
    if explanation.reasons:
        text.append(": " + "; ".join(explanation.reasons), style="not bold default")
    return text


def _number(sources: dict[str, int], source: str) -> int:
    return sources.setdefault(source, len(sources) + 1)


def _other(side: Side) -> Side:
    return Side.REMOTE if side is Side.HOST else Side.HOST


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # Names and numbers stay whole: only sentences may wrap.
        table.add_column(column, no_wrap=column in {"platform", "primitive", "reach", "src"}, overflow="fold")
    return table
