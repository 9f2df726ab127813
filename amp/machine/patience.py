"""How long a process may take, in time that it had: what it stood in line for a processor is not held against it.

The kernel counts that time (proc(5), /proc/PID/schedstat, second field). On a machine that is busy a process that works
is not given up; one that hangs or sleeps is, as soon as on an idle one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST: Final = 20  # times its limit, however long the line: the end of all patience


def in_line_s(pid: int) -> float:
    """Seconds that the process's threads have stood in line so far, together; 0 if it is gone or nobody counts.

    Together, for a thread that has a processor may do nothing there but wait for one that stands in line.
    """
    stood_ns, threads = 0, Path(f"/proc/{pid}/task")
    with suppress(OSError):  # it is gone, at any moment of this
        for thread in os.listdir(threads):
            with suppress(OSError, IndexError):
                stood_ns += int((threads / thread / "schedstat").read_bytes().split()[1])
    return stood_ns / 1e9


class Patience:
    """Begins when it is made. `left_s` is negative once the process `pid` has had `limit_s` seconds."""

    def __init__(self, pid: int, limit_s: float) -> None:
        self._pid, self._limit_s = pid, limit_s
        self._began_s, self._line_s = time.monotonic(), in_line_s(pid)

    @property
    def left_s(self) -> float:
        passed_s = time.monotonic() - self._began_s
        stood_s = max(0.0, in_line_s(self._pid) - self._line_s)
        return min(self._limit_s + stood_s, self._limit_s * MOST) - passed_s

    def until(self, done: Callable[[float], bool]) -> bool:
        """`done(seconds)` waits for so long at most and says whether it is. False if the patience ends before that."""
        while not done(max(0.0, self.left_s)):
            if self.left_s <= 0:
                return False
        return True
