"""One side of a small program alone, on the bare region; what the other writes is there already. Not a test.

The other side has left: a program that waits for more than that is told so.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from amp.machine.config import Mode, RunConfig, Tally
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.port.doors import open_direct
from amp.port.port import Port
from amp.programs import SHIPPED
from amp.region import Region


def run_alone(
    program: Callable[[Port, RunConfig, Tally], None],
    cpu: int,
    config: RunConfig,
    written: Mapping[int, bytes],
    *,
    rung: bool = False,
) -> Tally:
    """Run `program` as `cpu`. `written` is by address; `rung`: the other has kicked once. Raises what it raises."""
    whole, tally = SHIPPED[config.program], Tally()
    sites = SiteMap.for_class(BarrierClass.MANDATORY, whole.sites)
    with Region.create(whole.memory(config).layout(1)) as region:
        other = open_direct(region, 1 - cpu, sites)
        for address, data in written.items():
            other.write(address, data)
        if rung:
            other.kick(cpu)
        other.retire()
        program(open_direct(region, cpu, sites), config, tally)
    return tally


def configured(program: str, **sizes: int | bool) -> RunConfig:
    """As the program's record has it, by hand: the sides know no record."""
    return RunConfig(program=program, mode=Mode.DIRECT, align=4, **{"payload_bytes": 8, "ring_size": 2, **sizes})  # type: ignore[arg-type]


def u16(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def u32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)
