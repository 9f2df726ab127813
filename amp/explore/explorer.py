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
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, MappingProxyType
from typing import Any, Final, TypeVar

from greenlet import getcurrent, greenlet

from amp._core import _bridge
from amp.errors import AmpError, LoopBound, Stall, UsageError, Violation
from amp.explore.chance import Guard
from amp.explore.keeping import Kept
from amp.explore.looks import Looks, Refused
from amp.explore.spinning import ADVICE, Loads, spinner
from amp.explore.standing import raised_at, standing
from amp.ordering.placement import PAIR, Placement, arrangement, check_observers
from amp.ordering.platforms import Platform
from amp.ordering.sites import SiteMap
from amp.port.cells import CellAccess, as_look
from amp.port.doors import site_bytes
from amp.port.port import CPU_NAMES, Port, cpu_name

T = TypeVar("T")
Program = Callable[[Port], object]
Choice = tuple[int, int]  # (branch, the option's index or the value promised): the core's enum xp_branch

# As the core says it in processes.
STALLED: Final = "wait: every processor sleeps and no doorbell is under way"
LEFT: Final = "wait: every other processor has retired"


class Unlook(BaseException):
    """A look of a poll cannot go on: it counts as one that was not made. Programs do not catch it."""


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


class ExploredPort(CellAccess, _bridge.ExploredPort):
    """A CPU's accesses as events of the execution that is being built."""

    def __init__(self, *_: Any) -> None:
        self.looks = Looks()

    def poll(self, look: Any, predicate: Any = None, /) -> Any:
        """A look in vain is undone, and made again when something that it read has changed."""
        look = as_look(self, look, predicate)
        while True:
            found = None
            before = self.looks.before(look, self.look_place())
            self.look_begin()
            try:
                found = look()
            except (Unlook, RunOver):
                undone = True
            except BaseException:
                if self.look_end(True):
                    raise  # what it read stands: it is how the poll ended
                continue
            else:
                undone = False
            # Behind the exception: nothing that the look held is alive while others run.
            if found is None:
                self.looks.in_vain(look, self.look_path(), before)
            before = None
            if undone:
                self.look_undone()
            elif self.look_end(found is not None):
                return found


@dataclass(slots=True)
class Broken:
    """The rule that a program broke, and where it stood then. The core calls it."""

    said: str | None = None

    def __call__(self, rule: str) -> None:
        self.said = f"{standing()}{rule}"


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
    """What the programs run on: `memory` is (start, end) of the shared addresses, bytes, multiples of 8.

    Raises UsageError for a placement that the explorer cannot show on that platform (placement.check_observers).
    """

    platform: Platform
    sites: SiteMap
    memory: tuple[int, int]
    placement: Placement = PAIR

    def __post_init__(self) -> None:
        check_observers(self.platform, self.placement.sides)


