"""What the ordering model costs, an access at a time and as a whole machine.

Three answers. In one process: an access from C, from Python, and from Python without the model. Two processes with
Python on both sides: round trips in free mode against direct, the same exchange in turn. Lockstep: turns a second.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from amp._core import _bridge
from amp.bench import yardstick
from amp.bench.cpus import bound_to
from amp.bench.facts import result_data
from amp.bench.model import KINDS, PLATFORM, LoneModel
from amp.bench.stats import Sample, interval_data
from amp.bench.turns import Part, Turns, involuntary_switches, take_turns
from amp.errors import AmpError
from amp.lab.machine import Machine
from amp.lab.plan import make_plan
from amp.lab.run import check_ended
from amp.machine.config import Mode

# The same exchange in every mode: a ring that is never full, a steady load, messages of 64 bytes.
RING_SIZE: Final = 256
WINDOW: Final = 64
# Of one sample: enough that making the rings ready hardly counts, and few enough to take milliseconds only.
MESSAGES: Final = {Mode.DIRECT: 1000, Mode.FREE: 1000, Mode.LOCKSTEP: 100}
ALONE_SHARE: Final = 0.3  # of the time: an access takes less of it than an exchange

FROM_C, FROM_PYTHON, WITHOUT = "C", "Python", "Python, no model"
LOCKED, ORDINARY = "locked add", "Python round"

Progress = Callable[[float], None] | None


class WorkUndone(AmpError):
    """An exchange ended before all its messages had come back."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`alone` has a part for each "origin kind", in ns per access. `exchange` has one for each Mode.

    Direct and free mode are in ns per round trip, lockstep in ns per turn.
    """

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
    """Both sides' processes in one mode, which do the same run again and again; `stack` ends them."""

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
        """How many accesses the newest run made in lockstep."""
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
    """One process is measured on the first of `cpus`, the exchanges run on both."""

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
    """Each mode has two processes that stay; the modes and a yardstick take turns. A first run does not count."""
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
    slowdown = exchange.ratio(Mode.FREE, Mode.DIRECT)
    return {
        **result_data("model", measured.exit_status, alone.seconds + exchange.seconds, known),
        "exchange": {"ring_size": RING_SIZE, "window": WINDOW, "platform": PLATFORM, "messages": dict(MESSAGES)},
        "samples": {"alone": alone.counts(), "exchange": exchange.counts()},
        "ns_per_access": {name: interval_data(alone.interval(name)) for name in alone.parts},
        "ns_per_round_trip": {mode.value: interval_data(exchange.interval(mode)) for mode in (Mode.DIRECT, Mode.FREE)},
        "ns_per_turn": interval_data(exchange.interval(Mode.LOCKSTEP)),
        "free_against_direct": None if slowdown is None else {**slowdown.as_dict(), "text": slowdown.text},
    }
