"""The command line. A user's mistake gives one line on stderr and exit status 2; a violation found gives 1."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from amp import __version__
from amp.cli import output
from amp.cli.applies import checked
from amp.cli.bench import bench
from amp.cli.code import code
from amp.cli.code_options import code_options, program_of
from amp.cli.ending import told
from amp.cli.hardware_options import hardware_options, refuse_without_hardware
from amp.cli.live.commands import COMMANDS
from amp.cli.output import NOTHING_RUN, echo, print_json
from amp.errors import UsageError
from amp.lab.descriptors import INTERRUPTED, check_descriptors
from amp.machine.config import Mode

SEEDS_LIMIT = 1_000_000


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="amp")
@click.pass_context
def cli(context: click.Context) -> None:
    """An AMP machine in software: two processors, vrings in non-cacheable memory, and every ordering bug in between."""
    if context.invoked_subcommand in {command.name for command in COMMANDS}:
        context.obj.raising()  # what a machine says has no end: its reader's is the command's


_size_option = click.option("--size", "sizes", metavar="NAME=N", multiple=True, help="A size of your own program.")


@cli.command()
@click.option("--file", "file", metavar="F", help="What to stream; default: this Python's own binary.")
@click.option(
    "--seed", type=click.IntRange(0, (1 << 63) - 1), default=2011, show_default=True, help="Where the search starts."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def demo(file: str | None, seed: int, as_json: bool) -> int:
    """The 2011 barrier bug shown and cured: a file through a pair of vrings, on several machines."""
    from amp.cli import demo as command  # noqa: PLC0415  (a command loads what it needs)

    return command.main(file, seed, as_json=as_json)


@cli.command()
@click.option("--cflags", is_flag=True, help="For the compiler.")
@click.option("--libs", is_flag=True, help="For the linker, behind the objects.")
def config(*, cflags: bool, libs: bool) -> int:
    """The flags to build a C program with that is written against amp.h."""
    from amp.cli.config import flags  # noqa: PLC0415

    echo(flags(cflags=cflags, libs=libs))
    return 0


@cli.command()
@click.argument("program")
@code_options
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.LOCKSTEP.value,
    show_default=True,
    help="lockstep: one access at a time, the seed decides; free: the model at full speed; direct: no model.",
)
@click.option("--platform", metavar="NAME", help="A platform's name or a TOML file.  [default: omap4-2011]")
@click.option(
    "--barriers",
    metavar="CLASS",
    help="none, compiler, smp, dma, mandatory, virtio-weak or virtio-strong.  [default: mandatory]",
)
@click.option("--weaken", metavar="SITE=CLASS", multiple=True, help="Another barrier at one site; repeatable.")
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
@_size_option
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
@click.option("--schedule", "script", metavar="TOKEN", help="Lockstep: go this way instead of a seed's.")
@click.option("--save", metavar="F", help="Write the first violation to this file, for `amp explain` and `amp replay`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def run(
    *,
    program: str,
    host: tuple[str, ...],
    remote: tuple[str, ...],
    shared: tuple[str, ...],
    mailbox: tuple[str, ...],
    max_loop: int | None,
    mode: str,
    platform: str | None,
    barriers: str | None,
    weaken: tuple[str, ...],
    seed: int,
    seeds: int,
    messages: int | None,
    payload: int,
    ring_size: int | None,
    sizes: tuple[str, ...],
    save: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Run PROGRAM, a process for each part, and check everything it checks.

    PROGRAM is a name (echo: messages of a pattern go to the remote and come back; stream: so do the bytes of a file;
    the others are small: see `amp scenarios`), or a file of your own: path/name.py or path/name.py:NAME.
    """
    from amp.cli import run as command  # noqa: PLC0415
    from amp.cli.explain import save as save_witness  # noqa: PLC0415
    from amp.cli.terminal import make_console, seeds_progress  # noqa: PLC0415
    from amp.lab.plan import make_plan, parse_sizes  # noqa: PLC0415
    from amp.lab.run import as_data as run_data  # noqa: PLC0415
    from amp.lab.run import run as run_seeds  # noqa: PLC0415
    from amp.machine.script import Script  # noqa: PLC0415

    plan = make_plan(
        program_of(program, host=host, remote=remote, shared=shared, mailbox=mailbox, max_loop=max_loop),
        mode=Mode(mode),
        platform=platform,
        barriers=barriers,
        weaken=weaken,
        messages=messages,
        ring_size=ring_size,
        sizes=parse_sizes(sizes),
        options={**options, "payload_bytes": payload, "script": options["script"] or ""},
    )
    if options["script"] is not None:
        Script.from_token(options["script"]).pack(len(plan.program.parts))  # refused before anything starts
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


