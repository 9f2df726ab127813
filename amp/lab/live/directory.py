"""The runtime directory: where the machines of one user that are up can be found by name.

    $XDG_RUNTIME_DIR/amp, or amp-UID in the temporary directory     mode 0700, ours, or nothing is done with it
      .lock           held while a machine's directory is made or swept
      NAME/           one machine, mode 0700
        pid           the pid of the process that has it; locked by that process as long as it lives
        control       its control socket (amp.lab.live.protocol)
        rpmsgN, ttyRPMSGN   its channels

The lock says who lives, not the pid: the kernel takes it away with the process, and a pid may be used again. Whatever
has no lock is what a killed process left, and the next command removes it. Written by the process of each machine, its
own directory only, and by whoever sweeps.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from amp.errors import UsageError

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
PRIVATE: Final = 0o700
SOCKET_PATH_LIMIT_BYTES: Final = 107  # sockaddr_un.sun_path less its NUL, unix(7)
LONGEST_SOCKET: Final = "rpmsg65535"

PID, CONTROL = "pid", "control"


def base() -> Path:
    """The runtime directory, made if it is not there. UsageError if it is not ours alone.

    $XDG_RUNTIME_DIR counts if it is an absolute path to a directory (XDG Base Directory Specification 0.8).
    """
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(given) and os.path.isdir(given):
        _check_owner(Path(given))
        path = Path(given, "amp")
    else:
        path = Path(tempfile.gettempdir(), f"amp-{os.geteuid()}")
    try:
        path.mkdir(PRIVATE, exist_ok=True)
    except OSError as error:
        raise UsageError(f"runtime directory {path}: {error.strerror}") from None
    _check_owner(path)
    mode = stat.S_IMODE(path.lstat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"runtime directory {path}: mode is {mode:#o}, expected {PRIVATE:#o}: it is ours alone")
    return path


def _check_owner(path: Path) -> None:
    status = path.lstat()  # not through a link: somebody else may have put it there
    if not stat.S_ISDIR(status.st_mode):
        raise UsageError(f"runtime directory {path}: not a directory")
    if status.st_uid != os.geteuid():
        raise UsageError(f"runtime directory {path}: owner is uid {status.st_uid}, expected {os.geteuid()}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the runtime directory. What this process cannot do there meanwhile is a UsageError."""
    try:
        fd = os.open(path / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
    except OSError as error:
        raise UsageError(f"runtime directory {path}: {error.strerror}") from None


class MachineDirectory:
    """The directory of one machine that is up, held by this process until `close`."""

    def __init__(self, path: Path, pid_fd: int) -> None:
        self.path = path
        self._pid_fd = pid_fd

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def control(self) -> Path:
        return self.path / CONTROL

    def close(self) -> None:
        """Remove the directory, then let go of its name."""
        with _locked(self.path.parent):
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._pid_fd)


def claim(name: str) -> MachineDirectory:
    """Take a name for a machine of this process. UsageError if it is no name, in use, or the path gets too long."""
    if not NAME.fullmatch(name):
        raise UsageError(f"machine name {name!r:.80}: expected 1 to 64 letters, digits, '.', '_', '-' (--name)")
    root = base()
    path = root / name
    if len(os.fsencode(path / LONGEST_SOCKET)) > SOCKET_PATH_LIMIT_BYTES:
        raise UsageError(f"{path}: too long: paths of sockets in it have at most {SOCKET_PATH_LIMIT_BYTES} bytes")
    with _locked(root):
        _sweep(root)
        try:
            path.mkdir(PRIVATE)
        except FileExistsError:
            raise UsageError(f"machine {name} is up already (amp down {name}, or another --name)") from None
        fd = os.open(path / PID, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, f"{os.getpid()}\n".encode())
    return MachineDirectory(path, fd)


def machines() -> dict[str, Path]:
    """The machines that are up, by name, in order; what dead ones left is removed first."""
    root = base()
    with _locked(root):
        _sweep(root)
        return {entry.name: entry for entry in sorted(root.iterdir()) if NAME.fullmatch(entry.name)}


def _sweep(root: Path) -> None:
    """Remove what is not locked. Under the lock of `root`: between its mkdir and its lock nobody looks."""
    for entry in list(root.iterdir()):
        if NAME.fullmatch(entry.name) and not _lives(entry):
            with suppress(NotADirectoryError):
                shutil.rmtree(entry, ignore_errors=True)


def _lives(path: Path) -> bool:
    try:
        fd = os.open(path / PID, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):  # that says nothing about the machine
            raise
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
