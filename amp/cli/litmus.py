"""What `amp litmus` prints: each test as herd7 does, how it differs from what is expected, and a line for all."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from amp.cli.output import complain, echo
from amp.cli.terminal import working
from amp.errors import UsageError
from amp.litmus.enumerate import Limits
from amp.litmus.outcomes import herd_text
from amp.litmus.runner import Result
from amp.litmus.suite import INCONCLUSIVE, Ran, Request, Summary, as_data, find_files, run_file
from amp.report.counts import count_of
from amp.visible import visible


def text(ran: Ran, limits: Limits) -> str:
    """The report of one test."""
    result = ran.result
    lines = []
    if result.judged is not None:
        lines.append(herd_text(result.judged))
    else:
        lines.append(f"Test {result.compiled.test.name} {INCONCLUSIVE}: no verdict within {_bounds(limits)}")
    lines.append(
        f"Platform {ran.platform}, observers {ran.observers}{_assumption(result)}: "
        f"{count_of(result.executions, 'execution')}, {count_of(result.states, 'state')}, {ran.seconds:.2f} s"
    )
    if ran.mismatch:
        lines.append(f"Mismatch {ran.file}: {ran.mismatch}")
    return "\n".join(lines) + "\n"


def _assumption(result: Result) -> str:
    if not result.assumes_multi_copy_atomicity:
        return ""
    what = f", multi-copy atomicity assumed ({result.platform.host.architecture.name} does not promise it"
    certain = result.judged is not None and result.judged.observation != "Sometimes"
    return what + (f": {result.judged.observation} may be Sometimes there)" if result.judged and certain else ")")


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


def main(paths: Iterable[str], asked: Request, *, as_json: bool) -> tuple[int, dict[str, Any] | None]:
    """Runs all; prints as it goes unless `as_json`. Gives the exit status, and the object for --json."""
    begin = time.monotonic()
    files = find_files(paths)
    summary = Summary()
    try:
        for file in files:
            try:
                with working(visible(file)):
                    ran = run_file(file, asked)
            except UsageError as error:
                summary.errors.append(str(error))
                complain(str(error))
                continue
            summary.ran.append(ran)
            if not as_json:
                echo(text(ran, asked.limits))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"of {len(files)} files, before it: {summary_text(summary)}") from None
    if as_json:
        return summary.exit_status, as_data(summary, time.monotonic() - begin)
    if len(files) > 1:
        echo(summary_text(summary))
    return summary.exit_status, None
