"""amp.toml: what is wrong is told in one line each, with file, line, key and what is allowed, and nothing has run."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_projects import checked, project

from amp.check.config import Config, find, load
from amp.check.toml_lines import line_of
from amp.errors import UsageError

WRONG = {
    '[checks.a]\nprogram = "handover.py"\nplatfroms = ["arm64"]': "amp.toml:3: checks.a.platfroms: is unknown; did you "
    "mean platforms?; allowed: program, elf, host, ",
    '[checks.a]\nprogram = "handover.py"\nplatforms = 3': "amp.toml:3: checks.a.platforms: 3: Expected a text or",
    '[checks.a]\nprogram = "handover.py"\nplatforms = "omap5"': "amp.toml:3: checks.a.platforms: platform 'omap5' is "
    "unknown (known: sc, ",
    '[checks.a]\nprogram = "handover.py"\nplatforms = "own.toml"': "amp.toml:3: checks.a.platforms: own.toml: file: "
    "cannot be read: No such file or directory",
    '[checks.a]\nprogram = "handovr.py"': "amp.toml:2: checks.a.program: there is no file 'handovr.py' in ",
    '[checks.a]\nprogram = "handover"': "amp.toml:2: checks.a.program: 'handover' is unknown; did you mean the file "
    "handover.py?",
    '[checks.a]\nprogram = "vrng"': "amp.toml:2: checks.a.program: 'vrng' is unknown; did you mean vring?",
    '[checks.a]\nprogram = "ring.elf?host=send"': "amp.toml:2: checks.a.program: there is no file 'ring.elf' in ",
    '[checks.a]\nelf = "handover.py"': "amp.toml:2: checks.a.elf: host and remote name the functions",
    '[checks.a]\nplatforms = "sc"': "amp.toml:1: checks.a: has no program, elf or litmus",
    '[checks.a]\nprogram = "vring"\nhost = "send"': "amp.toml:3: checks.a.host: is of an elf, and this is a program",
    '[checks.a]\nprogram = "vring"\nbarriers = "spm"': "amp.toml:3: checks.a.barriers: 'spm' is unknown; did you mean "
    "smp? (known: none, ",
    '[checks.a]\nprogram = "vring"\nweaken = ["S1"]': "amp.toml:3: checks.a.weaken: 'S1' is not of the form SITE=CLASS",
    '[checks.a]\nprogram = "vring"\nexpect = "holds"': "amp.toml:3: checks.a.expect: 'holds' is unknown; allowed: ",
    '[checks.a]\nprogram = "vring"\nsite = "S1"': "amp.toml:3: checks.a.site: says where a violation is expected, and "
    "expected is verified",
    '[checks.a]\nprogram = "vring"\nmax_seconds = 0': "amp.toml:3: checks.a.max_seconds: 0: Expected a number > 0",
    '[checks.a]\nlitmus = "none"': "amp.toml:2: checks.a.litmus: none: No such file or directory",
    '[checks.a]\nlitmus = "none"\nbarriers = "smp"': "amp.toml:3: checks.a.barriers: has no meaning for litmus tests",
    '[defaults]\nplatforms = "omap5"\n[checks.a]\nprogram = "vring"': "amp.toml:2: defaults.platforms: platform ",
    "[check.a]": "amp.toml:1: check: is unknown; did you mean checks?; allowed: defaults, checks",
    "checks = 3": "amp.toml:1: checks: is missing or empty: each [checks.NAME] is one check",
    "": "amp.toml: checks: is missing or empty",
    "[checks.a\n": "amp.toml:1: is not TOML: Expected ']' at the end of a table declaration",
    '[checks.a]\nprogram = "vring"\nsizes = {messages = "two"}': "amp.toml:3: checks.a.sizes: {'messages': 'two'}: "
    "Expected a number, got a text",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_one_line_and_nothing_runs(text: str, tmp_path: Path) -> None:
    done = checked(project(tmp_path, text))
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"amp: {WRONG[text]}"), lines
    assert all(line.startswith("amp: amp.toml") for line in lines)
    assert (done.returncode, done.stdout) == (2, "")
    assert not (tmp_path / ".amp").exists()


def test_every_check_that_is_wrong_has_its_line(tmp_path: Path) -> None:
    text = '[checks.a]\nprogram = "x.py"\n[checks.b]\nprogram = "vring"\n[checks.c]\nexpcet = "verified"\n'
    lines = checked(project(tmp_path, text)).stderr.splitlines()
    assert [line.partition(": ")[2][:12] for line in lines] == ["amp.toml:2: ", "amp.toml:6: "]


@pytest.mark.parametrize("content", [b"\xff", b"a = " + b"9" * 5000, b"a = " + b"[" * 100_000])
def test_a_file_that_is_no_configuration_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "amp.toml").write_bytes(content)
    done = checked(tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr


def test_where_there_is_none_the_line_says_what_makes_one(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    done = checked(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("amp: no amp.toml here, and no pyproject.toml with [tool.amp]; `amp init`")
    assert "No such file" in checked(tmp_path, "--config", "no.toml").stderr


def config(folder: Path, text: str, name: str = "amp.toml") -> Config:
    project(folder)
    (folder / name).write_text(text)
    return load(folder / name)


def test_defaults_hold_where_a_check_says_nothing(tmp_path: Path) -> None:
    text = """
