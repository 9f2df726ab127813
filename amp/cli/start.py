"""Where `amp` begins: it loads the command line, and says in one line if there is not enough memory even for that.

An exception that nobody catches would end Python with status 1, which is a violation's.
"""

from __future__ import annotations

import os
from typing import NoReturn

_NO_MEMORY = b"amp: not enough memory (ulimit -v)\n"  # made before there is none


def main() -> NoReturn:
    """Run a command and exit with its status."""
    try:
        from amp.cli.main import main as command  # noqa: PLC0415  (a module that cannot be loaded is told)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:
        if _short_of_memory(error):
            _end(_NO_MEMORY, 2)
        text = " ".join(f"{type(error).__name__}: {error}".split())
        _end(f"amp: internal error: cannot be loaded: {text}\n".encode(errors="backslashreplace"), 4)
    try:
        command()
    except MemoryError:  # even to say so takes some: nothing here makes anything new
        os.write(2, _NO_MEMORY)
        os._exit(2)
    except SystemError as error:  # the interpreter may have lost a MemoryError, or the end of the command
        if not _short_of_memory(error):
            raise
        _end(_NO_MEMORY, 2)


def _short_of_memory(error: Exception) -> bool:
    try:
        from amp.shortage import MEMORY, shortage  # noqa: PLC0415

        return shortage(error) == MEMORY
    except (MemoryError, SystemError, ImportError, SyntaxError):
        return True


def _end(line: bytes, status: int) -> NoReturn:
    try:
        os.write(2, line)
    finally:
        os._exit(status)
