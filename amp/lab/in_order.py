"""One execution of compiled code, in order: each access with its line, its instruction and its value, as it happens.

It is the explorer's, on a machine that reorders nothing (`sc`), so atomics are in it as well. Whose turn it is, a seed
decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from textwrap import wrap
from typing import Any, Final

from amp.code.code import Function
from amp.code.kept import keep, text_of
from amp.errors import UsageError
from amp.explore.execution import ACKNOWLEDGEMENT, DOORBELL, READ, STATUS, Event, Execution, is_wait
from amp.explore.explorer import Chooser
from amp.explore.schedule import order_of
from amp.lab.plan import Plan, make_plan
from amp.lab.verify import explorer_of
from amp.ordering.sites import Site
from amp.port.lines import place_text

IN_ORDER: Final = "sc"
ATTEMPTS: Final = 64
_LOAD, _STORE, _BARRIER = range(3)


@dataclass(frozen=True, slots=True)
class Step:
    """What a part does. `kind` is load, store, barrier, doorbell, interrupt or print.

    `where` is the variable, the site, or the CPU that is rung; `value` of a load and a store.
    """

    part: str
    kind: str
    where: str
    value: int | None = None
    line: str = ""
    function: str = ""
    instruction: str = ""

    def __str__(self) -> str:
        gives = {"load": " -> ", "store": " = "}.get(self.kind, "")
        return f"{self.kind} {self.where}{gives}{self.value if gives else ''}".rstrip()


@dataclass(frozen=True, slots=True)
class RunInOrder:
    """The execution. `finding` is what a part found, with its name; `bound` the bound that a part has reached."""

    plan: Plan
    steps: tuple[Step, ...]
    finding: tuple[str, str] | None
    bound: str | None

    @property
    def status(self) -> str:
        return "violation" if self.finding else "inconclusive" if self.bound else "holds"

    @property
    def exit_status(self) -> int:
        return {"violation": 1, "inconclusive": 3, "holds": 0}[self.status]

    def told(self, columns: int) -> Iterator[str]:
        """A line a step, its code on the next where it is wider than so many columns, and how it ended."""
        texts = [(str(n), each.part, str(each), each.line) for n, each in enumerate(self.steps, 1)]
        number, *widths = (max(map(len, column)) for column in zip(*texts, strict=True)) if texts else (0,)
        indent = " " * (number + 1)
        for each, (count, *words) in zip(self.steps, texts, strict=True):
            step = f"{count:>{number}} {'  '.join(map(str.ljust, words, widths))}"
            code = f"{each.function}: {each.instruction}" if each.function else ""
            whole = f"{step}  {code}".rstrip()
            for line in [whole] if len(whole) <= columns else [step.rstrip(), indent + code]:
                yield from _fitted(line, columns, indent)
        yield from _fitted(self.ending, columns, "")

    @property
    def ending(self) -> str:
        """How it ended, in a line."""
        if self.finding is not None:
            return f"violation by the {self.finding[0]}: {self.finding[1]}"
        return f"stopped after {self.bound}" if self.bound else "every part has ended"


def _fitted(line: str, columns: int, indent: str) -> list[str]:
    """In one line if it fits, else in as many as it takes, all but the first behind `indent`."""
    return [line] if len(line) <= columns else wrap(line, columns, subsequent_indent=indent, break_on_hyphens=False)


def trace_in_order(program: str, seed: int) -> RunInOrder:
    """Run `program`, an ELF file's reference, once. Raises UsageError for any other."""
    plan = make_plan(program, platform=IN_ORDER)
    codes = [part.compiled for part in plan.program.parts]
    parts = [code for code in codes if isinstance(code, Function)]
    if len(parts) < len(codes):
        raise UsageError(f"{program} has parts that are not compiled: `amp run` traces those")
    explorer = explorer_of(plan)
    for part in parts:
        keep(part.engine)
    found = None
    with closing(explorer.samples(Chooser.SC, seed)) as samples:
        for found in islice(samples, ATTEMPTS):  # one that could not go on is made anew
            if found is not None or explorer.bound or int(explorer.core.stats()["executions"]):
                break
    names = plan.program.part_names
    steps = _Steps(plan, parts, Execution.of(explorer.core.events()))
    finding = None if found is None else (names[found.cpu], str(found.error))
    return RunInOrder(plan, tuple(steps.all()), finding, explorer.bound if finding is None else None)


