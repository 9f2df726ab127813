"""`amp`, in this process or in one of its own, for the tests of its commands. Not a test.

To start an interpreter takes longer than most commands do, so a test that does not need one of its own takes `here`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

AMP = (sys.executable, "-m", "amp.cli")
LIMIT_S = 240.0  # for what takes milliseconds, on any machine: a hang is a failure, not a wait


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """As a user's shell starts it, with its output in pipes."""
    return subprocess.run(
        [*AMP, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        **options,
    )


def here(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same from within, with its output in files, and these variables besides those that there are."""
    from amp.cli.main import main  # noqa: PLC0415  (who only starts processes need not load it)

    words, terminated = [str(argument) for argument in arguments], signal.getsignal(signal.SIGTERM)
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as err,
        open(os.devnull, encoding="utf-8") as nothing,
    ):
        for name, value in ({"COLUMNS": "80"} | environment).items():  # as where there is no terminal
            patch.setenv(name, value)
        patch.setattr(sys, "stdin", nothing)
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            main(words)
        signal.signal(signal.SIGTERM, terminated)
        told = []
        for file in (out, err):
            file.flush()
            file.seek(0)
            told.append(file.read())
    return subprocess.CompletedProcess(words, int(end.value.code or 0), *told)
