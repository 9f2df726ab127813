"""The commands that run or explore a program: run, verify, sites. What they need is loaded when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from amp.cli import output
from amp.cli.code_options import code_options
from amp.cli.options import json_option, platform_option, size_option, weaken_option
from amp.cli.output import print_json
from amp.lab.descriptors import INTERRUPTED
from amp.machine.config import Mode

SEEDS_LIMIT: Final = 1_000_000


@click.command()
@click.argument("program")
@code_options
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.LOCKSTEP.value,
    show_default=True,
    help="lockstep: one access at a time, the seed decides; free: the model at full speed; direct: no model.",
)
@platform_option
@click.option(
    "--barriers",
    metavar="CLASS",
    help="none, compiler, smp, dma, mandatory, virtio-weak or virtio-strong.  [default: mandatory]",
)
@weaken_option
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 64) - 1),
    default=1,
    show_default=True,
    help="Decides all chance of the model; direct mode has no model.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, SEEDS_LIMIT),
    default=1,
    show_default=True,
    help="Run this many times, with one seed after the other from --seed on.",
)
@click.option("--messages", type=click.IntRange(1), help="[default: 1000; stream: the whole file; scenarios: 2]")
@click.option(
    "--payload",
    type=int,
    default=64,
    show_default=True,
    help="Bytes of a message of echo or stream, with its header of 16.",
)
@click.option("--ring-size", type=int, help="[default: 8; scenarios: 2]")
@size_option
@click.option(
    "--window", type=int, default=0, help="Most messages under way at a time; 0: grows from 1 to all, and again."
)
@click.option("--segments", type=int, default=1, show_default=True, help="Descriptors a buffer is split over.")
@click.option("--align", type=int, default=4096, show_default=True, help="Alignment of the used ring, in bytes.")
@click.option("--event-idx/--no-event-idx", default=False, show_default=True)
@click.option("--indirect/--no-indirect", default=False, show_default=True)
@click.option("--suppression/--no-suppression", default=True, show_default=True, help="Ring only who wants to be rung.")
@click.option("--polls", type=int, default=16, show_default=True, help="Looks for work before a side sleeps.")
@click.option("--pin", is_flag=True, help="A processor for each side; always so in direct mode.")
@click.option("--file", metavar="F", help="What stream sends; default: this Python's own binary.")
@click.option("--schedule", metavar="TOKEN", help="Lockstep: go this way instead of a seed's.")
@click.option("--save", metavar="F", help="Write the first violation to this file, for `amp explain` and `amp replay`.")
@json_option
def run(*, mode: str, seed: int, seeds: int, payload: int, save: str | None, as_json: bool, **asked: Any) -> int:
    """Run PROGRAM, a process for each part, and check what it checks.

    PROGRAM is a name (echo: messages of a pattern go to the remote and come back; stream: so do the bytes of a file;
    the others are small: see `amp scenarios`), or a file of your own: path/name.py or path/name.py:NAME.
    """
    from amp.cli import run as command  # noqa: PLC0415
    from amp.cli.explain import save as save_witness  # noqa: PLC0415
    from amp.cli.terminal import make_console, seeds_progress  # noqa: PLC0415
    from amp.lab.plan import ASKED, make_plan  # noqa: PLC0415
    from amp.lab.run import as_data as run_data  # noqa: PLC0415
    from amp.lab.run import run as run_seeds  # noqa: PLC0415
    from amp.machine.schedule import Schedule  # noqa: PLC0415

    of_plan = {name: asked.pop(name) for name in ASKED}
    schedule = asked["schedule"]
    plan = make_plan(
        **of_plan, mode=Mode(mode), options={**asked, "payload_bytes": payload, "schedule": schedule or ""}
    )
    if schedule is not None:
        Schedule.from_token(schedule).pack(len(plan.program.parts))  # refused before anything starts
    output.check_output("--save", save)
    plan.at_seed(seed + seeds - 1).check()
    with seeds_progress(seeds) as progress:
        result = run_seeds(plan, range(seed, seed + seeds), progress)
    if as_json:
        print_json(run_data(result))
    else:
        command.render(make_console(), result, plan.name_of)
    if save is None:
        return result.exit_status
    if result.holds:
        output.complain(f"nothing written to {save}: no violation")
        return result.exit_status
    return save_witness(save, result.plan, result.witnesses[0], result.exit_status)


def _explored(command: Callable[..., int]) -> Callable[..., int]:
    """The argument and the options that say what is explored: a program on a platform, with its barriers.

    Those that a command does not name are amp.lab.plan's, by the same names, with --messages and --ring-size.
    """
    for option in (
        click.option("--weaken", metavar="SITE=CLASS", multiple=True, help="Except here; repeatable."),
        click.option("--barriers", metavar="CLASS", help="What the code asks for.  [default: mandatory]"),
        platform_option,
        size_option,
        code_options,
        click.argument("program", metavar="PROGRAM"),
    ):
        command = option(command)
    return command


@click.command()
@_explored
@click.option("--messages", type=click.IntRange(1), help="[default: the program's, 2]")
@click.option("--ring-size", type=int, help="[default: the program's]")
@click.option(
    "--max-executions", type=click.IntRange(1), default=1_000_000, show_default=True, help="Stop after so many runs."
)
@click.option(
    "--max-seconds", type=click.FloatRange(0, 86_400), default=600.0, show_default=True, help="Stop after so long."
)
@click.option(
    "--chooser",
    type=click.Choice(["exhaustive", "sc", "random", "pct", "urw"]),
    default="exhaustive",
    show_default=True,
    help="All executions; or runs by chance, until one shows a violation.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=1,
    show_default=True,
    help="Seed of --chooser random, pct, urw and sc.",
)
@click.option(
    "--depth",
    type=click.IntRange(1, 16),
    default=3,
    show_default=True,
    help="Changes of priority in a run of --chooser pct.",
)
@click.option("--schedule", metavar="TOKEN", help="Only the execution that this schedule names.")
@click.option("--save", metavar="F", help="Write the counterexample to this file, for `amp explain` and `amp replay`.")
@json_option
def verify(
    *,
    max_executions: int,
    max_seconds: float,
    chooser: str,
    seed: int,
    depth: int,
    schedule: str | None,
    save: str | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Explore every behaviour of PROGRAM. Verified within the bounds, or the smallest counterexample.

    Exit status 0: every execution holds; 1: a violation; 3: a bound was reached, or only chance was asked.
    """
    from amp.cli import verify as command  # noqa: PLC0415
    from amp.explore.explorer import Bounds, Chooser  # noqa: PLC0415
    from amp.lab.table import plans_of  # noqa: PLC0415

    return command.main(
        plans_of(platforms=asked.pop("platform"), **asked),
        Bounds(max_executions, max_seconds),
        by_chance=(Chooser[chooser.upper()], seed, depth),
        schedule=schedule,
        save_as=save,
        as_json=as_json,
    )


