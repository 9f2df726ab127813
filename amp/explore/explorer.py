"""Run a program of several CPUs in every way that its machine allows, in one process.

Each CPU's part is ordinary code written against Port; it runs in a greenlet, and is run again from its start for every
list of choices (`explore.h` says which choices there are, and why those are all). It must therefore be deterministic:
a part that looks at a clock, or at chance, is found out and reported, not explored.

What is counted: an *execution* ran to its end; a run that came to a *state* where an earlier run had been was cut short
there, and a *redundant* one waited for a write that never came. Nothing here knows a scenario.
"""

from __future__ import annotations

import errno
import gc
import time
from array import array
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from greenlet import getcurrent, greenlet

from amp._core import _bridge
from amp.errors import LoopBound, Stall, UsageError, Violation
from amp.explore.chance import Guard
from amp.explore.keeping import Kept
from amp.explore.parts import Broken, ExploredPort, Parts, RunOver, Unlook, is_below
from amp.explore.spinning import ADVICE, Loads, spinner
from amp.explore.standing import raised_at
from amp.explore.terms import (
    LEFT,
    STALLED,
    WHY_NOT,
    Bounds,
    Choice,
    Chooser,
    Ending,
    Exploration,
    Finding,
    Machine,
    Nondeterministic,
    Program,
    side_name,
)
from amp.ordering.placement import arrangement
from amp.port.doors import site_bytes

__all__ = [
    "LEFT",
    "STALLED",
    "Bounds",
    "Broken",
    "Choice",
    "Chooser",
    "Ending",
    "Exploration",
    "ExploredPort",
    "Explorer",
    "Finding",
    "Machine",
    "Nondeterministic",
    "Program",
    "RunOver",
    "Unlook",
    "side_name",
]


def _packed(orders: tuple[int, ...]) -> bytes:
    """As struct xp_orders has each."""
    return array("I", orders).tobytes()


