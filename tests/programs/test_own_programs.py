"""Everybody's own protocol, in every command: explored, run, explained, saved, replayed, in the matrix."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import here as amp
from own_programs import HANDOVER, handover, line_of, own

from amp.ordering.platforms import PLATFORMS

# Where smp_wmb and smp_rmb are enough between the two processors, by docs/platforms.md.
SMP_HOLDS = {"sc", "x86-wb", "arm64", "riscv"}
MARKS = ("line of the data", "line of publish", "line of the flag", "line of the look", "line of consume")
NOT_ITS_WORDS = re.compile(r"avail|used|vring|descriptor|driver|device|message|ring of")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return handover(tmp_path)


def test_one_table_has_a_line_for_every_platform_and_the_smallest_finding_is_explained(path: Path) -> None:
    told = amp("verify", path, "--platform", "all", "--barriers", "smp,mandatory", COLUMNS="120")
    assert told.returncode == 1
    rows = re.findall(r"^ ([\w-]+) +(smp|mandatory) +(verified|violation) ", told.stdout, re.MULTILINE)
    expected = {
        (name, barriers): "verified" if barriers == "mandatory" or name in SMP_HOLDS else "violation"
        for name in PLATFORMS
        for barriers in ("smp", "mandatory")
    }
    assert {(name, barriers): verdict for name, barriers, verdict in rows} == expected
    assert told.stdout.count("Replay: amp run ") == 1
    assert "6 violations in 20 cells" in told.stdout


def test_the_table_as_json_has_every_cell_and_the_smallest_counterexample(path: Path) -> None:
    told = amp("verify", path, "--platform", "arm64,arm64-domains", "--barriers", "smp", "--json")
    data = json.loads(told.stdout)
    assert told.returncode == 1
    assert (data["status"], data["violations"]) == ("violation", 1)
    assert [(cell["platform"], cell["status"]) for cell in data["cells"]] == [
        ("arm64", "verified"),
        ("arm64-domains", "violation"),
    ]
    assert data["counterexample"]["finding"]["site"] == "publish"


def test_a_table_that_holds_ends_with_status_0_and_one_of_a_bound_with_3(path: Path) -> None:
    assert amp("verify", path, "--platform", "arm64,riscv").returncode == 0
    assert amp("verify", "vring-flags", "--platform", "arm64,riscv", "--max-executions", 5).returncode == 3


def test_a_story_has_the_programs_own_names_files_and_lines_and_no_word_of_virtio(path: Path) -> None:
    told = amp("verify", path, "--barriers", "smp")
    assert told.returncode == 1
    for mark in (*MARKS, "line of the check"):
        assert f"handover.py:{line_of(path, mark)}" in told.stdout, mark
    assert "Site     publish, at the host" in told.stdout
    assert f"check failed at handover.py:{line_of(path, 'assert')}: assert cpu.load(at.data[0]) == 42" in told.stdout
    story = told.stdout.partition("Replay:")[0]
    assert NOT_ITS_WORDS.search(story) is None, NOT_ITS_WORDS.search(story)


def test_a_witness_is_explained_in_all_three_forms_and_replayed_every_time(path: Path, tmp_path: Path) -> None:
    witness, page, trace = (tmp_path / name for name in ("w.json", "w.html", "w.perfetto"))
    assert amp("verify", path, "--barriers", "smp", "--save", witness).returncode == 1
    told = amp("explain", witness, "--html", page, "--perfetto", trace)
    assert told.returncode == 1
    where = f"handover.py:{line_of(path, 'line of publish')}"
    assert where in told.stdout
    assert where in page.read_text()
    assert where in trace.read_text()
    assert "data[0]" in page.read_text()
    for _ in range(5):
        again = amp("replay", witness)
        assert (again.returncode, again.stdout.count("the same violation")) == (1, 1), again.stderr


@pytest.mark.slow
def test_a_witness_is_replayed_a_hundred_times_of_a_hundred(path: Path, tmp_path: Path) -> None:
    witness = tmp_path / "w.json"
    amp("verify", path, "--barriers", "smp", "--save", witness)
    assert all(amp("replay", witness).returncode == 1 for _ in range(100))


def test_a_witness_refuses_a_program_that_has_changed_and_finds_one_that_was_moved(path: Path, tmp_path: Path) -> None:
    witness, moved = tmp_path / "w.json", tmp_path / "elsewhere" / "handover.py"
    amp("verify", path, "--barriers", "smp", "--save", witness)
    moved.parent.mkdir()
    path.rename(moved)
    gone = amp("explain", witness)
    assert (gone.returncode, "say with --program where it is now" in gone.stderr) == (2, True)
    assert amp("explain", witness, "--program", moved).returncode == 1
    assert amp("replay", witness, "--program", moved).returncode == 1
    moved.write_text(HANDOVER + "raise SystemExit('imported')\n")
    changed = amp("replay", witness, "--program", moved)
    assert (changed.returncode, "is not the one that ran: its sha256 is" in changed.stderr) == (2, True)


def test_the_matrix_has_the_programs_own_sites_and_a_counterexample_of_each(path: Path) -> None:
    told = amp("sites", path, "--platform", "arm64-domains", "--json")
    data = json.loads(told.stdout)
    assert told.returncode == 0
    assert {row["site"]: row["weakest"] for row in data["matrix"]} == {"publish": "dma", "consume": "dma"}


@pytest.mark.parametrize("mode", ["lockstep", "free"])
def test_processes_find_the_bug_and_the_cure_holds(path: Path, mode: str) -> None:
    seeds = ("--seeds", 20, "--mode", mode, "--platform", "paranoid")
    broken = amp("run", path, "--barriers", "smp", *seeds)
    assert (broken.returncode, "check failed" in broken.stdout) == (1, True), broken.stdout
    assert f"handover.py:{line_of(path, 'line of the check')}" in broken.stdout
    cured = amp("run", path, "--barriers", "mandatory", *seeds)
    assert (cured.returncode, "0 violations in 20 runs" in cured.stdout) == (0, True), cured.stdout


def test_the_bare_silicon_runs_it_too(path: Path) -> None:
    told = amp("run", path, "--mode", "direct")
    assert (told.returncode, "0 violations in 1 run" in told.stdout) == (0, True), told.stderr


def test_its_record_is_shown(path: Path) -> None:
    told = amp("scenarios", path)
    assert told.returncode == 0
    assert "publish" in told.stdout
    assert str(path) in told.stdout.replace("\n", "")


def test_a_program_in_the_current_folder_is_found_by_its_file_and_nothing_else_there_is_imported(path: Path) -> None:
    for planted in ("amp.py", "msgspec.py", "click.py", "hostside.py"):
        (path.parent / planted).write_text("raise SystemExit('planted')\n")
    told = subprocess.run(
        [sys.executable, "-P", "-m", "amp.cli", "verify", "handover.py", "--barriers", "smp"],
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (told.returncode, "repeated in two processes: yes" in told.stdout) == (1, True), told.stderr


def test_sizes_of_its_own_are_chosen_by_name_within_their_limits(tmp_path: Path) -> None:
    path = own(
        tmp_path,
        "for n in range(self.words): cpu.store(at.data[n], n + 1)",
        "pass",
        options=", sizes={'words': amp.Size(2, 1, 4)}",
    )
    assert "words 3" in amp("verify", path, "--size", "words=3").stdout
    for size, says in (
        ("words=5", "words is 5, Own has 1 to 4"),
        ("x=1", "x has no meaning for Own"),
        ("words", "form"),
    ):
        told = amp("verify", path, "--size", size)
        assert (told.returncode, says in told.stderr) == (2, True), told.stderr


def test_messages_and_ring_size_mean_nothing_to_a_program_that_has_none(path: Path) -> None:
    for option in ("--messages", "--ring-size"):
        told = amp("verify", path, option, 2)
        assert (told.returncode, "has no meaning for Handover" in told.stderr) == (2, True)


def test_weakening_a_site_of_its_own_is_found_and_a_foreign_name_is_not(path: Path) -> None:
    assert amp("verify", path, "--platform", "arm64", "--weaken", "publish=none").returncode == 1
    told = amp("verify", path, "--weaken", "S1=none")
    assert (told.returncode, "site 'S1' is unknown (known: publish, consume)" in told.stderr) == (2, True)


def test_a_shipped_programs_story_has_its_files_and_lines() -> None:
    told = amp("verify", "vring", "--barriers", "smp")
    root = Path(__file__).parents[2] / "hostside" / "virtqueue.py"
    assert f"virtqueue.py:{line_of(root, 'port.barrier(S1)')}" in told.stdout
