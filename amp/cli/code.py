"""`amp code show`: what is in an ELF file."""

from __future__ import annotations

from dataclasses import asdict

import click

from amp.cli.output import NOTHING_RUN, echo, print_json


@click.group()
def code() -> None:
    """Look into compiled code: see docs/code.md."""


@code.command()
@click.argument("elf")
@click.argument("function")
@click.option("--all", "every", is_flag=True, help="Also plain loads and stores, most of them private.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def show(elf: str, function: str, *, every: bool, as_json: bool) -> int:
    """The barriers, ordered accesses, atomics and waits of FUNCTION in ELF, and of what it calls."""
    from amp.code.code import Code  # noqa: PLC0415  (a command loads what it needs)
    from amp.code.show import shown  # noqa: PLC0415

    image = Code(elf)
    found = list(shown(image, function, every=every))
    if as_json:
        rows = [asdict(each) for each in found]
        print_json({**NOTHING_RUN, "command": "code show", "isa": image.listing.isa.title, "instructions": rows})
        return 0
    echo(f"{function} in {elf}, {image.listing.isa.title}")
    for each in found:
        echo(f"{each.address:#10x}  {each.text:<34} {each.place:<28} {each.kind}{each.orders and f': {each.orders}'}")
    return 0
