"""Where a processor would stop, so does the part: with what it did, function, line and program counter. edges.c."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from amp.code.build import build
from amp.code.program import load
from amp.explore.explorer import Bounds
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

SOURCE = str(Path(__file__).parent / "edges.c")
DEFAULT = ("cortex-m4",)
ALL = ("aarch64", "armv7a", "armv7a-thumb", "cortex-m4", "x86-64", "riscv64", "riscv32")
TARGETS = [pytest.param(each, marks=[] if each in DEFAULT else [pytest.mark.slow]) for each in ALL]
EDGES = {
    "writes_a_constant": r"wild access: store of 4 bytes at 0x\w+{where}; constant is read-only, shared memory is 0x4",
    "writes_code": r"wild access: store of 4 bytes at 0x\w+{where}; touches is read-only, shared memory is 0x4",
    "jumps_into_data": r"wild access: fetch of \d+ bytes at 0x\w+ .*; private_words is no code, shared memory is 0x4",
    "jumps_nowhere": r"wild access: fetch of \d+ bytes at 0x66660000 .*; nothing is there, shared memory is 0x40000000",
    "jumps_to_null": r"wild access: fetch of \d+ bytes at 0x0 .*; nothing is there, shared memory is 0x40000000:0x1000",
    "reads_null": r"wild access: load of 4 bytes at 0x0{where}; nothing is there, shared memory is 0x40000000:0x1000",
    "overflows": r"stack overflow: (load|store) of \d bytes at 0x\w+ \(deep, edges.c:\d+, pc 0x\w+\)",
    "undefined": r"(undefined instruction|trap){where}",
}
UNALIGNED = {
    "exclusive_shared": r"unaligned access(: load of 4 bytes at 0x40000002)?, which has to be aligned{where}",
    "exclusive_private": r"unaligned access(: load of 4 bytes at 0x\w+2)?, which has to be aligned{where}",
    "ordered_shared": r"unaligned access(: load of 4 bytes at 0x40000002)?, which has to be aligned{where}",
    "ordered_private": r"unaligned access(: load of 4 bytes at 0x\w+2)?, which has to be aligned{where}",
    "multiple_private": r"unaligned access(: (store|load) of 4 bytes at 0x\w+2)?, which has to be aligned{where}",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """(target, function): what is found when it runs. edges.c is built once for each target."""
    directory, made = tmp_path_factory.mktemp("edges"), set[str]()

    def of(target: str, name: str) -> str:
        path = str(directory / f"{target}.elf")
        if path not in made:
            build([SOURCE], path, target, flags=["-O1", "-fno-optimize-sibling-calls", "-w"])
            made.add(path)
        plan = make_plan(load(f"{path}?host={name}"), platform="sc")
        finding = explorer_of(plan).explore(Bounds(10)).finding
        assert finding is not None
        return str(finding.error)

    return of


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("target", TARGETS)
def test_each_edge_is_a_finding_that_says_where(found: Callable[[str, str], str], target: str, name: str) -> None:
    where = rf" \({name}, edges.c:\d+, pc 0x\w+\)"
    assert re.match(EDGES[name].replace("{where}", where), found(target, name)), found(target, name)


@pytest.mark.parametrize("name", UNALIGNED)
@pytest.mark.parametrize("target", [each for each in TARGETS if each.values != ("x86-64",)])
def test_an_access_that_has_to_be_aligned_and_is_not_is_a_finding(
    found: Callable[[str, str], str], target: str, name: str
) -> None:
    where = rf" \({name}, edges.c:\d+, pc 0x\w+\)"
    assert re.match(UNALIGNED[name].replace("{where}", where), found(target, name)), found(target, name)
