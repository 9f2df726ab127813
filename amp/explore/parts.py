"""The parts of an explored program: the port that each is given, and the greenlet that runs it, run after run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from greenlet import getcurrent, greenlet

from amp._core import _bridge
from amp.errors import UsageError
from amp.explore.chance import Guard
from amp.explore.looks import Looks, Refused
from amp.explore.standing import standing
from amp.explore.terms import Program
from amp.port.cells import CellAccess, as_look
from amp.port.port import Port


class Unlook(BaseException):
    """A look of a poll cannot go on: it counts as one that was not made. Programs do not catch it."""


class RunOver(BaseException):
    """The run has ended. Programs do not catch it."""


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
            del before
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


@dataclass(slots=True)
class Parts:
    """What the greenlets of an exploration work on. It does not hold them: they end when the explorer is gone."""

    core: _bridge.Explorer
    guard: Guard
    looks: Looks = field(default_factory=Looks)
    idle: list[bool] = field(default_factory=list)
    raised: tuple[int, BaseException] | None = None

    @contextmanager
    def profiled(self, watch: Callable[[FrameType, str, Any], object]) -> Iterator[None]:
        """Of runs in it, `watch` sees what the parts call (sys.setprofile)."""
        before, self.looks.profile = sys.getprofile(), watch
        try:
            yield
        finally:
            self.looks.profile = None
            if before is None or callable(before):
                sys.setprofile(before)
            else:
                before.enable()  # a cProfile.Profile of CPython 3.11, which no call sets again

    def serve(self, cpu: int, port: Port, program: Program, hub: greenlet) -> None:
        """A CPU: its part of every run, one after the other."""
        core, idle = self.core, self.idle
        while True:
            idle[cpu] = True
            hub.switch()
            idle[cpu] = False
            if self.looks.profile is not None:
                sys.setprofile(self.looks.profile)
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


def is_below(hub: greenlet) -> bool:
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
