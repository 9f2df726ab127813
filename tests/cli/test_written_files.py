"""Files that commands write: whole or as they were, told in a line, and never in the way of a finding."""

import json
import os
import shlex
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import AMP
from commands import here as amp

from amp.cli.output import complain
from amp.files import check_writable, read_whole, write_whole

SMP = ("run", "echo", "--barriers", "smp", "--messages", "60")
FOUND = ("verify", "spsc-vring", "--barriers", "smp")
GOOD = b"what was there"


def test_a_file_that_is_written_says_so_on_stderr_and_stdout_stays_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "witness.json"
    plain, saving = amp(*SMP), amp(*SMP, "--save", path)
    assert (saving.returncode, saving.stderr) == (1, f"amp: wrote {path}\n")
    assert saving.stdout == plain.stdout
    data = amp(*SMP, "--save", path, "--json")
    assert data.stderr == f"amp: wrote {path}\n"
    assert json.loads(data.stdout)["violations"] == 1


def test_a_file_that_is_not_written_says_so(tmp_path: Path) -> None:
    done = amp("run", "vring", "--save", tmp_path / "none")
    assert (done.returncode, done.stderr) == (0, f"amp: nothing written to {tmp_path}/none: no violation\n")
    assert list(tmp_path.iterdir()) == []


WRITERS = {
    "run --save": (*SMP, "--save"),
    "verify --save": (*FOUND, "--save"),
    "explain --html": ("explain", "WITNESS", "--html"),
    "explain --perfetto": ("explain", "WITNESS", "--perfetto"),
    "sites --html": ("sites", "spsc-vring", "--barriers", "smp", "--no-replay", "--html"),
}


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("witness") / "witness.json"
    assert amp(*SMP, "--save", path).returncode == 1
    return path


def arguments(writer: str, witness: Path) -> list[str]:
    return [str(witness) if each == "WITNESS" else each for each in WRITERS[writer]]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 16 KiB, with one small file in it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system of its own: {mounted.stderr.strip()}")
    try:
        (folder / "file").write_bytes(GOOD)
        (folder / "rest").write_bytes(bytes(8192))
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("writer", ["run --save", "explain --html"])
def test_a_full_disk_leaves_the_old_file_and_the_finding_is_told(writer: str, witness: Path, full_disk: Path) -> None:
    done = amp(*arguments(writer, witness), full_disk / "file")
    assert done.returncode == 1
    assert done.stdout == amp(*arguments(writer, witness)[:-1]).stdout
    option = writer.partition(" ")[2]
    assert done.stderr == f"amp: {option} {full_disk}/file: No space left on device: not written\n"
    assert (full_disk / "file").read_bytes() == GOOD
    assert sorted(path.name for path in full_disk.iterdir()) == ["file", "rest"]


@pytest.mark.parametrize("writer", ["explain --html", "explain --perfetto"])
def test_a_limit_on_a_files_size_leaves_the_old_file_and_the_finding_is_told(
    writer: str, witness: Path, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(GOOD)
    # Bytecode that is cut short by the limit would be kept, and found by the next.
    line = f"ulimit -f 1; PYTHONDONTWRITEBYTECODE=1 {shlex.join([*AMP, *arguments(writer, witness), str(path)])}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stderr
    assert "Replay: " in done.stdout
    assert done.stderr == f"amp: {writer.partition(' ')[2]} {path}: File too large: not written\n"
    assert path.read_bytes() == GOOD
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.a_few(2)
@pytest.mark.parametrize("writer", WRITERS)
def test_dev_full_is_told_after_the_finding(writer: str, witness: Path) -> None:
    done = amp(*arguments(writer, witness), "/dev/full")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) > 3
    assert done.stderr == f"amp: {writer.partition(' ')[2]} /dev/full: No space left on device: not written\n"


def test_a_file_that_is_lost_where_nothing_was_found_is_exit_status_2() -> None:
    done = amp("sites", "spsc-vring", "--no-replay", "--html", "/dev/full")
    assert done.returncode == 2
    assert "Enough together" in done.stdout


@pytest.mark.a_few(3)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_that_cannot_be_is_a_mistake_before_anything_runs(writer: str, witness: Path, tmp_path: Path) -> None:
    option = writer.partition(" ")[2]
    for path, reason in (
        (tmp_path / "no" / "file", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (f"{tmp_path}/file/", "Is a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        done = amp(*arguments(writer, witness), path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"amp: {option} {path}: {reason}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_firmware_image_is_written_whole_or_not_at_all(full_disk: Path) -> None:
    (full_disk / "more").write_bytes(bytes(4096))
    done = amp("firmware", "build", "remoteside.services.echo", "-o", full_disk / "file")
    assert (done.returncode, done.stdout) == (2, "")
    assert (full_disk / "file").read_bytes() == GOOD


# --- amp.files --------------------------------------------------------------------------------------------------------


def test_a_file_keeps_its_permissions_and_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(GOOD)
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_name_of_full_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    check_writable(path)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_output_that_is_asked_for_on_a_descriptor_goes_there(tmp_path: Path) -> None:
    """Not beside it, and renamed over it."""
    with (tmp_path / "out").open("w") as out:
        done = subprocess.run([*AMP, *SMP, "--save", "/dev/stdout"], stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1, done.stderr
    assert '"amp witness 3"' in (tmp_path / "out").read_text()


def test_exactly_the_limit_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    assert read_whole(path, 100) == bytes(100)
    with pytest.raises(OSError, match="more than 99 bytes"):
        read_whole(path, 99)


def test_two_answers_are_not_written_to_one_file(witness: Path, tmp_path: Path) -> None:
    page = tmp_path / "page"
    (tmp_path / "link").symlink_to(page)
    for other in (page, tmp_path / "link", f"{tmp_path}/./page"):
        done = amp("explain", witness, "--html", page, "--perfetto", other)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"amp: --perfetto {other}: that is the file of --html\n"
    assert not page.exists()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_dash_is_no_file_s_name(witness: Path, tmp_path: Path, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = amp(*arguments(writer, witness), "-")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"{writer.partition(' ')[2]} -: not a file's name" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_a_full_stdout_does_not_take_is_told_once(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(AMP)} ps >/dev/full"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (2, "amp: standard output: No space left on device\n")


@pytest.mark.parametrize("text", ["…" * 1000, "x" * 100_000, "a\nb" * 5000])
def test_a_complaint_is_a_line_of_bounded_length_with_its_end(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    complain(f"ValueError: {text} (firmware, line 3)")
    [line] = capsys.readouterr().err.splitlines()
    assert len(line) == len("amp: ") + 500
    assert line.startswith("amp: ValueError: ")
    assert "…" in line
    assert line.endswith(" (firmware, line 3)")
