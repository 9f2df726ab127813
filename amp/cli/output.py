"""What a command prints and writes: text that is safe to show, files that are whole.

Loads nothing but click, since every command starts here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click

from amp.errors import UsageError
from amp.files import check_writable, write_whole
from amp.visible import visible

# What every --json object has, of a command that looks up and runs nothing.
NOTHING_RUN: Final = {
    "command": "platforms",
    "status": "holds",
    "violations": 0,
    "executions": 0,
    "states": 0,
    "seconds": 0.0,
}

LINE_LIMIT: Final = 500  # characters
_TAIL: Final = 150  # of them at the end, where the reason stands


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Lines, on stdout or stderr."""
    click.echo(visible(text), err=err, nl=nl)


def complain(text: str) -> None:
    """One line on stderr, whatever is in `text`, and however much: of what is too long the middle is left out."""
    line = " ".join(text.splitlines())
    if len(line) > LINE_LIMIT:
        line = f"{line[: LINE_LIMIT - _TAIL - 1]}…{line[-_TAIL:]}"
    echo(f"amp: {line}", err=True)


def note(text: str) -> None:
    """A line on stderr below a complaint."""
    echo(f"  {' '.join(text.splitlines())}", err=True)


def print_json(data: object) -> None:
    """One object on stdout."""
    json.dump(data, sys.stdout, indent=2)
    sys.stdout.write("\n")


# --- files


def check_output(option: str, path: str | None) -> None:
    """Before anything runs: can the file be written that `option` asks for? Raises UsageError."""
    if path is not None:
        try:
            check_writable(path)
        except OSError as error:
            raise UsageError(f"{option} {path}: {error.strerror}") from None


def write_output(option: str, path: str, data: bytes, status: int) -> int:
    """Write a file, and say so in a line on stderr; or why not.

    Gives the exit status of a command that else ends with `status`: a violation stays one whatever becomes of the file.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        complain(f"{option} {path}: {error.strerror}: not written")
        return status if status == 1 else UsageError.exit_status
    wrote(path)
    return status


def append_output(what: str, path: str, text: str, status: int) -> int:
    """The same for a file that others append to as well; nothing is said of it if all went well."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        complain(f"{what} {path}: {error.strerror}: not written")
        return status if status == 1 else UsageError.exit_status
    return status


def wrote(path: str | Path) -> None:
    """Say so on stderr: stdout stays the command's answer, the same with and without a file."""
    complain(f"wrote {path}")
