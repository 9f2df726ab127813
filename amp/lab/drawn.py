"""A violation as a page, or another file, shows it: its timeline, its story, why, and the command that repeats it."""

from __future__ import annotations

from typing import Any

from amp.lab.plan import Plan
from amp.lab.run import Witness, replay_command, verdict
from amp.report.drawn import drawn


def drawn_of(plan: Plan, found: Witness) -> dict[str, Any] | None:
    """What a page shows of it, as data; None where there is no event to draw."""
    if found.trace is None or found.explanation is None:
        return None
    replay = replay_command(plan, found.seed)
    return drawn(found.trace, found.explanation, plan.name_of, verdict=verdict(plan, found), replay=replay)


def rendered(plan: Plan, found: Witness, form: str) -> str:
    """The file of that form, "html" or "perfetto". It has events."""
    if form == "html":  # each loads what nobody else needs
        from amp.report.html import render_html as render  # noqa: PLC0415
    else:
        from amp.report.perfetto import render_perfetto as render  # noqa: PLC0415
    assert found.trace is not None, found
    assert found.explanation is not None, found
    replay = replay_command(plan, found.seed)
    return render(found.trace, found.explanation, plan.name_of, verdict=verdict(plan, found), replay=replay)
