"""A barrier that is a function is one however the code comes to it; and conditional instructions of Thumb. named.c."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from slow_sizes import slow_unless

from amp.code.build import build
from amp.code.program import load
from amp.code.toolchains import TARGETS
from amp.errors import UsageError
from amp.explore.explorer import Bounds, Exploration
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

NAMED = str(Path(__file__).parent / "named.c")


Explore = Callable[..., Exploration]


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Explore:
    """(target, host, remote, platform): what comes of it. named.c is built once for each target."""
    directory, made = tmp_path_factory.mktemp("named"), set[str]()

    def of(target: str, host: str, remote: str, platform: str, cc: str | None = None) -> Exploration:
        path = str(directory / f"{target}{cc or ''}.elf")
        if path not in made:
            build([NAMED], path, target, flags=("-O2",), compiler=cc)
            made.add(path)
        program = load(f"{path}?host={host}&remote={remote}&shared=0x40000000:0x1000")
        return explorer_of(make_plan(program, platform=platform)).explore(Bounds(1000))

    return of


@pytest.mark.parametrize("target", ["riscv64", "riscv32"])
def test_a_far_call_of_a_barrier_is_that_barrier(explored: Explore, target: str) -> None:
    """clang calls by `auipc` and `jalr`, the address in two instructions."""
    assert explored(target, "send", "receive", "riscv", cc="clang").verified


@pytest.mark.parametrize("target", slow_unless({"aarch64"}.__contains__, ["x86-64", "aarch64", "riscv64"]))
def test_a_barrier_that_is_called_by_a_pointer_is_refused(explored: Explore, target: str) -> None:
    said = (
        r"send_by_pointer, named.c:\d+: .* amp_dma_wmb is called by a pointer, and no line says which barrier that is"
    )
    with pytest.raises(UsageError, match=said):
        explored(target, "send_by_pointer", "receive", "paranoid")


@pytest.mark.parametrize("target", slow_unless({"x86-64", "cortex-m4"}.__contains__, sorted(TARGETS)))
@pytest.mark.parametrize(("wanted", "verified"), [(1, True), (0, False)])
def test_a_barrier_that_is_jumped_to_on_a_condition_orders_only_then(
    explored: Explore, target: str, wanted: int, verified: bool
) -> None:
    assert explored(target, f"send_and_order_if,{wanted}", "receive", "omap4-2011").verified is verified


@pytest.mark.parametrize("target", ["armv7a-thumb", "cortex-m4"])
def test_what_is_behind_a_conditional_store_is_not_conditional(explored: Explore, target: str) -> None:
    assert explored(target, "goes_round_three_times", "send", "sc").verified


@pytest.mark.parametrize("target", ["armv7a-thumb", "cortex-m4"])
def test_every_store_of_a_conditional_block_is_made(explored: Explore, target: str) -> None:
    assert explored(target, "asks", "answers", "sc").verified
    found = explored(target, "asks", "answers", "paranoid").finding
    assert found is not None
    assert "at[2] == 1" in str(found.error)
