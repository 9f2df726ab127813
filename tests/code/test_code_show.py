"""`amp code show`: which functions touch shared memory, and what the tables make of one."""

from __future__ import annotations

from pathlib import Path

from commands import here
from machine_code import built


def test_without_a_function_it_names_those_that_touch_shared_memory_or_have_a_barrier(tmp_path: Path) -> None:
    said = here("code", "show", built(tmp_path, "ring", "-O2")).stdout.splitlines()
    assert [line.split()[1] for line in said[1:]] == ["send", "receive"]
    assert said[2].endswith("barrier: 2, may be shared: 6")


def test_of_a_function_it_shows_barriers_and_plain_accesses_in_80_columns(tmp_path: Path) -> None:
    said = here("code", "show", built(tmp_path, "ring", "-O2"), "receive").stdout.splitlines()
    assert all(len(line) <= 80 for line in said[1:])
    assert sum(line.endswith((" load", " store")) for line in said) == 6
    assert "            barrier: orders WW WD, reaches OUTER" in said


def test_the_barriers_are_said_once_in_a_result_line(tmp_path: Path) -> None:
    path = built(tmp_path, "ring", "-O2")
    asked = f"{path}?host=send&remote=receive&shared=0x40000000:0x1000"
    first = here("verify", asked, "--platform", "arm64").stdout.splitlines()[0]
    assert first == f"{path.name} on arm64 with barriers as compiled (AArch64)"
