"""Opens a CPU's port as a machine's mode has it. One function, the same on both sides of the machine."""

from __future__ import annotations

import os

from amp.machine.config import Mode
from amp.port.doors import DirectPort, ModelledPort, open_direct, open_modelled, site_map
from amp.region import Region
from amp.virtio.sites import SITES


def open_port(region: Region, cpu: int, mode: Mode, sites: bytes, spin_ns: int) -> ModelledPort | DirectPort:
    """The port of `cpu`, whose waits spin for `spin_ns` before they sleep.

    `sites` is the primitive at each of virtio's sites, as `amp.port.doors.site_bytes` writes it.
    """
    port = (open_direct if mode is Mode.DIRECT else open_modelled)(region, cpu, site_map(sites, SITES))
    # A waiter that spins on the only processor keeps from running what it waits for.
    port.set_spin_ns(spin_ns if len(os.sched_getaffinity(0)) > 1 else 0)
    return port
