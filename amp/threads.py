"""A thread that has begun once `start` returns, or an error: however little memory there is.

threading.Thread.start waits until the new thread has said that it runs. One that finds no memory for its first frame
ends without a word, and who started it waits for ever (CPython 3.11 to 3.13, Lib/threading.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

_LOOK_S: Final = 0.01  # between two looks whether the thread is still there
_TASKS: Final = "/proc/self/task"


class _Begun(threading.Event):
    """What a thread sets when it runs. Waited for without a limit, it raises RuntimeError if there is no new thread."""

    def __init__(self) -> None:
        super().__init__()
        self.before: set[str] = set()

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(_LOOK_S):
            if set(os.listdir(_TASKS)) <= self.before and not self.is_set():
                raise RuntimeError("can't start new thread: it ended before it began")
        return True


class Worker(threading.Thread):
    """One thread, which does not keep its process alive."""

    def __init__(self, run: Callable[[], object], name: str) -> None:
        super().__init__(target=run, name=name, daemon=True)
        self._started = _Begun()  # of threading.Thread: what its start waits for

    def start(self) -> None:
        """Begin. Raises RuntimeError if there can be no more threads."""
        self._started.before = set(os.listdir(_TASKS))
        super().start()
