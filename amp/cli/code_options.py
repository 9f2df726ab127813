"""The options that make a program of an ELF file: what the processors run, and where their shared memory is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from amp.code.reference import ASKED, program_of

_OPTIONS = (
    click.option("--max-loop", metavar="N", type=click.IntRange(1), help="ELF: rounds of a loop that is no wait."),
    click.option("--drain", metavar="ADDRESS", multiple=True, help="ELF: a store there drains the outer cache."),
    click.option("--ack", metavar="ADDRESS", multiple=True, help="ELF: a store there takes one's own doorbell."),
    click.option("--status", metavar="ADDRESS[:N]", multiple=True, help="ELF: a load there is N if that has rung."),
    click.option("--mailbox", metavar="ADDRESS:CPU", multiple=True, help="ELF: a store there rings that doorbell."),
    click.option("--shared", metavar="ADDRESS:BYTES", multiple=True, help="ELF: shared memory; repeatable."),
    click.option("--remote", metavar="FUNCTION[,N...]", multiple=True, help="ELF: what the remote runs."),
    click.option("--host", metavar="FUNCTION[,N...]", multiple=True, help="ELF: what the host runs."),
)


def code_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options above: the command is given the program that they make."""

    @wraps(command)
    def with_program(*, program: str, **given: Any) -> int:
        asked = {name: given.pop(name) for name in ASKED}
        return command(program=program_of(program, **asked), **given)

    made: Callable[..., int] = with_program
    for option in _OPTIONS:
        made = option(made)
    return made
