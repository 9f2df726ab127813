"""`amp bench`: the group, and the options that its commands share. What a command needs is loaded when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from amp.cli.options import json_option


def _cpu_numbers(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        cpus = tuple(int(each) for each in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of CPU numbers, like 0,1") from None
    if min(cpus) < 0 or len(set(cpus)) < len(cpus):
        raise click.BadParameter(f"{text!r}: every CPU once, counted from 0")
    return cpus


def time_option(default_s: float) -> Callable[[Callable[..., int]], Callable[..., int]]:
    return click.option(
        "--time",
        "time_s",
        type=click.FloatRange(0.01, 86_400),
        default=default_s,
        show_default=True,
        metavar="SECONDS",
        help="About so long.",
    )


cpus_option = click.option(
    "--cpus", metavar="A,B", callback=_cpu_numbers, help="Where to run.  [default: the last ones usable]"
)


@click.group()
def bench() -> None:
    """Measure this machine: the ring, what barriers cost, the model. Ratios compare; times are one machine's."""


@bench.command("ring")
@click.option("--ring-size", type=int, default=256, show_default=True, help="Entries, a power of two.")
@click.option("--outstanding", type=int, default=0, help="Buffers the device has at a time.  [default: all]")
@click.option(
    "--batch", type=int, default=64, show_default=True, help="Buffers announced together; at most half of those."
)
@click.option("--event-idx/--no-event-idx", default=False, show_default=True)
@click.option("--indirect/--no-indirect", default=False, show_default=True, help="Two segments in an indirect table.")
@click.option("--poll", "wait", flag_value="poll", default="poll", help="Both sides poll.  [default]")
@click.option("--sleep", "wait", flag_value="sleep", help="Suppress, drain, ask to be notified, sleep on the doorbell.")
@click.option("--fill", "wait", flag_value="fill", help="Fill, and go on when called for the last: vringh_test's way.")
@click.option("--payload", type=int, default=0, show_default=True, metavar="BYTES", help="Written, read and checked.")
@click.option(
    "--barriers",
    type=click.Choice(["none", "compiler", "smp", "dma", "mandatory"]),
    default="smp",
    show_default=True,
    help="At every site.",
)
@click.option(
    "--dispatch",
    type=click.Choice(["constant", "branch"]),
    default="constant",
    show_default=True,
    help="Fixed when compiled, or a branch at run time at every barrier.",
)
@click.option("--checks/--no-checks", default=True, show_default=True, help="Distrust of what the other side wrote.")
@click.option("--rewrite", is_flag=True, help="Store every field again, also those that would not change.")
@click.option("--relax/--no-relax", default=True, show_default=True, help="Polling: a pause between looks.")
@click.option("--count", type=click.IntRange(1, 1 << 40), help="Buffers of a sample.  [default: what takes about 2 ms]")
@time_option(5.0)
@cpus_option
@json_option
def bench_ring(*, time_s: float, cpus: tuple[int, ...], count: int | None, as_json: bool, **sizes: Any) -> int:
    """The split ring between two processes on two CPUs. In C on both sides, as fast as it goes.

    Exit status 3: no sample was undisturbed; 1: a buffer was wrong or got lost.
    """
    from amp.bench.ring import setup_from  # noqa: PLC0415
    from amp.cli import bench_ring as command  # noqa: PLC0415

    return command.main(setup_from(sizes), time_s, cpus, count, as_json=as_json)


@bench.command("barriers")
@time_option(10.0)
@cpus_option
@click.option("--chart", metavar="FILE", help="Also draw it: FILE.svg or FILE.png.")
@json_option
def bench_barriers(*, time_s: float, cpus: tuple[int, ...], chart: str | None, as_json: bool) -> int:
    """What each barrier costs this CPU, in ns. Alone, and behind stores of several kinds.

    Exit status 3: the machine was too busy to keep a single sample of something.
    """
    from amp.cli import bench_barriers as command  # noqa: PLC0415

    return command.main(time_s, cpus, chart, as_json=as_json)


