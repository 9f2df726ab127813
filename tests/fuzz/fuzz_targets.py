"""Every fuzz target by name. A target is a function of bytes that raises if the code under test does not stand them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import fuzz_code
import fuzz_device_vring
import fuzz_driver_vring
import fuzz_elf_image
import fuzz_name_service
import fuzz_port_access
import fuzz_resource_table
import fuzz_rpmsg_host
import fuzz_rpmsg_remote

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "resource_table": fuzz_resource_table.one_input,
    "elf_image": fuzz_elf_image.one_input,
    "code": fuzz_code.one_input,
    "port_access": fuzz_port_access.one_input,
    "driver_vring": fuzz_driver_vring.one_input,
    "device_vring": fuzz_device_vring.one_input,
    "rpmsg_host": fuzz_rpmsg_host.one_input,
    "rpmsg_remote": fuzz_rpmsg_remote.one_input,
    "name_service": fuzz_name_service.one_input,
}
SEEDS = Path(__file__).parent / "seeds"


def seeds(target: str) -> list[Path]:
    """The inputs that are kept: what was found, and what reaches far."""
    return sorted((SEEDS / target).iterdir())
