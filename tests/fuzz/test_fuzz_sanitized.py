"""The fuzz targets over a C core that is built with AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "amp" / "_core"
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
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


def cc(*arguments: object) -> None:
    subprocess.run(["cc", *map(str, arguments)], check=True, timeout=300)


def compiled(source: Path, to: Path) -> None:
    options = ["-fPIC", "-std=c11", "-O1", "-g1", "-DPy_LIMITED_API=0x030B0000"]
    cc(*options, *SANITIZE, f"-I{sysconfig.get_path('include')}", f"-I{CORE}", "-c", source, "-o", to)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every source of the core, compiled once."""
    directory = tmp_path_factory.mktemp("objects")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda source: compiled(source, directory / f"{source.stem}.o"), CORE.glob("*.c")))
    return directory


def bridge(objects: Path, to: Path, replaced: Path | None = None) -> Path:
    names = [path for path in objects.glob("*.o") if replaced is None or path.name != replaced.name]
    cc("-shared", *SANITIZE, *names, *([replaced] if replaced else []), "-o", to, "-lpthread")
    return to


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


def test_the_targets_find_nothing_in_the_core(objects: Path, tmp_path: Path) -> None:
    ended = sanitized(bridge(objects, tmp_path / "_bridge.so"), INPUTS, *TARGETS)
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
def test_a_planted_error_goes_red(objects: Path, tmp_path: Path, text: str, instead: str, said: str) -> None:
    source = (CORE / "direct.c").read_text()
    assert source.count(text) == 1, "direct.c has changed"
    (tmp_path / "direct.c").write_text(source.replace(text, instead))
    compiled(tmp_path / "direct.c", tmp_path / "direct.o")
    ended = sanitized(bridge(objects, tmp_path / "_wrong.so", tmp_path / "direct.o"), INPUTS, "port_access")
    assert ended.returncode != 0
    assert said in ended.stderr
