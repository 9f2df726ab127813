"""One litmus test from its file to its verdict on a platform. No clock, no output: that is the command's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from amp.errors import UsageError
from amp.litmus.compile import Compiled, compile_test
from amp.litmus.enumerate import Limits, enumerate_outcomes
from amp.litmus.outcomes import Judged, judge
from amp.litmus.program import THREADS
from amp.litmus.syntax import LitmusTest
from amp.ordering import placement
from amp.ordering.platforms import Platform, Side

TOGETHER: Final = "together"
APART: Final = "apart"
_GROUPS = re.compile(r"[0-9]+(\|[0-9]+)*")


@dataclass(frozen=True, slots=True)
class Result:
    """`judged` is None if a limit was reached: what was not found may still be possible, so there is no verdict."""

    compiled: Compiled
    platform: Platform
    judged: Judged | None
    executions: int
    states: int


def domains(observers: str, threads: int) -> tuple[int, ...]:
    """The domain of each thread: "together" is one for all, "apart" one each, "01|2" has 0 and 1 in one, 2 in another.

    Raises UsageError if that names not each of the threads once.
    """
    check_observers_option(observers)
    if observers in (TOGETHER, APART):
        return tuple(range(threads)) if observers == APART else (0,) * threads
    groups = [[int(digit) for digit in group] for group in observers.split("|")]
    found = {thread: number for number, group in enumerate(groups) for thread in group}
    if sorted(thread for group in groups for thread in group) != list(range(threads)):
        raise UsageError(f"observers {observers!r}: not each of threads 0 to {threads - 1} once")
    return tuple(found[thread] for thread in range(threads))


def check_observers_option(observers: str) -> None:
    """Raises UsageError for what no test can have."""
    if observers not in (TOGETHER, APART) and not _GROUPS.fullmatch(observers):
        raise UsageError(
            f"observers {observers!r:.40}, expected {TOGETHER}, {APART}, or groups of threads such as 01|2"
        )
    if len(re.sub(r"\D", "", observers)) > THREADS:
        raise UsageError(f"observers {observers!r:.40}: more than {THREADS} threads")


def run_test(test: LitmusTest, platform: Platform, observers: str, limits: Limits) -> Result:
    """Every outcome of `test` on `platform`. Raises UsageError, which names the file, for what cannot be run."""
    compiled = compile_test(test, platform)
    try:
        groups = domains(observers, len(test.threads))
        placement.check_observers(platform, (Side.HOST,) * len(test.threads))
        found = enumerate_outcomes(compiled.program, platform, groups, limits)
    except UsageError as error:
        raise UsageError(f"{test.file}: {error}") from None
    judged = judge(compiled, found.counts) if found.complete else None
    return Result(compiled, platform, judged, found.executions, found.states)
