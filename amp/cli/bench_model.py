"""`amp bench model`: what the ordering model costs, an access at a time and as a whole machine.

Three answers. In one process: an access from C, from Python, and from Python without the model. Two processes with
Python on both sides: round trips in free mode against direct, the same exchange in turn. Lockstep: turns a second.
Composition root: the exchange is both sides' own code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from amp._core import _bridge
from amp.bench import yardstick
from amp.bench.facts import facts, one_line
from amp.bench.model import KINDS, PLATFORM, LoneModel
from amp.bench.pairs import two_cpus
from amp.bench.stats import Sample
from amp.bench.turns import Part, Turns, involuntary_switches, take_turns
from amp.cli.bench_barriers import bound_to
from amp.cli.bench_lines import count_line, rate, say, spread, table, times
from amp.cli.bench_progress import share_progress
from amp.cli.output import print_json
from amp.cli.terminal import make_console
from amp.errors import AmpError
from amp.lab.machine import Machine
from amp.lab.plan import make_plan
from amp.lab.run import check_ended
from amp.machine.config import Mode

# The same exchange in every mode: a ring that is never full, a steady load, messages of 64 bytes.
RING_SIZE: Final = 256
WINDOW: Final = 64
# Of one sample: so many that making the rings ready hardly counts, and in milliseconds, for the filter's sake.
MESSAGES: Final = {Mode.DIRECT: 1000, Mode.FREE: 1000, Mode.LOCKSTEP: 100}
ALONE_SHARE: Final = 0.3  # of the time: an access takes less of it than an exchange

FROM_C, FROM_PYTHON, WITHOUT = "C", "Python", "Python, no model"
LOCKED, ORDINARY = "locked add", "Python round"

Progress = Callable[[float], None] | None


class WorkUndone(AmpError):
    """An exchange ended before all its messages had come back."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Alone: keys "from kind" in ns per access. Exchange: a Mode each, ns per round trip, and lockstep ns per turn."""

    alone: Turns
    exchange: Turns

    @property
    def exit_status(self) -> int:
        """3 if something left nothing to say it from."""
        every = [(turns, name) for turns in (self.alone, self.exchange) for name in turns.parts]
        return 0 if all(turns.interval(name) is not None for turns, name in every) else 3


def alone_parts(model: LoneModel) -> dict[str, Part]:
    """Every access in every way, and the yardsticks."""
    parts = {f"{FROM_C} {kind}": Part(lambda kind=kind: model.from_c(kind)) for kind in KINDS}  # type: ignore[misc]
    for name, door in ((FROM_PYTHON, "modelled"), (WITHOUT, "direct")):
        for kind in KINDS:
            parts[f"{name} {kind}"] = Part(lambda kind=kind, door=door: model.from_python(kind, door))  # type: ignore[misc]
    return {**parts, LOCKED: Part(yardstick.locked), ORDINARY: Part(yardstick.python)}


class Exchange:
    """Both sides' processes in one mode, and the same run of them again and again. A context manager's own."""

    def __init__(self, mode: Mode, stack: ExitStack, messages: int | None = None) -> None:
        self._plan = make_plan(
            "echo",
            mode=mode,
            platform=None if mode is Mode.DIRECT else PLATFORM,
            messages=messages or MESSAGES[mode],
            ring_size=RING_SIZE,
            options={"window": WINDOW, "pin": True},
        )
        self._mode = mode
        self._machine = stack.enter_context(Machine(self._plan.config))

    @property
    def turns(self) -> int:
        """Of the newest run: accesses made in lockstep."""
        return _bridge.model_state(self._machine.region.memory, self._machine.model_offset)["turns"]

    def sample(self) -> Sample:
        """ns per round trip; in lockstep ns per turn. WorkUndone unless every message came back."""
        machine, plan = self._machine, self._plan
        before = involuntary_switches(machine.pids)
        outcome = machine.run(plan.config, plan.platform, plan.sites)
        switches = involuntary_switches(machine.pids) - before
        check_ended(outcome, plan.program.part_names)
        if outcome.finding is not None or outcome.messages != plan.config.messages:
            raise WorkUndone(f"{self._mode}: {outcome.messages} of {plan.config.messages} messages came back")
        units = self.turns if self._mode is Mode.LOCKSTEP else outcome.messages
        # The sides' clocks are read on their side; who sleeps by himself is not asked for his share of the CPU.
        return Sample(1e9 * outcome.elapsed_s / units, 0.0, outcome.elapsed_s, switches)


