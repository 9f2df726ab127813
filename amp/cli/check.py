"""`amp check`: the gate of a project in its CI, as amp.toml says."""

from __future__ import annotations

import os

import click

from amp.cli.options import json_option
from amp.cli.output import complain, echo, print_json


@click.command()
@click.option("--config", metavar="F", help="The configuration.  [default: amp.toml, or pyproject.toml's [tool.amp]]")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes at a time.  [default: one for each core]")
@click.option("--no-cache", is_flag=True, help="Explore everything, also what has not changed.")
@click.option("--quiet", is_flag=True, help="Print what is not as expected, and nothing else.")
@json_option
def check(*, config: str | None, jobs: int | None, no_cache: bool, quiet: bool, as_json: bool) -> int:
    """Explore what amp.toml asks for, in parallel, and compare it with what is expected.

    Exit status 0: all is as expected; 1: something is not; 3: a bound was reached; 2: the configuration, or a program,
    is wrong. What has not changed since it was last explored is not explored again.
    """
    from amp.check.config import BadConfig, find, load  # noqa: PLC0415
    from amp.check.judged import as_data  # noqa: PLC0415
    from amp.check.run import run  # noqa: PLC0415
    from amp.check.told import lines, rows  # noqa: PLC0415
    from amp.cli.terminal import cells_done, make_console, print_grid  # noqa: PLC0415

    try:
        asked = load(find(config))
    except BadConfig as error:
        for line in error.lines:
            complain(line)
        return error.exit_status
    with cells_done("cells") as progress:
        summary = run(asked, jobs=jobs, use_cache=not no_cache, progress=progress)
    if as_json:
        print_json(as_data(summary, asked.folder))
        return summary.exit_status
    if not quiet:
        print_grid(make_console(80), ("check", "platform", "barriers", "verdict", ""), rows(summary))
    for line in lines(summary, os.getcwd()):
        echo(line)
    if not quiet:
        echo(summary.text)
    return summary.exit_status
