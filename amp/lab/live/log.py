"""The log of `amp up`: lines with the seconds since the start, written by a thread of its own.

A terminal that was stopped (Ctrl-S), or a pager that waits, must not stop the machine. What it does not take in time is
dropped beyond a bound, and said to be.
"""

from __future__ import annotations

import os
import queue
import time
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from amp.threads import Worker
from amp.visible import visible

LINES_LIMIT: Final = 10_000  # that wait to be written
END_S: Final = 1.0  # for what is left at the end


class LogWriter:
    """`with LogWriter(fd) as log: log("line")`. Any thread may log."""

    def __init__(self, fd: int) -> None:
        self._fd = fd  # not a stream: a writer that is stopped would hold its lock, and the process could not end
        self._began_s = time.monotonic()
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_LIMIT)
        self._dropped = 0
        self._thread = Worker(self._write, "log")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._lines.put(None, timeout=END_S)
        except queue.Full:
            return  # nobody reads: the thread ends with the process
        self._thread.join(END_S)

    def __call__(self, line: str) -> None:
        text = f"[{time.monotonic() - self._began_s:9.3f}] {visible(line)}\n"
        if self._dropped:
            text = f"[{self._dropped} lines were dropped here: nobody read them]\n{text}"
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1
        else:
            self._dropped = 0

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            data = text.encode(errors="backslashreplace")
            with suppress(OSError):  # nobody will read any more: the machine stays up
                while data:
                    data = data[os.write(self._fd, data) :]
