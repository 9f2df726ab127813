"""The commands that look something up and run nothing: platforms, scenarios, firmware, config, doctor."""

from __future__ import annotations

from typing import Final

import click

from amp.cli.options import json_option
from amp.cli.output import NOTHING_RUN, echo, print_json


@click.command()
@click.argument("name", required=False)
@json_option
def platforms(name: str | None, as_json: bool) -> int:
    """The platforms; of NAME, what every barrier is worth there. NAME may be a TOML file."""
    from amp.cli import platforms as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.ordering import platform  # noqa: PLC0415
    from amp.ordering.platform_data import as_dict  # noqa: PLC0415
    from amp.ordering.platforms import PLATFORMS  # noqa: PLC0415

    if name is None and as_json:
        print_json({**NOTHING_RUN, "platforms": [as_dict(each) for each in PLATFORMS.values()]})
    elif name is None:
        command.render_list(make_console())
    elif as_json:
        print_json({**NOTHING_RUN, **as_dict(platform(name))})
    else:
        command.render_platform(make_console(), platform(name))
    return 0


@click.command()
@click.argument("name", required=False)
@json_option
def scenarios(name: str | None, as_json: bool) -> int:
    """The programs that `run` knows; of NAME, its sizes and sites. With NAME also what that one checks."""
    from amp.cli import scenarios as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.programs import EXPLORABLE, load  # noqa: PLC0415

    chosen = None if name is None else load(name)
    if as_json:
        told = chosen.as_dict() if chosen else {"programs": [each.as_dict() for each in EXPLORABLE.values()]}
        print_json({**NOTHING_RUN, "command": "scenarios", **told})
    elif chosen is None:
        command.render_list(make_console())
    else:
        command.render_program(make_console(), chosen)
    return 0


@click.group()
def firmware() -> None:
    """Firmware images. ELF files with a resource table, as Linux's remoteproc loads them."""


@firmware.command("build")
@click.argument("module")
@click.option("-o", "--output", metavar="F", required=True, help="The image to write.")
@click.option("--config", metavar="F", help="A TOML file in place of the module's FIRMWARE.")
@click.option("--elf32", "bits", flag_value=32, type=int, help="For a 32-bit Arm core.")
@click.option("--elf64", "bits", flag_value=64, type=int, default=64, help="For a 64-bit Arm core.  [default]")
@click.option("--entry", metavar="NAME", help="The function to start with.  [default: the declaration's, main]")
def firmware_build(*, module: str, output: str, config: str | None, bits: int, entry: str | None) -> int:
    """Package MODULE, a Python file or an importable name, as firmware.

    What it needs of its host (carveouts, trace buffers, virtio devices) stands in it as FIRMWARE = Firmware(...) or in
    a TOML file; without either it gets a trace buffer and an rpmsg device.
    """
    from amp.lab.firmware import make  # noqa: PLC0415

    echo(make(module, output, config, bits, entry))
    return 0


@firmware.command("show")
@click.argument("file")
@json_option
def firmware_show(file: str, *, as_json: bool) -> int:
    """What is in the image FILE: segments, entry, resource table."""
    from amp.cli import firmware as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.lab.firmware import as_data, load  # noqa: PLC0415

    image, resources = load(file)
    if as_json:
        print_json({**NOTHING_RUN, **as_data(image, resources)})
    else:
        command.render(make_console(), image, resources)
    return 0


@click.command()
@click.option("--cflags", is_flag=True, help="For the compiler.")
@click.option("--libs", is_flag=True, help="For the linker, behind the objects.")
def config(*, cflags: bool, libs: bool) -> int:
    """The flags to build a C program with that includes amp.h."""
    from amp.lab.flags import flags  # noqa: PLC0415

    echo(flags(cflags=cflags, libs=libs))
    return 0


@click.command()
@json_option
def doctor(*, as_json: bool) -> int:
    """What amp finds here, what will be slow, and why. Exit status 1: something that amp needs is wrong."""
    from amp.cli.terminal import make_console, print_grid  # noqa: PLC0415
    from amp.lab import doctor as examination  # noqa: PLC0415

    signs = examination.examined()
    if as_json:
        print_json({**NOTHING_RUN, **examination.as_data(signs)})
    else:
        print_grid(make_console(80), ("what", "", "found"), ((each.what, each.state, each.told) for each in signs))
    return examination.exit_status(signs)


COMMANDS: Final = (platforms, scenarios, firmware, config, doctor)
