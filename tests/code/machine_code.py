"""What the tests of compiled code share: assembled litmus tests, and their outcomes by the engine. Not a test."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, cast

from amp.code.code import Code
from amp.code.isa import RV64, X86_64
from amp.code.program import load
from amp.explore.explorer import Bounds, Chooser, Ending, Explorer, Machine
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of
from amp.litmus.compile import Compiled
from amp.litmus.syntax import AsmThread, Label, RegisterName
from amp.litmus.x86 import NAMES
from amp.machine.wiring import VRINGS_AT
from amp.ordering.placement import Placement
from amp.ordering.platforms import Platform, Side
from amp.ordering.sites import NO_SITES, SiteMap

WINDOW, WINDOW_BYTES = 0x40000000, 0x1000
STEP = 16  # bytes between locations
CROSS = "aarch64-linux-gnu-"

Outcomes = frozenset[tuple[int, ...]]


def placed(sides: Sequence[Side]) -> Placement:
    """A processor for each: the first of a side, and its siblings."""
    counts = [sides[: number + 1].count(side) for number, side in enumerate(sides)]
    return Placement.of([f"{side}{n if n > 1 else ''}" for side, n in zip(sides, counts, strict=True)])


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


def _of_x86(name: str, each: object, thread: AsmThread, made: Compiled) -> str:
    """herd7's X86 as an assembler has it: locations are addresses, and memory is 32 bits wide."""
    text = re.sub(r"[$#]", "", _instruction(name, str(each), thread))
    text = re.sub(r"^(?:LOCK )?\w+|\bE\w\w\b", lambda found: found[0].lower(), text)
    for number, location in enumerate(made.locations):
        text = re.sub(rf"\[{location}\]", f"dword ptr [{WINDOW + STEP * number:#x}]", text)
    return re.sub(r"(?<!ptr )\[(e\w\w)\]", lambda found: f"dword ptr [r{found[1][1:]}]", text)


# What an A64 instruction of the sample is on RISC-V; a barrier that is stronger or weaker there has no row.
_RISCV: Final = (
    (r"LDR W(\d+),\[X(\d+)\]", "lw x{0},0(x{1})"),
    (r"LDR W(\d+),\[X(\d+),W(\d+),SXTW\]", "add x29,x{1},x{2}; lw x{0},0(x29)"),
    (r"STR W(\d+),\[X(\d+)\]", "sw x{0},0(x{1})"),
    (r"STR W(\d+),\[X(\d+),W(\d+),SXTW\]", "add x29,x{1},x{2}; sw x{0},0(x29)"),
    (r"MOV W(\d+),#(-?\d+)", "li x{0},{1:raw}"),
    (r"EOR W(\d+),W(\d+),W(\d+)", "xor x{0},x{1},x{2}"),
    (r"ADD W(\d+),W(\d+),W(\d+)", "add x{0},x{1},x{2}"),
    (r"ADD W(\d+),W(\d+),#(\d+)", "addi x{0},x{1},{2:raw}"),
    (r"CBNZ W(\d+),(\S+)", "bnez x{0},{1:raw}"),
    (r"DMB (?:SY|ISH|OSH)", "fence rw,rw"),
    (r"DMB (?:|ISH|OSH)LD", "fence r,rw"),
    (r"DMB (?:|ISH|OSH)ST", "fence w,w"),
)


class _Register(str):
    """A64's register number; x0 is RISC-V's zero, and has another here."""

    def __format__(self, spec: str) -> str:
        return str(self) if spec == "raw" else "30" if self == "0" else str(self)


def riscv_register(number: int) -> int:
    return number or 30


def riscv_assembly(number: int, made: Compiled) -> str | None:
    """The threads on RISC-V; None if one has an instruction that is another one there."""
    lines = []
    for p, thread in enumerate(cast(Sequence[AsmThread], made.test.threads)):
        name = f"t{number}_p{p}"
        lines += [f".globl {name}", f".type {name},%function", f"{name}: mv x31,ra"]
        for entry in made.test.initial:
            if isinstance(entry.target, RegisterName) and entry.target.thread == p:
                value = entry.value or 0
                at = WINDOW + STEP * made.locations.index(value) if isinstance(value, str) else value
                lines.append(f"li x{_Register(entry.target.name[1:]):}, {at}")
        for each in thread:
            if isinstance(each, Label):
                lines.append(f".L{name}_{each.name}:")
                continue
            text = _instruction(name, str(each).upper() if not str(each).startswith("CB") else str(each), thread)
            found = next(((form, m) for pattern, form in _RISCV if (m := re.fullmatch(pattern, text))), None)
            if found is None:
                return None
            lines += found[0].format(*map(_Register, found[1].groups())).split("; ")
        lines += ["jr x31", f".size {name},.-{name}"]
    return "\n".join([*lines, ""])