@dataclass(slots=True)
class Explorer:
    """One program on one machine. `programs` has one part for each CPU of the machine's placement, in its order.

    What the parts' `classes` keep from one run to the next is refused (amp.explore.keeping). `door` is the class of
    its ports. `hazards`: reads of several widths are ordered as Arm has it.

    Without `merging` a run that comes to a state where an earlier one has been goes on all the same: every execution is
    met. That is what merging is checked against; it finds nothing more, and takes exponentially longer.
    """

    machine: Machine
    programs: Sequence[Program]
    merging: bool = True
    classes: Sequence[type] = ()
    door: type[ExploredPort] = ExploredPort
    hazards: bool = False
    core: _bridge.Explorer = field(init=False)
    _broken: Broken = field(init=False, default_factory=Broken)
    _bound: str | None = field(init=False, default=None)
    _by_chance: bool = field(init=False, default=False)
    _parts: Parts = field(init=False)
    _complete: list[tuple[tuple[Choice, ...], int]] = field(init=False, default_factory=list)
    _cpus: list[greenlet] = field(init=False)
    _ports: list[ExploredPort] = field(init=False)

    def __post_init__(self) -> None:
        placement = self.machine.placement.on(self.machine.platform)
        if len(self.programs) != len(placement):
            raise UsageError(
                f"{len(self.programs)} parts for {len(placement)} processors: {', '.join(placement.names)}"
            )
        rows = tuple(
            (
                domain,
                int(orders.implicit),
                _packed(orders.explored[0]),
                _packed(orders.explored[1]),
                not orders.multi_copy_atomic,
            )
            for domain, orders in zip(placement.domains, arrangement(self.machine.platform, placement), strict=True)
        )
        self.core = _bridge.Explorer(*self.machine.memory, placement.levels, rows, Unlook, RunOver, self._broken)
        self.core.set_merging(self.merging)
        self.core.set_hazards(self.hazards)
        hub = getcurrent()
        sites, numbers = site_bytes(self.machine.sites), self.machine.sites.sites.numbers

        def wait() -> object:
            return hub.switch() if getcurrent().parent is hub else False

        ports = self._ports = [self.door(self.core, cpu, sites, wait, numbers) for cpu in range(len(self.programs))]
        self._parts = Parts(self.core, Guard(lambda: is_below(hub)), idle=[True for _ in self.programs])
        for port in ports:
            port.looks = self._parts.looks
        self._cpus = [greenlet(self._parts.serve, hub) for _ in self.programs]
        for cpu, each in enumerate(self._cpus):
            each.switch(cpu, ports[cpu], self.programs[cpu], hub)

    def run(self) -> Ending:
        """One run, with the choices that are due; if it meets a look that is new, the same again (or another), watched.

        Raises what a program raises that is no Violation, and Nondeterministic or UsageError for a broken rule.
        """
        self._parts.looks.begin()
        ending = self._run_once(again=False)
        # What could not go on is not repeated: cells were split meanwhile. All begins anew, and is watched then.
        if self._parts.looks.fresh and not self.core.stats()["error"]:
            return self._run_watched(same=not self._by_chance)
        return ending

    def _run_watched(self, *, same: bool = False) -> Ending:
        """A run once more: what its looks change is watched. `same`: the last that was made, which is not chance's."""
        looks = self._parts.looks
        looks.begin_again(same=same)
        looks.watching = True
        try:
            return self._run_once(again=True)
        finally:
            looks.watching = False

    def _run_profiled(self) -> Ending:
        """A run once more: what it asks the system is watched, by whatever name, and what its looks change."""
        with self._parts.profiled(self._parts.guard.watch):
            return self._run_watched()

    def _run_once(self, *, again: bool) -> Ending:
        core, cpus, idle = self.core, self._cpus, self._parts.idle
        self._parts.raised = None
        core.begin(again)
        while (cpu := core.next()) >= 0:
            cpus[cpu].switch()
        ending = Ending(core.ending())
        said = LEFT if len(cpus) > 1 and idle.count(False) == 1 else STALLED
        for cpu, each in enumerate(cpus):
            if not idle[cpu]:
                # Of a stall the program speaks itself: it knows what it waited for.
                each.throw(Stall(said) if ending is Ending.STALL else RunOver())
        if not all(idle):
            self._abandon()
        if self._parts.looks.refusal is not None:
            raise self._parts.looks.refusal
        if self._parts.guard.said is not None:
            raise Nondeterministic(self._parts.guard.said)
        if self._parts.raised is not None and isinstance(self._parts.raised[1], LoopBound):
            if ending is Ending.FAILED:
                self._bound = self._bound or str(self._parts.raised[1])
            return Ending.REDUNDANT  # it shows nothing, as far as it went
        if self._parts.raised is not None and not isinstance(self._parts.raised[1], Violation):
            error = self._parts.raised[1]
            if isinstance(error, KeyboardInterrupt):
                raise error
            if ending not in (Ending.FAILED, Ending.STALL):
                return ending  # it never was: the run was not one that can be
            if isinstance(error, Exception):
                raise error
            raise UsageError(f"{raised_at(error.__traceback__)}a part raises {type(error).__name__}")
        return ending

    @property
    def bound(self) -> str | None:
        """Which bound of its own a part has reached, in the runs since the exploration began; None: none has."""
        return self._bound

    def finding(self, ending: Ending) -> Finding | None:
        """What the run just made found."""
        if ending not in (Ending.FAILED, Ending.STALL):
            return None
        # Of a stall the program speaks itself; one that catches it has stalled all the same.
        cpu, error = self._parts.raised or (0, Stall(STALLED))
        if not isinstance(error, Violation):
            raise error
        return Finding(cpu, error, tuple(self.core.choices()))

    def explore(self, bounds: Bounds, progress: Callable[[Exploration], None] | None = None) -> Exploration:
        """Every execution, until one shows a violation or a bound is reached. Raises Nondeterministic."""
        with self._parts.guard.held():
            kept = Kept(self.classes)
            self.core.set_chooser(Chooser.EXHAUSTIVE, 0, 0)
            self._by_chance = False
            self.core.restart()
            self._run_twice()
            self.core.restart()
            result = self._explore(bounds, progress)
            if result.finding is None:
                self._repeat_some()
            if result.finding is None and (where := kept.changed()) is not None:
                raise Nondeterministic(
                    f"the program is not deterministic: {where} is not as it was before the first run: "
                    "what an earlier run leaves there, a later one may depend on"
                )
        return result

    def _explore(self, bounds: Bounds, progress: Callable[[Exploration], None] | None) -> Exploration:
        started, core, result, runs = time.monotonic(), self.core, Exploration(), 0
        self._complete.clear()
        self._bound = None
        while True:
            ending, runs = self.run(), runs + 1
            result.finding = self.finding(ending)
            if result.finding is not None:
                break
            if ending is Ending.COMPLETE:
                self._keep_some()
            more = core.advance()
            if not more and self._start_again():
                runs = 0
                self._complete.clear()
                continue
            if not more:
                break
            if runs % 64 == 0 or bounds.executions <= runs:
                result.seconds = time.monotonic() - started
                if runs >= bounds.executions:
                    result.bound = f"{bounds.executions} run{'s' * (bounds.executions != 1)}"
                elif result.seconds > bounds.seconds:
                    result.bound = f"{bounds.seconds:g} s"
                if result.bound is not None:
                    break
                gc.collect(0)  # it is off while programs run
                if progress is not None:
                    progress(self._counted(result))
        result.seconds = time.monotonic() - started
        result.bound = result.bound or (self._bound if result.finding is None else None)
        return self._counted(result)

    def _keep_some(self) -> None:
        """The first, second, fourth, ... complete execution, to be made again when all have been."""
        stats = self.core.stats()
        executions = int(stats["executions"])
        if executions & (executions - 1) == 0:
            self._complete.append((tuple(self.core.choices()), int(stats["trail"])))

    def _repeat_some(self) -> None:
        """Executions of the beginning once more, now at the end: a program that has changed meanwhile is found out."""
        for choices, trail in self._complete:
            self.core.replay(list(choices))
            self._run_profiled()
            stats = self.core.stats()
            if stats["error"] or int(stats["trail"]) != trail:
                raise Nondeterministic(WHY_NOT[errno.EPROTO][1])

    def replay(self, choices: Sequence[Choice]) -> Finding | None:
        """The run with these choices, and behind their end the newest values. Raises UsageError if they do not fit."""
        with self._parts.guard.held():
            self.core.replay(list(choices))
            ending = self.run()
        error = -int(self.core.stats()["error"])
        if error in (errno.EAGAIN, errno.EPROTO):
            raise UsageError("the schedule does not fit this program on this machine")
        if error:
            self._start_again()
        return self.finding(ending)

    def sample(self, chooser: Chooser, seed: int, executions: int, depth: int = 3) -> tuple[int, Finding | None]:
        """Runs by chance until one shows a violation: how many, and what it was."""
        with closing(self.samples(chooser, seed, depth)) as samples:
            for number, finding in enumerate(islice(samples, executions), 1):
                if finding is not None:
                    return number, finding
        return executions, None

    def samples(self, chooser: Chooser, seed: int, depth: int = 3) -> Generator[Finding | None]:
        """What runs by chance find, one after the other, without end."""
        self.core.set_chooser(chooser, seed, depth)
        self._by_chance = True
        with self._parts.guard.held():
            while True:
                finding = self.finding(self.run())
                if self.core.stats()["error"]:
                    self._start_again()
                yield finding

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
        if error == -errno.EPERM:
            raise UsageError(self._broken.said or "the program broke a rule")
        if error == -errno.E2BIG:
            raise UsageError(self._too_large())
        kind, text = WHY_NOT.get(-error, (UsageError, f"the exploration ended with error {-error}"))
        raise kind(text)

    def _too_large(self) -> str:
        """Why the last run was: made once more, to see which line loads all the time."""
        loads = Loads()
        with self._parts.profiled(loads.watch):
            self._run_once(again=True)
        cpu = spinner(self.core.events(), len(self.programs))
        return WHY_NOT[errno.E2BIG][1] if cpu is None else f"{loads.commonest(self._ports[cpu])}{ADVICE}"

    def _abandon(self) -> None:
        """A part goes on behind the end of its run, whatever is raised in it. Its greenlet cannot be ended."""
        _ABANDONED.extend(self._cpus)
        raise UsageError(
            "the program catches what ends its run (BaseException, or a bare except:), and goes on; it must let it pass"
        )

    def _run_twice(self) -> None:
        """The first execution, twice: a program that depends on more than what it reads seldom does the same again."""
        for _ in range(8):
            self.run()
            first = self.core.stats()
            if not first["error"]:
                self._run_profiled()  # nothing was advanced: the same choices
                again = self.core.stats()
                if again["error"]:
                    self._start_again()
                if again["trail"] == first["trail"]:
                    return
                raise Nondeterministic(
                    "the program is not deterministic: run twice with the same values read, it made other accesses"
                )
            self._start_again()


_ABANDONED: Final[list[greenlet]] = []
