"""What `pip install .` gives: a wheel with the core, its headers and both sides, from which the command runs."""

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
    run(home / "bin/pip", "install", "--quiet", wheel, cwd=tmp_path)
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
