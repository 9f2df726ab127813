"""The fuzz targets over a C core that is built with AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import core_objects
import pytest
from core_objects import SANITIZE, linked, planted

HERE = Path(__file__).parent
TARGETS = (
    "port_access",
    "driver_vring",
    "device_vring",
    "rpmsg_host",
    "rpmsg_remote",
    "name_service",
)  # reach the core
INPUTS = 100

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def bridge(shared: Path, to: Path, *instead: Path) -> Path:
    objects = [*core_objects.sanitized(shared).iterdir(), *core_objects.bridge(shared).iterdir()]
    return linked(to, objects, *instead, flags=("-shared", *SANITIZE))


def sanitized(core: Path, inputs: int, *targets: str) -> subprocess.CompletedProcess[str]:
    library = subprocess.run(["cc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": library.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python leaves much behind when it ends
        "PYTHONMALLOC": "malloc",  # so that each of Python's allocations has a fence of its own
    }
    command = [sys.executable, str(HERE / "sanitized.py"), str(core), str(inputs), *targets]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_targets_find_nothing_in_the_core(shared: Path, tmp_path: Path) -> None:
    ended = sanitized(bridge(shared, tmp_path / "_bridge.so"), INPUTS, *TARGETS)
    assert ended.returncode == 0, ended.stderr
    assert [line.partition(":")[0] for line in ended.stdout.splitlines()] == list(TARGETS)


# What stands in direct.c, what is put there instead, and what the sanitizers say of it.
PLANTED = [
    (
        "amp_check_range(cpu->shared_start, cpu->shared_end, address, length)",
        "amp_check_range(cpu->shared_start, cpu->shared_end + 64, address, length)",
        "AddressSanitizer: heap-buffer-overflow",
    ),
    (
        "static int check_scalar(const struct amp_direct *cpu, uint64_t address, unsigned size)\n{\n",
        "static int check_scalar(const struct amp_direct *cpu, uint64_t address, unsigned size)\n{\n"
        "    void *volatile at = cpu->memory + address;\n    (void)at;\n",
        "runtime error: pointer index expression",
    ),
]


@pytest.mark.parametrize(("text", "instead", "said"), PLANTED, ids=[said for _, _, said in PLANTED])
def test_a_planted_error_goes_red(shared: Path, tmp_path: Path, text: str, instead: str, said: str) -> None:
    wrong = planted(tmp_path, "direct.c", text, instead, "-fPIC", "-g1", *SANITIZE)
    ended = sanitized(bridge(shared, tmp_path / "_wrong.so", wrong), INPUTS, "port_access")
    assert ended.returncode != 0
    assert said in ended.stderr
