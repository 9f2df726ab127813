"""The runtime directory: ours alone, names are taken once, what the dead left is swept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_machines import a_home

from amp.errors import UsageError
from amp.lab.live import directory


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with a_home() as home:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.path))
        yield home.path


def test_a_machine_has_its_directory_until_it_closes_it(runtime: Path) -> None:
    held = directory.claim("box")
    assert held.path == runtime / "amp" / "box"
    assert [path.stat().st_mode & 0o777 for path in (held.path.parent, held.path)] == [0o700, 0o700]
    assert (held.path / "pid").read_text() == f"{os.getpid()}\n"
    assert directory.machines() == {"box": held.path}
    with pytest.raises(UsageError, match="machine box is up already"):
        directory.claim("box")
    held.close()
    assert directory.machines() == {}
    directory.claim("box").close()


def test_what_a_dead_machine_left_is_swept_and_what_lives_is_not(runtime: Path) -> None:
    living = directory.claim("living")
    # A process that claims a name, and is gone without a word; what had no time for a pid file; a pid that is ours.
    leave = "import os; from amp.lab.live import directory; directory.claim('dead'); os._exit(0)"
    subprocess.run([sys.executable, "-c", leave], check=True, timeout=300)
    assert (runtime / "amp" / "dead" / "pid").exists()
    (runtime / "amp" / "dead" / "ttyRPMSG0").symlink_to("/dev/pts/0")
    (runtime / "amp" / "unborn").mkdir()
    (runtime / "amp" / "reused").mkdir()
    (runtime / "amp" / "reused" / "pid").write_text(f"{os.getpid()}\n")
    assert list(directory.machines()) == ["living"]
    assert sorted(os.listdir(runtime / "amp")) == [".lock", "living"]
    living.close()


def test_a_directory_that_others_can_enter_is_refused(runtime: Path) -> None:
    (runtime / "amp").mkdir(mode=0o700)
    (runtime / "amp").chmod(0o750)
    with pytest.raises(UsageError, match=r"mode is 0o750, expected 0o700"):
        directory.base()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("which", ["amp", "."])
def test_a_directory_of_somebody_else_is_refused(runtime: Path, which: str) -> None:
    (runtime / "amp").mkdir(mode=0o700)
    os.chown(runtime / which, 65534, 65534)
    with pytest.raises(UsageError, match=r"owner is uid 65534, expected 0"):
        directory.base()


def test_a_link_in_its_place_is_refused(runtime: Path) -> None:
    (runtime / "elsewhere").mkdir(mode=0o700)
    (runtime / "amp").symlink_to(runtime / "elsewhere")
    with pytest.raises(UsageError, match="not a directory"):
        directory.base()


@pytest.mark.parametrize("given", ["relative", "/nowhere/at/all", ""])
def test_without_a_usable_xdg_runtime_dir_it_is_named_by_uid(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", given)
    monkeypatch.setattr("tempfile.tempdir", str(runtime))
    assert directory.base() == runtime / f"amp-{os.geteuid()}"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "x" * 65, "ä", "a\n"])
def test_a_name_is_a_plain_word(runtime: Path, name: str) -> None:
    with pytest.raises(UsageError, match="machine name"):
        directory.claim(name)
    assert os.listdir(runtime) == []


def test_a_path_too_long_for_sockets_is_refused_before_anything_is_made(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = runtime / ("d" * 60)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(UsageError, match="too long: paths of sockets in it have at most 107 bytes"):
        directory.claim("m" * 40)
    assert os.listdir(deep / "amp") == []
