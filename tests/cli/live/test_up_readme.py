"""README's demo of a machine that stays up: its commands, run as they stand there, print what it says they print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import WAIT_LIMIT_S, until
from commands import AMP
from live_machines import Home, a_home

README = Path(__file__).parents[3] / "README.md"
SECTION = "## Firmware that stays up\n"


def sessions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of the section, and the lines printed below it."""
    section = text.partition(SECTION)[2].partition("\n## ")[0]
    command, printed = "", list[str]()
    for line in section.splitlines():
        if line.startswith("    $ ") or not line.startswith("    "):
            if command:
                yield command, printed
            command, printed = line.removeprefix("    $ ") if line.startswith("    $ ") else "", []
        elif command:
            printed.append(line[4:])


def shape(line: str, directory: str) -> str:
    """A line without what differs from run to run: numbers, times, and where the runtime directory is."""
    line = line.replace(directory, "DIRECTORY").replace("/run/user/1000", "DIRECTORY")
    line = re.sub(r"\[ *\d+\.\d+\]", "[TIME]", line)
    return re.sub(r"(?<![0-9A-Za-z])\d+(\.\d+)?(?![0-9A-Za-z])", "N", line)


def shapes(text: str, directory: str) -> list[str]:
    return [shape(line, directory) for line in text.splitlines()]


def words(command: str) -> list[str]:
    first, *rest = shlex.split(command)
    assert first == "amp", command
    return [*AMP, *rest]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with a_home() as home:
        yield home


def test_the_second_demo_prints_what_the_readme_says(home: Home, tmp_path: Path) -> None:
    steps = list(sessions(README.read_text()))
    assert [shlex.split(command)[1] for command, _ in steps] == [
        *("firmware", "up", "send", "vrings", "crash", "send", "down")
    ]
    log = tmp_path / "log"
    foreground: subprocess.Popen[bytes] | None = None
    directory = str(home.path)
    try:
        for command, printed in steps:
            if "amp up" in command:
                with log.open("wb") as file:
                    foreground = subprocess.Popen(words(command), cwd=tmp_path, stdout=file, env=home.environment)
                until(lambda: "is up" in log.read_text(), "the machine")
                said_by_the_log = [shape(line, directory) for line in printed]
                continue
            run = subprocess.run(
                words(command), cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=home.environment, check=True
            )
            expected = [shape(line, directory) for line in printed]
            assert shapes(run.stdout, directory) == expected, command
        assert foreground is not None
        assert foreground.wait(WAIT_LIMIT_S) == 0
    finally:
        if foreground is not None:
            foreground.kill()
            foreground.wait()
    # The firmware's own line may come before or after its host's.
    assert sorted(shapes(log.read_text(), directory)) == sorted(said_by_the_log)
    assert os.listdir(home.path / "amp") == [".lock"]


def test_the_comparison_goes_red_on_another_word_and_not_on_another_number() -> None:
    assert shape("[    1.234] core pid 12", "/x") == shape("[   11.200] core pid 3456", "/x")
    assert shape("used 0x3000", "/x") != shape("used 0x4000", "/x")
    assert shape("kicks wanted", "/x") != shape("kicks not wanted", "/x")
