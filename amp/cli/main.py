"""The command line. A user's mistake gives one line on stderr and exit status 2; a violation found gives 1."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final, NoReturn

import click
from click.shell_completion import shell_complete

from amp import __version__
from amp.cli import lookups, output, programs, witnesses
from amp.cli.applies import checked
from amp.cli.bench import bench
from amp.cli.check import check, init
from amp.cli.code import code
from amp.cli.completion import completed
from amp.cli.ending import told
from amp.cli.hardware_options import hardware_options, refuse_without_hardware, with_defaults
from amp.cli.live import commands as live
from amp.cli.options import json_option
from amp.cli.output import print_json
from amp.errors import UsageError
from amp.lab.descriptors import check_descriptors
from amp.shortage import MEMORY, shortage
from amp.streams import Streams, hold_descriptors

COMPLETES: Final = "_AMP_COMPLETE"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="amp")
@click.pass_context
def cli(context: click.Context) -> None:
    """An AMP machine in software: two processors, vrings in non-cacheable memory, and every ordering bug in between."""
    if context.invoked_subcommand in {command.name for command in live.COMMANDS}:
        context.obj.raising()  # what a machine says has no end: its reader's is the command's


@cli.command()
@click.option("--file", "file", metavar="F", help="What to stream; default: this Python's own binary.")
@click.option(
    "--seed", type=click.IntRange(0, (1 << 63) - 1), default=2011, show_default=True, help="Where the search starts."
)
@json_option
def demo(file: str | None, seed: int, as_json: bool) -> int:
    """The 2011 barrier bug shown and cured. A file through a pair of vrings, on several machines."""
    from amp.cli import demo as command  # noqa: PLC0415  (a command loads what it needs)

    return command.main(file, seed, as_json=as_json)


@cli.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--platform", metavar="NAME", help="A platform's name or a TOML file.  [default: arm64; X86: x86-wb]")
@click.option(
    "--observers",
    metavar="HOW",
    default="together",
    show_default=True,
    help="together: all CPUs in one inner domain; apart: each in its own; or groups of threads, such as '01|2'.",
)
@click.option("--expect", metavar="F", help="A JSON list of {file, verdict, outcomes}: what differs is a violation.")
@click.option("--max-executions", type=click.IntRange(1), default=1_000_000, show_default=True, help="Of one test.")
@click.option("--max-seconds", type=click.FloatRange(0, 86_400), default=60.0, show_default=True, help="Of one test.")
@json_option
@hardware_options
def litmus(
    *,
    paths: tuple[str, ...],
    platform: str | None,
    observers: str,
    expect: str | None,
    max_executions: int,
    max_seconds: float,
    as_json: bool,
    hardware: bool,
    **effort: Any,
) -> int:
    """Run litmus tests and say what each can end in.

    PATH is a file (C, AArch64 or X86, in herd7's format), or a directory that is searched for *.litmus. With --hardware
    they run on this machine's own CPU, and an outcome that the model does not allow on the CPU's platform is a
    violation.
    """
    if hardware:
        from amp.cli import hardware as on_silicon  # noqa: PLC0415
        from amp.litmus import silicon_suite  # noqa: PLC0415

        limits = (max_executions, max_seconds)
        tests = silicon_suite.request(platform, observers, expect, limits, **with_defaults(effort))
        status, data = on_silicon.main(paths, tests, as_json=as_json)
    else:
        from amp.cli import litmus as command  # noqa: PLC0415
        from amp.litmus import suite  # noqa: PLC0415

        refuse_without_hardware(effort)
        asked = suite.request(platform, observers, max_executions, max_seconds, expect)
        status, data = command.main(paths, asked, as_json=as_json)
    if data is not None:
        print_json(data)
    return status


for _command in (*programs.COMMANDS, *witnesses.COMMANDS, *lookups.COMMANDS, *live.COMMANDS, bench, check, code, init):
    cli.add_command(_command)
for _command in cli.commands.values():
    checked(_command)
completed(cli)


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # as an exception: whatever is open is closed on the way


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its status."""
    hold_descriptors()
    streams = Streams()
    signal.signal(signal.SIGTERM, _terminated)
    starved = False
    try:
        check_descriptors()
        if COMPLETES in os.environ:  # a shell asks, as `eval "$(_AMP_COMPLETE=bash_source amp)"` has it
            if shell_complete(cli, {}, "amp", COMPLETES, os.environ[COMPLETES]):
                raise UsageError(f"{COMPLETES} is {os.environ[COMPLETES]!r:.40}, expected {{bash,zsh,fish}}_source")
            sys.exit(0)
        # Not cli.main(): it would end a command whose reader left with status 1.
        with cli.make_context("amp", list(sys.argv[1:] if arguments is None else arguments), obj=streams) as context:
            status = int(cli.invoke(context))
    except (Exception, KeyboardInterrupt) as error:
        starved = shortage(error) == MEMORY
        status = 0 if streams.is_own(error) else told(error, endless=streams.endless)
    lost = streams.lost()
    if lost is not None:
        output.complain(f"standard output: {lost}")
        status = status or UsageError.exit_status
    if starved:  # to end the interpreter takes memory, too, and it says so
        os._exit(status)
    sys.exit(status)
