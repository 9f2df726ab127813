"""Lockstep by a script in the C core alone: three threads under the sanitizers; planted errors, each found."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

C = Path(__file__).parent / "c"
CORE = Path(__file__).parents[2] / "amp" / "_core"
SOURCES = sorted(path for path in CORE.glob("*.c") if not path.name.startswith("py_"))
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
STRICT = ["-std=c11", "-g", "-Wall", "-Wextra", "-Werror"]

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def cc(*arguments: object) -> None:
    subprocess.run(["cc", *map(str, arguments)], check=True, timeout=300)


def follow(program: Path, *, seed: int, runs: int) -> subprocess.CompletedProcess[str]:
    command = [str(program), str(seed), str(runs)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("script") / "script_threads"
    cc(*STRICT, "-O1", *SANITIZE, f"-I{CORE}", C / "script_threads.c", *SOURCES, "-o", program, "-lpthread")
    return program


@pytest.mark.parametrize("seed", range(2))
def test_scripts_of_chance_s_runs_are_followed_and_changed_ones_refused(sanitized: Path, seed: int) -> None:
    ended = follow(sanitized, seed=seed, runs=400)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split()[1]) > 400, "most scripts fit"


# file, what stands there, what is put there instead
PLANTED = [
    ("script.c", "if (write->owner == goal->source_cpu && write->number", "if (write->number"),
    ("script.c", "    return (unsigned)back;\n", "    return 0;\n"),
    (
        "script.c",
        "        amp_make_visible(cpu, goal->cpu, entry);\n",
        "        amp_make_visible(cpu, goal->cpu, 0);\n",
    ),
    (
        "script.c",
        "    return question == AMP_PERFORM_NOW ? n - 1 : 0;",
        "    return amp_choose_at_random(cpu, n, question);",
    ),
    ("stores.c", "    store.number = state->stores;\n", ""),
    (
        "model.c",
        "    number = state->loads++;\n    where = place_of(cpu->model",
        "    number = 0;\n    where = place_of(cpu->model",
    ),
    ("room.c", "        state->stores = state->loads = 0;\n", ""),
]


@pytest.mark.slow
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: f"{planted[0]}: {planted[1].strip()[:24]}")
def test_a_planted_error_is_found(tmp_path: Path, planted: tuple[str, str, str]) -> None:
    file, text, instead = planted
    source = (CORE / file).read_text()
    assert source.count(text) == 1, f"{file} has changed: {text!r} is there {source.count(text)} times"
    (tmp_path / file).write_text(source.replace(text, instead))
    sources = [tmp_path / file, *(path for path in SOURCES if path.name != file)]
    program = tmp_path / "script_threads"
    cc("-std=c11", "-O1", "-w", f"-I{CORE}", C / "script_threads.c", *sources, "-o", program, "-lpthread")
    assert follow(program, seed=1, runs=400).returncode != 0
