"""What a loop that waits was taken to leave to nobody, and somebody reads, is found or refused. forgets.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding

from amp.errors import UsageError

FOUND = "2 came before 3"


def found(path: Path, remote: str, host: str = "counts_to_three") -> str:
    return str(finding(f"{path}?host={host}&remote=remembers_{remote}&{SHARED}", "sc"))


@pytest.mark.parametrize("remote", ["below", "frame"])
def test_a_read_below_the_stack_pointer_is_refused(tmp_path: Path, remote: str) -> None:
    with pytest.raises(UsageError, match="below the stack pointer, where nothing is kept"):
        found(built(tmp_path, "forgets", "-O1"), remote)


@pytest.mark.parametrize("remote", ["scratch", "jump"])
def test_a_read_of_a_register_that_was_taken_for_dead_is_refused(tmp_path: Path, remote: str) -> None:
    with pytest.raises(UsageError, match=r"it reads a register that the loop at 0x[0-9a-f]+ was taken to leave"):
        found(built(tmp_path, "forgets", "-O1"), remote)


def test_a_thunk_s_return_is_a_call_whose_arguments_are_kept(tmp_path: Path) -> None:
    assert FOUND in found(built(tmp_path, "forgets", "-O1", target="x86-64"), "argument")


def test_a_register_that_is_written_in_part_is_not_overwritten(tmp_path: Path) -> None:
    assert FOUND in found(built(tmp_path, "forgets", "-O1"), "half")
    path = built(tmp_path, "forgets", "-O1", target="armv7-a-thumb")
    assert FOUND in found(path, "other")
    assert FOUND in found(path, "carry")


def test_a_slot_that_the_next_round_may_read_first_is_not_overwritten(tmp_path: Path) -> None:
    assert FOUND in found(built(tmp_path, "forgets", "-O1"), "slot", "writes_twice")
