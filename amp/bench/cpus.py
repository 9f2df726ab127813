"""The CPUs that are measured on: those asked for, or the last usable ones, and threads bound to them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from amp.errors import UsageError


def two_cpus(asked: Sequence[int]) -> tuple[int, int]:
    """The CPUs to measure on: those asked for, or the last two usable ones. UsageError if there are no such two."""
    usable = sorted(os.sched_getaffinity(0))
    if not asked:
        asked = usable[-2:]
    if len(asked) != 2:
        raise UsageError(f"--cpus: a pair runs on two CPUs, got {len(asked)} of {len(usable)} usable")
    for cpu in asked:
        if cpu not in usable:
            raise UsageError(f"--cpus: CPU {cpu} is not usable here, only {', '.join(map(str, usable))}")
    return asked[0], asked[1]


def one_cpu(cpus: Sequence[int]) -> int:
    """The CPU to measure on; without a wish the last one, since the first gets most of the machine's interrupts."""
    if len(cpus) > 1:
        raise UsageError(f"--cpus {','.join(map(str, cpus))}: one thread is measured, so one CPU")
    return cpus[0] if cpus else max(os.sched_getaffinity(0))


@contextmanager
def bound_to(cpu: int) -> Iterator[None]:
    """This thread on that CPU alone, as long as it lasts. UsageError for a CPU that it may not use."""
    usable = os.sched_getaffinity(0)
    if cpu not in usable:
        raise UsageError(f"--cpus {cpu}: the usable ones are {', '.join(map(str, sorted(usable)))}")
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)
