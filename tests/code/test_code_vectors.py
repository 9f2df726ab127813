"""A vector register of AArch64 is followed by its halves: what is in one is no dependency of the other. vectors.c."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from machine_code import HERE, SHARED, built, finding

from amp.errors import UsageError

NAMES = re.findall(r"^BOTH\((\w+),", (HERE / "vectors.c").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("vectors"), "vectors", "-O1")


def found(path: Path, name: str) -> str | None:
    return finding(f"{path}?host=gives&remote={name}&{SHARED}", "paranoid")


@pytest.mark.parametrize("name", [*NAMES, "across", "repeated"])
def test_what_comes_from_the_half_with_the_number_depends_on_it(vectors: Path, name: str) -> None:
    assert found(vectors, f"depends_{name}") is None


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_from_the_other_half_does_not(vectors: Path, name: str) -> None:
    assert str(found(vectors, f"is_free_{name}")).startswith("assertion failed: data == 42")


def test_elements_of_several_registers_in_turn_are_refused_where_the_number_is_in_them(vectors: Path) -> None:
    with pytest.raises(UsageError, match=r"st2"):
        found(vectors, "depends_in_turn")


@pytest.mark.parametrize("name", ["vmov", "vldr", "vmov_lane"])
def test_of_a_double_a_half_keeps_what_the_other_had(tmp_path: Path, name: str) -> None:
    path = built(tmp_path, "doubles", "-O1", "-march=armv7-a+fp", "-mfloat-abi=softfp", target="armv7-a")
    assert found(path, f"beside_{name}") is None
