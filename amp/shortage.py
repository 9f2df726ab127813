"""What this computer has too little of, or does not let this process have: no fault of amp's, and no finding.

Loads little, and nothing of amp: it must be there to tell that the rest could not be loaded.
"""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from types import TracebackType
from typing import Final

_SCARCE: Final = {
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "fs.file-max",
    errno.ENOMEM: "ulimit -v",
    errno.EAGAIN: "ulimit -u",
    errno.ENOSPC: "a full disk, or /dev/shm",
    errno.EDQUOT: "a quota",
    errno.EFBIG: "ulimit -f",
}
MEMORY: Final = "not enough memory (ulimit -v)"

# What the loader of shared objects says for want of memory; it has no errno (glibc, elf/dl-load.c).
_UNLOADABLE: Final = ("failed to map segment", "cannot allocate memory", "cannot create shared object descriptor")
_NARROW_BYTES: Final = 256 << 20  # of address space: with more left than that, a module did not fail for want of it


def shortage(error: BaseException) -> str | None:
    """What is short, and whose limit that is; None: the error says nothing of the kind."""
    if any(_of_memory(each) for each in _chain(error)):
        return MEMORY
    match error:
        case RuntimeError() if "start new thread" in str(error):  # of threading: it has no errno
            return "no more threads can be started (ulimit -u)"
        case OSError() if error.errno in _SCARCE:
            return f"{error.strerror} ({_SCARCE[error.errno]})"
        # A module that is half read is anything: a SyntaxError, a name that is missing.
        case Exception() if _importing(error.__traceback__) and _narrow():
            return MEMORY
    return None


def _of_memory(error: BaseException) -> bool:
    match error:
        case MemoryError():
            return True
        case ImportError():
            return any(text in str(error).lower() for text in _UNLOADABLE)
        case SystemError():  # the interpreter lost the exception itself (CPython, _Py_CheckFunctionResult)
            return "without" in str(error) and "exception" in str(error) and _narrow()
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what it came of, as far as that is an error of loading."""
    yielded = 0
    while error is not None and yielded < 16:
        yield error
        yielded += 1
        error = (error.__cause__ or error.__context__) if isinstance(error, ImportError) else None


def _importing(trace: TracebackType | None) -> bool:
    """Did it go through the import of a module?"""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        trace = trace.tb_next
    return False


def _narrow() -> bool:
    """Is the address space limited (ulimit -v), and is little left of it?"""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return False
    try:
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[0])
    except (OSError, MemoryError):
        return True
    return limit - pages * resource.getpagesize() < _NARROW_BYTES
