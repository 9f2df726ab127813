"""Files that commands are given and files that they write: read within a limit, written whole or not at all.

Everything here raises OSError, with a reason in `strerror` that a user understands, and nothing else.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 1 << 20
_NAMES_TRIED: Final = 16
_NAME_BYTES: Final = 255  # limits.h, NAME_MAX


def open_regular(path: str | Path) -> int:
    """A descriptor to read the regular file `path` by. A FIFO does not block it, and a device is refused."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a file name has no NUL in it", str(path))
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_whole(path: str | Path, limit_bytes: int) -> bytes:
    """The bytes of the regular file `path`, if there are no more than `limit_bytes`."""
    with open(open_regular(path), "rb", buffering=0) as file:
        parts, left = [], limit_bytes + 1
        while left and (part := file.read(min(left, _CHUNK_BYTES))):  # grown meanwhile, it is still within the limit
            parts.append(part)
            left -= len(part)
    if not left:
        raise OSError(errno.EFBIG, f"more than {limit_bytes} bytes", str(path))
    return b"".join(parts)


def write_whole(path: str | Path, data: bytes) -> None:
    """`path` holds `data` when this returns; if it raises, `path` is as it was.

    Written beside it, brought to the disk and renamed. A link stays and its target changes; a file keeps its
    permissions. What is no regular file (a FIFO, /dev/stdout) is written to.
    """
    mode = _mode_of(path)
    if not _replaceable(path, mode):
        with open(path, "ab", buffering=0) as file:
            _write_all(file.fileno(), data)
        return
    target = os.path.realpath(path)
    beside, fd = _new_beside(target)
    try:
        try:
            _write_all(fd, data)
            if mode is not None:
                os.fchmod(fd, stat.S_IMODE(mode))
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(beside, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def check_writable(path: str | Path) -> None:
    """Raises what `write_whole` would, as far as that can be known before there is anything to write."""
    mode = _mode_of(path)
    if mode is not None and not os.access(path, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if _replaceable(path, mode):
        beside, fd = _new_beside(os.path.realpath(path))
        os.close(fd)
        os.unlink(beside)


def _mode_of(path: str | Path) -> int | None:
    """The file's mode, None if there is none. Raises OSError for a folder, and for a name that no file can have.

    So it does for "-", which elsewhere means stdout: ./- is a file of that name.
    """
    if str(path) == "-":
        raise OSError(errno.EINVAL, "not a file's name; /dev/stdout is the standard output, ./- a file", str(path))
    if str(path).endswith("/") or os.path.isdir(path):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if len(os.fsencode(os.path.basename(path))) > _NAME_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _replaceable(path: str | Path, mode: int | None) -> bool:
    """Not so what is no regular file, nor one that is named by a descriptor: that is somebody's output."""
    by_descriptor = os.path.abspath(path).startswith(("/dev/std", "/dev/fd/", "/proc/"))
    return (mode is None or stat.S_ISREG(mode)) and not by_descriptor


def _new_beside(target: str) -> tuple[str, int]:
    """A new file in the target's folder, with a short name: the target's own may be as long as names get."""
    for _ in range(_NAMES_TRIED):
        beside = os.path.join(os.path.dirname(target), f".amp-{secrets.token_hex(8)}")
        with suppress(FileExistsError):
            return beside, os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
