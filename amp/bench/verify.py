"""How fast executions are explored, and how many there are as the number of messages grows.

Counts are the program's and the model's alone: the same everywhere. Times are one thread's, bound to one CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from amp.bench import yardstick
from amp.bench.cpus import bound_to
from amp.bench.facts import result_data
from amp.bench.stats import interval_data
from amp.bench.turns import Part, Turns, take_turns, timed
from amp.errors import AmpError
from amp.explore.explorer import Bounds, Exploration
from amp.lab.plan import Plan, make_plan
from amp.lab.verify import explorer_of
from amp.programs import load

BOUNDS: Final = Bounds(executions=2_000_000, seconds=900)
PLATFORM: Final = "arm64-domains"
ORDINARY: Final = "Python round"  # the yardstick among the parts of a run
MOST: Final[Mapping[str, int]] = {"spsc-vring": 6, "vring": 4, "vring-flags": 2}  # messages; each takes milliseconds
MESSAGES: Final = 2  # of another program

Progress = Callable[[float], None] | None


class NotExplored(AmpError):
    """A correct program was not explored to its end."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What exploring met: complete executions, all runs (those cut short too), states."""

    executions: int
    runs: int
    states: int


@dataclass(frozen=True, slots=True)
class Measured:
    """By "program messages": the counts, and ns of an exploration in `turns`."""

    counts: dict[str, Counts]
    turns: Turns

    @property
    def exit_status(self) -> int:
        """3 if something left nothing to say it from."""
        return 0 if all(self.turns.interval(name) is not None for name in self.counts) else 3


def plan_of(
    program: str, messages: int, ring_size: int | None = None, platform: str = "paranoid", *weaken: str
) -> Plan:
    """A program with mandatory barriers, save those weakened."""
    sized = "messages" in load(program).sizes
    return make_plan(
        program, platform=platform, weaken=weaken, messages=messages if sized else None, ring_size=ring_size
    )


def explored(plan: Plan) -> Exploration:
    """All of it. NotExplored if it was not to be verified within BOUNDS."""
    result = explorer_of(plan).explore(BOUNDS)
    if not result.verified:
        raise NotExplored(f"{plan.program.name}, {plan.program.said(plan.config)}: {result.bound or result.finding}")
    return result


def measure(
    most: Mapping[str, int], platform: str, cpu: int, time_s: float, *, progress: Progress = None, kept_min: int = 0
) -> Measured:
    """Every program with 1 to so many messages, in turn, on `cpu`."""
    counts: dict[str, Counts] = {}
    parts: dict[str, Part] = {}
    with bound_to(cpu):
        for program, messages in most.items():
            for number in range(1, messages + 1):
                name, plan = f"{program} {number}", plan_of(program, number, None, platform)
                result = explored(plan)
                counts[name] = Counts(result.executions, result.runs, result.states)
                parts[name] = Part(lambda plan=plan: timed(lambda: explored(plan), 1))  # type: ignore[misc]
        parts[ORDINARY] = Part(yardstick.python)
        return Measured(counts, take_turns(parts, time_s, progress, kept_min=kept_min))


def as_data(measured: Measured, platform: str, known: dict[str, Any]) -> dict[str, Any]:
    """The --json object."""
    rows = []
    for name, counts in measured.counts.items():
        program, messages = name.split()
        found = measured.turns.interval(name)
        rows.append(
            {
                "program": program,
                "messages": int(messages),
                "executions": counts.executions,
                "runs": counts.runs,
                "states": counts.states,
                "exploration_ns": interval_data(found),
                "runs_per_s": None if found is None else 1e9 * counts.runs / found.median,
                "states_per_s": None if found is None else 1e9 * counts.states / found.median,
            }
        )
    return {
        **result_data("verify", measured.exit_status, measured.turns.seconds, known),
        "platform": platform,
        "barriers": "mandatory",
        "samples": measured.turns.counts(),
        "explorations": rows,
    }
