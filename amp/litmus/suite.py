"""A suite of litmus tests: its files found, run one by one, and compared with what is expected of them.

A verdict is an answer, not a finding: the exit status is 0 when every test has one. It is 1 only where --expect says
otherwise, 3 if a test has none because a limit was reached, 2 if a file cannot be used. The first of 2, 1, 3 that
applies counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from amp.errors import UsageError
from amp.files import read_whole
from amp.litmus.compile import DEFAULT_PLATFORM
from amp.litmus.enumerate import Limits
from amp.litmus.outcomes import state_text
from amp.litmus.parser import load
from amp.litmus.runner import Result, check_observers_option, run_test
from amp.ordering import platform as find_platform
from amp.ordering.platforms import Platform

SUFFIX: Final = ".litmus"
EXPECT_LIMIT_BYTES: Final = 1 << 24  # a suite of a thousand tests has some hundred thousand
INCONCLUSIVE: Final = "inconclusive"
# The kernel's own model allows what any machine may do: what it forbids must not be seen, the rest is the machine's.
UPPER_BOUND: Final = "LKMM"


class Expected(msgspec.Struct, frozen=True):
    """One entry of an --expect file, a JSON list; `file` is relative to it. Other fields are not looked at."""

    file: str
    verdict: Literal["Allowed", "Forbidden"]
    outcomes: int | None = None
    arch: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """One test that ran. `mismatch` says how it differs from what was expected; empty if it does not."""

    file: str
    platform: str
    observers: str
    result: Result
    seconds: float
    mismatch: str

    @property
    def verdict(self) -> str:
        return INCONCLUSIVE if self.result.judged is None else self.result.judged.verdict.value


@dataclass(slots=True)
class Summary:
    """All that ran, and a line for each file that did not."""

    ran: list[Ran] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def mismatches(self) -> int:
        return sum(bool(each.mismatch) for each in self.ran)

    @property
    def inconclusive(self) -> int:
        return sum(each.result.judged is None for each in self.ran)

    @property
    def exit_status(self) -> int:
        if self.errors:
            return UsageError.exit_status
        return 1 if self.mismatches else 3 if self.inconclusive else 0

    @property
    def status(self) -> str:
        return {0: "holds", 1: "violation", 2: "error", 3: INCONCLUSIVE}[self.exit_status]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of every file. `platform` None: each dialect's own; `expected`: by absolute path."""

    platform: Platform | None
    observers: str
    limits: Limits
    expected: dict[str, Expected] | None


def request(
    platform: str | None, observers: str, max_executions: int, max_seconds: float, expect: str | None
) -> Request:
    """The options, checked. Raises UsageError."""
    check_observers_option(observers)
    return Request(
        None if platform is None else find_platform(platform),
        observers,
        Limits(max_executions, max_seconds),
        None if expect is None else load_expected(expect),
    )


def find_files(paths: Iterable[str]) -> list[str]:
    """The files that `paths` name, directories searched for *.litmus; each once. Raises UsageError."""
    found: dict[str, None] = {}
    for path in paths:
        if os.path.isdir(path):
            inside = sorted(str(each) for each in Path(path).rglob(f"*{SUFFIX}") if each.is_file())
            if not inside:
                raise UsageError(f"{path}: no *{SUFFIX} in this directory")
            found.update(dict.fromkeys(inside))
        elif os.path.exists(path):
            found[path] = None
        else:
            raise UsageError(f"{path}: No such file or directory")
    return list(found)


def load_expected(path: str) -> dict[str, Expected]:
    """The entries of an --expect file, by absolute path of the test. Raises UsageError."""
    try:
        entries = msgspec.json.decode(read_whole(path, EXPECT_LIMIT_BYTES), type=list[Expected])
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from None
    return {_absolute(Path(path).parent / entry.file): entry for entry in entries}


def _absolute(path: str | Path) -> str:
    return os.path.realpath(path)


def run_file(file: str, asked: Request) -> Ran:
    """Run one test and compare it with what is expected of it. Raises UsageError for a file that cannot be used."""
    begin = time.monotonic()
    expected = None
    if asked.expected is not None:
        expected = asked.expected.get(_absolute(file))
        if expected is None:
            raise UsageError(f"{file}: the --expect file has no entry for it")
    test = load(file)
    platform = asked.platform or find_platform(DEFAULT_PLATFORM[test.dialect])
    result = run_test(test, platform, asked.observers, asked.limits)
    seconds = time.monotonic() - begin
    return Ran(file, platform.name, asked.observers, result, seconds, _mismatch(expected, result))


def _mismatch(expected: Expected | None, result: Result) -> str:
    if expected is None or result.judged is None:
        return ""
    verdict, outcomes = result.judged.verdict.value, len(result.judged.states)
    bound = expected.arch == UPPER_BOUND and expected.verdict == "Allowed"
    if verdict != expected.verdict and not bound:
        return f"expected {expected.verdict}, is {verdict}"
    if expected.outcomes is not None and outcomes != expected.outcomes:
        return f"expected {expected.outcomes} outcomes, has {outcomes}"
    return ""


def as_data(summary: Summary, seconds: float) -> dict[str, Any]:
    """The object of --json."""
    return {
        "command": "litmus",
        "status": summary.status,
        "violations": summary.mismatches,
        "executions": sum(each.result.executions for each in summary.ran),
        "states": sum(each.result.states for each in summary.ran),
        "seconds": round(seconds, 3),
        "tests": [_test_data(each) for each in summary.ran],
        "errors": summary.errors,
    }


def _test_data(ran: Ran) -> dict[str, Any]:
    compiled, judged = ran.result.compiled, ran.result.judged
    data: dict[str, Any] = {
        "name": compiled.test.name,
        "file": ran.file,
        "arch": compiled.test.dialect.value,
        "platform": ran.platform,
        "observers": ran.observers,
        "condition": compiled.test.final.quantifier.value,
        "verdict": ran.verdict,
        "observation": None,
        "holds": None,
        "outcomes": None,
        "positive": None,
        "negative": None,
        "executions": ran.result.executions,
        "states": ran.result.states,
        "seconds": round(ran.seconds, 6),
        "final_states": None,
        "mismatch": ran.mismatch or None,
    }
    if judged is not None:
        data |= {
            "observation": judged.observation,
            "holds": judged.holds,
            "outcomes": len(judged.states),
            "positive": judged.positive,
            "negative": judged.negative,
            "final_states": [state_text(compiled, state) for state in judged.states],
        }
    return data
