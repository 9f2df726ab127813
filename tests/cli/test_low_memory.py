"""Too little address space, at whichever moment of the start it is missed: one line and status 2, no finding."""

from __future__ import annotations

import re
import resource
import subprocess
from pathlib import Path

import pytest
from commands import here, process

KIB = range(23_000, 47_000)  # from where Python comes to our code to where the commands work


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("low") / "witness"
    assert here("verify", "vring", "--weaken", "S1=smp", "--save", path).returncode == 1
    return path


def limited(kib: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    limit = (kib << 10, kib << 10)
    return process(*arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit))


# What the interpreter says where it fails by itself, outside of any code of ours: at its start, or at its end.
INTERPRETERS = re.compile(
    r"(MemoryError|SystemError|Exception ignored|Traceback|object |lost sys).*|  File \"<frozen .*"
)


def fails_by_itself(told: subprocess.CompletedProcess[str]) -> bool:
    """Did the interpreter end the process, before our code or behind it? Its status is not ours to say."""
    lines = [line for line in told.stderr.splitlines() if "amp: not enough memory" not in line]
    return bool(lines) and all(map(INTERPRETERS.fullmatch, lines))


SAID = ("not enough memory", "Cannot allocate memory", "out of memory")


@pytest.mark.a_few(2)
@pytest.mark.parametrize("step", [3000, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("good", "command"),
    [(0, ("platforms",)), (0, ("verify", "doorbell")), (0, ("bench", "question")), (1, ("replay", "WITNESS"))],
    ids=str,
)
def test_a_command_that_finds_no_memory_to_start_says_so_in_one_line_with_status_2(
    witness: Path, good: int, command: tuple[str, ...], step: int
) -> None:
    words = [witness if word == "WITNESS" else word for word in command]
    refused = 0
    for kib in KIB[::step]:
        told = limited(kib, *words)
        if fails_by_itself(told):
            print(kib, told)
        elif told.returncode == 2:
            refused += 1
            # Said, and said again if the interpreter has lost the end of the command.
            assert len(set(told.stderr.splitlines())) == 1, (kib, told.stderr)
            assert any(each in told.stderr for each in SAID), (kib, told.stderr)
        else:
            assert (told.returncode, told.stderr) == (good, ""), (kib, told)
            assert told.stdout
    assert refused > 2, "memory was never short"


def test_a_module_that_cannot_be_loaded_for_another_reason_is_no_violation(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("this is no Python")
    told = process("platforms", env={"PYTHONPATH": str(tmp_path)})
    assert (told.returncode, told.stdout, len(told.stderr.splitlines())) == (4, "", 1), told.stderr
    assert "SyntaxError" in told.stderr
