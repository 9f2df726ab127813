"""In free mode, where two processes go at their own speed, compiled atomics are atomic and ordered. counters.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding

from amp.lab.plan import make_plan
from amp.lab.run import run
from amp.machine.config import Mode

# By way: the platform, the target, and what compilers are told.
WAYS = {
    "aarch64": ("arm64", "aarch64", ("-mno-outline-atomics",)),
    "aarch64-lse": ("arm64-domains", "aarch64", ("-march=armv8.1-a",)),
    "armv7-a": ("sc", "armv7-a", ()),
    "cortex-m4": ("sc", "cortex-m4", ()),
    "rv64": ("riscv", "rv64", ()),
    "x86-64": ("x86-wb", "x86-64", ()),
}
INCREMENTS = ("by_add", "by_compare", "by_lock", "by_half")
ALL = [(way, how) for way in WAYS for how in INCREMENTS if (way, how) != ("rv64", "by_half")]
LITMUS = [("buffers", "buffers_too"), ("passes", "takes")]
SEEDS = range(1, 4)
ROUNDS = 60  # of a litmus test in one run


Program = tuple[str, str]  # its reference, and the platform


def reference(directory: Path, way: str, parts: dict[str, str], *flags: str) -> Program:
    platform, target, own = WAYS[way]
    path = built(directory, "counters", "-O2", *own, *flags, target=target)
    return f"{path}?{'&'.join(f'{part}={function}' for part, function in parts.items())}&{SHARED}", platform


def holds(program: Program, seeds: range = range(1, 2), mode: Mode = Mode.FREE) -> bool:
    return run(make_plan(program[0], platform=program[1], mode=mode), seeds, explained=0).holds


def both(function: str, share: int) -> dict[str, str]:
    return dict.fromkeys(("host", "remote"), f"{function},{share}")


@pytest.mark.a_few(6)
@pytest.mark.parametrize(("way", "how"), ALL)
def test_no_update_is_lost(tmp_path: Path, way: str, how: str) -> None:
    assert holds(reference(tmp_path, way, both(how, 20_000)))


@pytest.mark.parametrize("way", ["aarch64", "x86-64"])
def test_an_increment_that_is_no_atomic_loses_some(tmp_path: Path, way: str) -> None:
    assert not holds(reference(tmp_path, way, both("planted", 20_000)))


@pytest.mark.parametrize("way", ["aarch64", "aarch64-lse"])
def test_siblings_and_others_lose_none_either(tmp_path: Path, way: str) -> None:
    parts = dict.fromkeys(("host", "host2", "remote"), "by_add,3000")
    program, _ = reference(tmp_path, way, parts, "-DPARTS=3")
    assert holds((program, "arm64-domains"))


@pytest.mark.a_few(2)
@pytest.mark.parametrize("way", ["aarch64", "aarch64-lse"])
def test_nor_do_they_by_turns(tmp_path: Path, way: str) -> None:
    parts = dict.fromkeys(("host", "host2", "remote"), "by_add,20")
    program, _ = reference(tmp_path, way, parts, "-DPARTS=3")
    assert holds((program, "arm64-domains"), range(1, 31), Mode.LOCKSTEP)


def litmus(directory: Path, made: tuple[str, str], functions: tuple[str, str], outcome: int, rounds: int) -> Program:
    """The program that must not have that outcome; `made`: which way, of which order."""
    way, order = made
    parts = {"host": f"{functions[0]},{rounds},{outcome}", "remote": f"{functions[1]},{rounds}"}
    return reference(directory, way, parts, f"-DORDER=__ATOMIC_{order}")


def has_outcome(program: Program) -> bool:
    """By an exploration."""
    return finding(*program) is not None


@pytest.mark.a_few(3)
@pytest.mark.parametrize("order", ["RELAXED", "ACQ_REL", "SEQ_CST"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("functions", LITMUS)
def test_free_runs_end_as_an_exploration_says(tmp_path: Path, functions: tuple[str, str], way: str, order: str) -> None:
    for outcome in range(4):
        if not has_outcome(litmus(tmp_path, (way, order), functions, outcome, 1)):
            assert holds(litmus(tmp_path, (way, order), functions, outcome, ROUNDS), SEEDS), outcome


@pytest.mark.parametrize(("functions", "outcome"), [(LITMUS[0], 0), (LITMUS[1], 2)])
def test_free_runs_show_what_relaxed_atomics_leave_open(
    tmp_path: Path, functions: tuple[str, str], outcome: int
) -> None:
    relaxed = ("aarch64-lse", "RELAXED")
    assert has_outcome(litmus(tmp_path, relaxed, functions, outcome, 1))
    assert not holds(litmus(tmp_path, relaxed, functions, outcome, ROUNDS), range(1, 6))
