"""Lockstep by a schedule in the C core alone: three threads under the sanitizers; planted errors, each found."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import core_objects
import pytest
from core_objects import PLAIN, SANITIZED, linked, planted

C = Path(__file__).parent / "c"

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def follow(program: Path, *, seed: int, runs: int) -> subprocess.CompletedProcess[str]:
    command = [str(program), str(seed), str(runs)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def sanitized(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("schedule") / "schedule_threads"
    objects = core_objects.sanitized(shared).iterdir()
    return linked(program, objects, flags=(*SANITIZED, C / "schedule_threads.c"))


@pytest.mark.parametrize("seed", range(2))
def test_schedule_of_chance_s_runs_are_followed_and_changed_ones_refused(sanitized: Path, seed: int) -> None:
    ended = follow(sanitized, seed=seed, runs=400)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split()[1]) > 400, "most schedules fit"


# file, what stands there, what is put there instead
PLANTED = [
    ("schedule.c", "if (write->owner == goal->source_cpu && write->number", "if (write->number"),
    ("schedule.c", "    return (unsigned)back;\n", "    return 0;\n"),
    (
        "schedule.c",
        "        amp_make_visible(cpu, goal->cpu, entry);\n",
        "        amp_make_visible(cpu, goal->cpu, 0);\n",
    ),
    (
        "schedule.c",
        "    return question == AMP_PERFORM_NOW && amp_following(cpu->model) ? n - 1 : 0;",
        "    return amp_choose_at_random(cpu, n, question);",
    ),
    ("stores.c", "    store.number = state->stores;\n", ""),
    (
        "model.c",
        "    number = amp_state(cpu)->loads++;\n    where = amp_place_of(cpu->model",
        "    number = 0;\n    where = amp_place_of(cpu->model",
    ),
    ("room.c", "        state->stores = state->loads = 0;\n", ""),
]


@pytest.mark.parametrize("error", PLANTED, ids=lambda error: f"{error[0]}: {error[1].strip()[:24]}")
def test_a_planted_error_is_found(shared: Path, tmp_path: Path, error: tuple[str, str, str]) -> None:
    wrong, objects = planted(tmp_path, *error), core_objects.plain(shared).iterdir()
    program = linked(tmp_path / "schedule_threads", objects, wrong, flags=(*PLAIN, C / "schedule_threads.c"))
    assert follow(program, seed=1, runs=400).returncode != 0
