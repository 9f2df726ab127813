"""A poll through a function that is called is one wait, however it is compiled; one that remembers is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, TARGETS, built

from amp.code.program import load
from amp.explore.explorer import Bounds, Exploration
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

WAITS = ("by_a_getter", "by_one_with_arguments", "by_two_nested", "by_two_in_turn", "by_one_that_branches")
REMEMBERS = ("by_one_that_counts", "by_one_that_is_told_where")
PLATFORM = "paranoid"  # the barriers are symbolic: it fits them all
LEVELS = ("-O0", "-O1", "-O2", "-Os")
EVERY = [(target, level) for target in TARGETS for level in LEVELS]
SOME = [("aarch64", "-O2"), ("aarch64-clang", "-O2"), ("cortex-m4", "-O2"), ("rv64", "-Os"), ("x86-64", "-O0")]


def explored(path: Path, remote: str) -> Exploration:
    reference = f"{path}?host=sets&remote={remote}&{SHARED}&max-loop=40"
    return explorer_of(make_plan(load(reference), platform=PLATFORM)).explore(Bounds())


def assert_waits(directory: Path, target: str, level: str) -> None:
    path = built(directory, "getters", level, target=target)
    for name in WAITS:
        found = explored(path, name)
        assert (found.bound, found.finding) == (None, None), name
    for name in REMEMBERS:
        assert explored(path, name).bound is not None or explored(path, name).finding is not None, name


@pytest.mark.parametrize(("target", "level"), SOME)
def test_a_getter_is_waited_for_and_one_that_remembers_is_not(tmp_path: Path, target: str, level: str) -> None:
    assert_waits(tmp_path, target, level)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "level"), [each for each in EVERY if each not in SOME])
def test_so_it_is_by_every_compiler_and_at_every_level(tmp_path: Path, target: str, level: str) -> None:
    assert_waits(tmp_path, target, level)


def test_what_a_getter_overwrites_on_some_ways_only_is_not_nobody_s(tmp_path: Path) -> None:
    found = explored(built(tmp_path, "getters", "-O2"), "by_one_that_overwrites_at_times")
    assert "rounds of a loop" in str(found.bound)
