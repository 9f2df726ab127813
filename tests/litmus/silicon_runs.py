"""What the tests of compiled litmus tests share: what this machine can run, and one test run on it. Not a test."""

from __future__ import annotations

import os
import platform as host
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from commands import here
from litmus_runs import LIMITS

from amp.litmus.hardware import (
    CPUS,
    Compared,
    Effort,
    build,
    compare,
    find_compiler,
    run_on_silicon,
    run_program,
    usable_cpus,
)
from amp.litmus.native import native_text
from amp.litmus.outcomes import state_text
from amp.litmus.parser import parse
from amp.litmus.runner import run_test
from amp.ordering.platforms import PLATFORMS

MACHINE = host.machine()
PROCESSORS = tuple(sorted(os.sched_getaffinity(0)))

needs_compiler = pytest.mark.skipif(
    MACHINE not in CPUS or shutil.which(os.environ.get("CC", "cc")) is None,
    reason=f"needs a C compiler, and one of {', '.join(CPUS)}",
)
needs_x86 = pytest.mark.skipif(MACHINE != "x86_64", reason="X86 tests and movnti are x86-64's own")
needs_two_cpus = pytest.mark.skipif(len(PROCESSORS) < 2, reason="two threads run at once on two processors only")


def compared(
    text: str, on: str | None = None, *, tries: int, non_temporal: tuple[str, ...] = (), lost: str = "", seed: int = 1
) -> Compared:
    """The test in `text` on this CPU, held against the model of its own platform, unless another is named.

    `lost` is taken out of the C program: a planted error.
    """
    cpu = CPUS[MACHINE]
    own = cpu.non_temporal if non_temporal else cpu.platform
    assert own is not None
    model = run_test(parse("t.litmus", text), PLATFORMS[on or own], "together", LIMITS)
    effort = Effort(tries, 60.0, usable_cpus(), seed)
    if not lost:
        observed = run_on_silicon(model.compiled, find_compiler(), effort, non_temporal)
        return compare(model.compiled, observed, model.judged)
    native = native_text(model.compiled, non_temporal)
    assert lost in native, f"{lost} is not in the program"
    with tempfile.TemporaryDirectory() as directory:
        program = build(native.replace(lost, ""), Path(directory), find_compiler())
        observed = run_program(program, effort, len(model.compiled.test.threads), len(model.compiled.columns))
    return compare(model.compiled, observed, model.judged)


def told(found: Compared) -> Mapping[str, int]:
    """Tries by state, as it is printed."""
    return {state_text(found.seen.compiled, state): count for state, count in found.counts.items()}


def litmus(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`amp litmus --hardware`, as a user types it."""
    return here("litmus", "--hardware", *arguments, **environment)
