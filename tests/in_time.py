"""A bound of time that a busy machine does not break: what is slow every time is slow. Not a test."""

from __future__ import annotations

import time
from collections.abc import Callable

TRIES = 10


def quick(act: Callable[[], object], limit_s: float, *, before: Callable[[], object] | None = None) -> None:
    """`act` takes less than `limit_s` in one of TRIES, which are printed; the first that does is the last.

    `before` is done before each. For what waits out a limit whenever it goes wrong. Who else
    uses the machine may delay one try, or some.
    """
    for number in range(TRIES):
        if before is not None:
            before()
        began = time.monotonic()
        act()
        took_s = time.monotonic() - began
        print(f"try {number}: {took_s:.3f} s, allowed are {limit_s:g} s")
        if took_s < limit_s:
            return
    raise AssertionError(f"{TRIES} tries took {limit_s:g} s or more, each of them")
