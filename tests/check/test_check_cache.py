"""The cache of verdicts: what is unchanged costs nothing, and nothing that has changed is ever taken from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from check_projects import PROGRAM, checked, project, told

import amp
from amp.check.cache import Cache
from amp.check.pool import run_all
from amp.check.records import Answer, Asked, CellOutcome
from amp.lab.stopping import Stop

CURIOUS = """
import json, os, sys
import amp
import words
from pack.inner import LIMIT

try:
    import fast
except ImportError:
    fast = None
sys.path.insert(0, "lib")
import extra
sys.path.remove("lib")
SIZE = json.load(open("size.json"))
DEBUG = os.environ.get("AMP_TEST_DEBUG")
box = amp.Layout(flag=amp.u32)


@amp.program(layout=box)
class Curious:
    def host(self, cpu, at):
        import late
        cpu.store(at.flag, SIZE)
"""


def answered(folder: Path, asked: Asked) -> Answer:
    """What a worker says of it."""
    found: list[Answer] = []
    run_all([asked], 1, str(folder), Stop(), lambda _, answer: found.append(answer))
    return found[0]


@pytest.fixture(scope="module")
def curious(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Asked]:
    """A program that has looked at all sorts of things, explored and kept."""
    folder = tmp_path_factory.mktemp("curious")
    (folder / "curious.py").write_text(CURIOUS)
    (folder / "words.py").write_text("ANSWER = 42\n")
    (folder / "late.py").write_text("")
    (folder / "size.json").write_text("3")
    (folder / "lib").mkdir()
    (folder / "lib" / "extra.py").write_text("")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "inner.py").write_text("LIMIT = 1\n")
    (folder / "own.toml").write_text('base = "arm64"\nname = "own"\nsummary = "own"\nsource = "here"\n')
    asked = Asked(program="curious.py", platform="own.toml", barriers="smp")
    answer = answered(folder, asked)
    assert (answer.told.status, answer.record.doubt) == ("verified", "")
    Cache(folder / "kept", str(folder)).put(asked, answer)
    return folder, asked


def kept(curious: tuple[Path, Asked]) -> CellOutcome | None:
    folder, asked = curious
    return Cache(folder / "kept", str(folder)).get(asked)


CHANGES: dict[str, Callable[[Path], object]] = {
    "the program": lambda folder: (folder / "curious.py").write_text(CURIOUS + "\n"),
    "a module that it imports": lambda folder: (folder / "words.py").write_text("ANSWER = 43\n"),
    "a module of a package": lambda folder: (folder / "pack" / "inner.py").write_text("LIMIT = 2\n"),
    "a module that a part imports": lambda folder: (folder / "late.py").write_text("LATE = 1\n"),
    "a file that it reads": lambda folder: (folder / "size.json").write_text("4"),
    "a platform's file": lambda folder: (folder / "own.toml").write_text(
        'base = "arm64-domains"\nname = "own"\nsummary = "own"\nsource = "here"\n'
    ),
    "a module that was not there": lambda folder: (folder / "fast.py").write_text(""),
    "a package that shadows a module": lambda folder: (folder / "words").mkdir(),
    "a module that shadows one of a package": lambda folder: (folder / "pack" / "inner").mkdir(),
    "a module of a folder that was on the path": lambda folder: (folder / "lib" / "extra.py").write_text("MORE = 1\n"),
    "a package that shadows that one": lambda folder: (folder / "lib" / "extra").mkdir(),
    "a folder that becomes a package": lambda folder: (folder / "__init__.py").write_text(""),
    "a hook of Python's own": lambda folder: (folder / "sitecustomize.py").write_text(""),
    "a module that is gone": lambda folder: (folder / "late.py").unlink(),
    "a file that is gone": lambda folder: (folder / "size.json").unlink(),
    "a file that is a FIFO now": lambda folder: ((folder / "size.json").unlink(), os.mkfifo(folder / "size.json")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_not_taken_from_the_cache(change: str, curious: tuple[Path, Asked], tmp_path: Path) -> None:
    folder, _ = curious
    assert kept(curious) is not None
    saved = tmp_path / "saved"
    shutil.copytree(folder, saved)
    try:
        CHANGES[change](folder)
        assert kept(curious) is None
    finally:
        shutil.rmtree(folder)
        shutil.copytree(saved, folder)
    assert kept(curious) is not None, "as it was, it is what was explored"


def test_neither_is_another_cell_another_variable_or_another_way_to_find_modules(
    curious: tuple[Path, Asked], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, asked = curious
    for change in (
        {"barriers": "dma"},
        {"platform": "arm64"},
        {"weaken": ("S1=none",)},
        {"messages": 1},
        {"sizes": {"n": 1}},
        {"max_executions": 2},
        {"program": "./curious.py"},
    ):
        assert kept((folder, msgspec.structs.replace(asked, **change))) is None
    for name in ("AMP_TEST_DEBUG", "PYTHONPATH", "PYTHONOPTIMIZE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, str(tmp_path))
            assert kept(curious) is None, name
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(tmp_path)])
        assert kept(curious) is None
    assert kept(curious) is not None


def test_a_cache_that_is_not_used_is_written_to_all_the_same(curious: tuple[Path, Asked]) -> None:
    folder, asked = curious
    assert Cache(folder / "kept", str(folder), used=False).get(asked) is None


def hostile(entry: Path) -> dict[str, bytes]:
    whole = entry.read_bytes()
    other = json.loads(whole)
    other["body"]["key"] = "0" * 64
    return {
        "empty": b"",
        "cut short": whole[: len(whole) // 2],
        "no JSON": b"\x80\x04\x95 a pickle",
        "one byte": whole.replace(b'"executions":', b'"executions":1', 1),
        "another verdict": whole.replace(b'"verified"', b'"violation"', 1),
        "another key": msgspec.json.encode(other),
        "another format": whole.replace(b"amp check 1", b"amp check 2"),
        "a field too many": whole[:-1] + b',"more":1}',
        "deep": b"[" * 1_000_000,
        "too large": whole + b" " * (1 << 24),
    }


def test_a_damaged_or_foreign_entry_is_as_if_it_were_not_there(curious: tuple[Path, Asked]) -> None:
    folder, _ = curious
    [entry] = (folder / "kept").iterdir()
    whole = entry.read_bytes()
    for name, content in hostile(entry).items():
        entry.write_bytes(content)
        assert kept(curious) is None, name
    entry.unlink()
    os.mkfifo(entry)
    assert kept(curious) is None
    entry.unlink()
    entry.write_bytes(whole)
    assert kept(curious) is not None


@pytest.mark.parametrize("status", ["inconclusive", "error", "not run"])
def test_what_is_no_verdict_is_never_kept(status: str, curious: tuple[Path, Asked], tmp_path: Path) -> None:
    folder, asked = curious
    told_so = CellOutcome(status=status)  # type: ignore[arg-type]
    known = answered_before(folder)
    cache = Cache(tmp_path, str(folder))
    cache.put(asked, msgspec.structs.replace(known, told=told_so))
    assert list(tmp_path.iterdir()) == []
    doubtful = msgspec.structs.replace(known.record, doubt="it depends on the weather")
    cache.put(asked, msgspec.structs.replace(known, record=doubtful))
    assert list(tmp_path.iterdir()) == []
    cache.put(asked, known)
    assert cache.get(asked) is not None, "the test above would be red for no other reason"


def test_old_entries_that_nobody_asks_for_are_removed(curious: tuple[Path, Asked], tmp_path: Path) -> None:
    folder, asked = curious
    cache = Cache(tmp_path, str(folder))
    cache.put(asked, answered_before(folder))
    [used] = tmp_path.iterdir()
    old, new = tmp_path / f"{'1' * 64}.json", tmp_path / f"{'2' * 64}.json"
    for path, age_s in ((used, 31 * 86_400), (old, 31 * 86_400), (new, 29 * 86_400)):
        path.touch()
        os.utime(path, times=(time.time() - age_s,) * 2)
    cache.prune()
    assert set(tmp_path.iterdir()) == {used, new}


def answered_before(folder: Path) -> Answer:
    [entry] = (folder / "kept").iterdir()
    return msgspec.convert(json.loads(entry.read_bytes())["body"]["answer"], Answer)


@pytest.mark.parametrize(
    ("line", "doubt"),
    [
        ("import os; os.listdir('.')", "it asks what is in the folder ."),
        pytest.param("import pathlib; list(pathlib.Path('.').glob('*'))", "it asks what is", marks=pytest.mark.slow),
        pytest.param("import os; dict(os.environ)", "it looks at all variables", marks=pytest.mark.slow),
        pytest.param("import subprocess; subprocess.run(['true'])", "another process", marks=pytest.mark.slow),
        pytest.param("open('/proc/cpuinfo').read()", "it reads /proc/cpuinfo", marks=pytest.mark.slow),
    ],
)
def test_what_nobody_keeps_track_of_is_a_doubt(line: str, doubt: str, tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "handover.py").write_text(f"{line}\n{PROGRAM}")
    answer = answered(tmp_path, Asked(program="handover.py", platform="sc"))
    assert answer.told.status == "verified", answer.told.why
    assert doubt in answer.record.doubt


def test_a_module_is_what_its_file_says_however_new_its_bytecode_looks(tmp_path: Path) -> None:
    """A .pyc is believed by the time and the size of its source; here both are as they were."""
    project(tmp_path)
    words = tmp_path / "words.py"
    before = words.stat()
    subprocess.run([sys.executable, "-c", "import words"], cwd=tmp_path, check=True, timeout=60)
    assert list((tmp_path / "__pycache__").iterdir())
    words.write_text("ANSWER = []\n")
    os.utime(words, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert words.stat().st_size == before.st_size
    answer = answered(tmp_path, Asked(program="handover.py", platform="sc"))
    assert answer.told.status == "error", "a list cannot be stored"


@pytest.mark.slow
def test_another_amp_explores_anew(tmp_path: Path) -> None:
    """A copy of amp, found by PYTHONPATH; then one line of it is another."""
    copy = tmp_path / "copy"
    for room in ("amp", "hostside", "remoteside"):
        source = Path(amp.__file__).parents[1] / room
        shutil.copytree(source, copy / room, ignore=shutil.ignore_patterns("__pycache__", "*.a"))
    folder = project(tmp_path)

    def unchanged() -> int:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "amp.cli", "check", "--json"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            timeout=240,
            check=True,
        )
        return sum(cell["cached"] for cell in json.loads(done.stdout)["cells"])

    assert [unchanged(), unchanged()] == [0, 1]
    rows = copy / "amp" / "ordering" / "architectures.py"
    rows.write_text(rows.read_text() + "# another\n")
    assert [unchanged(), unchanged()] == [0, 1]
    core = next((copy / "amp" / "_core").glob("*.so"))
    core.write_bytes(core.read_bytes() + b"\0")
    assert [unchanged(), unchanged()] == [0, 1]


def test_an_edit_of_a_helper_is_explored(tmp_path: Path) -> None:
    folder = project(tmp_path)
    assert [[cell["cached"] for cell in told(folder)["cells"]] for _ in range(2)] == [[False], [True]]
    (folder / "words.py").write_text("ANSWER = 'forty-two'\n")
    done = checked(folder)
    assert done.returncode == 2
    assert "checks.handover: " in done.stdout
    assert "TypeError: 'str' object" in done.stdout
