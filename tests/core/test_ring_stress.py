"""The ring in C under the sanitizers: random operations and random bytes, and the benchmark in every way there is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import core_objects
import pytest
from core_objects import CORE, SANITIZE, SANITIZED, SOURCES, linked, patched_source

C = Path(__file__).parent / "c"
PORT = ("port.c", "port_direct.c", "port_poll.c", "direct.c")
NEEDED = ("ring_bench.c", "ring_driver.c", "ring_device.c", "bell.c", *PORT)

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def program(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    objects = [core_objects.sanitized(shared) / f"{Path(name).stem}.o" for name in NEEDED]
    program = tmp_path_factory.mktemp("ring") / "ring_stress"
    return linked(program, objects, flags=(*SANITIZED, C / "ring_stress.c"))


def test_random_operations_and_random_bytes_touch_nothing_else_and_are_refused_by_name(program: Path) -> None:
    for seed in range(12):
        ended = run(program, seed, 40_000)
        assert ended.stdout.startswith("ok "), ended.stderr


def test_every_way_to_run_the_benchmark_proves_its_work(program: Path) -> None:
    ended = run(program, "bench")
    assert ended.stdout == "ok\n", ended.stderr


# What one of the two must notice: file, what stands there, what is put there instead. What the rules refuse, and in
# which words, is test_ring_in_c.py's.
PLANTED = [
    ("ring_device.c", "if (n == room)", "if (n > room)"),
    ("ring_driver.h", ": amp_ring_free(driver);", ": amp_ring_free(driver) - 1;"),
    ("ring_driver.h", "if (driver->rewrite || slot->rest != rest) {", "if (driver->rewrite) {"),
    ("ring_device.h", "device->used_written[at] != entry", "device->used_written[at] == 0"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "text", "instead"), PLANTED, ids=range(len(PLANTED)))
def test_a_planted_error_is_found(tmp_path: Path, file: str, text: str, instead: str) -> None:
    core = shutil.copytree(CORE, tmp_path / "core", ignore=shutil.ignore_patterns("*.so", "*.a"))
    here = {name: core / path.relative_to(CORE) for name, path in SOURCES.items()}
    here[file].write_text(patched_source(file, text, instead))
    inputs = [C / "ring_stress.c", *(here[name] for name in NEEDED)]
    flags = ("-std=c11", "-g", "-O0", "-w", *SANITIZE, f"-I{core}")
    program = linked(tmp_path / "ring_stress", [], flags=(*flags, *inputs))
    assert any(run(program, *words).returncode for words in (*((seed, 40_000) for seed in range(8)), ("bench",)))
