"""The judge of the engine: litmus tests, assembled to machine code, have the outcomes of `amp litmus`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import random_tests
from litmus_runs import DATA, LIMITS, compiled, sample
from machine_code import assembled, assembled_riscv, assembled_x86, outcomes, riscv_assembly

from amp.errors import UsageError
from amp.litmus.compile import compile_test
from amp.litmus.enumerate import enumerate_outcomes
from amp.litmus.parser import parse
from amp.ordering.platforms import PLATFORMS, Side

SAMPLE = [each for each in sample() if each.arch == "AArch64"]


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)], ids=["every third", "all"])
@pytest.mark.parametrize("on", ["arm64", "arm64-domains"])
def test_machine_code_has_the_outcomes_of_the_litmus_test(tmp_path: Path, on: str, step: int) -> None:
    apart = on == "arm64-domains"
    chosen = [each for each in SAMPLE if not apart or len(each.test.threads) == 2][::step]
    assert len(chosen) > 250 // step
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


RANDOM = {
    "cycle": lambda seed: random_tests.aarch64(seed, cycle=True),
    "unstructured": lambda seed: random_tests.aarch64(seed, cycle=False),
    "atomics": random_tests.aarch64_atomics,
    "wide cycle": lambda seed: random_tests.aarch64(seed, cycle=True, wide=True),
    "wide": lambda seed: random_tests.aarch64(seed, cycle=False, wide=True),
}


def differences(directory: Path, texts: list[str], *, planted: str = "") -> tuple[int, list[str]]:
    """How many tests were compared, and those whose outcomes differ. What either refuses is not compared."""
    platform, chosen = PLATFORMS["arm64"], []
    for text in texts:
        made = compile_test(parse("t.litmus", text), platform)
        with suppress(UsageError):
            due = enumerate_outcomes(made.program, platform, (0,) * len(made.test.threads), LIMITS)
            chosen.append((text, made, frozenset(due.counts)))
    code = assembled(directory, [made for _, made, _ in chosen])
    compared, wrong = 0, []
    for number, (text, made, due) in enumerate(chosen):
        try:
            found = outcomes(code, number, made, platform, (Side.HOST,) * len(made.test.threads), planted=planted)
        except UsageError as error:  # of compiled code an atomic that a later store overtakes is refused
            if "before an atomic ahead of it has read" not in str(error):
                raise
            continue
        compared += 1
        if found != due:
            wrong.append(f"{text}\n{sorted(found)}, amp litmus: {sorted(due)}")
    return compared, wrong


@pytest.mark.parametrize("kind", RANDOM)
def test_random_machine_code_has_the_outcomes_of_the_litmus_test(tmp_path: Path, kind: str) -> None:
    compared, wrong = differences(tmp_path, [RANDOM[kind](seed) for seed in range(20)])
    assert compared > 12
    assert not wrong, wrong[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", RANDOM)
def test_much_random_machine_code_has_the_outcomes_of_the_litmus_test(tmp_path: Path, kind: str) -> None:
    compared, wrong = differences(tmp_path, [RANDOM[kind](seed) for seed in range(1000, 1400)])
    assert compared > 250
    assert not wrong, wrong[0]


@pytest.mark.parametrize(("planted", "instruction"), [("dependency", "EOR"), ("control", "CBNZ")])
def test_the_judge_notices_a_rule_that_is_left_out(tmp_path: Path, planted: str, instruction: str) -> None:
    texts = [text for each in SAMPLE if instruction in (text := (DATA / each.file).read_text())]
    assert differences(tmp_path, texts)[1] == []
    assert differences(tmp_path, texts, planted=planted)[1]


# --- x86-64


def x86_differences(directory: Path, texts: list[str]) -> tuple[int, list[str]]:
    """How many tests were compared, and those whose outcomes differ; both as unsigned 32 bits of each register."""
    platform, chosen = PLATFORMS["x86-wb"], []
    for text in texts:
        made = compile_test(parse("t.litmus", text), platform)
        if any(made.program.initial):
            continue
        with suppress(UsageError):
            due = enumerate_outcomes(made.program, platform, (0,) * len(made.test.threads), LIMITS)
            chosen.append((text, made, frozenset(due.counts)))
    code = assembled_x86(directory, [made for _, made, _ in chosen])
    wrong = []
    for number, (text, made, due) in enumerate(chosen):
        found = outcomes(code, number, made, platform, (Side.HOST,) * len(made.test.threads))
        narrow, wanted = (frozenset(tuple(v & 0xFFFFFFFF for v in state) for state in each) for each in (found, due))
        if narrow != wanted:
            wrong.append(f"{text}\n{sorted(narrow)}, amp litmus: {sorted(wanted)}")
    return len(chosen), wrong


def test_x86_machine_code_has_the_outcomes_of_the_litmus_test(tmp_path: Path) -> None:
    texts = [(DATA / each.file).read_text() for each in sample() if each.arch == "X86"]
    compared, wrong = x86_differences(tmp_path, texts)
    assert compared == len(texts) > 10
    assert not wrong, wrong[0]


@pytest.mark.parametrize("cycle", [True, False])
def test_random_x86_machine_code_has_the_outcomes_of_the_litmus_test(tmp_path: Path, cycle: bool) -> None:
    compared, wrong = x86_differences(tmp_path, [random_tests.x86(seed, cycle=cycle) for seed in range(60)])
    assert compared > 40
    assert not wrong, wrong[0]


# --- RISC-V


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)], ids=["every third", "all"])
def test_the_same_tests_on_risc_v_have_the_same_outcomes(tmp_path: Path, step: int) -> None:
    """Loads, stores, dependencies and fences are ordered alike by Armv8 and RVWMO (as are dmb ld and `fence r,rw`)."""
    arm, platform = PLATFORMS["arm64"], PLATFORMS["riscv"]
    chosen, texts = [], []
    for each in SAMPLE[::step]:
        made = compile_test(each.test, arm)
        text = riscv_assembly(len(chosen), made)
        if text is not None:
            chosen.append((each.file, made))
            texts.append(text)
    assert len(chosen) > 150 // step
    code, wrong = assembled_riscv(tmp_path, texts), []
    for number, (file, made) in enumerate(chosen):
        sides = (Side.HOST,) * len(made.test.threads)
        due = enumerate_outcomes(made.program, arm, (0,) * len(sides), LIMITS)
        found = outcomes(code, number, made, platform, sides)
        if found != frozenset(due.counts):
            wrong.append(f"{file}: {sorted(found)}, amp litmus: {sorted(due.counts)}")
    assert not wrong, wrong[0]
