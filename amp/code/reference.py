"""The reference of a program that is an ELF file, made of what a user says: "ring.elf?host=send&remote=receive"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amp.errors import UsageError
from amp.remoteproc.elf import MAGIC

# What a user says of an ELF file: options of the commands, and keys of a check.
ASKED: Final = ("host", "remote", "shared", "mailbox", "status", "ack", "drain", "max_loop")


def program_of(
    program: str,
    *,
    host: Sequence[str],
    remote: Sequence[str],
    shared: Sequence[str],
    mailbox: Sequence[str],
    status: Sequence[str],
    ack: Sequence[str],
    drain: Sequence[str],
    max_loop: int | None,
) -> str:
    """The program's reference, with what the options say. Raises UsageError for another program than an ELF file."""
    functions = (("host", host), ("remote", remote))
    words = [f"{side}{n or ''}={each}" for side, names in functions for n, each in _numbered(names)]
    registers = (("mailbox", mailbox), ("status", status), ("ack", ack), ("drain", drain))
    for name, given in (("shared", shared), *registers):
        words += [f"{name}={each}" for each in given]
    words += [f"max-loop={max_loop}"] if max_loop is not None else []
    if not words:
        if "?" not in program and _is_elf(program):
            raise UsageError(f"{program} is an ELF file: --host and --remote say what of it runs")
        return program
    if program.endswith(".py") or "?" in program:
        options = "--host, --remote, --shared, --mailbox, --status, --ack, --drain and --max-loop"
        raise UsageError(f"{options} are for an ELF file, not for {program}")
    return f"{program}?{'&'.join(words)}"


def _numbered(functions: Sequence[str]) -> list[tuple[int, str]]:
    """The first part of a side has no number, the second is number 2."""
    return [(number if number > 1 else 0, each) for number, each in enumerate(functions, 1)]


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
