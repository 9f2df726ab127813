"""Refuses an option that is given where it changes nothing (amp.lab.applies)."""

from __future__ import annotations

from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from amp.errors import UsageError
from amp.lab.applies import ROWS, is_wrong


def checked(command: click.Command) -> click.Command:
    """The command, which now refuses options that have no effect."""
    run = command.callback
    assert run is not None, command.name
    rows = [row for row in ROWS if row.command == command.name]

    @wraps(run)
    def refusing(*arguments: Any, **values: Any) -> Any:
        context = click.get_current_context()
        for row in rows:
            for option in row.options:
                given = context.get_parameter_source(option) is ParameterSource.COMMANDLINE
                if given and row.where(values) and not is_wrong(values, option):
                    raise UsageError(f"{spelled(command, option)} has no meaning {row.why}")
        return run(*arguments, **values)

    command.callback = refusing
    return command


def spelled(command: click.Command, option: str) -> str:
    """The option as it is typed; of a pair the first."""
    return next(each.opts[-1] for each in command.params if each.name == option)
