"""The targets that `amp code build` knows, and who compiles for each: rows, in the order in which they are tried.

Cross compilers of gcc are named by the triplets that Debian's packages have; clang and zig compile for every target,
and an option says which. Flags of processors are those of the gcc manual, "Machine-Dependent Options", and of clang's
"Cross-compilation". Floating point is soft on Arm: no vector is followed there. `-mno-outline-atomics`: the atomics of
Armv8 stand in the code itself, not in a library that asks the kernel which of them there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Family:
    """Compilers that are called alike. `compiles` and `links` are their own flags.

    `linker` is the program that links in place of the driver, with `links`; "": the driver does.
    """

    compiles: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    linker: str = ""


_LINKED: Final = ("-nostdlib", "-static")
GCC: Final = Family(links=(*_LINKED, "-Wl,--build-id=none", "-Wl,-z,max-page-size=4096"))
LIBGCC: Final = ("-lgcc",)  # behind the objects: divisions of processors that have none
CLANG: Final = Family(links=("-static", "-z", "max-page-size=4096"), linker="ld.lld")
ZIG: Final = Family(compiles=("-fno-sanitize=all",), links=_LINKED)


@dataclass(frozen=True, slots=True)
class Compiler:
    """One row: `command` is looked for on PATH, `machine` what its -dumpmachine has to begin with ("": not asked).

    `flags` say for which processor; `package` is Debian's that has it.
    """

    command: tuple[str, ...]
    family: Family
    flags: tuple[str, ...] = ()
    package: str = ""
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A processor to compile for. `flags` are those that every compiler takes."""

    title: str
    compilers: tuple[Compiler, ...]
    flags: tuple[str, ...] = ()


def _clang(triplet: str, *flags: str) -> Compiler:
    return Compiler(("clang",), CLANG, (f"--target={triplet}", *flags), "clang lld")


def _zig(target: str, *flags: str) -> Compiler:
    return Compiler(("zig", "cc"), ZIG, ("-target", target, *flags))


def _arm(*flags: str) -> Compiler:
    return Compiler(("arm-none-eabi-gcc",), GCC, flags, "gcc-arm-none-eabi")


def _arm_linux(*flags: str) -> Compiler:
    return Compiler(("arm-linux-gnueabihf-gcc",), GCC, flags, "gcc-arm-linux-gnueabihf")


def _cortex_a(title: str, instructions: str) -> Target:
    gcc = ("-march=armv7-a", instructions)
    return Target(
        title,
        (
            _arm(*gcc),
            _arm_linux(*gcc),
            _clang("armv7a-none-eabi", instructions),
            _zig("arm-freestanding-eabi", "-mcpu=cortex_a9", instructions),
        ),
        _SOFT,
    )


def _cortex_m(title: str, name: str, triplet: str) -> Target:
    return Target(
        title,
        (
            _arm(f"-mcpu={name}", "-mthumb"),
            _clang(triplet, f"-mcpu={name}"),
            _zig("thumb-freestanding-eabi", f"-mcpu={name.replace('-', '_')}"),
        ),
        _SOFT,
    )


def _riscv(title: str, bits: int, abi: str) -> Target:
    own = (f"-march=rv{bits}imac", f"-mabi={abi}", "-mcmodel=medany")
    machine = f"generic_rv{bits}+m+a+c"
    return Target(
        title,
        (
            Compiler(("riscv64-unknown-elf-gcc",), GCC, own, "gcc-riscv64-unknown-elf"),
            Compiler(("riscv64-linux-gnu-gcc",), GCC, own, "gcc-riscv64-linux-gnu"),
            _clang(f"riscv{bits}-none-elf", *own),
            _zig(f"riscv{bits}-freestanding-none", f"-mcpu={machine}", f"-mabi={abi}", "-mcmodel=medany"),
        ),
    )


PASSED_ON: Final = "ODUIfmWs"  # options of one letter that go to the compiler, with what follows; s: -std=
_SOFT: Final = ("-mfloat-abi=soft",)
_X86: Final = ("-fcf-protection=none", "-fno-pic")

TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        "aarch64": Target(
            "AArch64",
            (
                Compiler(("aarch64-linux-gnu-gcc",), GCC, ("-mno-outline-atomics",), "gcc-aarch64-linux-gnu"),
                Compiler(("aarch64-none-elf-gcc",), GCC, ("-mno-outline-atomics",)),
                Compiler(("gcc",), GCC, ("-mno-outline-atomics",), "gcc", machine="aarch64"),
                _clang("aarch64-none-elf", "-mno-outline-atomics"),
                _zig("aarch64-freestanding-none", "-mno-outline-atomics"),
            ),
            ("-fno-pic",),
        ),
        "armv7a": _cortex_a("Armv7-A, A32", "-marm"),
        "armv7a-thumb": _cortex_a("Armv7-A, T32", "-mthumb"),
        "cortex-m4": _cortex_m("Armv7-M, Cortex-M4", "cortex-m4", "thumbv7em-none-eabi"),
        "cortex-m33": _cortex_m("Armv8-M, Cortex-M33", "cortex-m33", "thumbv8m.main-none-eabi"),
        "x86-64": Target(
            "x86-64",
            (
                Compiler(("gcc",), GCC, package="gcc", machine="x86_64"),
                Compiler(("x86_64-linux-gnu-gcc",), GCC, package="gcc-x86-64-linux-gnu"),
                _clang("x86_64-none-elf"),
                _zig("x86_64-freestanding-none"),
            ),
            _X86,
        ),
        "riscv64": _riscv("RISC-V, 64 bits", 64, "lp64"),
        "riscv32": _riscv("RISC-V, 32 bits", 32, "ilp32"),
    }
)

# A compiler that --cc names is called as its program's name says; else as gcc is.
FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({"clang": CLANG, "zig": ZIG})
