"""A litmus test on this machine's own CPU: compiled by the system's compiler, run in a process of its own, judged.

What the silicon shows is compared with what the model allows for the platform that this CPU is; the model is `runner`'s
and knows nothing of the silicon. A state the model does not allow refutes the model. One that is allowed and not seen
says nothing: it may be rare, or this CPU does not use its freedom.
"""

from __future__ import annotations

import fcntl
import os
import platform as host
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import amp._core
from amp.errors import AmpError, UsageError
from amp.files import write_whole
from amp.litmus.compile import Compiled
from amp.litmus.native import native_text
from amp.litmus.outcomes import Judged, Values, judge
from amp.litmus.syntax import Dialect, LitmusTest
from amp.machine.patience import Patience

HEADERS: Final = Path(amp._core.__file__).parent
# Wrapping arithmetic and any cast, as the test's C has them; a test that mixes pointers and integers knows why.
FLAGS: Final = (
    *("-std=c11", "-O2", "-fwrapv", "-fno-strict-aliasing", "-pthread", "-I", str(HEADERS)),
    *("-Wall", "-Wextra", "-Wno-unused", "-Wno-unused-parameter", "-Wno-sign-compare"),
    *("-Wno-int-conversion", "-Wno-incompatible-pointer-types"),
    *("-Wno-pointer-to-int-cast", "-Wno-int-to-pointer-cast"),
)
COMPILE_S: Final = 60.0
FOLDER_PREFIX: Final = "amp-litmus-"
GRACE_S: Final = 30.0  # for a program to end after its time


class NativeFailed(AmpError):
    """The compiled test did not come to its end: it crashed, hung, or could not have its processors."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """`platform` is the one that ordinary memory is on this CPU; `non_temporal`: with stores past the caches."""

    name: str
    platform: str
    dialects: frozenset[Dialect]
    non_temporal: str | None = None


CPUS: Final[Mapping[str, Cpu]] = MappingProxyType(
    {
        "x86_64": Cpu("x86-64", "x86-wb", frozenset({Dialect.C, Dialect.X86}), "x86-wc"),
        "aarch64": Cpu("aarch64", "arm64", frozenset({Dialect.C})),
    }
)


@dataclass(frozen=True, slots=True)
class Effort:
    """`tries` of each test, or as many as `seconds` allow; thread i runs on `cpus[i]`; `seed` decides all chance."""

    tries: int
    seconds: float
    cpus: tuple[int, ...]
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Observed:
    """`counts` are tries by final state, as the core has them; `aligned` are the tries whose threads began together."""

    counts: Mapping[Values, int]
    tries: int
    aligned: int


@dataclass(frozen=True, slots=True)
class Compared:
    """`seen`: the silicon's states, judged by the test's condition, with the number of tries that ended in each.

    `excess`: those that the model does not allow. `allowed`: how many it does; None if it has no answer.
    """

    observed: Observed
    seen: Judged
    counts: Mapping[Values, int]
    excess: tuple[Values, ...]
    allowed: int | None


def this_cpu() -> Cpu:
    """Raises UsageError where no test can be compiled."""
    cpu = CPUS.get(host.machine())
    if cpu is None:
        raise UsageError(f"--hardware: this machine is {host.machine()}, supported are {', '.join(CPUS)}")
    return cpu


def find_compiler() -> tuple[str, ...]:
    """The command $CC, else cc. Raises UsageError if there is none."""
    words = tuple(shlex.split(os.environ.get("CC", ""))) or ("cc",)
    if shutil.which(words[0]) is None:
        raise UsageError(f"--hardware needs a C compiler: there is no {words[0]!r} (set CC, or install one)")
    return words


def usable_cpus(asked: str | None = None) -> tuple[int, ...]:
    """The processors "0,1", or all that this process may use. Raises UsageError for others."""
    usable = sorted(os.sched_getaffinity(0))
    if asked is None:
        return tuple(usable)
    try:
        cpus = tuple(map(int, asked.split(",")))
    except ValueError:
        raise UsageError(f"--cpus {asked!r:.40}, expected numbers such as 0,1") from None
    for cpu in cpus:
        if cpu not in usable:
            raise UsageError(f"--cpus: processor {cpu} is not usable here, usable are {','.join(map(str, usable))}")
    if len(set(cpus)) < len(cpus):
        raise UsageError(f"--cpus {asked}: a processor stands there twice")
    return cpus


def why_not(test: LitmusTest, cpu: Cpu, cpus: tuple[int, ...]) -> str:
    """Why `test` cannot run here, in a line; empty if it can."""
    if test.dialect not in cpu.dialects:
        known = ", ".join(sorted(cpu.dialects))
        return f"{test.dialect} is not compiled on this {cpu.name} CPU, which runs {known}"
    if len(test.threads) > len(cpus):
        return f"it has {len(test.threads)} threads, usable processors: {len(cpus)}"
    return ""


def run_on_silicon(
    compiled: Compiled, compiler: tuple[str, ...], effort: Effort, non_temporal: tuple[str, ...] = (), keep: str = ""
) -> Observed:
    """Compile and run. `keep`: a directory for the C text. Raises UsageError for a test with no native form, or one
    that the compiler refuses; NativeFailed if the program does not end well."""
    text = native_text(compiled, non_temporal)
    test = compiled.test
    try:
        if keep:
            directory = Path(keep) / test.dialect
            directory.mkdir(parents=True, exist_ok=True)
            write_whole(directory / f"{Path(test.file).stem}.c", text.encode())
        with ExitStack() as undo:
            with _workshop() as folder:
                program = os.open(build(text, folder, compiler), os.O_RDONLY | os.O_CLOEXEC)
                undo.callback(os.close, program)
            # Its folder is gone, so nothing is left of it whatever ends us from here on.
            return run_program(Path(f"/proc/self/fd/{program}"), effort, len(test.threads), len(compiled.columns))
    except OSError as error:
        raise UsageError(f"{error.filename or test.file}: {error.strerror}") from None
    except AmpError as error:
        raise type(error)(f"{test.file}: {error}") from None


def build(text: str, directory: Path, compiler: tuple[str, ...]) -> Path:
    """The program of the C text, in `directory`. Raises UsageError with the compiler's first complaint."""
    source, program = directory / "test.c", directory / "test"
    source.write_text(text)
    own = {**os.environ, "TMPDIR": str(directory)}  # what a compiler that is killed leaves is found there
    done = _run([*compiler, *FLAGS, str(source), "-o", str(program)], COMPILE_S, own)
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if "rror" in line] or done.stderr.splitlines() or ["-"]
        raise UsageError(f"{compiler[0]} refuses it: {complaints[0].replace(str(directory), '').lstrip('/')}")
    return program


