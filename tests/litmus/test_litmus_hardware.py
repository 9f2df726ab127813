"""`amp litmus --hardware`: what this CPU shows is what the model allows, and what is weak is really seen weak.

That a weak outcome is seen is chance: where it was not in so many aligned tries, the test says so and is skipped. That
one is never seen, and that a wrong model or a lost fence goes red, is no chance but the figures' (half of all tries).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from litmus_runs import DATA, LIMITS, sample
from silicon_runs import MACHINE, PROCESSORS, compared, litmus, needs_compiler, needs_two_cpus, needs_x86, told

from amp.litmus.hardware import Observed, compare
from amp.litmus.outcomes import state_text
from amp.litmus.parser import parse
from amp.litmus.runner import run_test
from amp.ordering.platforms import PLATFORMS

pytestmark = [needs_compiler, needs_two_cpus, pytest.mark.xdist_group("silicon")]
TRIES = 100_000
SEEN_TRIES = 1_000_000  # at most, until a weak outcome is seen
WEAK_MP = "1:r0=1; 1:r1=0;"
WEAK_SB = "0:r0=0; 1:r0=0;"


def store_buffering(fence: str) -> str:
    return f"""C SB
{{}}
P0(int *x, int *y) {{ int r0; WRITE_ONCE(*x, 1); {fence} r0 = READ_ONCE(*y); }}
P1(int *x, int *y) {{ int r0; WRITE_ONCE(*y, 1); {fence} r0 = READ_ONCE(*x); }}
exists (0:r0=0 /\\ 1:r0=0)
"""


def message_passing(fence: str) -> str:
    return f"""C MP
{{}}
P0(int *x, int *y) {{ WRITE_ONCE(*x, 1); {fence} WRITE_ONCE(*y, 1); }}
P1(int *x, int *y) {{ int r0; int r1; r0 = READ_ONCE(*y); smp_rmb(); r1 = READ_ONCE(*x); }}
exists (1:r0=1 /\\ 1:r1=0)
"""


SB_X86 = """X86 SB
{ }
 P0          | P1          ;
 MOV [x],$1  | MOV [y],$1  ;
 {fence}     | {fence}     ;
 MOV EAX,[y] | MOV EAX,[x] ;
exists (0:EAX=0 /\\ 1:EAX=0)
"""


def really_weak(text: str, state: str, non_temporal: tuple[str, ...] = ()) -> int:
    """How often `state` was seen; the test is skipped, with the count, if it was not."""
    tries = aligned = 0
    while tries < SEEN_TRIES:
        found = compared(text, tries=TRIES, non_temporal=non_temporal)
        tries, aligned = tries + found.observed.tries, aligned + found.observed.aligned
        assert not found.excess
        if told(found).get(state):
            return told(found)[state]
    pytest.skip(f"{state} was not seen in {tries} tries, {aligned} of them aligned")


# --- what is weak, and what cures it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fence", ["", "barrier();", "smp_wmb();", "smp_rmb();"])
def test_store_buffering_is_seen_where_nothing_drains_the_buffer(fence: str) -> None:
    assert really_weak(store_buffering(fence), WEAK_SB)


@pytest.mark.parametrize("fence", ["smp_mb();", "mb();"])
def test_store_buffering_is_never_seen_behind_a_full_barrier(fence: str) -> None:
    found = compared(store_buffering(fence), tries=TRIES)
    assert WEAK_SB not in told(found)
    assert not found.excess


@needs_x86
def test_x86_s_own_store_buffering_is_seen_and_mfence_cures_it() -> None:
    assert really_weak(SB_X86.replace("{fence}", "NOP"), "0:EAX=0; 1:EAX=0;")
    cured = compared(SB_X86.replace("{fence}", "MFENCE"), tries=TRIES)
    assert "0:EAX=0; 1:EAX=0;" not in told(cured)
    assert not cured.excess


@needs_x86
def test_non_temporal_stores_are_passed_by_later_ones_and_sfence_cures_it() -> None:
    """2011's bug, in two stores: smp_wmb() is nothing to x86, wmb() is an sfence."""
    assert really_weak(message_passing("smp_wmb();"), WEAK_MP, ("x",))
    for fence in ("wmb();", "mb();", "smp_mb();"):
        cured = compared(message_passing(fence), tries=TRIES, non_temporal=("x",))
        assert WEAK_MP not in told(cured), fence
        assert not cured.excess


