"""The C core as objects, compiled once in a run of the suite for all its workers. Not a test.

PLAIN and SANITIZED are of the engine, which knows no Python; BRIDGE is the rest, sanitized, for a module of its own.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from turns import made_once

CORE = Path(__file__).parents[1] / "amp" / "_core"
SOURCES = {path.name: path for path in sorted(CORE.rglob("*.[ch]"))}
ENGINE = [path for name, path in SOURCES.items() if name.endswith(".c") and not name.startswith("py_")]
PYTHON = [path for name, path in SOURCES.items() if name.endswith(".c") and name.startswith("py_")]
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{CORE}")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PLAIN = (*STRICT, "-g", "-O1")
SANITIZED = (*STRICT, "-g1", "-O1", "-fPIC", *SANITIZE)
BRIDGE = (*SANITIZED, "-DPy_LIMITED_API=0x030B0000", f"-I{sysconfig.get_path('include')}")
# Of a whole module without the sanitizers, for where much is run.
MODULE = (
    *("-fPIC", "-std=c11", "-O1", "-DPy_LIMITED_API=0x030B0000"),
    *(f"-I{sysconfig.get_path('include')}", f"-I{CORE}"),
)
LIMIT_S = 300


def cc(*arguments: object) -> None:
    subprocess.run(["cc", *map(str, arguments)], check=True, timeout=LIMIT_S)


def compiled(sources: Iterable[Path], directory: Path, flags: Iterable[str]) -> None:
    """An object in `directory` for each source."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda source: cc(*flags, "-c", source, "-o", directory / f"{source.stem}.o"), sources))


def plain(shared: Path) -> Path:
    """The engine's objects; `shared` is conftest's folder of this run."""
    return made_once(shared, "core-plain", lambda to: compiled(ENGINE, to, PLAIN))


def sanitized(shared: Path) -> Path:
    return made_once(shared, "core-sanitized", lambda to: compiled(ENGINE, to, SANITIZED))


def bridge(shared: Path) -> Path:
    return made_once(shared, "core-bridge", lambda to: compiled(PYTHON, to, BRIDGE))


def module(shared: Path) -> Path:
    """The objects of a whole module, the engine's and Python's."""
    return made_once(shared, "core-module", lambda to: compiled((*ENGINE, *PYTHON), to, MODULE))


def linked(program: Path, objects: Iterable[Path], *instead: Path, flags: Iterable[object] = ()) -> Path:
    """`program` of the objects, each of `instead` in the place of the one that has its name, or beside them."""
    names = {path.name for path in instead}
    cc(*flags, *(path for path in sorted(objects) if path.name not in names), *instead, "-o", program, "-lpthread")
    return program


def patched_source(file: str, text: str, instead: str) -> str:
    """A source of the core with a planted error."""
    source = SOURCES[file].read_text()
    assert source.count(text) == 1, f"{file} has changed: {text!r} is there {source.count(text)} times"
    return source.replace(text, instead)


def planted(directory: Path, file: str, text: str, instead: str, *flags: object) -> Path:
    """The object of that source, compiled in `directory`; headers are looked for there, then where the source lay."""
    (directory / file).write_text(patched_source(file, text, instead))
    to = directory / f"{Path(file).stem}.o"
    cc("-std=c11", "-w", "-O1", *flags, f"-I{SOURCES[file].parent}", f"-I{CORE}", "-c", directory / file, "-o", to)
    return to
