"""What a figure was measured on: machine, kernel, CPU, placement, and which amp. Read, never guessed.

A fact that this machine does not tell is None. Linux's files: /proc/cpuinfo, /proc/loadavg, and of
Documentation/ABI/testing/sysfs-devices-system-cpu: cpu*/cpufreq/scaling_governor, cpu*/cache/index*/, smt/active.
"""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import amp

_CPUS: Final = Path("/sys/devices/system/cpu")
_ROOT: Final = Path(amp.__file__).parent.parent


def facts(cpus: Sequence[int] = ()) -> dict[str, Any]:
    """As JSON values. `cpus` are those that the measuring threads are bound to, in the sides' order; () is unbound.

    load_1m is the load average as the run begins or ends, whenever this is called: what others did to the machine.
    """
    looked_at = cpus[0] if cpus else 0
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu_model": _cpu_model(),
        "cpus_online": os.cpu_count(),
        "cpus_usable": sorted(os.sched_getaffinity(0)),
        "pinned_to": list(cpus),
        "hypervisor": _flag("hypervisor"),
        "smt_active": _yes_or_no(_CPUS / "smt/active"),
        "governor": _text(_CPUS / f"cpu{looked_at}/cpufreq/scaling_governor"),
        "caches": _caches(looked_at),
        "load_1m": os.getloadavg()[0],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "amp_version": amp.__version__,
        "commit": commit(_ROOT),
    }


def result_data(command: str, exit_status: int, seconds: float, known: dict[str, Any]) -> dict[str, Any]:
    """What the --json objects of all commands of `amp bench` begin with; `known` are the facts."""
    return {
        "command": f"bench {command}",
        "status": "holds" if exit_status == 0 else "inconclusive",
        "seconds": round(seconds, 3),
        "machine": known,
    }


def one_line(known: dict[str, Any]) -> str:
    """The facts a reader of a table or a chart needs: CPU, kernel, placement, version, day."""
    pinned = ", ".join(map(str, known["pinned_to"]))
    parts = [
        f"{known['cpu_model'] or known['machine']}{' (virtual)' if known['hypervisor'] else ''}",
        f"{known['cpus_online']} CPUs" + (f", pinned to {pinned}" if pinned else ""),
        known["kernel"],
        f"amp {known['amp_version']}" + (f" ({known['commit'][:12]}{known['commit'][40:]})" if known["commit"] else ""),
        known["date"][:10],
    ]
    return " · ".join(parts)


def commit(root: Path) -> str | None:
    """The checkout's commit, with "+" behind it if tracked files differ; None outside a checkout or without git."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None

    def ask(*words: str) -> str | None:
        asked = subprocess.run([git, "-C", str(root), *words], capture_output=True, text=True, timeout=30, check=False)
        return asked.stdout.strip() if asked.returncode == 0 else None

    head = ask("rev-parse", "HEAD")
    if head is None:
        return None
    return head + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "")


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _yes_or_no(path: Path) -> bool | None:
    text = _text(path)
    return None if text is None else text == "1"


def _cpuinfo(*keys: str) -> str | None:
    """The first CPU's value of the first of these keys that there is."""
    lines = (line.partition(":") for line in (_text(Path("/proc/cpuinfo")) or "").splitlines())
    values: dict[str, str] = {}
    for key, _, value in lines:
        values.setdefault(key.strip(), value.strip())
    return next((values[key] for key in keys if key in values), None)


def _cpu_model() -> str | None:
    """x86's name, with family, model and stepping where the name alone says little; else Arm's part or RISC-V's ISA."""
    name = _cpuinfo("model name")
    if name is None:
        return _cpuinfo("uarch", "CPU part", "isa")
    numbers = [(word, _cpuinfo(key)) for word, key in (("family", "cpu family"), ("model", "model"))]
    return " ".join([name, *(f"{word} {value}" for word, value in numbers if value)])


def _flag(name: str) -> bool | None:
    flags = _cpuinfo("flags")
    return None if flags is None else name in flags.split()


def _caches(cpu: int) -> dict[str, str]:
    """{"L1 Data": "32K", ...} of that CPU."""
    found = {}
    for index in sorted((_CPUS / f"cpu{cpu}/cache").glob("index*")):
        level, kind, size = (_text(index / name) for name in ("level", "type", "size"))
        if level and size:
            found[f"L{level}" + ("" if kind in {None, "Unified"} else f" {kind}")] = size
    return found
