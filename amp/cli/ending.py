"""How a command ends that an exception ends: what is said of it, in one line, and the exit status."""

from __future__ import annotations

import os
import traceback

import click

from amp.cli import output
from amp.errors import AmpError, ProgramError, UsageError
from amp.lab.descriptors import INTERRUPTED
from amp.shortage import shortage


def told(error: BaseException, *, endless: bool = False) -> int:
    """Say what ended the command. Gives its exit status. Ctrl-C is how an `endless` one ends: nothing to say."""
    if isinstance(error, click.exceptions.Exit):  # --help, --version
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        if not endless:
            output.complain(f"interrupted{': ' * bool(str(error))}{error}")
        return INTERRUPTED
    text, status = _ending(error)
    if status == AmpError.exit_status and os.environ.get("AMP_TRACEBACK"):  # the whole story for who asks for it
        traceback.print_exception(error)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        output.echo(text)
    else:
        output.complain(text)
    if isinstance(error, ProgramError):
        for frame in error.frames:
            output.note(frame)
    return status


def _ending(error: BaseException) -> tuple[str, int]:
    """What to say, and the exit status."""
    usage = UsageError.exit_status
    match error:
        case click.exceptions.NoArgsIsHelpError():
            return error.format_message(), usage
        case click.ClickException():
            return " ".join(error.format_message().split()), usage
        case AmpError():
            return str(error), error.exit_status
    short = shortage(error)
    if short is not None:
        return short, usage
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"internal error: {text} (AMP_TRACEBACK=1 shows where)", AmpError.exit_status
