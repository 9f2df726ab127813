"""Two files of one name in two directories are two: their lines are two sites, and `before=` says which it means."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from commands import here
from machine_code import SHARED, TARGETS

from amp.code.files import Files, are_called
from amp.code.program import load

TARGET = "aarch64"
SIDES = {"host": ("send", "FLAG", "DATA"), "remote": ("receive", "DATA", "FLAG")}
SOURCE = """\
#include <stdint.h>
#define FLAG (*(volatile uint32_t *)0x40000000)
#define DATA (*(volatile uint32_t *)0x40000040)
void %s(void)
{
    %s = 1;
    __asm__ volatile("dmb ish" : : : "memory");
    %s = 1;
}
"""
ACCESS, BARRIER = 8, 7  # lines


@pytest.fixture(scope="module", params=["-gdwarf-4", "-gdwarf-5"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("files")
    compiler, own, _ = TARGETS[TARGET]
    for side, names in SIDES.items():
        (directory / side).mkdir()
        (directory / side / "ring.c").write_text(SOURCE % names)
        command = [compiler, *own, request.param, "-O2", "-ffreestanding", "-c", "ring.c", "-o", "ring.o"]
        subprocess.run(command, cwd=directory / side, check=True)
    (directory / "start.s").write_text(".globl _start\n_start: ret\n")
    objects = [directory / side / "ring.o" for side in SIDES]
    subprocess.run(
        [
            compiler,
            *own,
            "-nostdlib",
            "-static",
            "-Wl,-Ttext=0x20000",
            *objects,
            directory / "start.s",
            "-o",
            directory / "two.elf",
        ],
        check=True,
    )
    return directory / "two.elf"


def reference(path: Path, *before: str) -> str:
    return "&".join([f"{path}?host=send&remote=receive", SHARED, *(f"before={each}" for each in before)])


def test_their_barriers_are_two_sites(two: Path) -> None:
    assert [site.name for site in load(reference(two)).sites] == [f"host_ring.c:{BARRIER}", f"remote_ring.c:{BARRIER}"]


def test_a_name_that_both_have_is_refused(two: Path) -> None:
    ended = here("sites", reference(two, f"ring.c:{ACCESS}"), "--platform", "arm64")
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert all(f"{side}/ring.c:{ACCESS}" in ended.stderr for side in SIDES)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("separator", "/_")
def test_more_of_the_path_says_which(two: Path, side: str, separator: str) -> None:
    program = load(reference(two, f"{side}{separator}ring.c:{ACCESS}"))
    (site,) = (each for each in program.sites if each.is_place)
    assert (site.name, str(site.side)) == (f"before:{side}_ring.c:{ACCESS}", side)


def test_a_name_that_none_has_is_refused(two: Path) -> None:
    ended = here("sites", reference(two, f"other/ring.c:{ACCESS}"), "--platform", "arm64")
    assert (ended.returncode, "no access to shared memory stands at" in ended.stderr) == (2, True)


def test_one_file_that_is_spelled_in_two_ways_is_one() -> None:
    files = Files(["/home/me/code/ring.c", "code/ring.c", "../code/ring.c"])
    assert files.text(("code/ring.c", 3)) == "ring.c:3"


def test_a_path_is_as_long_as_it_has_to_be() -> None:
    files = Files(["/a/x/ring.c", "/b/x/ring.c", "/b/y/ring.c", "/b/y/queue.c"])
    texts = [files.text((path, 3)) for path in ("/a/x/ring.c", "/b/x/ring.c", "/b/y/ring.c", "/b/y/queue.c")]
    assert texts == ["a/x/ring.c:3", "b/x/ring.c:3", "y/ring.c:3", "queue.c:3"]


def test_a_part_of_a_directory_is_no_end_of_a_path() -> None:
    assert are_called([("/my/host/ring.c", 3)], "host/ring.c:3")
    assert not are_called([("/my/host/ring.c", 3)], "ost/ring.c:3")
    assert not are_called([("/my/host/ring.c", 3)], "ring.c:13")
