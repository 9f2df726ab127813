"""A split ring in C, as the compiler made it: the correct one is verified, each missing barrier is found and named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from machine_code import SHARED, built

import amp
from amp.errors import UsageError

LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")
# What is seen without each barrier, and by whom: ring.c numbers them.
WITHOUT = {1: "remote", 2: "remote", 3: "host", 4: "host"}


def program(path: Path) -> str:
    return f"{path}?host=send&remote=receive&{SHARED}"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_correct_ring_is_verified_and_each_missing_barrier_is_found(
    tmp_path: Path, level: str, compiler: str
) -> None:
    whole = built(tmp_path, "ring", level, "-DMESSAGES=2", compiler=compiler)
    assert amp.verify(program(whole), platform="arm64-domains").verified
    for number, part in WITHOUT.items():
        broken = built(tmp_path, "ring", level, f"-DWITHOUT={number}", compiler=compiler)
        found = amp.verify(program(broken), platform="arm64-domains").finding
        assert found is not None, (number, level)
        assert found.part == part
        assert re.search(r"assertion failed: .* \((send|receive), ring.c:\d+\)", found.text), found.text


def test_the_counts_are_those_of_the_other_rings(tmp_path: Path) -> None:
    """GenMC and Nidhugg meet 1 execution with one message and 4 with two; merging leaves fewer."""
    counts = []
    for messages in (1, 2):
        path = built(tmp_path, "ring", "-O2", f"-DMESSAGES={messages}")
        (cell,) = amp.verify(program(path), platform="arm64-domains").cells
        counts.append(cell.executions)
    assert counts[0] == 1
    assert counts[1] <= 4


def test_what_does_not_reach_is_found_and_what_would_is_named(tmp_path: Path) -> None:
    path = built(tmp_path, "ring", "-O2")
    assert amp.verify(program(path), platform="arm64").verified
    line = next(
        n
        for n, text in enumerate((Path(__file__).parent / "ring.c").read_text().splitlines(), 1)
        if "WMB(); /* the entry" in text
    )
    verdict = amp.verify(program(path), platform="arm64-domains", weaken=(f"ring.c:{line}=smp",))
    assert verdict.finding is not None
    assert verdict.finding.site == f"ring.c:{line}"
    story = str(verdict.finding)
    assert f"ring.c:{line}" in story
    assert "smp_wmb (dmb ishst)" in story
    assert "dma_wmb (dmb oshst)" in story


def test_an_instruction_set_that_does_not_fit_is_refused_unless_its_barriers_are_symbolic(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"ring\.c:\d+: `dmb oshst` is AArch64's, and the host of omap4-2011 is armv7-2011"
    ):
        amp.verify(program(built(tmp_path, "ring", "-O2")), platform="omap4-2011")
    for without, verified in ((0, True), (1, False)):
        path = built(tmp_path, "ring", "-O2", "-DSYMBOLIC", f"-DWITHOUT={without}")
        assert amp.verify(program(path), platform="omap4-2011").verified is verified


def test_the_matrix_says_which_barriers_of_the_binary_are_needed(tmp_path: Path) -> None:
    matrix = amp.sites(program(built(tmp_path, "ring", "-O2")), platform="arm64-domains")
    assert [row.weakest.barrier_class.value for row in matrix.rows if row.weakest] == ["dma"] * 4
    assert {row.coded for row in matrix.rows} == {"dmb oshst", "dmb oshld"}
