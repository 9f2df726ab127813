"""What a machine is to be when it comes up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from amp.errors import UsageError
from amp.lab.firmware import load
from amp.lab.plan import PLATFORM, chosen_sites
from amp.machine.config import Mode
from amp.ordering import platform as find_platform
from amp.ordering.platforms import Platform
from amp.ordering.sites import SiteMap
from amp.remoteproc.image import Image
from amp.virtio.sites import LINUX, SITES


@dataclass(frozen=True, slots=True)
class Settings:
    """What `amp up` was asked for, checked. `platform` is None in direct mode."""

    firmware: str
    image: Image
    mode: Mode
    platform_name: str | None
    platform: Platform | None
    sites: SiteMap
    seed: int
    memory_bytes: int
    recovery: bool
    watchdog_s: float
    confined: bool


def settings_for(
    firmware: str, mode: Mode, platform: str | None, barriers: str, weaken: tuple[str, ...], **more: Any
) -> Settings:
    """The settings for an image's file; `more` are fields of Settings.

    Raises UsageError for what cannot be, FirmwareError for what is in the image.
    """
    if platform is not None and mode is Mode.DIRECT:
        raise UsageError("--platform has no meaning in direct mode: the platform is this machine")
    image, _ = load(firmware)
    name = None if mode is Mode.DIRECT else platform or PLATFORM
    return Settings(
        firmware=os.path.basename(firmware),
        image=image,
        mode=mode,
        platform_name=name,
        platform=None if name is None else find_platform(name),
        sites=chosen_sites(SITES, LINUX, barriers, weaken),
        **more,
    )
