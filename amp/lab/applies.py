"""Which option applies where: an option that is given where it changes nothing is a mistake, and said to be one.

The rows are all there are. An option without a row has an effect wherever its command takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from amp.machine.config import Mode, RunConfig

Values = Mapping[str, Any]  # a command's parameters, by name


@dataclass(frozen=True, slots=True)
class Idle:
    """`options`, by their parameters' names, have no effect in `command` where `where` is true of its parameters."""

    command: str
    options: tuple[str, ...]
    where: Callable[[Values], bool]
    why: str


def _is_direct(values: Values) -> bool:
    return bool(values["mode"] == Mode.DIRECT)


def _is_small(values: Values) -> bool:
    from amp.programs import load  # noqa: PLC0415  (the programs themselves)

    return not load(values["program"]).exchange


def is_wrong(values: Values, option: str) -> bool:
    """Is it another wish than what a small program has fixed? That is said with its value, where it is settled."""
    if "program" not in values or "mode" not in values:
        return False
    from amp.programs import load  # noqa: PLC0415
    from amp.programs.program import FIXED_FIELDS  # noqa: PLC0415  (the programs themselves)

    program = load(values["program"])
    if program.exchange:
        return False
    field = {"payload": "payload_bytes"}.get(option, option)
    if field not in FIXED_FIELDS:
        return False
    plain = getattr(RunConfig(program=values["program"], mode=Mode(values["mode"])), field)
    return values[option] not in (plain, program.fixed.get(field, plain))


def _by_schedule(values: Values) -> bool:
    return bool(values.get("schedule"))


def _by_chance(values: Values) -> bool:
    return bool(values["chooser"] != "exhaustive")


ROWS: Final = (
    Idle("run", ("seed",), _is_direct, "in direct mode: this machine's own timing decides"),
    Idle("run", ("save",), _is_direct, "in direct mode: it keeps no trace"),
    Idle("run", ("schedule",), lambda has: has["mode"] != Mode.LOCKSTEP, "but in lockstep: only that follows one"),
    # --seed may stand beside --schedule: the line that repeats a run has both.
    Idle("run", ("seeds",), _by_schedule, "with --schedule: nothing is left to chance, every run is the same"),
    Idle(
        "run",
        ("payload", "window", "segments", "align", "event_idx", "indirect", "suppression", "polls"),
        _is_small,
        "for that program: `amp scenarios NAME` shows what is fixed",
    ),
    Idle("verify", ("chooser", "seed", "depth", "max_executions", "max_seconds"), _by_schedule, "with --schedule"),
    Idle("verify", ("seed",), lambda has: not _by_chance(has), "where everything is explored: see --chooser"),
    Idle("verify", ("depth",), lambda has: has["chooser"] != "pct", "but for --chooser pct"),
    Idle("up", ("seed",), _is_direct, "in direct mode: this machine's own timing decides"),
    Idle("check", ("update_baseline",), lambda has: not has["baseline"], "without --baseline"),
    Idle("check", ("github", "quiet"), lambda has: has["as_json"], "with --json: stdout is its one object"),
    Idle("send", ("timeout",), lambda has: not has["reply"], "without --reply: nothing is waited for"),
)
