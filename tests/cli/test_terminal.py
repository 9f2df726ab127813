"""The terminal: whole summaries at 80 columns, completion that shells take, output for a pipe, and `amp doctor`."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from commands import here
from rich.console import Console
from rich.table import Table

from amp.cli.main import cli
from amp.lab import doctor


def groups(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    below = [
        found
        for name, each in group.commands.items()
        if isinstance(each, click.Group)
        for found in groups(each, *path, name)
    ]
    return [path, *below]


def cut(text: str) -> list[str]:
    return [line for line in text.partition("Commands:")[2].splitlines() if line.endswith("...")]


@pytest.mark.parametrize("path", groups(cli), ids=lambda path: " ".join(("amp", *path)))
def test_every_command_has_a_whole_summary_in_one_line_of_80_columns(path: tuple[str, ...]) -> None:
    said = here(*path, "--help").stdout
    assert cut(said) == []
    listed = [line for line in said.partition("Commands:")[2].splitlines() if line]
    assert len(listed) > 1
    assert all(line.startswith("  ") and line[2] != " " for line in listed), "a line each"
    assert max(map(len, said.splitlines())) <= 80


def test_a_summary_that_is_cut_would_be_seen() -> None:
    group = click.Group("planted", {"long": click.Command("long", help="a word " * 30)})
    with click.Context(group, terminal_width=80) as context:
        assert cut(group.get_help(context))


SHELLS = {
    "bash": 'eval "$(_AMP_COMPLETE=bash_source amp)"; COMP_WORDS=(amp ver); COMP_CWORD=1; _amp_completion amp;'
    ' echo "${COMPREPLY[@]}"',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(_AMP_COMPLETE=zsh_source amp)";'
    ' compadd() { print -- "${@[-1]}" }; _describe() { print -- "${(P@)${@[-1]}}" "${(P@)${@[-2]}}" };'
    " words=(amp ver); CURRENT=2; _amp_completion",
    "fish": '_AMP_COMPLETE=fish_source amp | source; complete -C "amp ver"',
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_takes_the_script_and_completes_a_command(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = tmp_path / "amp"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m amp.cli "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [shell, "-c", SHELLS[shell]], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "verify" in done.stdout
    assert "vrings" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("amp verify vring-f", "plain,vring-flags\n"),
        ("amp verify vring --platform omap", "plain,omap4-2011\n"),
        ("amp platforms risc", "plain,riscv\n"),
        ("amp run echo --barriers ma", "plain,mandatory\n"),
        ("amp explain wit", "file,wit\n"),
        ("amp check --html o", "file,o\n"),
        ("amp verify hand", "file,hand\n"),
    ],
)
def test_names_that_are_known_are_completed_and_else_files(words: str, items: str) -> None:
    count = str(len(words.split()) - 1)
    assert here(_AMP_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count).stdout == items


def test_a_shell_that_nobody_knows_is_told_so() -> None:
    done = here(_AMP_COMPLETE="csh_source")
    assert (done.returncode, done.stderr) == (
        2,
        "amp: _AMP_COMPLETE is 'csh_source', expected {bash,zsh,fish}_source\n",
    )


def padded(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.endswith(" ")]


@pytest.mark.parametrize("command", ["platforms", "platforms omap4-2011", "scenarios vring", "doctor"])
def test_what_goes_into_a_pipe_is_not_padded(command: str) -> None:
    said = here(*command.split()).stdout
    assert len(said.splitlines()) > 5
    assert padded(said) == []


def test_what_is_padded_would_be_seen() -> None:
    console, table = Console(width=40), Table("a", "b")
    table.add_row("a long one", "b")
    table.show_edge = False
    with console.capture() as printed:
        console.print(table)
    assert padded(printed.get())


# --- amp doctor


def test_doctor_tells_of_this_machine_and_ends_as_it_found_it() -> None:
    before = os.listdir(doctor.SHM_DIRECTORY)
    done = here("doctor", "--json")
    told = json.loads(done.stdout)
    states = {sign["what"]: sign["state"] for sign in told["signs"]}
    assert (done.returncode, told["status"]) == (0, "holds")
    assert states["shared memory"] == states["open files"] == "ok"
    assert set(states.values()) <= {"ok", "slow", "absent"}
    assert all(sign["told"] for sign in told["signs"])
    assert not [
        name for name in os.listdir(doctor.SHM_DIRECTORY) if name.startswith("amp-doctor") and name not in before
    ]


def test_shared_memory_that_is_not_there_is_wrong_and_the_status_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SHM_DIRECTORY", str(tmp_path / "gone"))
    done = here("doctor", COLUMNS="200")
    assert done.returncode == 1
    assert "No such file or directory: no machine can be made" in " ".join(done.stdout.split())
    assert doctor.shared_memory(tmp_path).state == "ok"
    monkeypatch.setattr(doctor, "ROOM_BYTES", 1 << 62)
    assert "--shm-size" in doctor.shared_memory(tmp_path).told


@pytest.mark.parametrize(
    ("sign", "state", "told"),
    [
        (doctor.processors(4, "max 100000", 0.1), "ok", "4 processors"),
        (doctor.processors(1, "", 0.1), "slow", "both sides share one"),
        (doctor.processors(4, "150000 100000", 0.1), "slow", "a quota of 1.5 processors' time"),
        (doctor.processors(4, "not a quota", 9.0), "slow", "a load of 9.0"),
        (doctor.fences("x86_64"), "ok", "x86_64"),
        (doctor.fences("riscv64"), "absent", "no direct mode"),
        (doctor.perf("-1"), "ok", "perf_event_paranoid is -1"),
        (doctor.perf(""), "absent", "amp needs none"),
        (doctor.headers(Path("/nowhere")), "absent", "python3-dev"),
        (doctor.extra("code", ("no_such_module",)), "absent", "pip install 'amp-soc[code]'"),
        (doctor.browser({"PATH": "/nowhere"}), "absent", "no chromium"),
    ],
)
def test_each_sign_by_itself(sign: doctor.Sign, state: str, told: str) -> None:
    assert sign.state == state
    assert told in sign.told


def test_compilers_that_are_missing_are_told_with_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    assert "no programs in C" in doctor.compiler().told
    assert doctor.cross_compilers().told.startswith("none for aarch64, ")