@click.command()
@_explored
@click.option("--messages", type=click.IntRange(1), help="[default: until buffers are used again; 2 if sides sleep]")
@click.option("--ring-size", type=int, help="[default: the program's]")
@click.option("--max-executions", type=click.IntRange(1), default=1_000_000, show_default=True, help="Of one cell.")
@click.option("--max-seconds", type=click.FloatRange(0, 86_400), default=120.0, show_default=True, help="Of one cell.")
@click.option(
    "--replay/--no-replay",
    default=True,
    show_default=True,
    help="Show one counterexample of each site in processes, too.",
)
@click.option("--html", metavar="F", help="Also write one self-contained page: the table, and its counterexamples.")
@json_option
def sites(
    *, max_executions: int, max_seconds: float, replay: bool, html: str | None, as_json: bool, **asked: Any
) -> int:
    """The necessity matrix: which barriers PROGRAM needs. On a platform, each alone, and all together.

    Exit status 0: every cell is decided, and the program as coded holds; 1: as coded it does not; 3: a bound was
    reached in some cell.
    """
    from amp.cli.matrix import render_matrix  # noqa: PLC0415
    from amp.cli.terminal import cells_progress, make_console  # noqa: PLC0415
    from amp.explore.explorer import Bounds  # noqa: PLC0415
    from amp.lab.necessity import necessity, plan_of  # noqa: PLC0415
    from amp.lab.stopping import stoppable  # noqa: PLC0415
    from amp.report.matrix import matrix_data  # noqa: PLC0415

    plan = plan_of(**asked)
    output.check_output("--html", html)
    with cells_progress() as progress, stoppable() as stop:
        matrix = necessity(plan, Bounds(max_executions, max_seconds), progress, replayed=replay, stop=stop)
    if as_json:
        print_json(matrix_data(matrix))
    else:
        render_matrix(make_console(), matrix)
    status = INTERRUPTED if stop.asked else matrix.exit_status
    if html is None:
        return status
    from amp.report.matrix_page import render_matrix_html  # noqa: PLC0415

    return output.write_output("--html", html, render_matrix_html(matrix).encode(), status)


COMMANDS: Final = (run, verify, sites)
