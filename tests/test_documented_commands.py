"""Every `amp` line in a code block of the documents: it parses as typed, names files that are there, and runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import pytest

from amp.cli.applies import spelled
from amp.cli.main import cli
from amp.lab.applies import ROWS
from amp.programs import SHIPPED

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "bench/README.md",
    "tests/README.md",
    *(f"docs/{each.name}" for each in ROOT.glob("docs/*.md")),
)
_LINE = re.compile(r"\s*(?:\$ )?(amp .*)")
_FILE = re.compile(r"`([\w.+-]+)`:\n+```\w*\n(.*?)```", re.DOTALL)  # "in `NAME`:" and its text
_WRITES = {"--save", "--html", "--perfetto", "-o", "--output", "--chart"}
LIMIT_S = 240
_ELSEWHERE = ("build/", "2011/")  # built from Linux's source: tests/code/test_linux_virtio.py types what runs those
_COMPILERS = {
    "ring.elf": ("aarch64-linux-gnu-gcc",),
    "a9.elf": ("arm-none-eabi-gcc", "-march=armv7-a"),
    "m4.elf": ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"),
}


@dataclass(frozen=True)
class Typed:
    """One command as it stands in a document."""

    document: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}:{self.line} {' '.join(self.words)}"


def typed(document: str, text: str) -> list[Typed]:
    """All commands, in order; those that are left out in part ("…") are no commands."""
    found, fenced = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
            continue
        match = _LINE.match(line) if fenced or line.startswith("    ") else None
        if match is None:
            continue
        lexer = shlex.shlex(match[1], posix=True, punctuation_chars=";")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in (*lexer, ";"):
            if word == ";" and "…" not in "".join(words):
                found.append(Typed(document, number, tuple(words[1:])))
            words = [] if word == ";" else [*words, word]
    return found


@cache
def documented() -> tuple[Typed, ...]:
    return tuple(each for name in DOCUMENTS for each in typed(name, (ROOT / name).read_text()))


def parsed(words: tuple[str, ...]) -> click.Context:
    """What click makes of it, without running it; raises what a user would be told."""
    command: click.Command = cli
    while isinstance(command, click.Group):
        name, *rest = words
        assert name in command.commands, f"there is no command {name}"
        command, words = command.commands[name], tuple(rest)
    context = command.make_context(command.name, list(words))
    program = context.params.get("program")
    assert program is None or program in SHIPPED or ".py" in program or program.endswith(".elf"), (
        f"there is no program {program}"
    )
    for row in ROWS:
        for option in row.options if row.command == command.name else ():
            given = context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE
            assert not (given and row.where(context.params)), f"{spelled(command, option)} has no meaning {row.why}"
    return context


def test_there_are_commands_to_check() -> None:
    assert len(documented()) > 25
    assert {"README.md", "docs/litmus.md", "docs/necessity.md"} <= {each.document for each in documented()}


@pytest.mark.parametrize("each", documented(), ids=str)
def test_a_documented_command_parses_and_names_files_that_are_there(each: Typed) -> None:
    context = parsed(each.words)
    made = {name for name, _ in _FILE.findall((ROOT / each.document).read_text())}
    for before in documented():
        if before.document == each.document and before.line <= each.line:
            made |= {after for option, after in zip(before.words, before.words[1:], strict=False) if option in _WRITES}
    reads = [*context.params.get("paths", ())]
    reads += [context.params[name] for name in ("witness", "firmware", "file", "expect") if context.params.get(name)]
    for name in reads:
        assert (ROOT / name).exists() or name in made, f"{name} is neither in the repository nor made before"


@pytest.mark.parametrize(
    "words",
    ["run vring --payload 64", "run echo --nonsense", "nonsense", "replay", "litmus --tries 0 x", "verify nothing"],
)
def test_a_line_that_fails_as_typed_would_be_noticed(words: str) -> None:
    with pytest.raises((AssertionError, click.ClickException)):
        parsed(tuple(words.split()))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("document", sorted({each.document for each in documented()}))
def test_the_commands_of_a_document_run_one_after_the_other(document: str, tmp_path: Path) -> None:
    """In a folder with the repository's tests, its examples and what the document shows; `up` in the background."""
    for folder in ("tests", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for name, text in _FILE.findall((ROOT / document).read_text()):
        (tmp_path / name).write_text(text)
    words = {word for each in documented() if each.document == document for word in each.words}
    (tmp_path / "ring.c").write_text(dict(_FILE.findall((ROOT / "docs/code.md").read_text()))["ring.c"])
    for name, command in _COMPILERS.items():
        if any(word.startswith(name) for word in words):
            flags = ["-O2", "-g", "-ffreestanding", "-nostdlib", f"-I{ROOT}/amp/code/include", "-Wl,-Ttext=0x20000"]
            source = ROOT / "tests" / "code" / "ring.c"
            subprocess.run([*command, *flags, "-static", source, "-o", tmp_path / name], check=True)
    own = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    for line in re.findall(r"^    (cc .*)$", (ROOT / document).read_text(), re.MULTILINE):
        built = line.replace("amp config", f"{Path(sys.executable).parent / 'amp'} config")
        subprocess.run(built, shell=True, cwd=tmp_path, check=True, timeout=LIMIT_S)
    for each in documented():
        if each.document != document or ("--hardware" in each.words and not shutil.which("cc")):
            continue
        if any(word.startswith(_ELSEWHERE) for word in each.words):
            continue
        words = [*each.words, "--detach"] if each.words[0] == "up" else [*each.words]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "amp.cli", *words],
            cwd=tmp_path,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode in (0, 1, 3), f"{each}: {done.stderr}"
        assert "internal error" not in done.stderr, each
