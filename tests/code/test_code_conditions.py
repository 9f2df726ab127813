"""A barrier that is called on a condition stands there only if the condition holds. conditions.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding

PLATFORMS = {
    **dict.fromkeys(("armv7-a", "armv7-a-thumb", "armv7-a-clang"), "armv7-smp"),
    **{"aarch64": "arm64", "x86-64": "x86-wb", "x86-64-clang": "x86-wb", "rv64": "riscv"},
}


def found(path: Path, name: str, platform: str) -> str | None:
    return finding(f"{path}?host=first_{name}&remote=second_{name}&{SHARED}", platform)


@pytest.mark.a_few(7)
@pytest.mark.parametrize("level", ["-O1", "-O2"])
@pytest.mark.parametrize("target", PLATFORMS)
def test_a_barrier_on_a_condition_is_none_where_it_does_not_hold(tmp_path: Path, target: str, level: str) -> None:
    path = built(tmp_path, "conditions", level, "-fno-optimize-sibling-calls", target=target)
    for name in ("last", "amidst"):
        assert found(path, name, PLATFORMS[target]) is None
        assert "neither saw the other" in str(found(path, f"not_{name}", PLATFORMS[target]))


@pytest.mark.parametrize(("target", "level"), [("armv7-a", "-O2"), ("armv7-a-clang", "-O2"), ("x86-64-clang", "-Os")])
def test_so_is_one_that_is_jumped_to(tmp_path: Path, target: str, level: str) -> None:
    path = built(tmp_path, "conditions", level, target=target)
    assert found(path, "last", PLATFORMS[target]) is None
    assert "neither saw the other" in str(found(path, "not_last", PLATFORMS[target]))
