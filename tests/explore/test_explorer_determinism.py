"""The same exploration is the same in every interpreter; a program that is not deterministic is found out."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from explored_programs import program_explorer

from amp.explore.explorer import Bounds, Exploration, Explorer, Machine, Nondeterministic
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import PLATFORMS
from amp.ordering.sites import SiteMap
from amp.virtio.sites import SITES

DIGEST = Path(__file__).parent / "explored_digest.py"
A, B, C = 0x40, 0x80, 0xC0


def digest(hash_seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, str(DIGEST)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=300).stdout


@pytest.mark.parametrize("interpreters", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_fresh_interpreters_count_and_find_the_same(interpreters: int) -> None:
    first, *others = [digest(seed) for seed in range(interpreters)]
    assert first.count("\n") == 6
    assert first.count("None") == 3, "half of them find something"
    assert set(others) == {first}


def test_an_explorer_counts_the_same_the_second_time() -> None:
    explorer = program_explorer("spsc-vring", "omap4-2011", messages=4, ring_size=4)
    first, second = (explorer.explore(Bounds()) for _ in range(2))
    first.seconds = second.seconds = 0
    assert first == second


# --- programs that are not deterministic ------------------------------------------------------------------------------


def writer(port: Any) -> None:
    for address in (A, B, C):
        port.store_u32(address, 1)


def run(program: Callable[[Any], None]) -> Exploration:
    machine = Machine(PLATFORMS["paranoid"], SiteMap.for_class(BarrierClass.NONE, SITES), (0, 4096))
    return Explorer(machine, [program, writer]).explore(Bounds(seconds=20))


def steady(port: Any) -> None:
    if port.load_u32(A):
        port.load_u32(B)
    port.store_u32(C, 2)


def by_chance(port: Any) -> None:
    if random.random() < 0.5:
        port.load_u32(B)
    port.load_u32(A)


def by_the_clock(port: Any) -> None:
    port.load_u32(A)
    port.store_u32(C, time.monotonic_ns() & 0xFFFF)


def by_identity(port: Any) -> None:
    kept.append(object())
    port.load_u32(A + 4 * (id(kept[-1]) // 16 % 16))


def by_a_counter(port: Any) -> None:
    if next(counter) % 3:
        port.load_u32(B)
    port.load_u32(A)


def by_a_value(port: Any) -> None:
    port.store_u32(C, next(counter))
    port.load_u32(A)


def late(port: Any) -> None:
    """The same every time until something was read that is not read first."""
    if port.load_u32(A) == 0 and next(counter) % 2:
        port.load_u32(B)
    port.load_u32(C)


def by_the_order_of_a_set(port: Any) -> None:
    for name in {f"{next(counter)}-{number}" for number in range(8)}:
        port.load_u32(A + 4 * int(name.rpartition("-")[2]))


kept: list[object] = []
counter = itertools.count()
BAD = [by_chance, by_the_clock, by_identity, by_a_counter, by_a_value, late, by_the_order_of_a_set]


def run_often(program: Callable[[Any], None]) -> None:
    """Chance may be the same once."""
    for _ in range(20):
        run(program)


@pytest.mark.parametrize("program", BAD, ids=lambda program: program.__name__)
def test_a_program_that_is_not_deterministic_is_reported_as_such(program: Callable[[Any], None]) -> None:
    with pytest.raises(Nondeterministic, match="not deterministic") as refused:
        run_often(program)
    assert refused.value.exit_status == 2


def test_one_that_is_deterministic_is_not() -> None:
    assert run(steady).verified