def run_program(program: Path, effort: Effort, threads: int, columns: int, grace_s: float = GRACE_S) -> Observed:
    """Run it to its end, for which it has `grace_s` more than its time. Raises NativeFailed."""
    numbers = (effort.tries, effort.seconds, effort.seed, *effort.cpus[:threads])
    own = {**os.environ, "AMP_PARENT": str(os.getpid())}
    done = _run([str(program), *map(str, numbers)], effort.seconds + grace_s, own)
    if done.returncode < 0:
        raise NativeFailed(f"the compiled test was ended by signal {-done.returncode}")
    if done.returncode:
        raise NativeFailed(f"the compiled test gave up: {done.stderr.strip()[-200:]}")
    return _read(done.stdout, columns)


def _run(command: list[str], seconds: float, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """In a process group of its own: whatever ends us here, but SIGKILL, ends all that it has started."""
    inherited = [int(command[0].rpartition("/")[2])] if command[0].startswith("/proc/self/fd/") else []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        pass_fds=inherited,
        process_group=0,
        env=environment,
    ) as process:
        try:
            out, err = _told(process, seconds)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                what = "the compiled test" if inherited else Path(command[0]).name
                raise NativeFailed(f"{what} had no end within {seconds:g} s") from None
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _told(process: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    """What it has said at its end. Raises TimeoutExpired when it has had so many seconds."""
    patience = Patience(process.pid, seconds)
    while True:
        try:
            return process.communicate(timeout=max(0.0, patience.left_s))
        except subprocess.TimeoutExpired:
            if patience.left_s <= 0:
                raise


@contextmanager
def _workshop() -> Iterator[Path]:
    """A folder to compile in, gone at the end. Folders that killed processes of ours have left are removed first.

    Who works in one holds a lock on it.
    """
    _sweep()
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as name:
        lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def _sweep() -> None:
    """A folder that is younger than a compilation may take is left: its maker may not hold the lock yet."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):  # somebody else's, in use, or just removed
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                status = os.fstat(lock)
                if status.st_uid == os.geteuid() and time.time() - status.st_mtime > COMPILE_S:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)


def _read(text: str, columns: int) -> Observed:
    """What native.h prints."""
    counts: dict[Values, int] = {}
    totals = {}
    for line in text.splitlines():
        word, *numbers = line.split()
        values = tuple(map(int, numbers))
        if word == "state":
            assert len(values) == 1 + columns, "one value a column"
            counts[values[1:]] = values[0]
        else:
            [totals[word]] = values
    assert sum(counts.values()) == totals["tries"], "every try has one final state"
    return Observed(counts, totals["tries"], totals["aligned"])


def compare(compiled: Compiled, observed: Observed, model: Judged | None) -> Compared:
    """What the silicon showed against what the model allows; `model` is None if a limit kept it from an answer."""
    seen = judge(compiled, observed.counts)
    counts = dict.fromkeys(seen.states, 0)
    for raw, count in observed.counts.items():
        state = tuple(column.canonical(value) for column, value in zip(compiled.columns, raw, strict=True))
        counts[state] += count
    if model is None:
        return Compared(observed, seen, counts, (), None)
    excess = tuple(state for state in seen.states if state not in model.states)
    return Compared(observed, seen, counts, excess, len(model.states))
