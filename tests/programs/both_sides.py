"""A program's two sides as two threads of this process, on the bare region, every access written down. Not a test.

Accesses of a look in vain are left out: a look that found nothing is as if it had not been made.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from amp.machine.config import Mode, RunConfig, Tally
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.port.doors import Recorded, RecordingPort, open_direct
from amp.port.port import HOST, REMOTE
from amp.programs.program import Code, Program
from amp.region import Region

LIMIT_S = 240


class Log(RecordingPort):
    """What is recorded of a poll: the look that found something, and nothing else."""

    def poll(self, look: Callable[[], Any], /) -> Any:
        def marked() -> Any:
            before = len(self.calls)
            found = look()
            if found is None:
                del self.calls[before:]
            return found

        return self._port.poll(marked)


def config_of(program: Program, messages: int, ring_size: int | None = None) -> RunConfig:
    return program.config(Mode.DIRECT, messages=messages, ring_size=ring_size)


def recorded(program: Program, messages: int, ring_size: int | None = None) -> tuple[list[Recorded], list[Recorded]]:
    """Run both sides to their ends; what each asked of its port, and was told."""
    config = config_of(program, messages, ring_size)
    sites = SiteMap.for_class(BarrierClass.MANDATORY, program.sites)
    with Region.create(program.memory(config).layout(1)) as region, ThreadPoolExecutor(2) as pool:
        logs = [Log(open_direct(region, cpu, sites)) for cpu in (HOST, REMOTE)]

        def side(log: Log, code: Code) -> None:
            code(log, config, Tally())  # type: ignore[arg-type]  # a RecordingPort is a Port by __getattr__

        sides = zip(logs, program.parts, strict=True)
        for done in [pool.submit(side, log, part.load()) for log, part in sides]:
            done.result(LIMIT_S)
        return logs[0].calls, logs[1].calls
