"""`amp code build`: for every target, by whichever compiler is there, and what its C library does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import here
from slow_sizes import slow_unless

import amp
from amp.code import build as building
from amp.code.build import build
from amp.code.program import load
from amp.code.toolchains import TARGETS
from amp.errors import UsageError
from amp.explore.explorer import Bounds
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

SOURCE = str(Path(__file__).parent / "prints.c")
SAID = [
    "s a|   bc|de   |A%",
    "x 1234567890 ABC fed 2 0x1234",
    "d -5 3   -42|-42  |-0042 u 7",
    "the next line",
    "lld -9223372036854775808 18446744073709551615",
]
HANDOVER = """
#include "amp_code.h"
AMP_SHARED volatile int flag, data[2000];
void send(void) { data[1999] = 42; amp_wmb(); flag = 1; }
void receive(void) { while (!flag) ; amp_rmb(); amp_assert(data[1999] == 42); }
"""


def said(path: str) -> list[str]:
    """What the remote prints, in one execution."""
    plan = make_plan(load(f"{path}?host=send&remote=receive"), platform="sc")
    explorer_of(plan).explore(Bounds(1))
    part = plan.program.parts[1].load()
    return [text for _, text in part.compiled.engine.core.said()]


QUICK = {"aarch64", "cortex-m4", "riscv32"}  # of the default suite


@pytest.mark.parametrize("compiler", [None, pytest.param("clang", marks=pytest.mark.slow)])
@pytest.mark.parametrize("target", slow_unless(QUICK.__contains__, TARGETS))
def test_every_target_is_compiled_for_and_prints_the_same(tmp_path: Path, target: str, compiler: str | None) -> None:
    path = str(tmp_path / "prints.elf")
    build([SOURCE], path, target, flags=["-O2"], compiler=compiler)
    assert said(path) == SAID


@pytest.mark.slow
@pytest.mark.parametrize("level", ["-O0", "-O1", "-Os", "-O3"])
@pytest.mark.parametrize("target", TARGETS)
def test_at_every_level_of_optimisation(tmp_path: Path, target: str, level: str) -> None:
    for compiler in (None, "clang", *(["zig cc"] if shutil.which("zig") else [])):
        path = str(tmp_path / "prints.elf")
        build([SOURCE], path, target, flags=[level], compiler=compiler)
        assert said(path) == SAID
        found = amp.verify(f"{path}?host=copies", platform="sc").finding
        assert found is not None
        assert "flag == 3" in found.text


def test_the_shared_window_is_what_the_file_says(tmp_path: Path) -> None:
    source, path = tmp_path / "handover.c", tmp_path / "handover.elf"
    source.write_text(HANDOVER)
    done = here("code", "build", source, "-o", path, "--target", "aarch64", "-O2", "-Wall", "--shared", "0x50000000")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: AArch64, by aarch64-linux-gnu-gcc, shared memory 0x50000000:0x2000\n"
    told = here("verify", path, "--host", "send", "--remote", "receive", "--platform", "omap4-2011")
    assert told.returncode == 0, told.stdout + told.stderr


def test_a_part_of_a_class_shares_what_the_file_says_and_nothing_else_may_be_said(tmp_path: Path) -> None:
    source, path = tmp_path / "handover.c", str(tmp_path / "handover.elf")
    source.write_text(HANDOVER.replace("amp_wmb()", "amp_smp_wmb()"))
    build([str(source)], path, "aarch64", flags=["-O2"])

    @amp.program(layout=amp.Layout(window=amp.Bytes(0x2000)))
    class Handover:
        host = amp.Code(path).function("send")
        remote = amp.Code(path).function("receive")

    assert amp.verify(Handover, platform="arm64-domains").status == "violation"
    assert amp.verify(Handover, platform="riscv").status == "verified"
    with pytest.raises(UsageError, match=r"AMP_SHARED variable, lies at 0x4000\w+, and shared memory at 0x50000000:"):
        amp.Code(path, shared=[(0x50000000, 0x2000)])


def test_each_command_that_runs_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "prints.elf"
    done = here("code", "build", SOURCE, "-o", path, "--target", "x86-64", "-DNAME=3", "-v")
    lines = done.stdout.splitlines()
    assert len(lines) == 7  # a source, four of the library, the linker, what came out
    assert "-DNAME=3" in lines[0]
    assert "-T" in lines[5]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--target", "pdp11"), "is not one of 'aarch64'"),
        (("--target", "aarch64", "--cc", "nosuch-gcc"), "--cc 'nosuch-gcc': no such program"),
        (("--target", "aarch64", "--shared", "0x40000004"), "expected whole pages of 0x1000"),
        (("--target", "aarch64", "--shared", "here"), "expected ADDRESS or ADDRESS:BYTES"),
        (
            ("--target", "aarch64", "--shared", "0x40000000:0x1000"),
            "variables take 0x2000 bytes, --shared gives 0x1000",
        ),
        (("--target", "aarch64", "-Dflag=flag=3,f"), "f has an initial value, and shared memory begins as zeroes"),
        (("--target", "aarch64", "-Dflag=1"), "aarch64-linux-gnu-gcc ended with status 1"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line_and_nothing_is_written(
    tmp_path: Path, more: tuple[str, ...], text: str
) -> None:
    source, path = tmp_path / "handover.c", tmp_path / "handover.elf"
    source.write_text(HANDOVER if "=flag" not in more[-1] else HANDOVER.replace("flag, data", "f = 3, flag, data"))
    done = here("code", "build", source, "-o", path, *(word for word in more if "=flag" not in word))
    assert done.returncode == 2
    assert text in done.stderr.splitlines()[-1]
    assert not path.exists()


@pytest.mark.parametrize("name", ["missing.c", "prints.py"])
def test_a_file_that_is_no_source_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"expected a file that is there, of \.c, \.s, \.S, \.o, \.a"):
        build([str(tmp_path / name)], str(tmp_path / "x.elf"), "aarch64")


def test_where_no_compiler_is_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for target, package in (("aarch64", "gcc-aarch64-linux-gnu"), ("cortex-m4", "gcc-arm-none-eabi or clang lld")):
        with pytest.raises(UsageError, match=f"no compiler for {target} is installed: on Debian, .*{package}.*--cc"):
            building.find(target)
