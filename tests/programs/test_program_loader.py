"""A program is found by its name, its file, or its module; and what is wrong with it is told with file and line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from own_programs import HANDOVER, handover, line_of, own

from amp.errors import UsageError
from amp.programs import EXPLORABLE, SHIPPED, load


def test_a_shipped_program_is_found_by_its_name_and_names_its_halves_without_importing_them() -> None:
    assert [load(name).name for name in SHIPPED] == list(SHIPPED)
    assert set(SHIPPED) - set(EXPLORABLE) == {"echo", "stream"}
    vring = load("vring")
    assert [part.where for part in vring.parts] == ["hostside.small:vring", "remoteside.small:vring"]
    assert (vring.reference, vring.source) == ("vring", None)


def test_a_file_with_one_program_needs_no_name_and_says_where_it_is_from(tmp_path: Path) -> None:
    path = handover(tmp_path)
    found = load(str(path))
    assert (found.name, found.part_names) == ("Handover", ("host", "remote"))
    assert found.source is not None
    assert found.reference == f"{path}:Handover"
    assert load(found.reference).source == found.source
    assert found.summary == "A word of data, and the flag that announces it."


def test_one_of_several_is_taken_by_its_name_and_none_by_chance(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text(HANDOVER + HANDOVER.replace("class Handover", "class Second"))
    assert load(f"{path}:Second").name == "Second"
    with pytest.raises(UsageError, match=r"2 programs \(Handover, Second\); take one, such as two.py:Handover"):
        load(str(path))
    with pytest.raises(UsageError, match=r"has no program 'Third' \(it has Handover, Second\)"):
        load(f"{path}:Third")


def test_an_imported_program_is_not_the_files_own(tmp_path: Path) -> None:
    handover(tmp_path)
    other = tmp_path / "mine.py"
    other.write_text("from handover import Handover\n" + HANDOVER.replace("class Handover", "class Mine"))
    assert load(str(other)).name == "Mine"


def test_a_module_next_to_the_file_is_found_and_one_that_poses_as_a_standard_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "values_of_mine.py").write_text("VALUE = 42\n")
    (tmp_path / "json.py").write_text("raise RuntimeError('the folder is in front')\n")
    own(
        tmp_path,
        "cpu.store(at.flag, VALUE)",
        "pass",
        before="import json\nfrom values_of_mine import VALUE\nassert json.dumps(VALUE) == '42'",
    )
    assert load(str(tmp_path / "own.py")).name == "Own"


def test_a_file_of_a_package_is_imported_as_its_module(tmp_path: Path) -> None:
    package = tmp_path / "a_package_of_mine" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "values.py").write_text("VALUE = 7\n")
    own(package, "cpu.store(at.flag, VALUE)", "pass", before="from .values import VALUE")
    assert load(str(package / "own.py")).parts[0].where == "a_package_of_mine.inner.own:Own.host"
    assert load("a_package_of_mine.inner.own:Own").reference == f"{package / 'own.py'}:Own"


def test_a_file_that_has_changed_is_loaded_anew(tmp_path: Path) -> None:
    path = handover(tmp_path)
    before = load(str(path))
    path.write_text(HANDOVER.replace("42", "43"))
    after = load(str(path))
    assert before.source != after.source
    assert load(str(path)).sites is after.sites, "and one that has not is not"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f(:\n", r"own.py:1: SyntaxError"),
        ("import amp\n\nx = 1 / 0\n", r"own.py:3: ZeroDivisionError: division by zero"),
        ("import amp\namp.Layout(flag=1)\n", r"own.py:2: layout: flag is 1"),
        ("import no_such_module_here\n", r"own.py:1: ModuleNotFoundError"),
        ("import sys\n\nsys.exit(0)\n", r"own.py:3: SystemExit: 0"),
        ("x = 1\n", "has no program: decorate a class with @amp.program"),
        ("\0", "own.py"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line_with_its_own_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=says) as caught:
        load(str(path))
    assert "\n" not in str(caught.value)


def test_what_is_no_program_is_told_with_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    handover(tmp_path)
    with pytest.raises(UsageError, match="did you mean vring"):
        load("vrng")
    with pytest.raises(UsageError, match=r"did you mean the file handover\.py"):
        load("handover")
    (tmp_path / "ring.c").touch()
    with pytest.raises(UsageError, match=r"'ring\.c' is not built yet: amp code build ring\.c -o ring\.elf --target"):
        load("ring.c")
    with pytest.raises(UsageError, match="No such file"):
        load("nowhere.py")
    with pytest.raises(UsageError, match="Is a directory"):
        load(f"{tmp_path}{os.sep}")
    with pytest.raises(UsageError, match=r"cannot be found|is not installed"):
        load("no_such_package.module:NAME")


def test_the_folder_of_a_file_comes_last_on_the_path(tmp_path: Path) -> None:
    handover(tmp_path)
    load(str(tmp_path / "handover.py"))
    assert sys.path[-1] == str(tmp_path)


def test_the_line_of_a_failing_import_is_the_files_own(tmp_path: Path) -> None:
    path = own(tmp_path, "pass", "pass", options=", sizes={'n': 0}")
    with pytest.raises(UsageError, match=f"own.py:{line_of(path, '@amp.program')}: default is 0, a size has 1 to"):
        load(str(path))


def test_a_file_that_cannot_be_loaded_leaves_no_half_made_module(tmp_path: Path) -> None:
    package = tmp_path / "halfmade"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "own.py").write_text("x = 1 / 0\n")
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        load(str(package / "own.py"))
    assert "halfmade.own" not in sys.modules


def test_a_second_name_of_a_program_is_no_second_program(tmp_path: Path) -> None:
    path = handover(tmp_path)
    path.write_text(path.read_text() + "\n\nAgain = Handover\n")
    assert load(str(path)).source.name == "Handover"