@dataclass(slots=True)
class _Parts:
    """What the greenlets of an exploration work on. It does not hold them: they end when the explorer is gone."""

    core: _bridge.Explorer
    guard: Guard
    looks: Looks = field(default_factory=Looks)
    idle: list[bool] = field(default_factory=list)
    profile: Callable[[FrameType, str, Any], object] | None = None
    raised: tuple[int, BaseException] | None = None

    def serve(self, cpu: int, port: Port, program: Program, hub: greenlet) -> None:
        """A CPU: its part of every run, one after the other."""
        core, idle = self.core, self.idle
        while True:
            idle[cpu] = True
            hub.switch()
            idle[cpu] = False
            if self.profile is not None:
                sys.setprofile(self.profile)
            try:
                _check_ran(program(port))
                core.end(cpu)
            except RunOver:
                pass
            except Refused:
                core.fail(cpu)
            except BaseException as error:  # also what would end the process: it ends the run
                if self.raised is None:
                    self.raised = (cpu, error)
                core.fail(cpu)


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
    _parts: _Parts = field(init=False)
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
            (domain, int(orders.implicit), bytes(orders.near), bytes(orders.far), not orders.multi_copy_atomic)
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
        self._parts = _Parts(self.core, Guard(lambda: _is_below(hub)), idle=[True for _ in self.programs])
        for port in ports:
            port.looks = self._parts.looks
        self._cpus = [greenlet(self._parts.serve, hub) for _ in self.programs]
        for cpu, each in enumerate(self._cpus):
            each.switch(cpu, ports[cpu], self.programs[cpu], hub)

    def run(self) -> Ending:
        """One run, with the choices that are due; if it meets a look that is new, the same again, watched.

        Raises what a program raises that is no Violation, and Nondeterministic or UsageError for a broken rule.
        """
        self._parts.looks.fresh = False
        ending = self._run_once(again=False)
        # What could not go on is not repeated: cells were split meanwhile. All begins anew, and is watched then.
        return self._run_watched() if self._parts.looks.fresh and not self.core.stats()["error"] else ending

    def _run_watched(self) -> Ending:
        """The last run once more: what its looks change is watched."""
        self._parts.looks.watching = True
        try:
            return self._run_once(again=True)
        finally:
            self._parts.looks.watching = False

    def _run_profiled(self) -> Ending:
        """The last run once more: what it asks the system is watched, by whatever name, and what its looks change."""
        profile = sys.getprofile()
        self._parts.profile = self._parts.guard.watch
        try:
            return self._run_watched()
        finally:
            self._parts.profile = None
            sys.setprofile(profile)

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
        if self._parts.looks.said is not None:
            raise UsageError(self._parts.looks.said)
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
                raise Nondeterministic(_WHY_NOT[errno.EPROTO][1])

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
        kind, text = _WHY_NOT.get(-error, (UsageError, f"the exploration ended with error {-error}"))
        raise kind(text)

    def _too_large(self) -> str:
        """Why the last run was: made once more, to see which line loads all the time."""
        loads, profile = Loads(), sys.getprofile()
        self._parts.profile = loads.watch
        try:
            self._run_once(again=True)
        finally:
            self._parts.profile = None
            sys.setprofile(profile)
        cpu = spinner(self.core.events(), len(self.programs))
        return _WHY_NOT[errno.E2BIG][1] if cpu is None else f"{loads.commonest(self._ports[cpu])}{ADVICE}"

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


def _is_below(hub: greenlet) -> bool:
    """Is it a part that runs, or a greenlet of its own?"""
    running = getcurrent()
    while running.parent is not None:
        if running.parent is hub:
            return True
        running = running.parent
    return False


def _check_ran(result: object) -> None:
    """Raises UsageError for what has not run yet."""
    if isinstance(result, (GeneratorType, CoroutineType, AsyncGeneratorType)):
        raise UsageError(f"a part is a {type(result).__name__} function: called, it does nothing")


_ABANDONED: Final[list[greenlet]] = []

# Why an exploration ended early, by the core's error; -EAGAIN begins anew, -EPERM is a rule that the program broke.
_WHY_NOT: Final[Mapping[int, tuple[type[AmpError], str]]] = MappingProxyType(
    {
        errno.EPROTO: (
            Nondeterministic,
            "the program is not deterministic: run again with the same values read, it made other "
            "accesses (does it keep something between runs, in a module or a class?)",
        ),
        errno.ESTALE: (
            Nondeterministic,
            "the program is not deterministic: it uses a value that it loaded in an earlier run",
        ),
        errno.EXDEV: (
            UsageError,
            "a processor's part uses a value that another one's loaded: they share nothing but the memory",
        ),
        errno.ENOTRECOVERABLE: (
            UsageError,
            "the program catches what ends its run (BaseException, or a bare except:) and goes on; it must let it pass",
        ),
        errno.E2BIG: (UsageError, "an execution is too large to explore: fewer messages, or a smaller payload"),
        errno.ENOMEM: (UsageError, "the exploration is out of memory: fewer messages, or a smaller payload"),
    }
)


def side_name(cpu: int, names: Sequence[str] = CPU_NAMES) -> str:
    """`names` are the placement's, of a machine of more processors than two."""
    return cpu_name(cpu, names)
