"""What the tests of the gate share: a small project in a folder, and `amp check` in it. Not a test."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import here

PROGRAM = """
import amp
from words import ANSWER

box = amp.Layout(flag=amp.u32, data=amp.u32)
publish = amp.Site("publish", "data before flag", needs="WW", kind="wmb", pairs_with="consume")
consume = amp.Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="publish")


@amp.program(layout=box, sites=[publish, consume])
class Handover:
    def host(self, cpu, at):
        cpu.store(at.data, ANSWER)
        cpu.barrier(publish)
        cpu.store(at.flag, 1)

    def remote(self, cpu, at):
        cpu.poll(at.flag, lambda flag: flag == 1)
        cpu.barrier(consume)
        assert cpu.load(at.data) == ANSWER
"""
LINE_OF_PUBLISH, LINE_OF_CONSUME = (
    1 + PROGRAM.splitlines().index(f"        cpu.barrier({site})") for site in ("publish", "consume")
)
CONFIG = """
[checks.handover]
program = "handover.py"
platforms = ["arm64-domains"]
"""


def project(folder: Path, config: str = CONFIG) -> Path:
    """A program that imports a module beside it, and a configuration."""
    (folder / "handover.py").write_text(PROGRAM)
    (folder / "words.py").write_text("ANSWER = 42\n")
    (folder / "amp.toml").write_text(config)
    return folder


def checked(folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """`amp check` where the project is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return here("check", *options)


def told(folder: Path, *options: object) -> dict[str, Any]:
    """The object of `amp check --json`."""
    done = checked(folder, "--json", *options)
    assert done.stdout, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    return data
