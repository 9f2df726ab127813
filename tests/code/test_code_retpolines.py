"""Retpolines are jumps and calls by a register: a return to an address that the code has put there. retpolines.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding

from amp.code.elf import read
from amp.code.listing import Listing

WAYS = {
    "gcc": ("x86-64", ("-mindirect-branch=thunk",)),
    "gcc-returns": ("x86-64", ("-mindirect-branch=thunk", "-mfunction-return=thunk")),
    "clang": ("x86-64-clang", ("-mretpoline",)),
    "none": ("x86-64", ()),
}
REMOTES = ["takes", "takes_one_of,3"]
PLATFORM = "x86-wc"  # which lets stores pass each other


def found(directory: Path, way: str, remote: str, *flags: str) -> str | None:
    target, own = WAYS[way]
    path = built(directory, "retpolines", "-O2", *own, *flags, target=target)
    return finding(f"{path}?host=gives&remote={remote}&{SHARED}", PLATFORM)


@pytest.mark.parametrize("remote", REMOTES)
@pytest.mark.parametrize("way", WAYS)
def test_they_are_followed(tmp_path: Path, way: str, remote: str) -> None:
    assert found(tmp_path, way, remote) is None


@pytest.mark.parametrize("remote", REMOTES)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_missing_is_found_through_them(tmp_path: Path, way: str, remote: str) -> None:
    assert "== 42" in str(found(tmp_path, way, remote, "-DNO_BARRIER"))


def test_inside_of_a_function_they_are_jumps(tmp_path: Path) -> None:
    text = found(tmp_path, "none", "takes_one_of,3", "-mindirect-branch=thunk-inline", "-DNO_BARRIER")
    assert "== 42" in str(text)


@pytest.mark.parametrize("way", ["gcc", "clang"])
def test_a_call_by_one_is_a_call_of_whom_nobody_knows(tmp_path: Path, way: str) -> None:
    target, own = WAYS[way]
    listing = Listing(read(str(built(tmp_path, "retpolines", "-O2", *own, target=target))))
    calls = [each.row for each in listing.function(listing.image.function("takes").start).values() if each.row.calls]
    by_pointer = [row for row in calls if row.target is None]
    assert len(by_pointer) == 2
    assert all(row.indirect and row.reads for row in by_pointer)
