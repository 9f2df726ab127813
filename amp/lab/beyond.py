"""A finding that no run of processes repeats, explained all the same: by the explorer's own execution."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from amp.errors import AmpError
from amp.explore.explorer import Explorer
from amp.explore.explorer import Finding as Found
from amp.explore.lined import lines_along
from amp.explore.schedule import Execution
from amp.explore.story import story
from amp.lab.explored_trace import traced
from amp.lab.machine import Outcome
from amp.lab.plan import Plan
from amp.lab.run import Witness
from amp.machine.config import Report
from amp.ordering.placement import arrangement
from amp.port.lines import KINDS, Place
from amp.report.blame import Finding, blame


def unrepeated(plan: Plan, explorer: Explorer, found: Found, why: str) -> Witness:
    """The finding as the explorer has it. `why` says why processes did not repeat it."""
    with suppress(AmpError):  # the choices fitted a moment ago; the run that stands there is that of the finding
        explorer.replay(found.choices)
    execution = Execution.of(explorer.core.events())
    report = Report(
        outcome="violation",
        kind=type(found.error).__name__,
        text=str(found.error),
        address=getattr(found.error, "address", None),
    )
    done = Report(outcome="done")
    reports = tuple(report if cpu == found.cpu else done for cpu in range(len(plan.program.parts)))
    outcome = Outcome(plan.config, reports, found.cpu, 0, 0)
    steps = tuple(story(execution, plan.name_of, plan.program.part_names))
    assert plan.platform is not None, plan
    placed = arrangement(plan.platform, plan.program.placement)
    trace = traced(execution, explorer.core.passages(), plan.program.sites, placed, _places(explorer, found))
    explanation = None
    if trace is not None:
        finding = Finding.from_error(found.error, found.cpu)
        sides, names = plan.program.sides, plan.program.part_names
        explanation = blame(trace, finding, plan.platform, sides, names=names, beyond=why)
    return Witness(plan.config.seed, outcome, trace, explanation, not_repeated=why, story=steps)


def _places(explorer: Explorer, found: Found) -> Mapping[tuple[int, str, int], Place]:
    """Where the accesses of the finding's execution stand: by (cpu, kind, number)."""
    return {
        (cpu, kind, number): place
        for cpu, lines in enumerate(lines_along(explorer, found))
        for kind in KINDS
        for number in range(len(getattr(lines, kind)))
        if (place := lines.place(kind, number)) is not None
    }
