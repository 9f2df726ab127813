"""A long free run of compiled code ends well, and loses no dependency on the way. free.c."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import here
from machine_code import SHARED, built

MESSAGES = 1500  # more loads than an exploration has room for, and more rounds than its bound


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gcc keeps the number that was loaded where an address is computed from it; at -O2 it takes the other."""
    return built(tmp_path_factory.mktemp("free"), "free", "-O1", "-fno-tree-dominator-opts", "-fno-tree-fre")


def program(path: Path, remote: str) -> str:
    return f"{path}?host=gives,{MESSAGES}&remote={remote},{MESSAGES}&{SHARED}"


def test_a_long_run_ends_and_keeps_its_dependencies(free: Path) -> None:
    ended = here("run", program(free, "takes_by_address"), "--mode", "free", "--platform", "paranoid")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.slow  # a violation is told as a story
def test_without_the_dependency_old_data_are_read(free: Path) -> None:
    ended = here("run", program(free, "takes_by_its_own_count"), "--mode", "free", "--platform", "paranoid")
    assert ended.returncode == 1
    assert "assertion failed" in ended.stdout


def test_in_lockstep_the_bounds_stand(free: Path) -> None:
    ended = here("run", program(free, "takes_by_address"), "--mode", "lockstep", "--platform", "paranoid")
    assert ended.returncode not in (0, 1)
    assert "200 rounds of a loop" in ended.stdout + ended.stderr


@pytest.mark.slow
def test_an_endless_one_ends_by_a_signal(free: Path) -> None:
    command = [sys.executable, "-m", "amp.cli", "run", f"{free}?host=never_ends,1&{SHARED}", "--mode", "free"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0) as process:
        time.sleep(1.5)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) != 0
