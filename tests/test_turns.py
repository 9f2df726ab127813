"""Workers beside each other: tests marked `alone` meet nobody, and what is made once is made once."""

import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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

@pytest.mark.alone
@pytest.mark.parametrize("number", range(5))
def test_nobody_is_met(number):
    with Present(f"alone-{number}") as me:
        for _ in range(50):
            assert not me.others()
            time.sleep(0.001)

@pytest.mark.parametrize("number", range(6))
def test_made(number, shared):
    made = made_once(shared, "thing", lambda to: ((to / "by").write_text(str(os.getpid())), time.sleep(0.05)))
    (HERE / f"made-{number}").write_text((made / "by").read_text())

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(6))
def test_of_a_group(number):
    (HERE / f"group-{number}").write_text(str(os.getpid()))

@pytest.mark.a_few(3)
@pytest.mark.parametrize("number", range(8))
def test_some(number):
    (HERE / f"some-{number}").touch()
"""


def run(folder: Path, suite: str) -> subprocess.CompletedProcess[str]:
    for name in ("conftest.py", "turns.py", "slow_sizes.py"):
        shutil.copy(HERE / name, folder)
    (folder / "test_suite.py").write_text(suite)
    options = ["-p", "no:cacheprovider", "-n", "2", "-m", "not slow", "--dist", "loadgroup", "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_who_is_alone_meets_nobody_a_group_has_one_worker_and_of_a_few_cases_some_are_run(tmp_path: Path) -> None:
    done = run(tmp_path, SUITE)
    assert re.search(r"\b40 passed", done.stdout), done.stdout
    assert done.returncode == 0
    for one in ("made", "group"):
        assert len({(tmp_path / f"{one}-{number}").read_text() for number in range(6)}) == 1
    assert sorted(each.name for each in tmp_path.glob("some-*")) == ["some-0", "some-4", "some-7"]


HOLD = """
import sys
from pathlib import Path
from turns import Floor
floor = Floor(Path(sys.argv[1]))
print("begins", flush=True)
floor.take(alone=sys.argv[2] == "alone")
print("holds", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, how: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the floor as soon as it may, and until the block ends."""
    command = [sys.executable, "-c", HOLD, str(folder), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE, bufsize=0) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begins\n"
            yield process
        finally:
            process.kill()


def holds(process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Whether it has the floor, or gets it by then."""
    return bool(select.select([process.stdout], [], [], within_s)[0])


def test_many_hold_the_floor_together_and_one_alone(tmp_path: Path) -> None:
    with holder(tmp_path, "together") as first, holder(tmp_path, "together") as second:
        assert holds(first, 240)
        assert holds(second, 240)
        with holder(tmp_path, "alone") as alone:
            assert not holds(alone, 0.5)
            first.kill()
            assert not holds(alone, 0.2)
            second.kill()
            assert holds(alone, 240)
            with holder(tmp_path, "together") as late:
                assert not holds(late, 0.5)
                alone.kill()
                assert holds(late, 240)
