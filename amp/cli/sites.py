"""`amp sites`: which of a program's barriers are needed on a platform, and how strong: the necessity matrix.

Every site of a scenario with every class, all others as coded, is explored exhaustively; then all sites at once are
made as weak as they can be together. Classes that give the same orders at a site are the same machine to the explorer,
and explored once. Nothing is concluded from one cell for another: each machine that differs is explored.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from amp.cli.interrupt import Stop
from amp.cli.options import Plan, resolve, ring_size_for
from amp.cli.output import write_output
from amp.cli.site_search import REUSE, CellsDone, Search, unjudged
from amp.cli.verify import title
from amp.explore.explorer import Bounds
from amp.machine.config import Mode, RunConfig
from amp.ordering.sites import Site
from amp.report.matrix import Matrix, Verdict
from amp.scenarios import SCENARIOS


def plan_of(
    scenario: str,
    *,
    platform: str | None,
    barriers: str,
    weaken: tuple[str, ...],
    messages: int | None,
    ring_size: int | None,
) -> Plan:
    """What the matrix is of. Raises UsageError.

    Without `messages` there are as many as B1 takes to show; but no more than the scenario has by itself where the
    sides sleep, for there each further one makes some twenty times as many runs.
    """
    size = ring_size_for(scenario, ring_size)
    config = RunConfig(program=scenario, mode=Mode.LOCKSTEP, ring_size=size)
    if messages is None:
        messages, stood_at = SCENARIOS[scenario].messages, (*SCENARIOS[scenario].sites, *SCENARIOS[scenario].idle_sites)
        if Site.S5 not in stood_at:
            messages = max(messages, size + (REUSE[scenario].beyond if scenario in REUSE else 1))
    return resolve(config, platform=platform, barriers=barriers, weaken=weaken, messages=messages)


def necessity(
    plan: Plan,
    bounds: Bounds,
    progress: CellsDone | None = None,
    *,
    replayed: bool = True,
    stop: Stop | None = None,
) -> Matrix:
    """The matrix of `plan`, `bounds` for each exploration.

    With `replayed` one counterexample a site, that of the strongest class that is not enough, is run in two processes;
    or only that of the program as coded, if that is broken. What is left to explore when `stop` is asked for is
    unknown.
    """
    started = time.monotonic()
    search = Search(plan, bounds, progress, stop or Stop())
    coded = search.explored({})
    broken = coded.verdict is Verdict.BROKEN
    shown = search.counterexample({}, replayed=replayed) if broken else None
    rows = search.rows(replayed=replayed and not broken)
    assignment = search.assignment(rows) if coded.verdict is Verdict.HOLDS else None
    why = unjudged(plan.config)
    config, totals = plan.config, list(search.known.values())
    assert plan.platform_name is not None, plan
    return Matrix(
        scenario=config.program,
        platform=plan.platform_name,
        barriers=plan.barriers,
        weaken=plan.weaken,
        messages=config.messages,
        ring_size=config.ring_size,
        title=title(plan),
        caution=None if why is None else f"B1 is not judged and stays as coded: {why}",
        coded=coded,
        coded_counterexample=shown,
        rows=rows,
        assignment=assignment,
        explorations=len(totals),
        runs=sum(each.runs for each in totals),
        executions=sum(each.executions for each in totals),
        states=sum(each.states for each in totals),
        seconds=time.monotonic() - started,
    )


@contextmanager
def cells_progress() -> Iterator[CellsDone | None]:
    """A bar of explorations done; gives the function to call with them, or None where there is nothing to draw."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("as coded")
        yield lambda what, done, of: progress.update(task, description=what, completed=done, total=of)


def write_page(path: str, matrix: Matrix, status: int) -> int:
    """Write the matrix as a page; gives the exit status of a command that else ends with `status`."""
    from amp.report.matrix_page import render_matrix_html  # noqa: PLC0415  (loads what other commands never need)

    return write_output("--html", path, render_matrix_html(matrix).encode(), status)