def as_data(traced: RunInOrder) -> dict[str, Any]:
    """As one JSON object."""
    return {
        "command": "code run",
        "status": traced.status,
        "program": traced.plan.program.name,
        "violations": int(traced.finding is not None),
        "executions": 1,
        "states": len(traced.steps),
        "seconds": 0.0,
        "finding": None if traced.finding is None else {"part": traced.finding[0], "text": traced.finding[1]},
        "bound": traced.bound,
        "steps": [
            {
                **{"part": each.part, "kind": each.kind, "where": each.where, "value": each.value},
                **{"line": each.line, "function": each.function, "instruction": each.instruction},
            }
            for each in traced.steps
        ],
    }


class _Steps:
    """The steps of one execution: accesses in their order, what else a part does before its next access."""

    def __init__(self, plan: Plan, parts: list[Function], execution: Execution) -> None:
        self._plan, self._parts, self._execution = plan, parts, execution
        self._kept = [part.engine.core.places() for part in parts]
        # What is no access, by part: (behind how many accesses and barriers, the step), the next one last.
        self._others = [self._of_part(cpu)[::-1] for cpu in range(len(parts))]

    def all(self) -> Iterator[Step]:
        events = self._execution.events
        for number in order_of(self._execution):
            event = events[number - 1]
            if event.part:
                continue
            if event.kind == READ and is_wait(self._execution, event):
                yield Step(self._name(event.cpu), "interrupt", "its doorbell has rung")
                continue
            kept = self._kept[event.cpu][_LOAD if event.kind == READ else _STORE]
            if event.call < len(kept):
                pc, value, _, before = kept[event.call]
                yield from self._until(event.cpu, before)
                yield self._access(event, pc, value)
        for cpu in range(len(self._parts)):
            yield from self._until(cpu, None)

    def _access(self, event: Event, pc: int, value: int) -> Step:
        if event.kind == DOORBELL:
            if event.mailbox == ACKNOWLEDGEMENT:
                return self._step(event.cpu, "acknowledge", "its doorbell", pc)
            return self._step(event.cpu, "doorbell", f"of the {self._name(value)}", pc)
        if event.mailbox == STATUS:
            return self._step(event.cpu, "load", "status of its mailbox", pc, value)
        first = event.address + (event.mask & -event.mask).bit_length() - 1
        return self._step(event.cpu, "load" if event.kind == READ else "store", self._plan.name_of(first), pc, value)

    def _until(self, cpu: int, before: int | None) -> Iterator[Step]:
        others = self._others[cpu]
        while others and (before is None or others[-1][0] <= before):
            yield others.pop()[1]

    def _of_part(self, cpu: int) -> list[tuple[int, Step]]:
        part = self._parts[cpu]
        said = [(at, Step(self._name(cpu), "print", text)) for at, text in part.engine.core.said()]
        barriers = [
            (before, self._step(cpu, "barrier", self._site(part, pc), pc))
            for pc, _, _, before in self._kept[cpu][_BARRIER]
        ]
        return sorted([*said, *barriers], key=itemgetter(0))

    def _site(self, part: Function, pc: int) -> str:
        site: Site | None = self._plan.program.sites.at(part.sites.get(pc, 0))
        return "" if site is None else site.orders.partition(" in ")[0]

    def _step(self, cpu: int, kind: str, where: str, pc: int, value: int | None = None) -> Step:
        engine = self._parts[cpu].engine
        place = engine.listing.image.lines.at(pc)
        function, _, text = text_of(engine, pc).partition(": ")
        return Step(self._name(cpu), kind, where, value, place_text(place) if place else "", function, text)

    def _name(self, cpu: int) -> str:
        names = self._plan.program.part_names
        return names[cpu] if cpu < len(names) else f"CPU {cpu}"
