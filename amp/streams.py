"""The standard streams of a command: descriptors that are there, and a reader who may leave.

Loads nothing but the standard library, since every command starts here.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import Any


def hold_descriptors() -> None:
    """0, 1 and 2 are open from here on: else the first file that is opened takes their place, and their traffic."""
    for fd, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # it gets the lowest number that is free: `fd`


class _Patient(io.FileIO):
    """A descriptor whose reader may leave: what comes later is for nobody, and no error of the command's.

    `failed` is the first error. With `raising` each is raised as well: for commands that have no end of their own.
    """

    raising = False
    failed: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            written: int | None
            while (written := super().write(data)) is None:  # somebody has made it non-blocking, and it is full
                select.select([], [self], [])
        except OSError as error:
            self.failed = self.failed or error
            if self.raising:
                raise
            return len(memoryview(data).cast("B"))
        return written


class Streams:
    """stdout and stderr of a command. Streams that somebody has put in their place (a test) are left alone."""

    def __init__(self) -> None:
        self._patient: dict[str, _Patient] = {}
        self.endless = False  # what is said has no end of its own
        for name, fd in (("stdout", 1), ("stderr", 2)):
            stream = getattr(sys, name)
            if stream is not None and (stream is not getattr(sys, f"__{name}__") or stream.fileno() != fd):
                continue
            if stream is not None:
                with suppress(OSError):
                    stream.flush()
            raw = self._patient[name] = _Patient(fd, "wb", closefd=False)
            text = io.TextIOWrapper(
                io.BufferedWriter(raw),
                encoding=getattr(stream, "encoding", "utf-8"),
                errors="backslashreplace",  # a terminal that cannot show a line of a drawing shows the rest
                line_buffering=name == "stderr" or raw.isatty(),
            )
            setattr(sys, name, text)

    def raising(self) -> None:
        """From here on a reader who leaves ends the command: BrokenPipeError."""
        self.endless = True
        if "stdout" in self._patient:
            self._patient["stdout"].raising = True

    @property
    def left(self) -> bool:
        """Has the reader of stdout left?"""
        raw = self._patient.get("stdout")
        return raw is not None and raw.failed is not None and raw.failed.errno == errno.EPIPE

    def is_own(self, error: BaseException) -> bool:
        """Is it that stdout took nothing more? `lost` says so."""
        raw = self._patient.get("stdout")
        failed = None if raw is None else raw.failed
        return failed is not None and isinstance(error, OSError) and not error.filename and error.errno == failed.errno

    def lost(self) -> str | None:
        """Why what was printed did not arrive, if so; a reader who left is no such reason. Flushes."""
        raw = self._patient.get("stdout")
        if raw is None:
            sys.stdout.flush()
            return None
        raw.raising = False
        sys.stdout.flush()
        return None if raw.failed is None or self.left else str(raw.failed.strerror)
