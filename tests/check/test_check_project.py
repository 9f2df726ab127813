"""`amp init`: a project that is green as it is, red at the line that is weakened, and never written over another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import AMP, here
from test_documented_commands import parsed, typed

from amp.check.project import FILES

BIN = Path(sys.executable).parent
HERE = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "mailslot"
    done = here("init", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"next: cd {folder} && make && pytest && amp check"
    return folder


def ran(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=HERE, capture_output=True, text=True, timeout=240, check=False)


def gate(folder: Path, *options: str) -> dict[str, Any]:
    done = ran(folder, *AMP, "check", "--json", *options)
    assert done.stdout, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def test_all_its_files_are_there_and_nothing_is_written_over(project: Path) -> None:
    written = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert written == set(FILES.values())
    for name in FILES.values():
        kept = (project / name).read_bytes()
        others = [path for path in FILES.values() if path != name]
        for path in others:
            (project / path).rename(project / f"{path}.away")
        done = here("init", project)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"amp: {project / name} is there already: nothing is written\n"
        assert not any((project / path).exists() for path in others)
        for path in others:
            (project / f"{path}.away").rename(project / path)
        assert (project / name).read_bytes() == kept


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = here("init", tmp_path / "file" / "below")
    assert done.returncode == 2
    assert done.stderr.startswith(f"amp: {tmp_path}/file/below/README.md: Not a directory")


def test_its_commands_are_such_as_amp_takes(project: Path) -> None:
    readme = typed("README.md", (project / "README.md").read_text())
    found = [each.words for each in readme]
    for name in (".github/workflows/amp.yml", ".gitlab-ci.yml", "Makefile"):
        lines = re.findall(r"^(?:\s+- (?:run: )?|\t)amp (.*)$", (project / name).read_text(), re.MULTILINE)
        assert lines, name
        found += [tuple(line.split()) for line in lines]
    for words in found:
        parsed(words)


@pytest.mark.slow
def test_it_is_formatted_as_ruff_has_it(project: Path) -> None:
    for command in ("check", "format --check"):
        done = ran(project, str(BIN / "ruff"), *command.split(), ".")
        assert done.returncode == 0, done.stdout


WEAKENED = {
    "mailslot.c": ("amp_dma_wmb(); /* reply", "amp_smp_wmb(); /* reply", "mailslot-c"),
    "mailslot.py": (
        '"reply", "answer before turn", needs="WW", kind="wmb"',
        '"reply", "answer before turn", needs="WW", kind="rmb"',
        "mailslot",
    ),
}


@pytest.mark.slow
def test_it_is_green_and_red_with_one_finding_at_the_line_that_is_weakened(project: Path) -> None:
    """And it is quick: cold 30 s, warm 2 s, in the time that it has a processor."""
    assert ran(project, "make").returncode == 0
    tested = ran(project, str(BIN / "pytest"), "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    assert "amp: 1 broken, as marked (violation), 6 verified" in tested.stdout
    cold, warm = timed(project), timed(project)
    print(f"cold {cold:.2f} s of CPU, warm {warm:.2f}")
    assert cold < 30
    assert warm < 2
    for name, (strong, weak, check) in WEAKENED.items():
        text = (project / name).read_text()
        assert text.count(strong) == 1
        (project / name).write_text(text.replace(strong, weak))
        ran(project, "make")
        data = gate(project)
        assert data["status"] == "violation"
        [finding] = data["findings"]
        line = {"mailslot.c": weak, "mailslot.py": "cpu.barrier(reply)"}[name]
        [number] = [n for n, each in enumerate((project / name).read_text().splitlines(), 1) if line in each]
        assert (finding["check"], finding["file"], finding["line"]) == (check, name, number)
        (project / name).write_text(text)
        ran(project, "make")
        assert gate(project)["status"] == "holds", "restored"


def timed(folder: Path) -> float:
    """What `amp check` and its processes take, in seconds of CPU."""
    before = os.times()
    assert gate(folder)["status"] == "holds"
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
