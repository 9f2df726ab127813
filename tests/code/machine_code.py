"""What the tests of compiled code share: assembled litmus tests, and their outcomes by the engine. Not a test."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from amp.code.code import Code
from amp.explore.explorer import Chooser, Ending, Explorer, Machine
from amp.litmus.compile import Compiled
from amp.litmus.syntax import AsmThread, Label, RegisterName
from amp.machine.wiring import VRINGS_AT
from amp.ordering.platforms import Platform, Side
from amp.ordering.sites import NO_SITES, SiteMap

WINDOW, WINDOW_BYTES = 0x40000000, 0x1000
STEP = 16  # bytes between locations
CROSS = "aarch64-linux-gnu-"

Outcomes = frozenset[tuple[int, ...]]


class Together(Explorer):
    """Any number of parts, all on the host's processor."""

    def _sides(self) -> Sequence[Side]:
        return (Side.HOST,) * len(self.programs)


def tool(name: str) -> str:
    """A cross tool; its absence is an error: whoever runs these tests has it installed."""
    path = shutil.which(CROSS + name)
    assert path is not None, f"{CROSS}{name} is not installed (Debian: gcc-aarch64-linux-gnu)"
    return path


def assembly(number: int, made: Compiled) -> str:
    """The threads as functions t0_p0, t0_p1, ..."""
    threads = cast(Sequence[AsmThread], made.test.threads)
    return "".join(_function(f"t{number}_p{p}", p, thread, made) for p, thread in enumerate(threads))


def _function(name: str, number: int, thread: AsmThread, made: Compiled) -> str:
    lines = [f".globl {name}", f".type {name},%function", f"{name}:"]
    for entry in made.test.initial:
        if isinstance(entry.target, RegisterName) and entry.target.thread == number:
            value = entry.value or 0
            at = WINDOW + STEP * made.locations.index(value) if isinstance(value, str) else value & (1 << 64) - 1
            register = re.sub("^w", "x", entry.target.name.lower())
            lines += [f"movz {register},#{at & 0xFFFF}"]
            lines += [f"movk {register},#{at >> s & 0xFFFF},lsl #{s}" for s in (16, 32, 48) if at >> s & 0xFFFF]
    for each in thread:
        lines.append(f".L{name}_{each.name}:" if isinstance(each, Label) else _instruction(name, str(each), thread))
    return "\n".join([*lines, "ret", f".size {name},.-{name}", ""])


def _instruction(name: str, text: str, thread: AsmThread) -> str:
    for each in thread:
        if isinstance(each, Label):
            text = re.sub(rf"\b{re.escape(each.name)}\b", f".L{name}_{each.name}", text)
    return text


def assembled(directory: Path, tests: Iterable[Compiled], march: str = "armv8.5-a") -> Code:
    """All tests in one executable."""
    source, thing, executable = (directory / f"tests.{kind}" for kind in ("s", "o", "elf"))
    functions = "".join(assembly(number, made) for number, made in enumerate(tests))
    source.write_text(f"{functions}.globl _start\n_start: ret\n")
    subprocess.run([tool("as"), f"-march={march}", "-o", thing, source], check=True, capture_output=True, text=True)
    subprocess.run([tool("ld"), "-Ttext=0x10000", "-o", executable, thing], check=True, capture_output=True, text=True)
    return Code(str(executable), shared=[(WINDOW, WINDOW_BYTES)])


def outcomes(
    code: Code, number: int, made: Compiled, platform: Platform, sides: Sequence[Side], *, planted: str = ""
) -> Outcomes:
    """All final states of the test, as amp.litmus.enumerate_outcomes has them. `planted`: a rule to leave out."""
    functions = [code.function(f"t{number}_p{p}") for p in range(len(made.test.threads))]
    sites = SiteMap("none", NO_SITES, ())
    explorer = Together(Machine(platform, sites, (VRINGS_AT, VRINGS_AT + WINDOW_BYTES)), functions)
    if sides[0] != sides[-1]:
        explorer = Explorer(Machine(platform, sites, (VRINGS_AT, VRINGS_AT + WINDOW_BYTES)), functions)
    core, found = explorer.core, set[tuple[int, ...]]()
    core.set_hazards(True)
    if planted:
        core.plant(planted)
    core.set_merging(False)
    core.set_chooser(Chooser.EXHAUSTIVE, 0, 0)
    core.restart()
    while True:
        if explorer.run() is Ending.COMPLETE:
            registers = [each.engine.core.registers() for each in functions]
            found.add(
                (
                    *(registers[thread][register] for thread, register in made.program.observed_registers),
                    *(core.final(VRINGS_AT + STEP * each) for each in made.program.observed_locations),
                )
            )
        if core.advance():
            continue
        if not explorer._start_again():
            return frozenset(found)
        found.clear()


HERE = Path(__file__).parent
INCLUDE = HERE.parents[1] / "amp" / "code" / "include"
SHARED = f"shared={WINDOW:#x}:{WINDOW_BYTES:#x}"


# By target: the compiler, what it is told, and the Debian package that has it.
TARGETS = {
    "aarch64": ("aarch64-linux-gnu-gcc", (), "gcc-aarch64-linux-gnu"),
    "armv7-a": ("arm-none-eabi-gcc", ("-march=armv7-a", "-marm"), "gcc-arm-none-eabi"),
    "armv7-a-thumb": ("arm-none-eabi-gcc", ("-march=armv7-a", "-mthumb"), "gcc-arm-none-eabi"),
    "cortex-m4": ("arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb"), "gcc-arm-none-eabi"),
    "aarch64-clang": ("clang", ("--target=aarch64-linux-gnu", "-fuse-ld=lld"), "clang lld"),
    "armv7-a-clang": ("clang", ("--target=armv7a-none-eabi", "-fuse-ld=lld"), "clang lld"),
    "cortex-m4-clang": ("clang", ("--target=thumbv7em-none-eabi", "-fuse-ld=lld"), "clang lld"),
}


def built(directory: Path, source: str, *flags: str, target: str = "aarch64") -> Path:
    """tests/code/<source>.c as an executable."""
    compiler, own, package = TARGETS[target]
    found = shutil.which(compiler)
    assert found is not None, f"{compiler} is not installed (Debian: {package})"
    path = directory / f"{source}{''.join(flags).replace('/', '_')}-{target}.elf"
    plain = ("-g", "-ffreestanding", "-nostdlib", "-static", "-Wall", "-Werror", "-fno-stack-protector")
    command = [found, *own, *plain, f"-I{INCLUDE}", *flags, "-Wl,-Ttext=0x20000", "-Wl,--build-id=none"]
    done = subprocess.run([*command, "-o", path, HERE / f"{source}.c"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path
