"""The timed loops in C, under the sanitizers: they write what they say, nothing else, and refuse what is not right."""

import mmap
import shutil
import subprocess
from pathlib import Path

import pytest

from amp._core import _bridge

CORE = Path(__file__).parents[2] / "amp" / "_core"
SOURCE = CORE / "bench" / "bench_barriers.c"
PROGRAM = Path(__file__).parent / "c" / "barrier_loops.c"
SANITIZE = ("-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def complaint(directory: Path, source: Path, *options: str) -> str:
    program = directory / "barrier_loops"
    command = ["cc", "-std=c11", "-O1", *options, f"-I{CORE}", PROGRAM, source, "-o", program]
    subprocess.run([str(word) for word in command], check=True, timeout=300)
    return subprocess.run([program], capture_output=True, text=True, timeout=300, check=False).stdout


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_every_loop_writes_its_lines_and_nothing_else(tmp_path: Path) -> None:
    assert complaint(tmp_path, SOURCE, *SANITIZE) == ""


PLANTED = [
    ("loop->line * 2891336453u", "loop->line * 2891336452u", "before 2"),  # not every line has its turn
    ("*line_at(loop, i) = value", "*line_at(loop, i / 2) = value", "before 1"),
    (" && what->lines <= size / AMP_BENCH_LINE", "", "lines 65"),
    ("what->primitive < AMP_FENCES &&", "what->primitive < AMP_FENCES + 1 &&", ""),
]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(("text", "instead", "named"), PLANTED, ids=range(len(PLANTED)))
def test_a_planted_error_is_found(tmp_path: Path, text: str, instead: str, named: str) -> None:
    source = SOURCE.read_text()
    assert source.count(text) == 1
    patched = tmp_path / "bench_barriers.c"
    patched.write_text(source.replace(text, instead))
    program = tmp_path / "barrier_loops"
    command = ["cc", "-std=c11", "-O1", "-w", f"-I{SOURCE.parent}", f"-I{CORE}", PROGRAM, patched, "-o", program]
    subprocess.run([str(word) for word in command], check=True, timeout=300)
    ended = subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode != 0
    assert named in ended.stdout


@pytest.mark.parametrize(
    "what", [(99, 0, 0, 1), (2, 9, 1, 1), (2, 1, 0, 1), (2, 0, 1, 1), (2, 1, 1025, 1), (2, 1, 1, 0)], ids=str
)
def test_the_bridge_passes_a_refusal_on(what: tuple[int, int, int, int]) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        _bridge.bench_barrier(mmap.mmap(-1, 1 << 20), what)


def test_the_bridge_knows_no_number_beyond_fences_h() -> None:
    assert _bridge.bench_instruction(0) == ""
    assert _bridge.bench_instruction(24) is None
    assert _bridge.bench_instruction(1 << 40) is None
