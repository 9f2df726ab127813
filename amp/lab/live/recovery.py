"""When a core that crashed is started again, and when no more: one that dies at once would be started for ever.

Crashes that somebody asked for (`amp crash`) do not count.
"""

from __future__ import annotations

from collections import deque
from typing import Final

CRASHES_LIMIT: Final = 5
WITHIN_S: Final = 10.0


class CrashLoop:
    """Tells a crash from a loop of crashes: `limit` of them within `within_s` seconds."""

    def __init__(self, limit: int = CRASHES_LIMIT, within_s: float = WITHIN_S) -> None:
        self.limit, self.within_s = limit, within_s
        self._times: deque[float] = deque(maxlen=limit)

    def crashed(self, now_s: float) -> bool:
        """A crash at that time. True if the core should stay down."""
        self._times.append(now_s)
        return len(self._times) == self.limit and now_s - self._times[0] <= self.within_s