@needs_x86
def test_ordinary_stores_are_never_passed_by_later_ones() -> None:
    found = compared(message_passing("smp_wmb();"), tries=TRIES)
    assert WEAK_MP not in told(found)
    assert not found.excess


# --- planted errors ---------------------------------------------------------------------------------------------------

NT = ("x",)
PLANTED = [
    pytest.param(store_buffering("smp_mb();"), "amp_fence_smp_mb();", (), WEAK_SB, id="smp_mb"),
    pytest.param(message_passing("wmb();"), "amp_fence_wmb();", NT, WEAK_MP, id="sfence", marks=needs_x86),
]


@pytest.mark.parametrize(("text", "lost", "non_temporal", "state"), PLANTED)
def test_a_fence_lost_on_the_way_to_the_silicon_goes_red(
    text: str, lost: str, non_temporal: tuple[str, ...], state: str
) -> None:
    for seed in range(SEEN_TRIES // TRIES):
        found = compared(text, tries=TRIES, non_temporal=non_temporal, lost=lost, seed=seed)
        if found.excess:
            break
    assert [state_text(found.seen.compiled, each) for each in found.excess] == [state]


@pytest.fixture
def sb(tmp_path: Path) -> Path:
    (tmp_path / "SB.litmus").write_text(store_buffering(""))
    return tmp_path / "SB.litmus"


def test_a_model_stronger_than_the_silicon_goes_red_and_names_what_was_seen(sb: Path) -> None:
    done = litmus(sb, "--platform", "sc", "--tries", SEEN_TRIES)
    assert done.returncode == 1, done.stdout + done.stderr
    line = done.stdout.splitlines()[-2]
    found = re.fullmatch(
        rf"Violation {sb}: 0:r0=0; 1:r0=0; seen ([0-9]+) times in ([0-9]+) tries, sc does not allow it", line
    )
    assert found, done.stdout
    assert 0 < int(found[1]) < int(found[2])
    assert f"{found[1]:<8}*>0:r0=0; 1:r0=0;" in done.stdout


def test_a_state_outside_the_model_is_never_overlooked() -> None:
    model = run_test(parse("t.litmus", store_buffering("")), PLATFORMS["x86-wb"], "together", LIMITS)
    observed = Observed({(0, 0): 5, (7, 1): 1, (0xFFFFFFFF00000000, 1): 2}, tries=8, aligned=8)
    found = compare(model.compiled, observed, model.judged)
    assert told(found) == {WEAK_SB: 5, "0:r0=7; 1:r0=1;": 1, "0:r0=0; 1:r0=1;": 2}  # an int has 32 bits
    assert found.excess == ((7, 1),)


# --- the sample -------------------------------------------------------------------------------------------------------

HERE = [each for each in sample() if each.arch in ("X86", "LKMM") and len(each.test.threads) <= 2]
OTHERS = [each for each in sample() if each.arch in ("X86", "LKMM") and len(each.test.threads) > 2]


def nothing_outside_the_model(files: list[str], tries: int) -> dict[str, Any]:
    done = litmus(*(DATA / file for file in files), "--tries", tries, "--json")
    data = json.loads(done.stdout)
    assert isinstance(data, dict)
    assert (done.returncode, data["status"], data["errors"]) == (0, "holds", []), done.stderr
    assert not [line for test in data["tests"] for line in test["violations"]]
    assert all(state["allowed"] for test in data["tests"] for state in test["final_states"])
    return data


def test_a_part_of_the_sample_shows_nothing_that_the_model_does_not_allow() -> None:
    data = nothing_outside_the_model([each.file for each in HERE[:: len(HERE) // 12]], 10_000)
    assert len(data["tests"]) >= 12
    assert data["tries"] == 10_000 * len(data["tests"])
    for test in data["tests"]:
        assert sum(state["count"] for state in test["final_states"]) == test["tries"]
        assert 1 <= len(test["final_states"]) <= test["allowed_outcomes"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_sample_shows_nothing_that_the_model_does_not_allow() -> None:
    """Those with more threads than this machine has processors are skipped by the command, which says so."""
    data = nothing_outside_the_model([each.file for each in HERE + OTHERS], 200_000)
    assert len(data["tests"]) + len(data["skipped"]) == len(HERE) + len(OTHERS)
    assert len(data["tests"]) >= len(HERE)


# --- the command ------------------------------------------------------------------------------------------------------


def test_what_cannot_run_here_is_skipped_with_a_line_that_says_why(sb: Path) -> None:
    arm = DATA / "AArch64" / "IRIW+na+addr+na+ishld.litmus"
    two = litmus(arm, sb, "--cpus", PROCESSORS[0], "--tries", 10)
    assert f"Skipped {sb}: it has 2 threads, usable processors: 1\n" in two.stdout
    assert re.search(rf"Skipped {re.escape(str(arm))}: AArch64 is not compiled on this .* CPU, which runs", two.stdout)
    assert two.stdout.endswith("0 tests run, 0 tries, 2 skipped\n")
    assert two.returncode == 3, "nothing was run: that is no pass"
    one = litmus(arm, sb, "--tries", 10)
    assert one.returncode == 0
    assert one.stdout.endswith("1 tests run, 10 tries, 1 within the model, 1 skipped\n")


def test_the_c_program_may_be_kept_and_read(sb: Path, tmp_path: Path) -> None:
    assert litmus(sb, "--tries", 1, "--keep", tmp_path / "kept").returncode == 0
    assert "SB: the litmus test in SB.litmus (C)" in (tmp_path / "kept" / "C" / "SB.c").read_text()


def test_a_model_without_an_answer_gives_no_verdict(sb: Path) -> None:
    done = litmus(sb, "--tries", 10, "--max-executions", 1)
    assert done.returncode == 3
    assert "Platform x86-wb, observers together: no answer within its limits\n" in done.stdout or MACHINE != "x86_64"


def test_a_bad_file_is_named_and_the_good_one_is_run(sb: Path) -> None:
    (sb.parent / "bad.litmus").write_text("X86 bad\n{ }\nP0 ;\nFROB ;\nexists (x=1)\n")
    done = litmus(sb.parent, "--tries", 10)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Observation SB" in done.stdout
    assert "1 failed or not usable" in done.stdout


MISTAKES = [
    (("--cpus", "0,zero"), "--cpus '0,zero', expected numbers"),
    (("--cpus", "4096"), "processor 4096 is not usable here"),
    (("--cpus", f"{PROCESSORS[0]},{PROCESSORS[0]}"), "a processor stands there twice"),
    (("--expect", "e.json"), "it is not for --hardware"),
    (("--tries", "0"), "--tries"),
    (("--platform", "omap5"), "platform 'omap5' is unknown"),
    pytest.param(("--non-temporal", "z"), "no WRITE_ONCE() by name to z", marks=needs_x86),
]


@pytest.mark.parametrize(("arguments", "error"), MISTAKES)
def test_a_mistake_is_one_line_and_exit_status_2(sb: Path, arguments: tuple[str, ...], error: str) -> None:
    done = litmus(sb, *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert error in done.stderr


def test_without_a_compiler_one_line_says_so(sb: Path) -> None:
    done = litmus(sb, sb, CC="no-such-compiler")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("amp: --hardware needs a C compiler: there is no 'no-such-compiler'")
    assert len(done.stderr.splitlines()) == 1


def test_its_options_mean_nothing_without_it(sb: Path) -> None:
    command = [sys.executable, "-m", "amp.cli", "litmus", str(sb), "--time", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--time is an option of --hardware" in done.stderr
