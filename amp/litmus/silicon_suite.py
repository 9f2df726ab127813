"""A suite of litmus tests on this machine's own CPU: each test's outcomes are held against the model.

Exit status 0: every test ran, or was skipped, and nothing was seen that the model does not allow. 1: something was.
2: a file cannot be used. 4: a compiled test did not come to its end. 3: no test could be run here, or the model has no
answer for one within its limits. The first of 2, 4, 1, 3 that applies counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

from amp.errors import AmpError, UsageError
from amp.litmus.compile import Compiled
from amp.litmus.enumerate import Limits
from amp.litmus.hardware import (
    Compared,
    Cpu,
    Effort,
    NativeFailed,
    Observed,
    compare,
    find_compiler,
    run_on_silicon,
    this_cpu,
    usable_cpus,
    why_not,
)
from amp.litmus.outcomes import state_text
from amp.litmus.parser import load
from amp.litmus.runner import Result, check_observers_option, run_test
from amp.litmus.suite import INCONCLUSIVE
from amp.ordering import platform as find_platform
from amp.ordering.platforms import Platform

_STATUS: Final = {0: "holds", 1: "violation", 2: "error", 3: INCONCLUSIVE, 4: "error"}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of every file."""

    cpu: Cpu
    compiler: tuple[str, ...]
    platform: Platform
    observers: str
    limits: Limits
    effort: Effort
    non_temporal: tuple[str, ...]
    keep: str


@dataclass(frozen=True, slots=True)
class Ran:
    """One test that ran."""

    file: str
    model: Result
    compared: Compared
    seconds: float

    @property
    def compiled(self) -> Compiled:
        return self.model.compiled

    @property
    def observed(self) -> Observed:
        return self.compared.observed

    @property
    def status(self) -> str:
        if self.compared.allowed is None:
            return INCONCLUSIVE
        return "violation" if self.compared.excess else "holds"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A test that cannot run on this machine."""

    file: str
    why: str


@dataclass(slots=True)
class Summary:
    """What became of every file."""

    ran: list[Ran] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    errors: list[AmpError] = field(default_factory=list)

    def count(self, status: str) -> int:
        """How many of the tests that ran have that status."""
        return sum(each.status == status for each in self.ran)

    @property
    def exit_status(self) -> int:
        failed = {error.exit_status for error in self.errors}
        for status, applies in (
            (UsageError.exit_status, UsageError.exit_status in failed),
            (NativeFailed.exit_status, bool(failed)),
            (1, self.count("violation")),
            (3, self.count(INCONCLUSIVE) or not self.ran),
        ):
            if applies:
                return status
        return 0


def request(
    platform: str | None,
    observers: str,
    expect: str | None,
    limits: tuple[int, float],
    *,
    tries: int,
    seconds: float,
    cpus: str | None,
    seed: int,
    non_temporal: tuple[str, ...],
    keep: str | None,
) -> Request:
    """The options, checked; None is what was not given and has no default. Raises UsageError."""
    if expect is not None:
        raise UsageError("--expect compares the model with another: it is not for --hardware")
    check_observers_option(observers)
    cpu = this_cpu()
    own = cpu.non_temporal if non_temporal else cpu.platform
    if own is None:
        raise UsageError(f"--non-temporal: stores past the caches are not known for {cpu.name}")
    effort = Effort(tries, seconds, usable_cpus(cpus), seed)
    chosen = find_platform(platform or own)
    return Request(cpu, find_compiler(), chosen, observers, Limits(*limits), effort, non_temporal, keep or "")


def run_file(file: str, asked: Request) -> Ran | Skipped:
    """Run one test on the silicon and in the model.

    Raises UsageError for a file that cannot be used, NativeFailed for a run that does not end well.
    """
    begin = time.monotonic()
    test = load(file)
    why = why_not(test, asked.cpu, asked.effort.cpus)
    if why:
        return Skipped(file, why)
    model = run_test(test, asked.platform, asked.observers, asked.limits)
    observed = run_on_silicon(model.compiled, asked.compiler, asked.effort, asked.non_temporal, asked.keep)
    compared = compare(model.compiled, observed, model.judged)
    return Ran(file, model, compared, time.monotonic() - begin)


def violations(ran: Ran, asked: Request) -> list[str]:
    """A line for each state that the silicon shows and the model does not allow."""
    return [
        f"{state_text(ran.compiled, state)} seen {ran.compared.counts[state]} times in {ran.observed.tries} tries, "
        f"{asked.platform.name} does not allow it"
        for state in ran.compared.excess
    ]


def as_data(summary: Summary, asked: Request, seconds: float) -> dict[str, Any]:
    """The object of --json."""
    return {
        "command": "litmus",
        "hardware": asked.cpu.name,
        "status": _STATUS[summary.exit_status],
        "violations": sum(len(each.compared.excess) for each in summary.ran),
        "executions": sum(each.model.executions for each in summary.ran),
        "states": sum(each.model.states for each in summary.ran),
        "tries": sum(each.observed.tries for each in summary.ran),
        "platform": asked.platform.name,
        "observers": asked.observers,
        "cpus": list(asked.effort.cpus),
        "seed": asked.effort.seed,
        "non_temporal": list(asked.non_temporal),
        "seconds": round(seconds, 3),
        "tests": [_test_data(each, asked) for each in summary.ran],
        "skipped": [{"file": each.file, "why": each.why} for each in summary.skipped],
        "errors": [str(error) for error in summary.errors],
    }


def _test_data(ran: Ran, asked: Request) -> dict[str, Any]:
    compiled, compared = ran.compiled, ran.compared
    states = [
        {
            "state": state_text(compiled, state),
            "count": compared.counts[state],
            "allowed": None if compared.allowed is None else state not in compared.excess,
        }
        for state in compared.seen.states
    ]
    return {
        "name": compiled.test.name,
        "file": ran.file,
        "arch": compiled.test.dialect.value,
        "status": ran.status,
        "condition": compiled.test.final.quantifier.value,
        "observation": compared.seen.observation,
        "holds": compared.seen.holds,
        "positive": compared.seen.positive,
        "negative": compared.seen.negative,
        "tries": ran.observed.tries,
        "aligned": ran.observed.aligned,
        "allowed_outcomes": compared.allowed,
        "final_states": states,
        "violations": violations(ran, asked),
        "seconds": round(ran.seconds, 6),
    }
