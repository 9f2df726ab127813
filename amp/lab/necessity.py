"""Which of a program's barriers are needed on a platform, and how strong: the necessity matrix.

Every site of a program with every class, all others as coded, is explored exhaustively; then all sites at once are
made as weak as they can be together. Classes that give the same orders at a site are the same machine to the explorer,
and explored once; so are machines that differ only where no execution of compiled code comes to. Nothing is concluded
from one cell for another: each machine that differs is explored.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from amp.explore.explorer import Bounds
from amp.lab.built import built
from amp.lab.plan import NOTHING, Plan, make_plan
from amp.lab.repair import repair
from amp.lab.search import CellsDone, Search, unjudged
from amp.lab.stopping import Stop
from amp.lab.verify import title
from amp.ordering.platforms import Platform
from amp.programs import load
from amp.programs.program import Program
from amp.report.matrix import Matrix, Verdict


def plan_of(
    program: str | Program,
    *,
    platform: str | Platform | None,
    barriers: str | None,
    weaken: tuple[str, ...],
    messages: int | None = None,
    ring_size: int | None = None,
    sizes: Mapping[str, int] = NOTHING,
) -> Plan:
    """What the matrix is of. Raises UsageError.

    Without `messages` there are as many as it takes that buffers are used again; but no more than the program has by
    itself where the sides sleep, for there each further one makes some twenty times as many runs.
    """
    found = load(program) if isinstance(program, str) else program
    if messages is None and "messages" in found.sizes and not found.sleeps:
        size = (
            ring_size if ring_size is not None or "ring_size" not in found.sizes else found.sizes["ring_size"].default
        )
        beyond = 1 if found.reuse is None else found.reuse.beyond
        messages = max(found.sizes["messages"].default, (size or 1) + beyond)
    return make_plan(
        program,
        platform=platform,
        barriers=barriers,
        weaken=weaken,
        messages=messages,
        ring_size=ring_size,
        sizes=sizes,
    )


def necessity(
    plan: Plan,
    bounds: Bounds,
    progress: CellsDone | None = None,
    *,
    replayed: bool = True,
    stop: Stop | None = None,
) -> Matrix:
    """The matrix of `plan`, `bounds` for each exploration.

    With `replayed` one counterexample a site, that of the strongest class that is not enough, is run in processes;
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
    judged = tuple(built(search)) if coded.verdict is Verdict.HOLDS and plan.program.fits is not None else ()
    mended = repair(plan, stop=search.stop) if broken else None
    unclear = [(site, why) for site in plan.program.stood_at if (why := unjudged(plan, site)) is not None]
    config, totals = plan.config, list(search.known.values())
    assert plan.platform_name is not None, plan
    return Matrix(
        program=plan.program.name,
        platform=plan.platform_name,
        barriers=plan.barriers,
        weaken=plan.weaken,
        messages=config.messages,
        ring_size=config.ring_size,
        title=title(plan),
        caution=next((f"{site.name} is not judged and stays as coded: {why}" for site, why in unclear), None),
        coded=coded,
        coded_counterexample=shown,
        rows=rows,
        assignment=assignment,
        built=judged,
        repair=mended,
        explorations=len(totals),
        runs=sum(each.runs for each in totals),
        executions=sum(each.executions for each in totals),
        states=sum(each.states for each in totals),
        seconds=time.monotonic() - started,
    )
