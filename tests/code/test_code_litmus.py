"""The judge of the engine's dependencies and orders: litmus tests, assembled to machine code, have the outcomes of `amp litmus`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "litmus"))

from litmus_runs import LIMITS, compiled, sample
from machine_code import assembled, outcomes

from amp.litmus.enumerate import enumerate_outcomes
from amp.ordering.platforms import PLATFORMS, Side

SAMPLE = [each for each in sample() if each.arch == "AArch64"]


@pytest.mark.parametrize("on", ["arm64", "arm64-domains"])
def test_machine_code_has_the_outcomes_of_the_litmus_test(tmp_path: Path, on: str) -> None:
    apart = on == "arm64-domains"
    chosen = [each for each in SAMPLE if not apart or len(each.test.threads) == 2]
    assert len(chosen) > 250
    made_of = [compiled(each.test, on) for each in chosen]
    code, platform, wrong = assembled(tmp_path, made_of), PLATFORMS[on], []
    for number, (each, made) in enumerate(zip(chosen, made_of, strict=True)):
        threads = len(each.test.threads)
        due = enumerate_outcomes(made.program, platform, tuple(range(threads)) if apart else (0,) * threads, LIMITS)
        assert due.complete
        sides = (Side.HOST, Side.REMOTE) if apart else (Side.HOST,) * threads
        found = outcomes(code, number, made, platform, sides)
        if found != frozenset(due.counts):
            wrong.append(f"{each.file}: {sorted(found)}, amp litmus: {sorted(due.counts)}")
    assert not wrong
