"""`amp doctor`: what of this machine amp finds, what will be slow here and why, and what is wrong.

A sign is "ok"; "slow": all works, and takes longer; "absent": what is named does not work, all else does; or "wrong":
amp does not work here. Nothing is changed: what is made to try it is gone again.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sysconfig
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from amp.code import build
from amp.code.toolchains import TARGETS
from amp.errors import UsageError
from amp.lab.descriptors import DESCRIPTORS, check_descriptors
from amp.litmus.hardware import find_compiler
from amp.machine import confine
from amp.region.names import SHM_DIRECTORY

State = Literal["ok", "slow", "absent", "wrong"]
ROOM_BYTES: Final = 64 << 20  # of shared memory: a machine has some MiB, and several run at a time
MACHINES: Final = ("x86_64", "aarch64")
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
EXTRAS: Final = {"code": ("capstone", "unicorn"), "bench": ("matplotlib",)}
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")  # Documentation/admin-guide/cgroup-v2.rst
_PARANOID: Final = Path("/proc/sys/kernel/perf_event_paranoid")  # Documentation/admin-guide/sysctl/kernel.rst


@dataclass(frozen=True, slots=True)
class Sign:
    """What was looked at, how it stands, and what that means."""

    what: str
    state: State
    told: str


def examined() -> tuple[Sign, ...]:
    """Everything that there is to look at."""
    return (
        shared_memory(SHM_DIRECTORY),
        descriptors(),
        processors(len(os.sched_getaffinity(0)), _text(_QUOTA), _load()),
        fences(platform.machine()),
        perf(_text(_PARANOID)),
        compiler(),
        cross_compilers(),
        headers(Path(sysconfig.get_path("include"))),
        *(extra(name, modules) for name, modules in EXTRAS.items()),
        confinement(),
        browser(os.environ),
    )


def exit_status(signs: Collection[Sign]) -> int:
    """1 where amp does not work."""
    return int(any(sign.state == "wrong" for sign in signs))


def as_data(signs: Collection[Sign]) -> dict[str, Any]:
    """What --json has besides what every object has."""
    return {
        "command": "doctor",
        "status": "error" if exit_status(signs) else "holds",
        "signs": [{"what": sign.what, "state": sign.state, "told": sign.told} for sign in signs],
    }


def shared_memory(folder: str | Path) -> Sign:
    """A file is made there, and removed."""
    what, path = "shared memory", Path(folder, f"amp-doctor.{os.getpid()}")
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(fd)
        os.unlink(path)
        free = os.statvfs(folder)
    except OSError as error:
        return Sign(what, "wrong", f"{folder}: {error.strerror}: no machine can be made; it wants a tmpfs, mode 1777")
    room = free.f_bavail * free.f_frsize
    said = f"{folder}: {room >> 20:,} MiB free"
    if room < ROOM_BYTES:
        return Sign(what, "wrong", f"{said}, {ROOM_BYTES >> 20} wanted: a larger tmpfs (of a container: --shm-size)")
    return Sign(what, "ok", said)


def descriptors() -> Sign:
    try:
        check_descriptors()
    except UsageError as error:
        return Sign("open files", "wrong", str(error))
    return Sign("open files", "ok", f"{DESCRIPTORS} more can be opened")


def processors(usable: int, quota: str, load: float) -> Sign:
    """`quota` is cpu.max's text: "200000 100000" is two processors' time, "max 100000" all."""
    words, why = quota.split(), []
    is_share = len(words) == 2 and all(map(str.isdecimal, words)) and int(words[1]) > 0
    share = int(words[0]) / int(words[1]) if is_share else None
    if usable < 2:
        why.append("both sides share one: every exchange waits for the scheduler, and `amp bench ring` says little")
    if share is not None and share < usable:
        why.append(f"a quota of {share:g} processors' time: whoever uses it up is stopped")
    if load >= usable:
        why.append(f"a load of {load:.1f}: others want them, too")
    said = "1 processor" if usable == 1 else f"{usable} processors, as many cells at a time in `amp check`"
    return Sign("processors", "slow" if why else "ok", "; ".join([said, *why]))


def fences(machine: str) -> Sign:
    known = machine in MACHINES
    more = "" if known else f": its fences are not known ({', '.join(MACHINES)}): no direct mode, no `amp bench`"
    return Sign("fences", "ok" if known else "absent", f"{machine}{more}")


def perf(paranoid: str) -> Sign:
    """amp counts by itself; who asks `perf stat` beside it should know."""
    if not paranoid.lstrip("-").isdecimal():
        return Sign("perf", "absent", "no performance events in this kernel; amp needs none")
    level = int(paranoid)
    if level > 1 and os.geteuid() != 0:
        return Sign("perf", "absent", f"perf_event_paranoid is {level}: no counters of the kernel; amp needs none")
    return Sign("perf", "ok", f"perf_event_paranoid is {level}; amp needs none")


def compiler() -> Sign:
    try:
        return Sign("C compiler", "ok", shutil.which(find_compiler()[0]) or "")
    except UsageError:
        return Sign("C compiler", "absent", "no $CC, no cc: no programs in C, no `amp litmus --hardware`")


def cross_compilers() -> Sign:
    """Of the targets that `amp code build` knows."""
    here, missing = [], []
    for target in TARGETS:
        try:
            here.append(f"{target}: {build.find(target).command[0]}")
        except UsageError:
            missing.append(target)
    none = f"none for {', '.join(missing)}: `amp code build` says what to install" if missing else ""
    return Sign("cross compilers", "absent" if missing else "ok", "; ".join(filter(None, (", ".join(here), none))))


def headers(folder: Path) -> Sign:
    there = (folder / "Python.h").is_file()
    why = "" if there else ": not there: the C core cannot be built again; on Debian, apt-get install python3-dev"
    return Sign("Python headers", "ok" if there else "absent", f"{folder / 'Python.h'}{why}")


def extra(name: str, modules: tuple[str, ...]) -> Sign:
    """One of the distribution's extras."""
    missing = [each for each in modules if importlib.util.find_spec(each) is None]
    hint = f"no {', '.join(missing)}: pip install 'amp-soc[{name}]'" if missing else ", ".join(modules)
    return Sign(f"extra {name}", "absent" if missing else "ok", hint)


def confinement() -> Sign:
    """What `amp up --confine` needs."""
    try:
        confine.check()
    except UsageError as error:
        return Sign("confine", "absent", str(error))
    refused = confine.namespaces_refused()
    if refused is not None:
        return Sign("confine", "ok", f"without a network namespace ({refused}); system calls are filtered")
    return Sign("confine", "ok", "namespaces and a filter of system calls")


def browser(environment: Mapping[str, str]) -> Sign:
    path = environment.get("PATH", "")
    found = next((there for name in BROWSERS if (there := shutil.which(name, path=path))), None)
    driver = shutil.which("chromedriver", path=path)
    if found and driver:
        return Sign("browser", "ok", f"{found}, {driver}")
    return Sign("browser", "absent", "no chromium with chromedriver: tests of the pages are skipped")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _load() -> float:
    """Of the last minute; 0 where the kernel does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0
