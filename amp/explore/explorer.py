"""Run a program of several CPUs in every way that its machine allows, in one process.

Each CPU's part is ordinary code written against Port; it runs in a greenlet, and is run again from its start for every
list of choices (`explore.h` says which choices there are, and why those are all). It must therefore be deterministic:
a part that looks at a clock, or at chance, is found out and reported, not explored.

What is counted: an *execution* ran to its end; a run that came to a *state* where an earlier run had been was cut short
there, and a *redundant* one waited for a write that never came. Nothing here knows a scenario.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeVar

from greenlet import getcurrent, greenlet

from amp._core import _bridge
from amp.errors import AmpError, Stall, UsageError, Violation
from amp.ordering.platforms import Platform, Side
from amp.ordering.sites import SiteMap
from amp.port.doors import site_bytes
from amp.port.port import CPU_NAMES, Port, VirtioBarriers

T = TypeVar("T")
Program = Callable[[Port], None]
Choice = tuple[int, int]  # (branch, the option's index or the value promised): the core's enum xp_branch

STALLED: Final = "wait: every processor sleeps and no doorbell is under way"  # as the core says it in two processes


class Unlook(BaseException):
    """A look of a poll cannot go on: it counts as one that found nothing. Programs do not catch it."""


class RunOver(BaseException):
    """The run has ended. Programs do not catch it."""


class Nondeterministic(AmpError):
    """The program did something else when it was run again with the same values read: it cannot be explored."""

    exit_status = 2


class Ending(IntEnum):
    """How a run ended: the core's enum xp_ending."""

    COMPLETE = 0
    STALL = 1
    REDUNDANT = 2
    MERGED = 3
    FAILED = 4


class Chooser(IntEnum):
    """Who makes the choices: the core's enum xp_chooser; chooser.c says how."""

    EXHAUSTIVE = 0
    SC = 1
    RANDOM = 2
    PCT = 3
    URW = 4
    REPLAY = 5


class ExploredPort(_bridge.ExploredPort, VirtioBarriers):
    """A CPU's accesses as events of the execution that is being built."""

    def poll(self, look: Callable[[], T | None], /) -> T:
        """A look in vain is undone, and made again when something that it read has changed."""
        while True:
            self.look_begin()
            try:
                found = look()
            except Unlook:
                self.look_undone()
                continue
            self.look_end(found is not None)
            if found is not None:
                return found


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where an exploration gives up."""

    executions: int = 1_000_000  # runs, also those cut short
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation and the choices that lead to it. `error` is what the program of CPU `cpu` raised."""

    cpu: int
    error: Violation
    choices: tuple[Choice, ...]


@dataclass(slots=True)
class Exploration:
    """What came of it. `bound` says which limit was reached; None: every execution was met, or a violation ended it."""

    runs: int = 0
    executions: int = 0
    states: int = 0
    merged: int = 0
    redundant: int = 0
    seconds: float = 0.0
    bound: str | None = None
    finding: Finding | None = None

    @property
    def verified(self) -> bool:
        return self.bound is None and self.finding is None


@dataclass(frozen=True, slots=True)
class Machine:
    """What the programs run on: `memory` is (start, end) of the shared addresses, bytes, multiples of 8."""

    platform: Platform
    sites: SiteMap
    memory: tuple[int, int]


