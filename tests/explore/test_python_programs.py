"""Random Python programs: exploration with and without merging, the running machine, interleaving say the same.

A failure prints the seed and the program made small, as a script. `Effort` says how much is tried of each program.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from interleaved_machine import InterleavedMachine
from program_judges import Difference, Effort, Tally, differences, like, report, shrink, smaller
from program_words import KEPT, TOLD
from python_programs import SPACE, WORDS, Fact, Program, line
from random_programs import program_of, uses
from sampled_machine import SampledMachine
from slow_sizes import size

from amp._core._bridge import Word

PROJECT = Path(__file__).parents[2]
FEW, MANY, CHUNK = 200, size(4000, 20_000), 1000
USUAL = Effort(unmerged=300, merged=1500, sampled=30, interleavings=200, sought=1)


def made_small(difference: Difference, seed: int) -> str:
    return report(shrink(difference, Effort(), seed), seed)


def assert_no_difference(seeds: range, effort: Effort) -> Tally:
    tally = Tally()
    for seed in seeds:
        for difference in differences(program_of(seed), effort, seed, tally):
            pytest.fail(made_small(difference, seed), pytrace=False)
    return tally


def test_everybody_says_the_same_of_a_few_hundred_programs() -> None:
    tally = assert_no_difference(range(FEW), USUAL)
    # What was left out as too large, or refused, was not compared.
    assert tally.unmerged > 0.9 * FEW
    assert tally.interleaved > 0.9 * FEW
    assert tally.twins > 0.3 * FEW
    assert tally.facts > 2 * FEW


def test_so_they_do_of_every_way_to_use_what_was_loaded() -> None:
    found = 0
    for program in uses():
        tally = Tally()
        for difference in differences(program, USUAL, 1, tally):
            pytest.fail(made_small(difference, 1), pytrace=False)
        found += tally.facts > 2
    assert found > 0.5 * len(uses()), "the early load makes no difference: nothing was compared"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, MANY, CHUNK))
def test_everybody_says_the_same_of_many_programs(first: int) -> None:
    tally = assert_no_difference(range(first, first + CHUNK), Effort())
    assert tally.unmerged > 0.9 * CHUNK


# --- the programs -----------------------------------------------------------------------------------------------------


def program(host: str, remote: str, platform: str = "sc") -> Program:
    """Lines of each part; it returns w0 and w1."""
    host_lines, remote_lines = (tuple(line(text) for text in part.split("\n") if text) for part in (host, remote))
    return Program((host_lines, remote_lines), (("int(w0)", "int(w1)"),) * 2, platform)


def test_a_seed_is_the_same_program_every_time() -> None:
    assert [program_of(seed) for seed in range(50)] == [program_of(seed) for seed in range(50)]


def test_the_programs_use_every_method_of_a_port_and_every_way_to_use_a_word() -> None:
    text = "\n".join(program_of(seed).source() for seed in range(3000))
    sized = ("load", "load_acquire", "store", "store_release", "xchg", "cmpxchg", "fetch_add")
    methods = {f"{name}_u{bits}" for name in sized for bits in (8, 16, 32, 64)}
    methods |= {"read", "write", "barrier", "fence", "kick", "wait", "poll"}
    assert {name for name in methods if f"port.{name}(" not in text} == set()
    names = [(a, b) for a in WORDS for b in WORDS]
    rows = {row for row in (*KEPT, *TOLD) if not any(f"= {row.format(a=a, b=b)}\n" in text for a, b in names)}
    assert rows == set()


def test_every_way_to_use_a_word_gives_a_number() -> None:
    for row in (*KEPT, *TOLD):
        for a, b in product((0, 1, 97, 1 << 40), repeat=2):
            for kinds in ((Word, Word), (Word, int), (int, Word), (int, int)):
                names = {"w0": kinds[0](a), "w1": kinds[1](b)}
                assert isinstance(eval(row.format(a="w0", b="w1"), SPACE | names), int | Word), row


# --- the machines they are compared with ------------------------------------------------------------------------------

STORE_BUFFERING = "port.store_u32(X, 1)\nw0 = port.load_u32(Y)", "port.store_u32(Y, 1)\nw0 = port.load_u32(X)"
TOLD_LAST = (
    "port.store_u32(THERE, w0 + 1)",
    "w1 = port.poll(lambda: port.load_u32(THERE) or None)",
)


def interleaved(of: Program) -> set[Fact]:
    facts = InterleavedMachine(of).facts(of.functions(), 10_000)
    assert facts is not None
    return facts


def sampled(of: Program, runs: int = 300) -> set[Fact]:
    machine, functions = SampledMachine(of), of.functions()
    return set().union(*(machine.run(functions, seed) for seed in range(runs)))


def store_buffering(platform: str) -> Program:
    host, remote = (f"{part}\n{last}" for part, last in zip(STORE_BUFFERING, TOLD_LAST, strict=True))
    return program(host, remote, platform)


def test_interleaving_gives_every_order_and_nothing_else() -> None:
    found = {fact.what for fact in interleaved(store_buffering("paranoid")) if fact.cpu == 1}
    assert found == {(0, 2), (1, 1), (1, 2)}


def test_the_running_machine_shows_what_its_platform_allows() -> None:
    assert Fact(1, (0, 1)) in sampled(store_buffering("x86-wb"), 1000)
    assert Fact(1, (0, 1)) not in sampled(store_buffering("sc"), 1000)


def test_both_tell_when_everybody_is_stuck() -> None:
    clears = program("port.store_u32(Y, 0)\nw0 = port.poll(lambda: port.load_u32(Y) or None)", "port.store_u32(Y, 1)")
    stuck = Fact(-1, ((4, (0, 0)), None))
    assert stuck in interleaved(clears)
    for platform in ("sc", "arm64", "paranoid"):
        assert stuck in sampled(clears.on(platform))


def test_a_doorbell_wakes_once() -> None:
    for ring, found in (("port.kick(1)", {-1}), ("port.kick(1)\nport.kick(1)", {-1, 1})):
        waits = program(ring, "port.wait()\nport.wait()")
        assert {fact.cpu for fact in interleaved(waits)} - {0} == found
        assert {fact.cpu for fact in sampled(waits.on("arm64"))} - {0} == found


def test_a_look_is_made_again_when_what_it_read_has_changed() -> None:
    twice = program(
        "port.store_u32(X, 1)\nport.store_u32(X, 0)\nport.store_u32(Y, 1)",
        "w0 = port.poll(lambda: 1 if port.load_u32(X) else 2 if port.load_u32(Y) else None)",
    )
    assert {fact.what for fact in interleaved(twice) if fact.cpu == 1} == {(1, 0), (2, 0)}


# --- the judges go red ------------------------------------------------------------------------------------------------


def first_difference(plant: str, seeds: int = 400) -> tuple[int, Difference]:
    effort = Effort(plant=plant)
    for seed in range(seeds):
        for difference in differences(program_of(seed).on("sc"), effort, seed, Tally()):
            if difference.judge == "sequential consistency":
                return seed, difference
    raise AssertionError(f"{plant}: no program of {seeds} shows it")


def test_an_error_in_the_explorer_is_found_and_made_small(tmp_path: Path) -> None:
    seed, found = first_difference("coherence")
    effort = Effort(plant="coherence")
    small = shrink(found, effort, seed)
    assert small.program.size() <= min(10, found.program.size())
    for less in smaller(small.program):
        assert like(small, less, effort, seed) is None
    script = tmp_path / "shown.py"
    script.write_text(report(small, seed))
    run = subprocess.run([sys.executable, script], cwd=PROJECT, capture_output=True, text=True, timeout=100, check=True)
    assert "merged: " in run.stdout
    assert "returned" in run.stdout
