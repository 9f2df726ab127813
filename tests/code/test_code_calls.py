"""A loop that calls what looks is a wait, too, whatever the call leaves in registers that nobody reads. calls.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding

PLATFORMS = {
    **{"aarch64": "arm64", "x86-64": "x86-wb", "rv64": "riscv"},
    **dict.fromkeys(("armv7-a", "armv7-a-thumb", "cortex-m4"), "sc"),
}
THUMB = ("armv7-a-thumb", "cortex-m4")


def found(path: Path, host: str, remote: str, target: str) -> str | None:
    return finding(f"{path}?host={host}&remote={remote}&{SHARED}", PLATFORMS[target])


@pytest.mark.parametrize("target", PLATFORMS)
@pytest.mark.parametrize("level", ["-O0", "-Os"])
def test_a_loop_that_calls_what_looks_is_a_wait(tmp_path: Path, target: str, level: str) -> None:
    path = built(tmp_path, "calls", level, target=target)
    for remote in ("waits_by_a_call", "waits_by_a_pointer", "waits_twice"):
        assert found(path, "sets_flag", remote, target) is None, remote


@pytest.mark.parametrize("target", PLATFORMS)
def test_what_such_a_loop_remembers_is_not_forgotten(tmp_path: Path, target: str) -> None:
    path = built(tmp_path, "calls", "-O2", target=target)
    for remote, text in (("remembers_by_a_call", "2 came before 3"), ("remembers_by_a_pointer", "1 came before 3")):
        assert text in str(found(path, "counts_to_three", remote, target))


def test_a_branch_back_to_what_returns_is_no_loop(tmp_path: Path) -> None:
    path = built(tmp_path, "calls", "-O2")
    assert found(path, "sets_flag", "waits_by_leaving", "aarch64") is None


@pytest.mark.parametrize("target", THUMB)
def test_flags_that_decide_on_a_conditional_instruction_are_read(tmp_path: Path, target: str) -> None:
    path = built(tmp_path, "calls", "-O2", target=target)
    assert "it was 1" in str(found(path, "counts_to_three", "remembers_by_flags", target))


@pytest.mark.parametrize("target", THUMB)
def test_an_access_in_an_it_block_leaves_the_conditions_as_they_are(tmp_path: Path, target: str) -> None:
    path = built(tmp_path, "calls", "-O2", target=target)
    assert found(path, "sets_flag", "answers_in_a_block", target) is None
