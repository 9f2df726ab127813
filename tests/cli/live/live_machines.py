"""Machines that stay up, for their tests: a runtime directory of their own, `amp up`, programs. Not a test."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import commands
from cli_runs import WAIT_LIMIT_S
from commands import AMP

from amp.remoteproc.build import build, declaration

HERE = Path(__file__).parent


class Home:
    """A runtime directory, and `amp` in it. Its path is short: it is in the paths of sockets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(path)}

    @property
    def entries(self) -> list[str]:
        """What is in it of any machine."""
        root = self.path / "amp"
        return sorted(entry.name for entry in root.iterdir() if entry.name != ".lock") if root.exists() else []

    def amp(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command, in this process."""
        return commands.here(*arguments, XDG_RUNTIME_DIR=str(self.path))

    def process(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command in a process of its own, as a user's shell starts it."""
        return commands.process(*arguments, env=self.environment)

    def told(self, *arguments: str | Path) -> str:
        """stdout of a command that succeeds."""
        run = self.amp(*arguments)
        assert run.returncode == 0, (arguments, run.stdout, run.stderr)
        return run.stdout

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self.told(*arguments, "--json"))

    def refusal(self, *arguments: str | Path) -> str:
        """The one line of a command that ends with status 2."""
        run = self.amp(*arguments)
        assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1), (arguments, run.stdout, run.stderr)
        return run.stderr

    @contextmanager
    def up(self, *arguments: str | Path) -> Iterator[Up]:
        """`amp up` in the foreground, up."""
        with subprocess.Popen(
            [*AMP, "up", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            start_new_session=True,
        ) as process:
            machine = Up(self, process)
            try:
                machine.line(" is up;")
                yield machine
            finally:
                process.terminate()
                try:
                    process.wait(WAIT_LIMIT_S)
                finally:
                    process.kill()


class Up:
    """One machine that is up, and its log: `log` is all of it so far that was read."""

    def __init__(self, home: Home, process: subprocess.Popen[bytes]) -> None:
        self.home, self.process = home, process
        assert process.stdout is not None
        self._fd = process.stdout.fileno()
        self._read_to = 0
        self.log = ""

    def look(self, timeout_s: float = 0) -> bool:
        """Read what there is of the log. False at its end."""
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return True
        part = os.read(self._fd, 65536).decode()
        self.log += part
        return bool(part)

    def line(self, text: str) -> str:
        """The next line of the log that has this text in it; waits for it."""
        while True:
            lines = self.log[self._read_to :].splitlines(keepends=True)
            for line in lines:
                if not line.endswith("\n"):
                    break
                self._read_to += len(line)
                if text in line:
                    return line
            if not self.look(WAIT_LIMIT_S):
                assert self.process.stderr is not None
                raise AssertionError(f"no {text!r} in:\n{self.log}{self.process.stderr.read().decode()}")

    def ended(self) -> str:
        """Wait for the process; what it wrote to stderr."""
        while self.look(WAIT_LIMIT_S):
            pass
        assert self.process.wait(WAIT_LIMIT_S) == 0
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


@contextmanager
def a_home() -> Iterator[Home]:
    path = Path(tempfile.mkdtemp(prefix="amp-up-"))
    try:
        yield Home(path)
    finally:
        # A detached machine is left by a test that failed.
        subprocess.run(["sh", "-c", "kill $(cat amp/*/pid)"], cwd=path, stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(path, ignore_errors=True)


def image(path: Path, module: Path = HERE / "up_firmware.py") -> Path:
    """The firmware as an ELF file at `path`."""
    path.write_bytes(build(module, declaration(module)))
    return path


def talk_to(device: Path) -> socket.socket:
    """An ordinary program's end of a rpmsgN."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(WAIT_LIMIT_S)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    connection.connect(str(device))
    return connection
