"""The options of `amp litmus --hardware`: declared here, checked in amp.litmus.silicon_suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from amp.errors import UsageError

TRIES: Final = 1_000_000
SECONDS: Final = 10.0
SEED: Final = 1

# Without a default of click's own: given without --hardware they are a mistake.
_OPTIONS: Final = (
    click.option(
        "--hardware", is_flag=True, help="Compile the tests and run them on this CPU: it must show nothing more."
    ),
    click.option("--tries", type=click.IntRange(1, 1 << 40), help=f"--hardware: of one test.  [default: {TRIES}]"),
    click.option(
        "--time",
        "seconds",
        type=click.FloatRange(0, 86_400),
        metavar="S",
        help=f"--hardware: no more than so many seconds a test.  [default: {SECONDS:g}]",
    ),
    click.option("--cpus", metavar="A,B", help="--hardware: thread 0 on processor A, and so on.  [default: the first]"),
    click.option(
        "--seed", type=click.IntRange(0, (1 << 63) - 1), help=f"--hardware: of places and moments.  [default: {SEED}]"
    ),
    click.option(
        "--non-temporal",
        metavar="X",
        multiple=True,
        help="--hardware: WRITE_ONCE() to X goes past the caches (movnti); the platform is x86-wc.  Repeatable.",
    ),
    click.option("--keep", metavar="DIR", help="--hardware: leave the C programs there."),
)


def hardware_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The decorator."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, and the defaults of what was not."""
    plain = {"tries": TRIES, "seconds": SECONDS, "seed": SEED}
    return {name: plain.get(name) if value is None else value for name, value in given.items()}


def refuse_without_hardware(given: Mapping[str, Any]) -> None:
    """Raises UsageError if one of these options is given where nothing is compiled."""
    for name, value in given.items():
        if value not in (None, ()):
            option = {"seconds": "time"}.get(name, name).replace("_", "-")
            raise UsageError(f"--{option} is an option of --hardware, which is not given")
