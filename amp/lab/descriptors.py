"""What a command needs of its process before it starts, and how it ends when the user ends it."""

from __future__ import annotations

import os
import resource
import signal
from typing import Final

from amp.errors import UsageError

INTERRUPTED: Final = 128 + signal.SIGINT  # exit status
DESCRIPTORS: Final = 32  # at a time, by the command with the most of them, but for a machine that stays up


def check_descriptors(needed: int = DESCRIPTORS) -> None:
    """Raises UsageError if too few files can be opened: a module that cannot be read would be called missing."""
    opened: list[int] = []
    try:
        opened.extend(os.dup(0) for _ in range(needed))
    except OSError as error:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        raise UsageError(
            f"{error.strerror}: {len(opened)} more can be opened, amp needs {needed} (ulimit -n: {limit})"
        ) from None
    finally:
        for fd in opened:
            os.close(fd)
