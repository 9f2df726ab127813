"""What a shell is told of a word that is half typed: names that amp knows, else files. Loads them when it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import click
from click.shell_completion import CompletionItem


class _Text(type(click.STRING)):  # type: ignore[misc]  # click's type of plain text
    """Plain text, as an option or an argument takes it."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        names = [each for each in _names(ctx, param) if each.startswith(incomplete)]
        return [CompletionItem(each) for each in names] or [CompletionItem(incomplete, type="file")]


TEXT: Final = _Text()


def _names(context: click.Context, param: click.Parameter) -> Iterable[str]:
    from amp.ordering.barriers import BarrierClass  # noqa: PLC0415
    from amp.ordering.platforms import PLATFORMS  # noqa: PLC0415
    from amp.programs import SHIPPED  # noqa: PLC0415

    what = context.info_name if param.name == "name" else param.name
    programs, platforms, classes = tuple(SHIPPED), tuple(PLATFORMS), [each.value for each in BarrierClass]
    known = {"program": programs, "scenarios": programs, "platform": platforms, "platforms": platforms}
    return classes if what == "barriers" else known.get(str(what), ())


def completed(command: click.Command) -> None:
    """Have every plain text of the command, and of those below it, completed."""
    for param in command.params:
        if param.type is click.STRING:
            param.type = TEXT
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        completed(below)