[defaults]
platforms = ["sc", "arm64"]
barriers = "smp,dma"
max_seconds = 5
max_executions = 100
[checks.a]
program = "vring"
[checks.b]
program = "handover.py:Handover"
platforms = "riscv"
barriers = "mandatory"
max_seconds = 7.5
messages = 3
weaken = {S1 = "none"}
"""
    a, b = config(tmp_path, text).checks
    assert [(cell.platform, cell.barriers) for cell in a.cells] == [
        ("sc", "smp"),
        ("sc", "dma"),
        ("arm64", "smp"),
        ("arm64", "dma"),
    ]
    assert {(cell.max_seconds, cell.max_executions) for cell in a.cells} == {(5.0, 100)}
    [cell] = b.cells
    assert (cell.platform, cell.barriers, cell.max_seconds, cell.messages) == ("riscv", "mandatory", 7.5, 3)
    assert cell.weaken == ("S1=none",)
    assert (b.name, b.where, b.expect) == ("b", f"{tmp_path}/amp.toml:9", "verified")


def test_pyproject_has_the_same_in_its_own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[project]\nname = "x"\n[tool.amp.checks.a]\nprogram = "vring"\n'
    [check] = config(tmp_path, text, "pyproject.toml").checks
    assert check.where.endswith("pyproject.toml:3")
    monkeypatch.chdir(tmp_path)
    assert find(None).name == "amp.toml"
    (tmp_path / "amp.toml").unlink()
    assert find(None).name == "pyproject.toml"
    (tmp_path / "pyproject.toml").write_text(text.replace("vring", "vrng"))
    with pytest.raises(UsageError, match=r"pyproject.toml:4: checks.a.program: 'vrng' is unknown"):
        load(find(None))


def test_an_elf_file_by_keys_is_the_reference_that_verify_takes(tmp_path: Path) -> None:
    (tmp_path / "a.elf").write_bytes(b"")
    text = """
[checks.a]
elf = "a.elf"
host = ["send,3", "more"]
remote = "m4.elf:receive"
shared = "0x40000000:0x1000"
max_loop = 9
"""
    [check] = config(tmp_path, text).checks
    assert check.cells[0].program == (
        "a.elf?host=send,3&host2=more&remote=m4.elf:receive&shared=0x40000000:0x1000&max-loop=9"
    )


def test_an_elf_file_may_say_itself_where_its_shared_memory_is(tmp_path: Path) -> None:
    (tmp_path / "a.elf").write_bytes(b"")
    [check] = config(tmp_path, '[checks.a]\nelf = "a.elf"\nhost = "send"\nremote = "receive"\n').checks
    assert check.cells[0].program == "a.elf?host=send&remote=receive"


def test_a_folder_of_litmus_tests_is_a_cell_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    for name in ("b.litmus", "deep/a.litmus", "c.txt"):
        (tmp_path / "tests" / name).write_text("")
    text = '[checks.a]\nlitmus = "tests"\nplatforms = ["arm64", "riscv"]\n'
    [check] = config(tmp_path, text).checks
    assert [(cell.litmus, cell.platform) for cell in check.cells] == [
        ("tests/b.litmus", "arm64"),
        ("tests/deep/a.litmus", "arm64"),
        ("tests/b.litmus", "riscv"),
        ("tests/deep/a.litmus", "riscv"),
    ]
    assert check.expect == "condition"


def test_a_keys_line_is_told_or_that_of_what_holds_it() -> None:
    text = 'x = 1\n[checks."a b"]\n  program = "p"  # [checks.no]\n[checks.c]\nsizes.n = 1\n'
    assert line_of(text, ("checks", "a b", "program")) == 3
    assert line_of(text, ("checks", "a b", "missing")) == 2
    assert line_of(text, ("checks", "c", "sizes", "n")) == 5
    assert line_of(text, ("checks", "d")) is None
