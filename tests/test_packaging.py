"""What `pip install .` gives: a wheel with the core, its headers and both sides, from which the command runs."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def tracked_headers(source: Path) -> list[str]:
    return run("git", "ls-files", "amp/_core/*.h", cwd=source).split()


def a_c_program_is_built_and_runs(amp: Path, to: Path) -> None:
    """With the flags of `amp config`, on the bare region and on the model; a missing barrier is found."""
    cflags, libs = (run(amp, "config", flag, cwd=to).split() for flag in ("--cflags", "--libs"))
    assert run(amp, "config", "--cflags", "--libs", cwd=to).split() == cflags + libs
    run("cc", "-std=c11", *cflags, ROOT / "tests/core/c/port_ways.c", *libs, "-o", "ways", cwd=to)
    run(to / "ways", "direct", "100", "4", "3", cwd=to)
    run(to / "ways", "model", "100", "4", "3", "1", cwd=to)
    run(to / "ways", "model", "100", "0", "3", "1", cwd=to, status=1)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_c_program_is_built_with_the_flags_of_config(tmp_path: Path) -> None:
    a_c_program_is_built_and_runs(Path(sys.executable).parent / "amp", tmp_path)


def test_config_without_a_question_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "amp", "config"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "amp: config needs --cflags, --libs or both\n"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_wheel_has_everything_and_runs_in_an_environment_of_its_own(tmp_path: Path) -> None:
    source, wheels, home = tmp_path / "source", tmp_path / "wheels", tmp_path / "home"
    run("git", "clone", "--quiet", ROOT, source, cwd=tmp_path)
    run(sys.executable, "-m", "venv", home, cwd=tmp_path)
    run(home / "bin/pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, source, cwd=tmp_path)
    [wheel] = wheels.glob("*.whl")
    assert wheel.name.startswith("amp_soc-"), "on the index, amp is another project"
    assert "cp311-abi3" in wheel.name, "one wheel for CPython 3.11 and later"
    names = set(zipfile.ZipFile(wheel).namelist())
    needed = {"amp/_core/core.h", "amp/_core/_bridge.abi3.so", "amp/py.typed", "hostside/py.typed", "amp/cli/main.py"}
    assert needed <= names
    assert {"amp/report/templates/explain.html", "amp/report/templates/page.js"} <= names
    tracked = run("git", "ls-files", "amp", "hostside", "remoteside", cwd=source).split()
    assert {name for name in tracked if name.endswith(".py")} <= names
    assert not {name for name in names if name.startswith(("tests/", "bench/"))}
    assert set(tracked_headers(source)) <= names
    run(home / "bin/pip", "install", "--quiet", wheel, cwd=tmp_path)
    a_c_program_is_built_and_runs(home / "bin/amp", tmp_path)
    assert "0 violations" in run(home / "bin/amp", "run", "echo", "--messages", "50", cwd=tmp_path)
    saved, page = tmp_path / "found.json", tmp_path / "found.html"
    echo = ("run", "echo", "--barriers", "smp", "--messages", "50", "--save", saved)
    run(home / "bin/amp", *echo, cwd=tmp_path, status=1)
    run(home / "bin/amp", "explain", saved, "--html", page, cwd=tmp_path, status=1)
    assert "<html" in page.read_text(), "its templates came along"


def test_modules_in_the_user_s_directory_are_not_imported(tmp_path: Path) -> None:
    for name in ("msgspec", "hostside", "amp"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('planted')")
    amp = Path(sys.executable).parent / "amp"
    assert "0 violations" in run(amp, "run", "echo", "--messages", "20", cwd=tmp_path)
