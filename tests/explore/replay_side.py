"""One CPU of a small program in a process of its own: `replay_side.py FD CPU`. Not a test.

`replay_machine.py` starts it. FD is the memory of a machine in lockstep. A line of standard input is a JSON list of the
program of each CPU, in the words of `small_programs`; the answer is one line of JSON: what CPU 0 reports of all
registers, and what ended the program.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from contextlib import suppress
from typing import Any

from small_programs import MEMORY_BYTES, Part, parse

from amp.errors import AmpError, ScheduleMismatch
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.port.doors import ModelledPort, site_bytes
from amp.virtio.sites import SITES


def run(port: ModelledPort, programs: list[str]) -> dict[str, Any]:
    reported: list[int] = []
    ended: str | None = None
    try:
        Part(cpu, [parse(text) for text in programs], lambda values: reported.extend(map(int, values)))(port)
    except AmpError as error:
        ended = f"{type(error).__name__}: {error}"
    with suppress(ScheduleMismatch):
        port.retire()
    return {"values": reported, "error": ended}


if __name__ == "__main__":
    fd, cpu = int(sys.argv[1]), int(sys.argv[2])
    memory = mmap.mmap(fd, os.fstat(fd).st_size)
    sites = site_bytes(SiteMap.for_class(BarrierClass.NONE, SITES))
    for line in sys.stdin:
        answer = run(ModelledPort(memory, MEMORY_BYTES, cpu, sites), json.loads(line))
        print(json.dumps(answer), flush=True)
