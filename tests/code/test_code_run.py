"""`amp code run`: one execution in order, every access with its line, its instruction and its value."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from commands import here

from amp.code.build import build
from amp.lab.in_order import RunInOrder, Step
from amp.lab.plan import make_plan

PINGS = """
#include <stdio.h>
#include "amp_code.h"
AMP_SHARED volatile unsigned char small;
AMP_SHARED volatile unsigned ping, pong, count;
void left(void)
{
    small = 0x1ff & 0xff;
    amp_wmb();
    ping = 7;
    amp_kick(1);
    while (pong != 8)
        ;
    printf("pong is %u", pong);
}
void right(void)
{
    amp_wait();
    amp_rmb();
    amp_assert(ping == 7);
    __atomic_fetch_add((unsigned *)&count, 3, __ATOMIC_RELAXED);
    pong = 8;
}
void wrong(void)
{
    amp_fail("as it was asked to");
}
void counts(void)
{
    for (volatile int i = 0; i < 1000; i++)
        ping = i;
}
"""
LINES = [
    r"host +store small = 255 +pings.c:8 +left: strb \w+, \[x\d+\]",
    r"host +barrier amp_wmb\(\) +pings.c:9 +left: bl amp_wmb",
    r"host +store ping = 7 +pings.c:10 +left: str \w+, \[x\d+.*\]",
    r"host +doorbell of the remote +pings.c:11 +left: bl amp_code_kick",
    r"remote +interrupt its doorbell has rung",
    r"remote +barrier amp_rmb\(\) +pings.c:19 +right: bl amp_rmb",
    r"remote +load ping -> 7 +pings.c:20 +right: ldr .*",
    r"remote +load count -> 0 +pings.c:21 +right: ldxr .*",
    r"remote +store count = 3 +pings.c:21 +right: stxr .*",
    r"remote +store pong = 8 +pings.c:22 +right: str .*",
    r"host +load pong -> 8 +pings.c:12 +left: ldr .*",
    r"host +load pong -> 8 +pings.c:14 +left: ldr .*",
    r"host +print pong is 8",
]


@pytest.fixture(scope="module")
def pings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pings")
    (directory / "pings.c").write_text(PINGS)
    build([str(directory / "pings.c")], str(directory / "pings.elf"), "aarch64", flags=["-O2"])
    return directory / "pings.elf"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_access_is_told_as_it_happens_atomics_and_prints_too(pings: Path, seed: int) -> None:
    done = here("code", "run", pings, "--host", "left", "--remote", "right", "--seed", seed)
    *steps, ending = done.stdout.splitlines()
    assert (done.returncode, ending) == (0, "every part has ended")
    told = [re.sub(r"^ *\d+ ", "", line) for line in steps]
    assert len(told) == len(LINES)
    for side in ("host", "remote"):  # in the order of each part; whose turn it is, the seed decides
        for line, wanted in zip(
            [line for line in told if line.startswith(side)], [w for w in LINES if w.startswith(side)], strict=True
        ):
            assert re.fullmatch(wanted, line), line


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_it_fits_the_terminal_and_loses_nothing(pings: Path, columns: int) -> None:
    step = Step("remote2", "store", "descriptor_table+0x120", 4294967295, "virtio_ring_split.c:1234")
    steps = (step, replace(step, function="virtqueue_add_split", instruction="str w20, [x21, w22, uxtw #2]"))
    ran = RunInOrder(make_plan(f"{pings}?host=left", platform="sc"), steps, ("host", "word " * 30), None)
    told = list(ran.told(columns))
    assert max(map(len, told)) <= columns
    words = (
        f"1 {step.part} {step} {step.line} 2 {step.part} {step} {step.line} virtqueue_add_split: {steps[1].instruction}"
    )
    assert " ".join(" ".join(told).split()) == f"{words} {ran.ending.strip()}"


def test_json_has_the_same_steps(pings: Path) -> None:
    told = json.loads(here("code", "run", pings, "--host", "left", "--remote", "right", "--json").stdout)
    assert (told["status"], told["executions"], len(told["steps"])) == ("holds", 1, len(LINES))
    (store,) = (each for each in told["steps"] if (each["kind"], each["where"]) == ("store", "pong"))
    assert (store["part"], store["value"], store["line"], store["function"]) == ("remote", 8, "pings.c:22", "right")


def test_a_violation_and_a_bound_are_how_it_ends(pings: Path) -> None:
    found = here("code", "run", pings, "--host", "wrong", "--remote", "right")
    assert (found.returncode, found.stdout.splitlines()[-1]) == (
        1,
        "violation by the host: as it was asked to (wrong, pings.c:26)",
    )
    bound = here("code", "run", pings, "--host", "counts", "--max-loop", "20")
    assert bound.returncode == 3
    assert bound.stdout.splitlines()[-1].startswith("stopped after 20 rounds of a loop (counts, pings.c:31)")


def test_a_program_that_is_not_compiled_is_refused() -> None:
    done = here("code", "run", "vring")
    assert (done.returncode, done.stderr) == (2, "amp: vring has parts that are not compiled: `amp run` traces those\n")


def test_what_a_part_prints_is_told_of_a_run_in_processes(pings: Path) -> None:
    source = pings.with_name("loud.c")
    source.write_text(PINGS.replace('amp_fail("', 'amp_print("one\\ntwo");\n    amp_fail("'))
    build([str(source)], str(pings.with_name("loud.elf")), "aarch64")
    done = here("run", pings.with_name("loud.elf"), "--host", "wrong", "--platform", "sc")
    assert done.returncode == 1
    assert "host prints: one\nhost prints: two\n" in done.stdout
