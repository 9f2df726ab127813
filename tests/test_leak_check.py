"""The fixture of conftest.py that looks for leaks in /dev/shm, shown to go red."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amp.region import Region

LEAK = """
import os, posix_ipc
from amp.region.names import Creator, new_name

def test_leaks():
    os.close(posix_ipc.SharedMemory(new_name(Creator.current()), posix_ipc.O_CREX).fd)
"""


@pytest.mark.alone  # what it leaves, others would find
@pytest.mark.parametrize("workers", [0, 2])
def test_a_test_that_leaves_an_object_in_dev_shm_fails(tmp_path: Path, workers: int) -> None:
    for name in ("conftest.py", "slow_sizes.py", "turns.py"):
        shutil.copy(Path(__file__).with_name(name), tmp_path)
    (tmp_path / "test_planted.py").write_text(LEAK)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        tmp_path,
        "-n",
        str(workers),
        tmp_path,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stdout
    assert "left in /dev/shm: amp." in run.stdout
    Region.sweep()
