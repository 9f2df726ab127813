"""Processes that a test gives one line and has one line of, with the memory they share. Not a test."""

from __future__ import annotations

import json
import mmap
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

LIMIT_S: Final = 240.0  # for what takes milliseconds, on any machine: a hang is a failure, not a wait


class SideProcesses:
    """`fd` is the memory; the processes end with `close`, each by its own pid."""

    fd: int
    memory: mmap.mmap
    processes: list[subprocess.Popen[bytes]]

    def _start(self, name: str, side: Path, size_bytes: int, cpus: int) -> None:
        """The memory, and a process of `side` for each CPU: it is given the memory's descriptor, and its number."""
        self.fd = os.memfd_create(name)
        os.ftruncate(self.fd, size_bytes)
        self.memory = mmap.mmap(self.fd, size_bytes)
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(side), str(self.fd), str(cpu)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[self.fd],
            )
            for cpu in range(cpus)
        ]

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        assert ready, "a side hangs"
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()
        os.close(self.fd)
