"""Lockstep: the seed decides everything. Every run here is one of two processes that have run nothing before."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from cli_runs import in_a_fresh_machine, planned, repeatable
from slow_sizes import size

from amp.lab.plan import Plan

CORRECT = planned("paranoid", messages=60, segments=2, event_idx=True)
WITNESS = planned("omap4-2011", "smp", messages=2000)
SEED = 7
SPIN = """
import time
end = time.monotonic() + 300
print("spins", flush=True)
while time.monotonic() < end:
    pass
"""


@pytest.fixture
def _both_cores_loaded() -> Iterator[None]:
    """Two busy loops, which end by themselves even if nobody ends them."""
    with ExitStack() as stack:
        for _ in range(2):
            spinner = stack.enter_context(subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE))
            stack.callback(spinner.kill)
            assert spinner.stdout is not None
            assert spinner.stdout.readline() == b"spins\n"
        yield


def assert_all_equal(plan: Plan, runs: int) -> None:
    """All runs of SEED have one trace, byte for byte, and one outcome."""
    outcome, trace = in_a_fresh_machine(plan, SEED)
    assert outcome.events > 100
    for number in range(1, runs):
        again, same = in_a_fresh_machine(plan, SEED)
        assert same == trace, f"run {number} of seed {SEED}"
        assert repeatable(again) == repeatable(outcome)


@pytest.mark.parametrize(("plan", "runs"), [(CORRECT, 4), (WITNESS, 3)], ids=["correct", "witness"])
def test_the_same_seed_gives_the_same_trace_byte_for_byte(plan: Plan, runs: int) -> None:
    assert_all_equal(plan, runs)


@pytest.mark.usefixtures("_both_cores_loaded")
@pytest.mark.parametrize("plan", [CORRECT, WITNESS], ids=["correct", "witness"])
def test_and_so_it_does_with_both_cores_loaded(plan: Plan) -> None:
    assert_all_equal(plan, 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("plan", [CORRECT, WITNESS], ids=["correct", "witness"])
def test_many_runs_of_a_seed_are_one(plan: Plan) -> None:
    assert_all_equal(plan, size(30, 100))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("_both_cores_loaded")
@pytest.mark.parametrize("plan", [CORRECT, WITNESS], ids=["correct", "witness"])
def test_many_runs_of_a_seed_are_one_with_both_cores_loaded(plan: Plan) -> None:
    assert_all_equal(plan, size(30, 100))


def test_another_seed_gives_another_trace() -> None:
    """The other direction: traces that are equal whatever the seed would pass everything above."""
    seeds = range(1, 5)
    assert len({in_a_fresh_machine(CORRECT, seed)[1] for seed in seeds}) == len(seeds)
