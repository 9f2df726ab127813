"""`amp code`: ELF files are built, looked into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from amp.cli.code_options import code_options
from amp.cli.options import json_option
from amp.cli.output import NOTHING_RUN, echo, print_json
from amp.code.toolchains import PASSED_ON, TARGETS


@click.group()
def code() -> None:
    """Look into compiled code: see docs/code.md."""


@code.command()
@click.argument("elf")
@click.argument("function", required=False)
@click.option("--all", "every", is_flag=True, help="Also loads and stores of its own stack, and of constants.")
@json_option
def show(elf: str, function: str | None, *, every: bool, as_json: bool) -> int:
    """What orders memory in FUNCTION of ELF, and what it calls. Without one: the functions that matter."""
    from amp.code.code import Code  # noqa: PLC0415  (a command loads what it needs)
    from amp.code.show import functions, shown, told  # noqa: PLC0415

    image = Code(elf)
    found = list(shown(image, function, every=every)) if function else list(functions(image))
    if as_json:
        rows = [asdict(each) for each in found]
        print_json(
            {
                **NOTHING_RUN,
                "command": "code show",
                "isa": image.listing.isa.title,
                "instructions" if function else "functions": rows,
            }
        )
        return 0
    echo(f"{function or 'Functions'} in {elf}, {image.listing.isa.title}")
    for line in (line for each in found for line in told(each)):
        echo(line)
    return 0


def _passed_on(command: Callable[..., int]) -> Callable[..., int]:
    """-O2, -DNAME, -I. and the like, for the compiler."""
    for letter in PASSED_ON:
        command = click.option(f"-{letter}", f"flag_{letter}", metavar="…", multiple=True, hidden=True)(command)
    return command


@code.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="F", required=True, help="The executable to write.")
@click.option("--target", type=click.Choice(list(TARGETS)), required=True, help="The processor to compile for.")
@click.option("--cc", "compiler", metavar="COMMAND", help="The compiler.  [default: the first of a table that is here]")
@click.option("--shared", metavar="ADDRESS[:BYTES]", help="Where AMP_SHARED goes.  [default: 0x40000000]")
@click.option("-v", "--verbose", is_flag=True, help="Print each command that runs.")
@_passed_on
def build(*, files: tuple[str, ...], output: str, target: str, verbose: bool, **given: Any) -> int:
    """Compile and link FILEs for TARGET, as `amp verify` takes them. -O -D -U -I -f -m -W -std= go to the compiler."""
    from amp.code.build import build as built  # noqa: PLC0415

    flags = [f"-{letter}{each}" for letter in PASSED_ON for each in given.pop(f"flag_{letter}")]
    echo(str(built(files, output, target, flags=flags, said=echo if verbose else lambda _: None, **given)))
    return 0


@code.command()
@click.argument("program", metavar="ELF")
@code_options
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Decides whose turn it is.")
@json_option
def run(*, program: str, seed: int, as_json: bool) -> int:
    """One execution of ELF in order, each access as it happens. Exit status 1 for a violation, 3 for a bound."""
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.lab import in_order  # noqa: PLC0415

    ran = in_order.trace_in_order(program, seed)
    if as_json:
        print_json(in_order.as_data(ran))
    for line in () if as_json else ran.told(make_console().width):
        echo(line)
    return ran.exit_status
