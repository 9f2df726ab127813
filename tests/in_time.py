"""A bound of time that a busy machine does not break: what is slow every time is slow. Not a test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

TRIES = 10
_PRESSURE = Path("/proc/pressure/cpu")


def crowded_s() -> float:
    """Seconds so far in which somebody on this machine waited for a CPU (the kernel's PSI); 0 where nobody counts.

    What an act takes without them is what it takes on an idle machine, if little else runs on it; an idle machine has
    none of them.
    """
    try:
        return int(_PRESSURE.read_text().split()[4].removeprefix("total=")) / 1e6
    except (OSError, IndexError):
        return 0.0


class Stopwatch:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._began_s, self._crowded_s = time.monotonic(), crowded_s()

    @property
    def uncrowded_s(self) -> float:
        """Seconds that went by, without those in which the machine was crowded."""
        return max(0.0, time.monotonic() - self._began_s - (crowded_s() - self._crowded_s))


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
