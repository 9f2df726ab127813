"""How fast compiled code runs in free mode: a ring between two processes, and the same instructions emulated plainly.

    .venv/bin/python bench/free_code.py [MESSAGES]

The ring is tests/code/ring.c for AArch64, of 8 entries. Counted are the accesses that a message needs, six a side;
looks in vain and barriers are in the time. Figures are of CPU time, a side's the half of both, less what a run of one
message takes: the machine may be shared, and to start processes is no part of it. Plain emulation is bench_code.py's.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from bench_code import plain

import amp
from amp.code.build import build

RING = Path(__file__).parent.parent / "tests" / "code" / "ring.c"
ACCESSES = 6  # of each side, a message
SHARED = "shared=0x40000000:0x1000"


def built(directory: str, messages: int, entries: int = 8) -> str:
    path = f"{directory}/ring{messages}-{entries}.elf"
    build([str(RING)], path, "aarch64", flags=["-O2", f"-DMESSAGES={messages}", f"-DENTRIES={entries}"])
    return path


def cpu_seconds(path: str) -> float:
    """Of both sides, and of what starts them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    runs = amp.run(f"{path}?host=send&remote=receive&{SHARED}", mode="free", platform="arm64")
    assert runs.holds, runs
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(messages: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        seconds = cpu_seconds(built(directory, messages)) - cpu_seconds(built(directory, 1))
        free = ACCESSES * messages / (seconds / 2)
        emulated = (
            2 * ACCESSES * plain(built(directory, 1, 2), 20_000)
        )  # bench_code.py knows where that one's words lie
    print(
        f"free: {free:,.0f} shared accesses/s of CPU time a side; plain emulation: {emulated:,.0f}/s; "
        f"ratio {emulated / free:.1f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
