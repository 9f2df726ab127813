"""A board whose firmware echoes: the service that rpmsg is measured with. Composition root."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from amp.lab.board import Board
from amp.machine.config import Mode
from amp.ordering.platforms import Platform
from amp.remoteproc.build import build, declaration, find_module
from amp.remoteproc.image import read_image
from amp.virtio.sites import linux_choice

SERVICE: Final = "rpmsg-echo"
MODULE: Final = "remoteside.services.echo"


def echo_board(mode: Mode, platform: Platform | None, spin_ns: int) -> Board:
    """The board, not yet up; its sides spin for so long before they sleep."""
    path = find_module(MODULE)
    image = read_image(build(Path(path), declaration(path)))
    return Board(image, mode=mode, sites=linux_choice(weak_barriers=False), platform=platform, soc={"spin_ns": spin_ns})