_moved_program = click.option("--program", metavar="FILE:NAME", help="Where its program is now, if it was moved.")


def _coded_scenario(command: Callable[..., int]) -> Callable[..., int]:
    """The argument and the options that say what is explored: a program on a platform, with its barriers."""
    for option in (
        click.option("--weaken", metavar="SITE=CLASS", multiple=True, help="Except here; repeatable."),
        click.option("--barriers", metavar="CLASS", help="What the code asks for.  [default: mandatory]"),
        click.option("--platform", metavar="NAME", help="A platform's name or a TOML file.  [default: omap4-2011]"),
        _size_option,
        code_options,
        click.argument("scenario", metavar="PROGRAM"),
    ):
        command = option(command)
    return command


@cli.command()
@_coded_scenario
@click.option("--messages", type=click.IntRange(1), help="[default: the scenario's, 2]")
@click.option("--ring-size", type=int, help="[default: the scenario's]")
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
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def verify(
    *,
    scenario: str,
    host: tuple[str, ...],
    remote: tuple[str, ...],
    shared: tuple[str, ...],
    mailbox: tuple[str, ...],
    max_loop: int | None,
    platform: str | None,
    barriers: str | None,
    weaken: tuple[str, ...],
    messages: int | None,
    ring_size: int | None,
    sizes: tuple[str, ...],
    max_executions: int,
    max_seconds: float,
    chooser: str,
    seed: int,
    depth: int,
    schedule: str | None,
    save: str | None,
    as_json: bool,
) -> int:
    """Explore every behaviour of PROGRAM: verified within the bounds, or the smallest counterexample.

    Exit status 0: every execution holds; 1: a violation; 3: a bound was reached, or only chance was asked.
    """
    from amp.cli import verify as command  # noqa: PLC0415
    from amp.explore.explorer import Bounds, Chooser  # noqa: PLC0415
    from amp.lab.plan import parse_sizes  # noqa: PLC0415
    from amp.lab.table import plans_of  # noqa: PLC0415

    plans = plans_of(
        program_of(scenario, host=host, remote=remote, shared=shared, mailbox=mailbox, max_loop=max_loop),
        platforms=platform,
        barriers=barriers,
        weaken=weaken,
        messages=messages,
        ring_size=ring_size,
        sizes=parse_sizes(sizes),
    )
    return command.main(
        plans,
        Bounds(max_executions, max_seconds),
        by_chance=(Chooser[chooser.upper()], seed, depth),
        schedule=schedule,
        save_as=save,
        as_json=as_json,
    )


