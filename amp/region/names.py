"""Names in /dev/shm, and who made them.

A name is `/amp.PID.START.RANDOM`: the creator's pid and start time (decimal), then 64 random bits (16 hex digits), so
nobody can guess or take it in advance. Pid and start time together name one process for as long as the machine is up.
A name whose creator is dead belongs to nobody: `sweep` removes it.

Not covered: a creator in another pid namespace looks dead from here. Containers that share /dev/shm and a uid must not
rely on kept names; regions whose name is unlinked at once (the default) are safe there as well.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import posix_ipc

# Where glibc and musl keep the objects of shm_open (glibc sysdeps/posix/shm-directory.h, musl src/mman/shm_open.c).
SHM_DIRECTORY: Final = Path("/dev/shm")

_NAME: Final = re.compile(r"/amp\.([1-9][0-9]{0,9})\.([0-9]{1,20})\.[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Creator:
    """One process: `start_time` is in clock ticks since boot (proc_pid_stat(5), field 22)."""

    pid: int
    start_time: int

    @classmethod
    def current(cls) -> Creator:
        """The process that asks."""
        pid = os.getpid()
        _, start_time = _read_stat(pid)
        return cls(pid, start_time)

    @property
    def alive(self) -> bool:
        """Whether that very process still runs. A zombie does not: it will never unlink anything."""
        try:
            state, start_time = _read_stat(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            return False
        except PermissionError:  # hidden, not gone
            return True
        return start_time == self.start_time and state not in "ZX"


def _read_stat(pid: int) -> tuple[str, int]:
    """State and start time of a process: fields 3 and 22 of proc_pid_stat(5)."""
    # Field 2, the command, may itself hold blanks and parentheses; the last ")" is the one that ends it.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[19])


def new_name(creator: Creator) -> str:
    """A name that has not been used and cannot be predicted."""
    return f"/amp.{creator.pid}.{creator.start_time}.{os.urandom(8).hex()}"


def creator_of(name: str) -> Creator | None:
    """Who made the object of this name; None if the name is not of our form."""
    match = _NAME.fullmatch(name)
    return Creator(int(match[1]), int(match[2])) if match else None


def unlink(name: str) -> None:
    """Remove the name; whoever has the object mapped keeps it. A name that is gone already is no error."""
    with suppress(posix_ipc.ExistentialError):
        posix_ipc.unlink_shared_memory(name)


def sweep() -> list[str]:
    """Remove the names of our uid whose creator is dead; returns the names removed.

    Names of other users, of living creators, or of any other form are never touched.
    """
    removed = []
    for path in SHM_DIRECTORY.glob("amp.*"):
        name = f"/{path.name}"
        creator = creator_of(name)
        if creator is None or creator.alive:
            continue
        with suppress(FileNotFoundError):  # another sweep was faster
            if path.lstat().st_uid == os.geteuid():
                unlink(name)
                removed.append(name)
    return removed
