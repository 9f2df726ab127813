"""The C program of docs/c.md is built as the page says, and the Python beside it prints what the page says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "c.md").read_text()


def text_of(name: str) -> str:
    match = re.search(rf"`{re.escape(name)}`:\n+```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None, name
    return match[1]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_documented_program_is_verified_broken_run_and_taken_apart(tmp_path: Path) -> None:
    for name in ("handover.c", "handover.py"):
        (tmp_path / name).write_text(text_of(name))
    [line] = re.findall(r"^    (cc .*)$", PAGE, re.MULTILINE)
    python = Path(sys.executable)
    built = subprocess.run(
        line.replace("amp config", f"{python.parent / 'amp'} config"),
        shell=True,
        cwd=tmp_path,
        timeout=240,
        check=False,
    )
    assert built.returncode == 0

    def told(*command: str, status: int) -> str:
        done = subprocess.run(
            [python.parent / "amp", *command], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    [broken] = re.findall(r"^    amp (verify .*)$", PAGE, re.MULTILINE)
    [violation] = re.findall(r"^finds `(.*)`;", PAGE, re.MULTILINE)
    assert violation in told(*broken.split(), status=1)
    assert "verified" in told(*broken.replace("--barriers smp", "--barriers mandatory").split(), status=0)
    matrix = told("sites", "handover.py", "--platform", "omap4-2011", status=0)
    assert all(site in matrix for site in ("publish", "consume"))
    assert "0 violations" in told("run", "handover.py", "--mode", "lockstep", "--seeds", "20", status=0)