@cli.command()
@click.argument("witness")
@_moved_program
@click.option("--html", metavar="F", help="Also write one self-contained page with an interactive timeline.")
@click.option("--perfetto", metavar="F", help="Also write a trace that ui.perfetto.dev opens.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def explain(witness: str, *, program: str | None, html: str | None, perfetto: str | None, as_json: bool) -> int:
    """Tell the story of WITNESS, a file that `amp run --save` or `amp verify --save` wrote."""
    from amp.cli import explain as files  # noqa: PLC0415
    from amp.cli import run as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.lab import witness as witness_file  # noqa: PLC0415
    from amp.lab.run import finding_data  # noqa: PLC0415

    plan, found = witness_file.load(witness, program)
    names = plan.name_of
    asked = {form: path for form, path in (("html", html), ("perfetto", perfetto)) if path is not None}
    files.check(witness, found, asked)
    if as_json:
        told = {"command": "explain", "status": "violation", "violations": 1}
        print_json({**NOTHING_RUN, **told, **finding_data(plan, found)})
    else:
        command.render_witness(make_console(), plan, found, names)
    return files.write(plan, found, names, asked, 1)


@cli.command()
@click.argument("witness")
@_moved_program
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def replay(witness: str, *, program: str | None, as_json: bool) -> int:
    """Run WITNESS again in two fresh processes, access for access, and compare: exit status 1 if it is the same."""
    from amp.cli.terminal import working  # noqa: PLC0415
    from amp.lab import witness as witness_file  # noqa: PLC0415

    with working("replaying"):
        found, outcome, same = witness_file.replay(witness, program)
    if as_json:
        text = outcome.finding.text if outcome.finding is not None else None
        status = "violation" if outcome.finding is not None else "holds"
        print_json(
            {
                "command": "replay",
                "status": status,
                "violations": int(outcome.finding is not None),
                "executions": 1,
                "states": outcome.events,
                "seconds": round(outcome.elapsed_s, 3),
                "same": same,
                "events": outcome.events,
                "text": text,
                "digest": f"{outcome.digest:016x}",
            }
        )
    elif same:
        echo(f"the same violation, the same trace: {outcome.events} events, digest {outcome.digest:016x}")
    if not same:
        raise witness_file.Diverged(
            f"the run took another way: digest {outcome.digest:016x}, not {found.outcome.digest:016x}"
        )
    return 1


@cli.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def platforms(name: str | None, as_json: bool) -> int:
    """List the platforms; with NAME (or a TOML file), what every barrier is worth on that one."""
    from amp.cli import platforms as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.ordering import platform  # noqa: PLC0415
    from amp.ordering.platforms import PLATFORMS  # noqa: PLC0415

    if name is None and as_json:
        print_json({**NOTHING_RUN, "platforms": [command.as_dict(each) for each in PLATFORMS.values()]})
    elif name is None:
        command.render_list(make_console())
    elif as_json:
        print_json({**NOTHING_RUN, **command.as_dict(platform(name))})
    else:
        command.render_platform(make_console(), platform(name))
    return 0


@cli.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def scenarios(name: str | None, as_json: bool) -> int:
    """List the small programs that `run` knows; with NAME, what that one checks, its sizes and its barrier sites."""
    from amp.cli import scenarios as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.programs import EXPLORABLE  # noqa: PLC0415

    chosen = None if name is None else command.find(name)
    if as_json:
        told = chosen.as_dict() if chosen else {"scenarios": [each.as_dict() for each in EXPLORABLE.values()]}
        print_json({**NOTHING_RUN, "command": "scenarios", **told})
    elif chosen is None:
        command.render_list(make_console())
    else:
        command.render_scenario(make_console(), chosen)
    return 0


@cli.command()
@_coded_scenario
@click.option("--messages", type=click.IntRange(1), help="[default: until buffers are used again; 2 if sides sleep]")
@click.option("--ring-size", type=int, help="[default: the scenario's]")
@click.option("--max-executions", type=click.IntRange(1), default=1_000_000, show_default=True, help="Of one cell.")
@click.option("--max-seconds", type=click.FloatRange(0, 86_400), default=120.0, show_default=True, help="Of one cell.")
@click.option(
    "--replay/--no-replay",
    default=True,
    show_default=True,
    help="Show one counterexample of each site in two processes, too.",
)
@click.option("--html", metavar="F", help="Also write one self-contained page: the table, and its counterexamples.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def sites(
    *,
    scenario: str,
    host: tuple[str, ...],
    remote: tuple[str, ...],
    shared: tuple[str, ...],
    mailbox: tuple[str, ...],
    max_loop: int | None,
    platform: str | None,
    barriers: str | None,
    weaken: tuple[str, ...],
    messages: int | None,
    ring_size: int | None,
    sizes: tuple[str, ...],
    max_executions: int,
    max_seconds: float,
    replay: bool,
    html: str | None,
    as_json: bool,
) -> int:
    """The necessity matrix: which barriers PROGRAM needs on a platform, each alone, and all together.

    Exit status 0: every cell is decided, and the program as coded holds; 1: as coded it does not; 3: a bound was
    reached in some cell.
    """
    from amp.cli import sites as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.explore.explorer import Bounds  # noqa: PLC0415
    from amp.lab.necessity import necessity, plan_of  # noqa: PLC0415
    from amp.lab.plan import parse_sizes  # noqa: PLC0415
    from amp.lab.stopping import stoppable  # noqa: PLC0415
    from amp.report.matrix import matrix_data  # noqa: PLC0415
    from amp.report.matrix_text import render_matrix  # noqa: PLC0415

    plan = plan_of(
        program_of(scenario, host=host, remote=remote, shared=shared, mailbox=mailbox, max_loop=max_loop),
        platform=platform,
        barriers=barriers,
        weaken=weaken,
        messages=messages,
        ring_size=ring_size,
        sizes=parse_sizes(sizes),
    )
    output.check_output("--html", html)
    with command.cells_progress() as progress, stoppable() as stop:
        matrix = necessity(plan, Bounds(max_executions, max_seconds), progress, replayed=replay, stop=stop)
    if as_json:
        print_json(matrix_data(matrix))
    else:
        render_matrix(make_console(), matrix)
    status = INTERRUPTED if stop.asked else matrix.exit_status
    return status if html is None else command.write_page(html, matrix, status)


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
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
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
    """Run litmus tests (C, AArch64, X86, in herd7's format) and say what each can end in.

    PATH is a file, or a directory that is searched for *.litmus. With --hardware they run on this machine's own CPU,
    and an outcome that the model does not allow on the CPU's platform is a violation.
    """
    if hardware:
        from amp.cli import hardware as silicon  # noqa: PLC0415

        request = silicon.request(platform, observers, expect, (max_executions, max_seconds), **effort)
        status, data = silicon.main(paths, request, as_json=as_json)
    else:
        from amp.cli import litmus as command  # noqa: PLC0415

        refuse_without_hardware(effort)
        asked = command.request(platform, observers, max_executions, max_seconds, expect)
        status, data = command.main(paths, asked, as_json=as_json)
    if data is not None:
        print_json(data)
    return status


@cli.group()
def firmware() -> None:
    """Firmware images: ELF files with a resource table, as Linux's remoteproc loads them."""


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
    from amp.cli import firmware as command  # noqa: PLC0415

    echo(command.make(module, output, config, bits, entry))
    return 0


@firmware.command("show")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def firmware_show(file: str, *, as_json: bool) -> int:
    """What is in the image FILE: segments, entry, resource table."""
    from amp.cli import firmware as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415

    image, resources = command.load(file)
    if as_json:
        print_json({**NOTHING_RUN, **command.as_data(image, resources)})
    else:
        command.render(make_console(), image, resources)
    return 0


for _command in (*COMMANDS, bench, code):
    cli.add_command(_command)
for _command in cli.commands.values():
    checked(_command)


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # as an exception: whatever is open is closed on the way


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its status."""
    output.hold_descriptors()
    streams = output.Streams()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        check_descriptors()
        # Not cli.main(): it would end a command whose reader left with status 1.
        with cli.make_context("amp", list(sys.argv[1:] if arguments is None else arguments), obj=streams) as context:
            status = int(cli.invoke(context))
    except (Exception, KeyboardInterrupt) as error:
        status = 0 if streams.is_own(error) else told(error, endless=streams.endless)
    lost = streams.lost()
    if lost is not None:
        output.complain(f"standard output: {lost}")
        status = status or UsageError.exit_status
    sys.exit(status)
