"""Atomics as compilers spell them: load- and store-exclusives, atomics, locked instructions. locks.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import here
from machine_code import SHARED, built

import amp

WAYS = {
    "aarch64": ("arm64", ("-mno-outline-atomics",)),
    "aarch64-lse": ("arm64", ("-march=armv8.1-a",)),
    "armv7-a": ("sc", ()),
    "cortex-m4": ("sc", ()),
    "x86-64": ("x86-wb", ()),
    "rv64": ("riscv", ()),
    "rv32": ("riscv", ()),
}


def verify(directory: Path, way: str, host: str, remote: str, *flags: str) -> amp.Verification:
    platform, own = WAYS[way]
    path = built(directory, "locks", "-O2", *own, *flags, target=way.removesuffix("-lse"))
    return amp.verify(f"{path}?host={host}&remote={remote}&{SHARED}", platform=platform)


@pytest.mark.a_few(9)
@pytest.mark.parametrize(("host", "remote"), [("locked", "locked"), ("count", "count_and_look"), ("first", "first")])
@pytest.mark.parametrize("way", WAYS)
def test_atomics_hold(tmp_path: Path, way: str, host: str, remote: str) -> None:
    verdict = verify(tmp_path, way, host, remote)
    assert verdict.verified, verdict


@pytest.mark.parametrize("way", ["aarch64", "aarch64-lse", "rv64"])
def test_a_lock_without_release_is_found(tmp_path: Path, way: str) -> None:
    verdict = verify(tmp_path, way, "locked", "locked", "-DUNLOCK_ORDER=__ATOMIC_RELAXED")
    assert verdict.finding is not None
    assert "DATA == 0" in verdict.finding.text


@pytest.mark.parametrize("way", ["aarch64", "armv7-a"])
def test_in_lockstep_an_exclusive_pair_outlives_the_table_of_loads(tmp_path: Path, way: str) -> None:
    platform, own = WAYS[way]
    path = built(tmp_path, "locks", "-O2", "-fno-unroll-loops", *own, target=way)
    reference = f"{path}?host=count_often&remote=count_often&{SHARED}"
    ended = here("run", reference, "--mode", "lockstep", "--platform", platform)
    assert ended.returncode == 0, ended.stdout + ended.stderr