@bench.command("question")
@time_option(30.0)
@cpus_option
@click.option("--ring-size", type=int, default=256, show_default=True)
@click.option(
    "--outstanding",
    type=int,
    multiple=True,
    default=(1, 0),
    show_default=True,
    help="Buffers under way, 0: all of the ring; repeatable. One is request and response, as TCP_RR.",
)
@click.option(
    "--batch",
    type=int,
    default=1,
    show_default=True,
    help="Buffers announced at a time; Linux's driver announces each.",
)
@click.option("--payload", type=int, default=16, show_default=True, help="Bytes, written and checked.")
@click.option("--event-idx/--no-event-idx", default=False, show_default=True)
@click.option(
    "--wait",
    type=click.Choice(["poll", "sleep", "both"]),
    default="poll",
    show_default=True,
    help="How the sides wait for each other. All uses share the time.",
)
@click.option("--chart", metavar="PREFIX", help="Also draw it: PREFIX.png and PREFIX.svg.")
@json_option
def bench_question(
    *,
    time_s: float,
    cpus: tuple[int, ...],
    outstanding: tuple[int, ...],
    wait: str,
    chart: str | None,
    as_json: bool,
    **ring: Any,
) -> int:
    """The question of 2011: which barriers cost what. SMP ones, mandatory ones, or a branch at run time.

    Exit status 3: too few turns were undisturbed to say anything.
    """
    from amp.bench.ring import RingSetup, Wait  # noqa: PLC0415
    from amp.cli import bench_question as command  # noqa: PLC0415

    waits = [Wait.POLL, Wait.SLEEP] if wait == "both" else [Wait(wait)]
    uses = list(dict.fromkeys((each, most) for each in waits for most in outstanding))
    return command.main(RingSetup(**ring), uses, cpus, time_s, chart, as_json=as_json)


@bench.command("rpmsg")
@time_option(20.0)
@cpus_option
@click.option(
    "--mode",
    "modes",
    type=click.Choice(["direct", "free"]),
    multiple=True,
    default=("direct", "free"),
    show_default=True,
    help="Repeatable. free: through the model, on arm64-domains.",
)
@click.option(
    "--wait",
    "waits",
    type=click.Choice(["spin", "block"]),
    multiple=True,
    default=("spin", "block"),
    show_default=True,
    help="Repeatable. spin: for 20 µs before sleeping, the default everywhere; block: not at all.",
)
@click.option(
    "--size",
    "sizes",
    type=int,
    multiple=True,
    default=(16, 496),
    show_default=True,
    metavar="BYTES",
    help="Of the payload; repeatable.",
)
@json_option
def bench_rpmsg(
    *,
    time_s: float,
    cpus: tuple[int, ...],
    modes: tuple[str, ...],
    waits: tuple[str, ...],
    sizes: tuple[int, ...],
    as_json: bool,
) -> int:
    """rpmsg between two processes, Python on both sides. Round trip and flood through a booted firmware.

    Exit status 3: the machine was too busy to keep a single sample of something; 1: a message came back wrong.
    """
    from amp.bench.rpmsg import ways_of  # noqa: PLC0415
    from amp.cli import bench_rpmsg as command  # noqa: PLC0415

    return command.main(ways_of(modes, waits, sizes), cpus, time_s, as_json=as_json)


@bench.command("model")
@time_option(15.0)
@cpus_option
@json_option
def bench_model(*, time_s: float, cpus: tuple[int, ...], as_json: bool) -> int:
    """What the ordering model costs. An access from C and from Python, an exchange, a turn in lockstep.

    Exit status 3: the machine was too busy to keep a single sample of something.
    """
    from amp.cli import bench_model as command  # noqa: PLC0415

    return command.main(cpus, time_s, as_json=as_json)


@bench.command("verify")
@time_option(10.0)
@cpus_option
@click.option("--platform", metavar="NAME", default="arm64-domains", show_default=True)
@click.option(
    *("--program", "--scenario", "programs"),
    metavar="NAME",
    multiple=True,
    help="Repeatable; see `amp scenarios`.  [default: spsc-vring, vring, vring-flags]",
)
@click.option("--messages", type=click.IntRange(1, 64), help="From 1 up to so many.  [default: milliseconds' worth]")
@json_option
def bench_verify(
    *,
    time_s: float,
    cpus: tuple[int, ...],
    platform: str,
    programs: tuple[str, ...],
    messages: int | None,
    as_json: bool,
) -> int:
    """How fast `amp verify` explores. And how executions and time grow with the number of messages.

    Exit status 3: the machine was too busy to keep a single sample of something.
    """
    from amp.cli import bench_verify as command  # noqa: PLC0415

    return command.main(programs, messages, platform, cpus, time_s, as_json=as_json)
