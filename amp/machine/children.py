"""The processes of a machine: fresh interpreters that are given the region, one end of a socket pair, and little else.

A child's arguments are the region's descriptor, the control socket's, its parent's pid, and then its own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
    module: str, region_fd: int, *numbers: int, stdout: int | None = None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """`python -m module` and our end of its control socket; `numbers` are its own arguments. Raises OSError."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            arguments = map(str, (region_fd, theirs.fileno(), os.getpid(), *numbers))
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],  # -P: nothing is imported from where the user stands
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                pass_fds=(region_fd, theirs.fileno()),
            )
    except BaseException:
        ours.close()
        raise
    return process, ours
