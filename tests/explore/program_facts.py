"""What exploration shows of a program: every fact that a violation could be about. Not a test."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from python_programs import Fact, Functions, Place, Program, Seen, place_of

from amp.errors import Stall
from amp.explore.explorer import Bounds, Ending, Explorer

READ = 0  # an event's kind, as the core numbers it


@dataclass
class Explored:
    """What runs of the explorer showed. `open`: only where a promise was not kept yet, so perhaps they are none."""

    facts: set[Fact] = field(default_factory=set)
    open: set[Fact] = field(default_factory=set)
    cut: set[Fact] = field(default_factory=set)  # seen, but in no run that ended as a program can end
    runs: int = 0


class TooLarge(Exception):
    """It takes more runs than are worth it, or more than the explorer has room for."""


class _Part:
    """A part, and what comes of it in each run. With `wanted`, that is a violation."""

    def __init__(self, cpu: int, function: Any, wanted: Fact | None = None) -> None:
        self.cpu, self.function, self.wanted = cpu, function, wanted
        self.core: Any = None
        self.known: set[Fact] = set()
        self.ended: tuple[Fact, bool] | None = None  # and is it a fact already?
        self.stuck: Place | None = None

    def __call__(self, port: Any) -> None:
        self.ended, self.stuck = None, None
        try:
            fact = Fact(self.cpu, self.function(port))
        except Stall as stall:
            self.stuck = place_of(stall, self.function)
            raise
        self.ended = fact, fact in self.known or self.core is None or not self._promised()
        if fact == self.wanted:
            raise Seen(str(fact))

    def _promised(self) -> bool:
        """Does a read wait for the write that it was promised?"""
        return any(e[1] == READ and e[10] >= 0 and set(e[7]) == {-1} for e in self.core.events())


@contextmanager
def closing_explorer(program: Program, parts: list[_Part], *, merging: bool, plant: str) -> Iterator[Explorer]:
    """An explorer whose coroutines are ended when it is done with: they keep each other, and all that it has, alive."""
    explorer = Explorer(program.machine(), parts, merging)
    if plant:
        explorer.core.plant(plant)
    try:
        yield explorer
    finally:
        for each in explorer._cpus:
            each.throw()


def explore(program: Program, functions: Functions, *, merging: bool, most_runs: int, plant: str = "") -> Explored:
    """Every fact. Raises TooLarge; and Nondeterministic, which no program here is."""
    parts = [_Part(cpu, function) for cpu, function in enumerate(functions)]
    with closing_explorer(program, parts, merging=merging, plant=plant) as explorer:
        for part in parts:
            part.core = explorer.core
        return _every_fact(explorer, parts, most_runs)


def _every_fact(explorer: Explorer, parts: list[_Part], most_runs: int) -> Explored:
    explorer.core.restart()
    explored = Explored()
    complete: set[Fact] = set()
    for runs in count(1):
        if runs > most_runs:
            raise TooLarge
        for part in parts:
            part.ended, part.stuck, part.known = None, None, explored.facts
        ending = explorer.run()
        whole = ending in (Ending.COMPLETE, Ending.STALL)
        if ending is Ending.STALL:
            complete.add(Fact(-1, tuple(part.stuck for part in parts)))
        for part in parts:
            if part.ended is not None:
                fact, settled = part.ended
                (complete if whole else explored.facts if settled else explored.open).add(fact)
        if explorer.core.advance():
            continue
        error = int(explorer.core.stats()["error"])
        if error == -errno.E2BIG:
            raise TooLarge
        if not explorer._start_again():
            explored.cut = explored.facts - complete
            explored.facts |= complete
            explored.open -= explored.facts
            explored.runs = runs
            return explored
        explored, complete = Explored(), set()  # a cell was split, or found to have another reader or writer
    raise AssertionError


def sought(program: Program, functions: Functions, fact: Fact, plant: str = "") -> bool:
    """Is a violation at exactly this fact found by `Explorer.explore`?"""
    parts = [_Part(cpu, function, fact) for cpu, function in enumerate(functions)]
    with closing_explorer(program, parts, merging=True, plant=plant) as explorer:
        result = explorer.explore(Bounds(executions=200_000, seconds=60))
    if result.bound is not None:
        raise TooLarge
    if result.finding is None:
        return False
    if isinstance(result.finding.error, Seen):
        return True
    raise TooLarge  # it ended at a stall first
