"""A loop that waits is one blocking wait, and all the same nothing is missed of what it may have seen. waits.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding

CASES = [
    ("counts_to_three", "remembers_one", "seen 1"),
    ("counts_to_three", "remembers_last", "last was 2"),
    ("sets_second", "waits_for_either", "the second"),
    ("sets_third", "waits_for_one_of_four", "the third"),
    ("buffers_load", "buffers_load_too", "both loads came after both stores"),
    ("buffers_store", "buffers_store_too", "neither saw the other"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
@pytest.mark.parametrize("target", ["aarch64", "rv64"])
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_what_a_waiting_loop_may_have_seen_is_found(
    tmp_path: Path, case: tuple[str, str, str], target: str, level: str
) -> None:
    host, remote, text = case
    path = built(tmp_path, "waits", level, target=target)
    platform = "arm64" if target == "aarch64" else "riscv"
    assert text in str(finding(f"{path}?host={host}&remote={remote}&{SHARED}", platform))
