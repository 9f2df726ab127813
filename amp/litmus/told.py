"""A test that ran as a reader is told: as herd7 does, with the platform, what differs from what was expected, a line
for all.
"""

from __future__ import annotations

from amp.litmus.enumerate import Limits
from amp.litmus.outcomes import herd_text
from amp.litmus.suite import INCONCLUSIVE, Ran, Summary
from amp.report.counts import count_of


def text(ran: Ran, limits: Limits) -> str:
    """The report of one test."""
    result = ran.result
    lines = []
    if result.judged is not None:
        lines.append(herd_text(result.judged))
    else:
        lines.append(f"Test {result.compiled.test.name} {INCONCLUSIVE}: no verdict within {_bounds(limits)}")
    lines.append(
        f"Platform {ran.platform}, observers {ran.observers}: "
        f"{count_of(result.executions, 'execution')}, {count_of(result.states, 'state')}, {ran.seconds:.2f} s"
    )
    if ran.mismatch:
        lines.append(f"Mismatch {ran.file}: {ran.mismatch}")
    return "\n".join(lines) + "\n"


def _bounds(limits: Limits) -> str:
    return f"{count_of(limits.executions, 'execution')} and {limits.seconds:g} s (--max-executions, --max-seconds)"


def summary_text(summary: Summary) -> str:
    """One line for all."""
    verdicts = [each.verdict for each in summary.ran]
    counts = {verdict: verdicts.count(verdict) for verdict in ("Allowed", "Forbidden", INCONCLUSIVE)}
    parts = [f"{len(summary.ran)} tests", *(f"{count} {verdict}" for verdict, count in counts.items() if count)]
    if summary.mismatches:
        parts.append(f"{summary.mismatches} not as expected")
    if summary.errors:
        parts.append(f"{len(summary.errors)} files not usable")
    return ", ".join(parts)
