"""The processes of a machine: fresh interpreters that are given the region, one end of a socket pair, and little else.

A child's arguments are the region's descriptor, the control socket's, its parent's pid, and then its own.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from amp._core import _bridge

_STDERR: Final = 2


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Ctrl-C reaches the whole group. It waits here until the children that are started are known, to be ended.

    They inherit that it is blocked, for as long as they have not said yet that they ignore it.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def start_child(
    module: str, region_fd: int, *numbers: int, stdout: int | None = None, extra: dict[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """`python -m module` and our end of its control socket; `numbers` are its own arguments.

    `extra` are variables of its environment besides ours. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs, _clear_of_streams(region_fd) as region, _clear_of_streams(theirs.fileno()) as control:
            arguments = map(str, (region, control, os.getpid(), *numbers))
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                pass_fds=(region, control),
                env=environment() | (extra or {}),
            )
    except BaseException:
        ours.close()
        raise
    return process, ours


def inherit(parent: int) -> bool:
    """What a child does first: it ends with its parent, and leaves Ctrl-C to it. False if the parent is gone already.

    Ctrl-C reaches the whole group; the parent decides what it means.
    """
    if not _bridge.die_with_parent(parent):
        return False
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return True


@contextmanager
def _clear_of_streams(fd: int) -> Iterator[int]:
    """`fd`, or a copy of it where it has the number of a standard stream: the child's own streams come there."""
    if fd > _STDERR:
        yield fd
        return
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)
    try:
        yield copy
    finally:
        os.close(copy)


def environment() -> dict[str, str]:
    """What children are given: ours, but for what brings modules from where the user stands, whoever put them there.

    `-P` keeps the current folder out of the module path; so do PYTHONPATH's empty and relative entries not get in. Its
    absolute ones are the user's own choice, and stay: amp itself may have been found by them. PYTHONSTARTUP is read by
    interactive interpreters only; PYTHONINSPECT would make one of a child that has ended.
    """
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONINSPECT")}
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    return {**kept, "PYTHONPATH": os.pathsep.join(path)} if path else kept
