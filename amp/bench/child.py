"""Inside a measuring process: bound to its CPU, it does what the parent asks in the C core, one line of JSON each way.

Started by `amp.bench.pairs` with five arguments: descriptors of the region and of one end of a socket pair, the
parent's pid, the CPU, and its role (0 or 1). A request is [function, arguments]; the function is called as
`_bridge.<function>(memory, role, *arguments)`, and reads its clocks itself. The end of the requests, or the death of
the parent, ends the process. Kept free of what it does not need.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any

import msgspec

from amp._core import _bridge
from amp.errors import AmpError
from amp.region import Region

FUNCTIONS = ("ring_bench", "bench_bounce")


def main(arguments: list[str]) -> int:
    region_fd, control_fd, parent, cpu, role = map(int, arguments)
    if not _bridge.die_with_parent(parent):
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    os.sched_setaffinity(0, {cpu})
    gc.disable()  # no collection in the middle of a sample; a request leaves nothing behind
    with Region.from_fd(region_fd) as region, os.fdopen(control_fd, "r+b", buffering=0) as control:
        try:
            for line in control:
                function, work = msgspec.json.decode(line)
                assert function in FUNCTIONS, function
                control.write(msgspec.json.encode(_do(function, region, role, _frozen(work))) + b"\n")
        except ConnectionError:  # the parent is gone, and so is who would read an answer
            return 1
    return 0


def _do(function: str, region: Region, role: int, work: tuple[Any, ...]) -> dict[str, Any]:
    try:
        return {"result": getattr(_bridge, function)(region.memory, role, *work)}
    except (AmpError, OSError, ValueError, TypeError) as error:
        return {"error": f"{type(error).__name__}: {error}", "violation": getattr(error, "exit_status", 4) == 1}


def _frozen(value: Any) -> Any:
    """Lists as tuples: JSON knows none."""
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
