"""The options that make a program of an ELF file: what the processors run, and where their shared memory is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from amp.code.reference import program_of


def code_options(command: Callable[..., int]) -> Callable[..., int]:
    """`--host`, `--remote`, `--shared`, `--mailbox`, `--max-loop`: the command is given the program that they make."""

    @wraps(command)
    def with_program(*, program: str, **given: Any) -> int:
        asked = {name: given.pop(name) for name in ("host", "remote", "shared", "mailbox", "max_loop")}
        return command(program=program_of(program, **asked), **given)

    made: Callable[..., int] = with_program
    for option in (
        click.option("--max-loop", metavar="N", type=click.IntRange(1), help="ELF: rounds of a loop that is no wait."),
        click.option("--mailbox", metavar="ADDRESS:CPU", multiple=True, help="ELF: a store there rings that doorbell."),
        click.option("--shared", metavar="ADDRESS:BYTES", multiple=True, help="ELF: shared memory; repeatable."),
        click.option("--remote", metavar="FUNCTION[,N...]", multiple=True, help="ELF: what the remote runs."),
        click.option("--host", metavar="FUNCTION[,N...]", multiple=True, help="ELF: what the host runs."),
    ):
        made = option(made)
    return made