def measure(cpus: tuple[int, int], time_s: float, progress: Progress = None) -> Measured:
    """On the first of `cpus` what one process does; on both the exchanges."""

    def part(begin: float, share: float) -> Progress:
        return None if progress is None else lambda done: progress(begin + share * done)

    with LoneModel() as model, bound_to(cpus[0]):
        alone = take_turns(alone_parts(model), ALONE_SHARE * time_s, part(0.0, ALONE_SHARE))
    return Measured(alone, measure_exchange(cpus, (1 - ALONE_SHARE) * time_s, part(ALONE_SHARE, 1 - ALONE_SHARE)))


def measure_exchange(
    cpus: tuple[int, int],
    time_s: float,
    progress: Progress = None,
    *,
    messages: int | None = None,
    kept_min: int = 0,
) -> Turns:
    """Turns of the modes, each with two processes that stay, and a yardstick. A first run does not count."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cpus))  # the sides take a CPU each of those that this process may use
    try:
        with ExitStack() as stack:
            exchanges = {mode: Exchange(mode, stack, messages) for mode in Mode}
            for exchange in exchanges.values():
                exchange.sample()
            parts = {mode.value: Part(each.sample, sleeps=True) for mode, each in exchanges.items()}
            return take_turns({**parts, ORDINARY: Part(yardstick.python)}, time_s, progress, kept_min=kept_min)
    finally:
        os.sched_setaffinity(0, usable)


def as_data(measured: Measured, known: dict[str, Any]) -> dict[str, Any]:
    """The --json object."""
    alone, exchange = measured.alone, measured.exchange

    def found(turns: Turns, name: str) -> dict[str, float | int] | None:
        interval = turns.interval(name)
        return None if interval is None else interval.as_dict()

    slowdown = exchange.ratio(Mode.FREE, Mode.DIRECT)
    return {
        "command": "bench model",
        "status": "holds" if measured.exit_status == 0 else "inconclusive",
        "seconds": round(alone.seconds + exchange.seconds, 3),
        "machine": known,
        "exchange": {"ring_size": RING_SIZE, "window": WINDOW, "platform": PLATFORM, "messages": dict(MESSAGES)},
        "samples": {"alone": alone.counts(), "exchange": exchange.counts()},
        "ns_per_access": {name: found(alone, name) for name in alone.parts},
        "ns_per_round_trip": {mode.value: found(exchange, mode) for mode in (Mode.DIRECT, Mode.FREE)},
        "ns_per_turn": found(exchange, Mode.LOCKSTEP),
        "free_against_direct": None if slowdown is None else {**slowdown.as_dict(), "text": slowdown.text},
    }


def render(console: Console, measured: Measured, known: dict[str, Any]) -> None:
    """Two tables and what they were measured on."""
    alone, exchange = measured.alone, measured.exchange
    rows = []
    for origin in (FROM_C, FROM_PYTHON, WITHOUT):
        for kind in KINDS:
            name = f"{origin} {kind}"
            found = alone.interval(name)
            against = "1" if origin == WITHOUT else times(alone.ratio(name, f"{WITHOUT} {kind}"))
            rows.append((origin, kind, spread(found), rate(found), against))
    console.print(table(("one process, from", "access", "ns", "", "/ no model"), rows, left=2))
    rows = []
    for mode in (Mode.DIRECT, Mode.FREE):
        found = exchange.interval(mode)
        against = "1" if mode is Mode.DIRECT else times(exchange.ratio(mode, Mode.DIRECT))
        rows.append((f"{mode}: round trip", "", spread(found), rate(found), against))
    found = exchange.interval(Mode.LOCKSTEP)
    rows.append(("lockstep: turn", "", spread(found), rate(found), ""))
    console.print(table(("two processes, Python", "", "ns", "", "/ direct"), rows, left=2))
    say(console, count_line(alone, exchange))
    say(
        console,
        f"mixed: a store and a load, two accesses. Round trips: ring of {RING_SIZE}, {WINDOW} messages of 64 bytes "
        f"under way, each checked on both sides; {PLATFORM}",
    )
    say(console, f"Medians, 95 % intervals. {one_line(known)}")


def main(cpus: Sequence[int], time_s: float, *, as_json: bool) -> int:
    """Measure, print; the exit status."""
    placed = two_cpus(cpus)
    with share_progress("model") as progress:
        measured = measure(placed, time_s, progress)
    known = facts(placed)
    if as_json:
        print_json(as_data(measured, known))
    else:
        render(make_console(), measured, known)
    return measured.exit_status
