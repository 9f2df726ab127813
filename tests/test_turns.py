"""Workers beside each other: tests marked `alone` meet nobody, and what is made once is made once."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SUITE = """
import os, time
from pathlib import Path
import pytest
from turns import made_once

HERE = Path(__file__).parent

class Present:
    def __init__(self, name): self.file = HERE / f"{name}.here"
    def __enter__(self): self.file.touch(); return self
    def __exit__(self, *_): self.file.unlink()
    def others(self): return {each.name for each in HERE.glob("*.here")} - {self.file.name}

@pytest.mark.parametrize("number", range(20))
def test_beside(number):
    with Present(f"beside-{number}"):
        time.sleep(0.005)

@pytest.mark.parametrize("number", range(5))
@pytest.mark.alone
def test_nobody_is_met(number):
    with Present(f"alone-{number}") as me:
        for _ in range(50):
            assert not me.others()
            time.sleep(0.001)

@pytest.mark.parametrize("number", range(6))
def test_made(number, shared):
    made = made_once(shared, "thing", lambda to: ((to / "by").write_text(str(os.getpid())), time.sleep(0.05)))
    (HERE / f"made-{number}").write_text((made / "by").read_text())
"""


def run(folder: Path, suite: str) -> subprocess.CompletedProcess[str]:
    for name in ("conftest.py", "turns.py"):
        shutil.copy(HERE / name, folder)
    (folder / "test_suite.py").write_text(suite)
    options = ["-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup", "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_who_is_alone_meets_nobody_and_workers_make_one_thing_together(tmp_path: Path) -> None:
    done = run(tmp_path, SUITE)
    assert re.search(r"\b31 passed", done.stdout), done.stdout
    assert done.returncode == 0
    assert len({(tmp_path / f"made-{number}").read_text() for number in range(6)}) == 1


def test_without_the_mark_somebody_is_met(tmp_path: Path) -> None:
    """The other direction: the same test, in a group of its own only, looks until it has company."""
    suite = SUITE.replace("mark.alone", "mark.xdist_group('held')").replace("range(50)", "range(60_000)")
    done = run(tmp_path, suite)
    assert done.returncode == 1
    assert "assert not {" in done.stdout, done.stdout