def assembled_riscv(directory: Path, texts: Iterable[str]) -> Code:
    source, thing, executable = (directory / f"riscv.{kind}" for kind in ("s", "o", "elf"))
    source.write_text("".join(texts) + ".globl _start\n_start: ret\n")
    prefix = "riscv64-unknown-elf-"
    assert shutil.which(f"{prefix}as") is not None, (
        "riscv64-unknown-elf-as is not installed (Debian: gcc-riscv64-unknown-elf)"
    )
    for command in (["as", "-march=rv64imac", "-o", thing, source], ["ld", "-Ttext=0x20000", "-o", executable, thing]):
        done = subprocess.run([f"{prefix}{command[0]}", *command[1:]], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return Code(str(executable), shared=[(WINDOW, WINDOW_BYTES)])


def assembled_x86(directory: Path, tests: Iterable[Compiled]) -> Code:
    """All X86 tests in one executable."""
    source, thing, executable = (directory / f"x86.{kind}" for kind in ("s", "o", "elf"))
    lines = [".intel_syntax noprefix"]
    for number, made in enumerate(tests):
        for p, thread in enumerate(cast(Sequence[AsmThread], made.test.threads)):
            name = f"t{number}_p{p}"
            # Whatever a register holds at first, here it is 0; rsp is not the tests' esp, and none uses that.
            lines += [f".globl {name}", f".type {name},%function", f"{name}:"]
            lines += [f"mov {each}, 0" for each in ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp")]
            for each in thread:
                lines.append(f".L{name}_{each.name}:" if isinstance(each, Label) else _of_x86(name, each, thread, made))
            lines += ["ret", f".size {name},.-{name}"]
    source.write_text("\n".join([*lines, ".globl _start", "_start: ret", ""]))
    for command in (["as", "-o", thing, source], ["ld", "-Ttext=0x20000", "-o", executable, thing]):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return Code(str(executable), shared=[(WINDOW, WINDOW_BYTES)])


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
    x86 = code.listing.isa is X86_64

    def slot(register: int) -> int:
        if code.listing.isa is RV64:
            return riscv_register(register)
        return X86_64.slots[NAMES[register].lower()] if x86 else register

    functions = [code.function(f"t{number}_p{p}") for p in range(len(made.test.threads))]
    sites = SiteMap("none", NO_SITES, ())
    memory = (VRINGS_AT, VRINGS_AT + WINDOW_BYTES)
    explorer = Explorer(Machine(platform, sites, memory, placement=placed(sides)), functions)
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
                    *(registers[thread][slot(register)] for thread, register in made.program.observed_registers),
                    *(core.final(VRINGS_AT + STEP * each) for each in made.program.observed_locations),
                )
            )
        if core.advance():
            continue
        if not explorer._start_again():
            return frozenset(found)
        found.clear()


def holds(reference: str, platform: str, weaken: Sequence[str] = ()) -> bool:
    """What exploring the program comes to; nothing is shown in processes."""
    exploration = explorer_of(make_plan(reference, platform=platform, weaken=tuple(weaken))).explore(Bounds())
    assert exploration.bound is None
    return exploration.verified


HERE = Path(__file__).parent
INCLUDE = HERE.parents[1] / "amp" / "code" / "include"
SHARED = f"shared={WINDOW:#x}:{WINDOW_BYTES:#x}"


# By target: the compiler, what it is told, and the Debian package that has it.
TARGETS = {
    "aarch64": ("aarch64-linux-gnu-gcc", (), "gcc-aarch64-linux-gnu"),
    "armv7-a": ("arm-none-eabi-gcc", ("-march=armv7-a", "-marm"), "gcc-arm-none-eabi"),
    "armv7-a-thumb": ("arm-none-eabi-gcc", ("-march=armv7-a", "-mthumb"), "gcc-arm-none-eabi"),
    "cortex-m4": ("arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb"), "gcc-arm-none-eabi"),
    "x86-64": ("gcc", ("-fcf-protection=none", "-no-pie", "-fno-pic"), "build-essential"),
    "rv64": (
        "riscv64-unknown-elf-gcc",
        ("-march=rv64imac", "-mabi=lp64", "-mcmodel=medany"),
        "gcc-riscv64-unknown-elf",
    ),
    "rv32": ("riscv64-unknown-elf-gcc", ("-march=rv32imac", "-mabi=ilp32"), "gcc-riscv64-unknown-elf"),
    "aarch64-clang": ("clang", ("--target=aarch64-linux-gnu", "-fuse-ld=lld"), "clang lld"),
    "armv7-a-clang": ("clang", ("--target=armv7a-none-eabi", "-fuse-ld=lld"), "clang lld"),
    "x86-64-clang": ("clang", ("-fcf-protection=none", "-fno-pic", "-fuse-ld=lld"), "clang lld"),
    "cortex-m4-clang": ("clang", ("--target=thumbv7em-none-eabi", "-fuse-ld=lld"), "clang lld"),
}


_BUILT: dict[tuple[str, tuple[str, ...], str], bytes] = {}  # of the sources here: many tests take the same one


def built(directory: Path, source: str, *flags: str, target: str = "aarch64", at: Path = HERE) -> Path:
    """<source>.c of tests/code, or that lies at `at`, as an executable."""
    compiler, own, package = TARGETS[target]
    found = shutil.which(compiler)
    assert found is not None, f"{compiler} is not installed (Debian: {package})"
    path = directory / f"{source}{''.join(flags).replace('/', '_')}-{target}.elf"
    if at == HERE and (known := _BUILT.get((source, flags, target))):
        path.write_bytes(known)
        path.chmod(0o755)
        return path
    plain = ("-g", "-ffreestanding", "-nostdlib", "-static", "-Wall", "-Werror", "-fno-stack-protector")
    command = [found, *own, *plain, f"-I{INCLUDE}", *flags, "-Wl,-Ttext=0x20000", "-Wl,--build-id=none"]
    done = subprocess.run([*command, "-o", path, at / f"{source}.c"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if at == HERE:
        _BUILT[source, flags, target] = path.read_bytes()
    return path


def finding(reference: str, platform: str) -> str | None:
    """What an exploration finds, in the program's words, and no story of it; None: nothing, without any bound."""
    found = explorer_of(make_plan(load(reference), platform=platform)).explore(Bounds())
    assert found.bound is None, found.bound
    return str(found.finding.error) if found.finding is not None else None
