"""What the workers of one run of the suite share: a folder, and turns for who must be alone. Not a test.

`alone` tests find no other test of this run beside them: a test holds the floor together with others, an alone one for
itself. Who waits for it alone stands at the gate, where nobody passes in the meantime, so it is not kept waiting.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class Floor:
    """Locks of the process, which its forked children do not hold and its end gives back."""

    def __init__(self, directory: Path) -> None:
        self._gate: IO[bytes] = (directory / "gate").open("a+b")
        self._floor: IO[bytes] = (directory / "floor").open("a+b")
        self._held = ""

    def take(self, *, alone: bool) -> None:
        """Held until `leave`; once held alone, it stays so however often it is taken."""
        wanted = "alone" if alone else "together"
        if self._held == wanted:
            return
        self.leave()
        fcntl.lockf(self._gate, fcntl.LOCK_EX)
        fcntl.lockf(self._floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.lockf(self._gate, fcntl.LOCK_UN)
        self._held = wanted

    def leave(self) -> None:
        if self._held:
            fcntl.lockf(self._floor, fcntl.LOCK_UN)
            self._held = ""


@contextmanager
def locked(directory: Path, name: str) -> Iterator[None]:
    """One worker at a time."""
    with (directory / f"{name}.lock").open("a+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def made_once(directory: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name`, which the first of the workers that asks for it has filled by `make`."""
    made = directory / name
    with locked(directory, name):
        if not made.exists():
            unfinished = directory / f"{name}.unfinished.{os.getpid()}"
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(made)
    return made
