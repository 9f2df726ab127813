"""`amp bench verify`: how fast executions are explored, and how many there are as the number of messages grows.

Counts are the program's and the model's alone: the same everywhere. Times are one thread's, bound to one CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from amp.bench import yardstick
from amp.bench.facts import facts, one_line
from amp.bench.stats import Interval
from amp.bench.turns import Part, Turns, take_turns, timed
from amp.cli.bench_barriers import bound_to, one_cpu
from amp.cli.bench_lines import UNKNOWN, count_line, figure, say, spread, table
from amp.cli.bench_progress import share_progress
from amp.cli.output import print_json
from amp.cli.terminal import make_console
from amp.errors import AmpError
from amp.explore.explorer import Bounds, Exploration
from amp.lab.plan import Plan, make_plan
from amp.lab.verify import explorer_of
from amp.programs import load

BOUNDS: Final = Bounds(executions=2_000_000, seconds=900)
PLATFORM: Final = "arm64-domains"
ORDINARY: Final = "Python round"  # the yardstick among the parts of a run
MOST: Final[Mapping[str, int]] = {"spsc-vring": 6, "vring": 4, "vring-flags": 2}  # messages; each takes milliseconds
MESSAGES: Final = 2  # of another scenario

Progress = Callable[[float], None] | None


class NotExplored(AmpError):
    """A correct scenario was not explored to its end."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What exploring met: complete executions, all runs with those cut short, states."""

    executions: int
    runs: int
    states: int


@dataclass(frozen=True, slots=True)
class Measured:
    """By "scenario messages": the counts, and ns of an exploration in `turns`."""

    counts: dict[str, Counts]
    turns: Turns

    @property
    def exit_status(self) -> int:
        """3 if something left nothing to say it from."""
        return 0 if all(self.turns.interval(name) is not None for name in self.counts) else 3


def plan_of(
    scenario: str, messages: int, ring_size: int | None = None, platform: str = "paranoid", *weaken: str
) -> Plan:
    """A scenario with mandatory barriers, save those weakened."""
    sized = "messages" in load(scenario).sizes
    return make_plan(
        scenario, platform=platform, weaken=weaken, messages=messages if sized else None, ring_size=ring_size
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
    """Every scenario with 1 to so many messages, in turn, on `cpu`."""
    counts: dict[str, Counts] = {}
    parts: dict[str, Part] = {}
    with bound_to(cpu):
        for scenario, messages in most.items():
            for number in range(1, messages + 1):
                name, plan = f"{scenario} {number}", plan_of(scenario, number, None, platform)
                result = explored(plan)
                counts[name] = Counts(result.executions, result.runs, result.states)
                parts[name] = Part(lambda plan=plan: timed(lambda: explored(plan), 1))  # type: ignore[misc]
        parts[ORDINARY] = Part(yardstick.python)
        return Measured(counts, take_turns(parts, time_s, progress, kept_min=kept_min))


def as_data(measured: Measured, platform: str, known: dict[str, Any]) -> dict[str, Any]:
    """The --json object."""
    rows = []
    for name, counts in measured.counts.items():
        scenario, messages = name.split()
        found = measured.turns.interval(name)
        rows.append(
            {
                "scenario": scenario,
                "messages": int(messages),
                "executions": counts.executions,
                "runs": counts.runs,
                "states": counts.states,
                "exploration_ns": None if found is None else found.as_dict(),
                "runs_per_s": None if found is None else 1e9 * counts.runs / found.median,
                "states_per_s": None if found is None else 1e9 * counts.states / found.median,
            }
        )
    return {
        "command": "bench verify",
        "status": "holds" if measured.exit_status == 0 else "inconclusive",
        "seconds": round(measured.turns.seconds, 3),
        "machine": known,
        "platform": platform,
        "barriers": "mandatory",
        "samples": measured.turns.counts(),
        "explorations": rows,
    }


def render(console: Console, measured: Measured, platform: str, known: dict[str, Any]) -> None:
    """A line for each number of messages."""
    rows = []
    for name, counts in measured.counts.items():
        scenario, messages = name.split()
        found = measured.turns.interval(name)
        shown = (f"{counts.executions:,}", f"{counts.runs:,}", f"{counts.states:,}")
        rows.append((scenario, messages, *shown, _ms(found), _per_s(found, counts.runs), _per_s(found, counts.states)))
    heads = ("scenario", "messages", "complete", "runs", "states", "ms", "runs/s", "states/s")
    console.print(table(heads, rows))
    say(console, count_line(measured.turns))
    say(
        console,
        "complete: executions met to their end; runs: these and those cut short; states: told apart. Counts are the "
        f"same on every machine. {platform}, mandatory barriers, building the explorer included",
    )
    say(console, f"Medians, 95 % intervals. {one_line(known)}")


def _ms(found: Interval | None) -> str:
    if found is None:
        return UNKNOWN
    return spread(Interval(found.median / 1e6, found.low / 1e6, found.high / 1e6, found.n))


def _per_s(found: Interval | None, count: int) -> str:
    return UNKNOWN if found is None else figure(1e9 * count / found.median)


def main(
    scenarios: Sequence[str], messages: int | None, platform: str, cpus: Sequence[int], time_s: float, *, as_json: bool
) -> int:
    """Measure, print; the exit status. Without scenarios those of MOST, without messages as many as it says."""
    cpu = one_cpu(cpus)
    most = {name: messages or MOST.get(name, MESSAGES) for name in scenarios or MOST}
    for name in most:
        load(name)
    with share_progress("verify") as progress:
        measured = measure(most, platform, cpu, time_s, progress=progress)
    known = facts((cpu,))
    if as_json:
        print_json(as_data(measured, platform, known))
    else:
        render(make_console(), measured, platform, known)
    return measured.exit_status