@dataclass(slots=True)
class Explorer:
    """One program on one machine. `programs` has one part a CPU: host, remote.

    Without `merging` a run that comes to a state where an earlier one has been goes on all the same: every execution is
    met. That is what merging is checked against; it finds nothing more, and takes exponentially longer.
    """

    machine: Machine
    programs: Sequence[Program]
    merging: bool = True
    core: _bridge.Explorer = field(init=False)
    _cpus: list[greenlet] = field(init=False)
    _idle: list[bool] = field(init=False)
    _raised: tuple[int, Exception] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        platform = self.machine.platform
        tables = tuple((int(platform.implicit(side)), bytes(platform.table(side))) for side in Side)
        self.core = _bridge.Explorer(*self.machine.memory, tables, Unlook, RunOver)
        self.core.set_merging(self.merging)
        hub = getcurrent()
        sites = site_bytes(self.machine.sites)
        ports = [ExploredPort(self.core, cpu, sites, hub.switch) for cpu in range(len(self.programs))]
        self._idle = [True for _ in self.programs]
        self._cpus = [greenlet(self._serve, hub) for _ in self.programs]
        for cpu, each in enumerate(self._cpus):
            each.switch(cpu, ports[cpu], self.programs[cpu], hub)

    def _serve(self, cpu: int, port: Port, program: Program, hub: greenlet) -> None:
        """A CPU: its part of every run, one after the other."""
        core, idle = self.core, self._idle
        while True:
            idle[cpu] = True
            hub.switch()
            idle[cpu] = False
            try:
                program(port)
                core.end(cpu)
            except RunOver:
                pass
            except Exception as error:
                if self._raised is None:
                    self._raised = (cpu, error)
                core.fail(cpu)

    def run(self) -> Ending:
        """One run, with the choices that are due. Raises what a program raises that is no Violation."""
        core, cpus, idle = self.core, self._cpus, self._idle
        self._raised = None
        core.begin()
        while (cpu := core.next()) >= 0:
            cpus[cpu].switch()
        ending = Ending(core.ending())
        for cpu, each in enumerate(cpus):
            if not idle[cpu]:
                # Of a stall the program speaks itself: it knows what it waited for.
                each.throw(Stall(STALLED) if ending is Ending.STALL else RunOver())
        if not all(idle):
            raise AssertionError("a program goes on behind the end of its run")
        if self._raised is not None and not isinstance(self._raised[1], Violation):
            if ending not in (Ending.FAILED, Ending.STALL):
                return ending  # it never was: the run was not one that can be
            raise self._raised[1]
        return ending

    def finding(self, ending: Ending) -> Finding | None:
        """What the run just made found."""
        if ending not in (Ending.FAILED, Ending.STALL):
            return None
        assert self._raised is not None, ending
        cpu, error = self._raised
        assert isinstance(error, Violation), error
        return Finding(cpu, error, tuple(self.core.choices()))

    def explore(self, bounds: Bounds, progress: Callable[[Exploration], None] | None = None) -> Exploration:
        """Every execution, until one shows a violation or a bound is reached. Raises Nondeterministic."""
        started, core = time.monotonic(), self.core
        core.set_chooser(Chooser.EXHAUSTIVE, 0, 0)
        core.restart()
        self._run_twice()
        core.restart()
        result, runs = Exploration(), 0
        while True:
            ending, runs = self.run(), runs + 1
            result.finding = self.finding(ending)
            if result.finding is not None:
                break
            more = core.advance()
            if not more and self._start_again():
                runs = 0
                continue
            if not more:
                break
            if runs % 64 == 0 or bounds.executions <= runs:
                result.seconds = time.monotonic() - started
                if runs >= bounds.executions:
                    result.bound = f"{bounds.executions} runs"
                elif result.seconds > bounds.seconds:
                    result.bound = f"{bounds.seconds:g} s"
                if result.bound is not None:
                    break
                if progress is not None:
                    progress(self._counted(result))
        result.seconds = time.monotonic() - started
        return self._counted(result)

    def replay(self, choices: Sequence[Choice]) -> Finding | None:
        """The run with these choices, and behind their end the newest values. Raises UsageError if they do not fit."""
        self.core.replay(list(choices))
        ending = self.run()
        if self.core.stats()["error"]:
            raise UsageError("the schedule does not fit this program on this machine")
        return self.finding(ending)

    def sample(self, chooser: Chooser, seed: int, executions: int, depth: int = 3) -> tuple[int, Finding | None]:
        """Runs by chance until one shows a violation: how many, and what it was."""
        self.core.set_chooser(chooser, seed, depth)
        for number in range(1, executions + 1):
            finding = self.finding(self.run())
            if finding is not None:
                return number, finding
        return executions, None

    def _counted(self, result: Exploration) -> Exploration:
        stats = self.core.stats()
        result.runs, result.executions = int(stats["runs"]), int(stats["executions"])
        result.states, result.merged = int(stats["states"]), int(stats["merged"])
        result.redundant = int(stats["redundant"])
        return result

    def _start_again(self) -> bool:
        """After a run that could not go on: True to begin anew. Raises Nondeterministic, or UsageError for its size."""
        error = int(self.core.stats()["error"])
        if error == 0:
            return False
        if error == -errno.EAGAIN:  # cells were split, or it was seen that two CPUs write one
            self.core.restart()
            return True
        if error == -errno.EPROTO:
            raise Nondeterministic(
                "the program is not deterministic: run again with the same values read, it made other accesses"
            )
        raise UsageError("an execution is too large to explore: fewer messages, or a smaller payload")

    def _run_twice(self) -> None:
        """The first execution, twice: a program that depends on more than what it reads seldom does the same again."""
        for _ in range(8):
            self.run()
            first = self.core.stats()
            if not first["error"]:
                self.run()  # nothing was advanced: the same choices
                if self.core.stats()["trail"] == first["trail"]:
                    return
                raise Nondeterministic(
                    "the program is not deterministic: run twice with the same values read, it made other accesses"
                )
            self._start_again()


def side_name(cpu: int) -> str:
    return CPU_NAMES[cpu]
