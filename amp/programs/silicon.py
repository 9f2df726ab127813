"""silicon: the ring on the bare silicon, no port and no model; see amp/_core/bench/silicon.h for what it shows."""

from __future__ import annotations

from typing import Final

from amp.machine.wiring import plan
from amp.ordering.platforms import Side
from amp.programs.program import Part, Program

PROGRAM: Final = Program(
    name="silicon",
    summary="a ring on this machine's own memory, payload by non-temporal stores",
    parts=(
        Part("host", Side.HOST, "hostside.silicon:driver"),
        Part("remote", Side.REMOTE, "remoteside.silicon:device"),
    ),
    memory=plan,
    bare=True,
    exchange=True,
    shipped=True,
)
