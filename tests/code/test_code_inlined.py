"""A barrier that a header has inlined is a site for each line that calls it. fences.h, inlined.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import HERE, SHARED, built

import amp
from amp.code.program import load
from amp.explore.explorer import Bounds
from amp.lab.necessity import necessity
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

TARGETS = ["aarch64", "aarch64-clang"]


def line(file: str, text: str) -> str:
    (found,) = (n for n, each in enumerate((HERE / file).read_text().splitlines(), 1) if text in each)
    return f"{file}:{found}"


def program(path: Path) -> str:
    return f"{path}?host=send&remote=receive&{SHARED}"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("flags", [("-O0",), ("-O2",), ("-O2", "-gdwarf-4")], ids="".join)
def test_each_call_of_an_inlined_barrier_is_a_site(tmp_path: Path, target: str, flags: tuple[str, ...]) -> None:
    inner = line("fences.h", "    order();")
    assert [site.name for site in load(program(built(tmp_path, "inlined", *flags, target=target))).sites] == [
        line("inlined.c", "order(); /* consumes */"),
        f"{inner}@{line('inlined.c', '/* publishes */')}",
        line("inlined.c", "/* rare */"),
        line("inlined.c", "/* gives back */"),
    ]


def test_one_of_them_is_weakened_alone(tmp_path: Path) -> None:
    reference = program(built(tmp_path, "inlined", "-O2"))
    sites = {site.name.split("@")[-1]: site.name for site in load(reference).sites}
    publishes, rare = (sites[line("inlined.c", text)] for text in ("/* publishes */", "/* rare */"))
    found = amp.verify(reference, platform="arm64-domains", weaken=(f"{publishes}=none",)).finding
    assert found is not None
    assert found.site == publishes
    assert amp.verify(reference, platform="arm64-domains", weaken=(f"{rare}=none",)).verified


def test_sites_that_no_execution_comes_to_are_not_explored_and_the_matrix_is_the_same(tmp_path: Path) -> None:
    compiled = load(program(built(tmp_path, "inlined", "-O2")))
    matrix = necessity(make_plan(compiled, platform="arm64-domains"), Bounds(), replayed=False)
    for row in matrix.rows:
        for cell in row.cells:
            weaken = (f"{row.site.name}={cell.barrier_class.value}",)
            again = explorer_of(make_plan(compiled, platform="arm64-domains", weaken=weaken)).explore(Bounds())
            assert (cell.explored.verdict.value == "holds") is again.verified, weaken
            assert cell.explored.runs == again.runs
    unreached = {row.site.name.split("@")[-1] for row in matrix.rows if "no execution comes to it" in str(row.note)}
    assert unreached == {line("inlined.c", "/* rare */")}
    assert matrix.explorations < sum(len(row.cells) for row in matrix.rows)
