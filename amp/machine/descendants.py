"""The processes that a firmware has started: firmware is code, it may fork, and a core that is off has none left.

A child whose parent is gone belongs to nobody, and may have left its group and its session. What it keeps is the
environment that its program was started with (proc(5), /proc/PID/environ): each core's has a mark of its own there.
Not found is who starts a program with an environment from which the mark was taken. A process that forks on and on is
followed for END_LIMIT_S.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

VARIABLE: Final = "AMP_CORE_MARK"
END_LIMIT_S: Final = 2.0


def new_mark() -> str:
    """For the environment of one core."""
    return f"{os.getpid()}-{secrets.token_hex(8)}"


def end_marked(mark: str) -> None:
    """Kill all processes whose environment has `mark`. They have ended when this returns, within END_LIMIT_S."""
    deadline = time.monotonic() + END_LIMIT_S
    while (found := list(_marked(mark))) and time.monotonic() < deadline:
        try:
            for fd in found:
                with suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
            for fd in found:
                _ended(fd, deadline)
        finally:
            for fd in found:
                os.close(fd)
    for fd in found:
        os.close(fd)


def _marked(mark: str) -> Iterator[int]:
    """A pidfd of each: a pid may be another process's by the time it is used."""
    wanted = f"{VARIABLE}={mark}".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdecimal() or not _has(entry, wanted):
            continue
        with suppress(OSError):
            fd = os.pidfd_open(int(entry))
            if _has(entry, wanted) and int(entry) != os.getpid():
                yield fd
            else:
                os.close(fd)


def _has(pid: str, wanted: bytes) -> bool:
    """A process that has ended has no environment, nor has one of another user's for us."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:
        return False


def _ended(fd: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
