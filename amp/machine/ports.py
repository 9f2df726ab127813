"""Opens a CPU's port as a machine's mode has it. One function, the same on both sides of the machine."""

from __future__ import annotations

import os

from amp.machine.config import Mode
from amp.ordering.barriers import Primitive
from amp.ordering.sites import SiteMap
from amp.port.doors import DirectPort, ModelledPort, open_direct, open_modelled
from amp.region import Region


def open_port(region: Region, cpu: int, mode: Mode, sites: bytes, spin_ns: int) -> ModelledPort | DirectPort:
    """The port of `cpu`, whose waits spin for `spin_ns` before they sleep.

    `sites` is the primitive at each site, as `amp.port.doors.site_bytes` writes it.
    """
    site_map = SiteMap("run", tuple(Primitive(number) for number in sites[1:]))
    port = (open_direct if mode is Mode.DIRECT else open_modelled)(region, cpu, site_map)
    # A waiter that spins on the only processor keeps from running what it waits for.
    port.set_spin_ns(spin_ns if len(os.sched_getaffinity(0)) > 1 else 0)
    return port
