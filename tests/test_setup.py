"""make says in one line what is missing, and builds nothing; .ci/run is what README tells a user to type."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEBIAN = "; on Debian or Ubuntu: apt-get install "
TOO_OLD = "exit 1"  # what the version check of a Python below 3.11 comes to


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path_dir(tmp_path: Path) -> Path:
    """A PATH with a shell, a compiler's name and nothing else; a test adds its Pythons."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in ("sh", "bash", "make", "dirname"):
        found = shutil.which(tool)
        assert found, tool
        (directory / tool).symlink_to(found)
    script(directory / "cc", "exit 1")
    return directory


Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def make(tmp_path: Path, path_dir: Path) -> Make:
    """make in a tree that has nothing but the Makefile and what it depends on."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("Makefile", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, tree)

    def run(target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Not the caller's environment: these tests themselves may run under make.
        command = ["make", target, *arguments]
        done = subprocess.run(
            command, cwd=tree, env={"PATH": str(path_dir)}, capture_output=True, text=True, timeout=300, check=False
        )
        assert sorted(entry.name for entry in tree.iterdir()) == ["Makefile", "pyproject.toml", "setup.py"]
        return done

    return run


def the_one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(said) == 1, done.stderr
    return said[0]


def good_python(path: Path) -> Path:
    return script(path, f'exec "{sys.executable}" "$@"')


def python_without(path: Path, query: str, answer: str) -> Path:
    """This Python, but for the question that has `query` in it."""
    return script(path, f'case "$*" in *{query}*) {answer};; *) exec "{sys.executable}" "$@";; esac')


@pytest.mark.parametrize("target", ["demo", "test", "test-slow", "check", "bench", "needs"])
def test_a_missing_compiler_is_named_with_its_package(make: Make, path_dir: Path, target: str) -> None:
    good_python(path_dir / "python3")
    line = the_one_line(make(target, "CC=no-such-cc -m32"))
    assert line == f"amp needs a C compiler (no-such-cc -m32){DEBIAN}build-essential"


def test_no_python_at_all_is_said(make: Make) -> None:
    assert the_one_line(make("demo")) == f"amp needs Python >= 3.11 (python3){DEBIAN}python3 python3-dev python3-venv"


def test_a_python_that_is_too_old_is_said(make: Make, path_dir: Path) -> None:
    old = script(path_dir / "python3.10", TOO_OLD)
    line = the_one_line(make("demo", f"PYTHON={old}"))
    assert line == f"amp needs Python >= 3.11 ({old}){DEBIAN}python3 python3-dev python3-venv"


def test_missing_headers_are_said(make: Make, path_dir: Path) -> None:
    python_without(path_dir / "python3", "sysconfig", "echo /nowhere")
    assert the_one_line(make("demo")) == f"amp needs the C headers of python3 (Python.h){DEBIAN}python3-dev"


def test_a_missing_venv_module_is_said(make: Make, path_dir: Path) -> None:
    python_without(path_dir / "python3", "ensurepip", "echo ModuleNotFoundError >&2; exit 1")
    assert the_one_line(make("demo")) == f"amp needs the venv module of python3 (ensurepip){DEBIAN}python3-venv"


def test_all_that_is_missing_is_one_line(make: Make, path_dir: Path) -> None:
    script(path_dir / "python3", TOO_OLD)
    assert the_one_line(make("test", "CC=no-such-cc")) == (
        "amp needs a C compiler (no-such-cc), Python >= 3.11 (python3)"
        f"{DEBIAN}build-essential python3 python3-dev python3-venv"
    )


def test_where_python3_is_too_old_the_newest_of_the_others_is_taken(make: Make, path_dir: Path) -> None:
    script(path_dir / "python3", TOO_OLD)
    good_python(path_dir / "python3.11")
    python_without(path_dir / "python3.12", "sysconfig", "echo /nowhere")
    script(path_dir / "python3.13", TOO_OLD)
    assert the_one_line(make("demo")) == f"amp needs the C headers of python3.12 (Python.h){DEBIAN}python3.12-dev"


def test_where_nothing_is_missing_nothing_is_said(make: Make, path_dir: Path) -> None:
    good_python(path_dir / "python3")
    done = make("needs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("fails", "ran", "status"),
    [
        ("nothing", ["needs", "check", "test"], 0),
        ("check", ["needs", "check"], 3),
        ("test", ["needs", "check", "test"], 3),
    ],
)
def test_ci_runs_check_then_test_and_stops_at_the_first_failure(
    tmp_path: Path, path_dir: Path, fails: str, ran: list[str], status: int
) -> None:
    log = tmp_path / "log"
    (path_dir / "make").unlink()
    script(path_dir / "make", f'echo "$PWD $*" >>"{log}"; [ "$*" != {fails} ] || exit 3')
    done = subprocess.run([ROOT / ".ci" / "run"], cwd=tmp_path, env={"PATH": str(path_dir)}, timeout=300, check=False)
    assert log.read_text().splitlines() == [f"{os.path.realpath(ROOT)} {target}" for target in ran]
    assert done.returncode == status


COMPILERS = ("aarch64-linux-gnu-gcc", "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "clang", "ld.lld")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs")
def test_ci_installs_the_compilers_whose_code_is_tested_and_requires_them(tmp_path: Path, path_dir: Path) -> None:
    log = tmp_path / "log"
    (path_dir / "make").unlink()
    script(path_dir / "make", f'echo "make $* $AMP_COMPILERS" >>"{log}"')
    script(path_dir / "apt-get", f'echo "apt-get $*" >>"{log}"')
    subprocess.run([ROOT / ".ci" / "run"], cwd=tmp_path, env={"PATH": str(path_dir)}, timeout=300, check=True)
    said = log.read_text()
    assert "make test required" in said
    assert "gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-none-eabi gcc-riscv64-unknown-elf clang lld" in said


@pytest.mark.parametrize(
    ("present", "installed"),
    [
        (["chromium", "chromedriver"], []),
        (["chromium"], ["chromium", "chromium-driver", "fonts-dejavu-core"]),
        ([], ["chromium", "chromium-driver", "fonts-dejavu-core"]),
    ],
)
def test_ci_requires_a_browser_and_installs_it_where_it_may(
    tmp_path: Path, path_dir: Path, present: list[str], installed: list[str]
) -> None:
    log = tmp_path / "log"
    (path_dir / "make").unlink()
    script(path_dir / "make", f'echo "make $* $AMP_BROWSER" >>"{log}"')
    script(path_dir / "apt-get", f'echo "apt-get $*" >>"{log}"')
    for name in (*present, *COMPILERS):
        script(path_dir / name, "exit 1")
    done = subprocess.run([ROOT / ".ci" / "run"], cwd=tmp_path, env={"PATH": str(path_dir)}, timeout=300, check=False)
    assert done.returncode == 0
    said = log.read_text().splitlines()
    assert [line for line in said if line.startswith("make")] == [
        f"make {t} required" for t in ("needs", "check", "test")
    ]
    apt = [line for line in said if line.startswith("apt-get install")]
    if installed and os.geteuid() == 0:
        assert [line.split()[-len(installed) :] for line in apt] == [installed]
        assert said.index(apt[0]) < said.index("make check required")
    else:
        assert apt == []
