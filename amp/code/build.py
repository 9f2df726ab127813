"""`amp code build`: C files, assembly and objects made into an executable that `amp verify` takes.

Each source is compiled on its own, then all are linked with a start file, a small C library (amp/code/libc) and a
linker script of ours. What comes out is read as every ELF file is, so what is built here is not refused later.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amp.code.elf import PAGE, Image, read
from amp.code.toolchains import FAMILIES, GCC, LIBGCC, TARGETS, Compiler, Family, Target
from amp.errors import UsageError
from amp.files import write_whole

LIMIT_S: Final = 600  # of one call of a compiler
SHARED_AT: Final = 0x40000000
_HERE: Final = Path(__file__).parent
_LIBRARY: Final = ("start.c", "string.c", "stdlib.c", "stdio.c")
_SOURCES: Final = (".c", ".s", ".S")
_OBJECTS: Final = (".o", ".a")
# -g: lines. The rest keeps out what an executable without an operating system does not have.
_PLAIN: Final = (
    *("-g", "-ffreestanding", "-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-isystem", str(_HERE / "include"), "-isystem", str(_HERE / "libc" / "include")),
)
Said = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """What came out: the file, read again, and who compiled it."""

    image: Image
    compiler: str
    title: str

    def __str__(self) -> str:
        window = self.image.own_window
        shared = f", shared memory {window[0]:#x}:{window[1]:#x}" if window is not None else ""
        return f"{self.image.path}: {self.title}, by {self.compiler}{shared}"


def build(
    files: Sequence[str],
    output: str,
    target: str,
    *,
    flags: Sequence[str] = (),
    compiler: str | None = None,
    shared: str | None = None,
    said: Said = lambda _: None,
) -> Built:
    """Compile and link. `shared`, "ADDRESS" or "ADDRESS:BYTES", is where AMP_SHARED variables go, and the least size.

    `said` is given each command line before it runs. What the compiler says goes to stderr. Raises UsageError: for a
    target or a file that is none, for a missing compiler (with what to install), and if one fails.
    """
    chosen = TARGETS.get(target)
    if chosen is None:
        raise UsageError(f"target {target!r:.80}, expected one of {', '.join(TARGETS)}")
    start, size = _place(shared)
    for file in files:
        if Path(file).suffix not in (*_SOURCES, *_OBJECTS) or not os.path.isfile(file):
            raise UsageError(f"{file}: expected a file that is there, of {', '.join((*_SOURCES, *_OBJECTS))}")
    found = _given(chosen, compiler) if compiler is not None else find(target)
    with tempfile.TemporaryDirectory(prefix="amp-build-") as directory:
        work = _Work(found, chosen, tuple(flags), Path(directory), said)
        objects = [work.compiled(file) if Path(file).suffix in _SOURCES else file for file in files]
        objects += [work.compiled(str(_HERE / "libc" / name), own=True) for name in _LIBRARY]
        made = work.linked(objects, start, size)
        _check_fits(output, read(made), size)
        try:
            write_whole(output, Path(made).read_bytes())
        except OSError as error:
            raise UsageError(f"{output}: {error.strerror}") from None
    return Built(read(output), shlex.join(found.command), chosen.title)


def _place(shared: str | None) -> tuple[int, int]:
    address, colon, length = (shared or hex(SHARED_AT)).partition(":")
    try:
        start, size = int(address, 0), int(length, 0) if colon else 0
    except ValueError:
        raise UsageError(f"--shared {shared!r:.80}, expected ADDRESS or ADDRESS:BYTES") from None
    if start % PAGE or size % PAGE or not PAGE <= start < 1 << 48 or not 0 <= size < 1 << 32:
        raise UsageError(f"--shared {shared:.80}: expected whole pages of {PAGE:#x}")
    return start, size


def _check_fits(output: str, image: Image, asked: int) -> None:
    """Raises UsageError for AMP_SHARED variables that take more than was asked for, or that begin as anything but 0."""
    window = image.own_window
    if window is None:
        return
    start, size = window
    if asked and size > asked:
        raise UsageError(f"{output}: its AMP_SHARED variables take {size:#x} bytes, --shared gives {asked:#x}")
    for each in image.segments:
        at = next((number for number, byte in enumerate(each.data) if byte), None) if each.start == start else None
        if at is not None:
            named = image.variable_at(start + at)
            name = named[0].name if named is not None else f"{start + at:#x}"
            raise UsageError(f"{output}: {name} has an initial value, and shared memory begins as zeroes")


# --- who compiles


def find(target: str) -> Compiler:
    """The first compiler of the target's rows that is installed. Raises UsageError that says what to install."""
    rows = TARGETS[target].compilers
    found = next((row for row in rows if _is_here(row)), None)
    if found is None:
        here = [row for row in rows if not row.machine or platform.machine().startswith(row.machine)]
        packages = " or ".join(dict.fromkeys(row.package for row in here if row.package))
        raise UsageError(f"no compiler for {target} is installed: on Debian, apt-get install {packages}; or say --cc")
    return found


def _is_here(row: Compiler) -> bool:
    if shutil.which(row.command[0]) is None or (row.family.linker and shutil.which(row.family.linker) is None):
        return False
    if not row.machine:
        return True
    asked = subprocess.run(
        [*row.command, "-dumpmachine"], capture_output=True, text=True, check=False, timeout=LIMIT_S, errors="replace"
    )
    return asked.stdout.startswith(row.machine)


def _given(target: Target, command: str) -> Compiler:
    """The compiler that --cc names, with the flags of the target's row for its kind."""
    words = tuple(shlex.split(command))
    if not words or shutil.which(words[0]) is None:
        raise UsageError(f"--cc {command!r:.80}: no such program")
    name = Path(words[0]).name
    family: Family = next((each for kind, each in FAMILIES.items() if kind in name), GCC)
    flags = next((row.flags for row in target.compilers if row.family is family), ())
    return Compiler(words, family, flags)


@dataclass(frozen=True, slots=True)
class _Work:
    """One build: its compiler, and the folder that it leaves nothing in."""

    compiler: Compiler
    target: Target
    flags: tuple[str, ...]
    directory: Path
    said: Said

    def compiled(self, source: str, *, own: bool = False) -> str:
        """The object of a source. `own`: of the library, which is compiled as it always is."""
        number = sum(1 for _ in self.directory.iterdir())
        thing = str(self.directory / f"{number}-{Path(source).stem}.o")
        flags = ("-O1",) if own else self.flags
        front = (*self.compiler.command, *self._of_target(), *self.compiler.family.compiles)
        self._run([*front, *_PLAIN, *flags, "-c", source, "-o", thing])
        return thing

    def linked(self, objects: Sequence[str], start: int, size: int) -> str:
        """All of them, by our script: the executable."""
        script, made = self.directory / "link.ld", str(self.directory / "made.elf")
        text = (_HERE / "libc" / "link.ld").read_text()
        script.write_text(text.replace("@START@", hex(start)).replace("@BYTES@", hex(size)))
        family = self.compiler.family
        front = [family.linker] if family.linker else [*self.compiler.command, *self._of_target()]
        behind = LIBGCC if family is GCC else ()
        self._run([*front, *family.links, "-T", str(script), "-o", made, *objects, *behind])
        return made

    def _of_target(self) -> tuple[str, ...]:
        return (*self.compiler.flags, *self.target.flags)

    def _run(self, command: Sequence[str]) -> None:
        self.said(shlex.join(command))
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=LIMIT_S).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"{command[0]}: {error}") from None
        if status:
            raise UsageError(f"{command[0]} ended with status {status}")
