"""Inside a process that is a remote core: how it is powered, stopped and heard, whatever runs on it.

Started with three arguments: descriptors of the region and of one end of a socket pair, and the parent's pid. One line
of JSON comes in (PowerOn), at most one goes out (CrashReport). SIGTERM is the order to stop: it raises Stopped in the
main thread, wherever that is. The death of the parent is the death of the core.

Other direction: `amp.machine.process_core`. Kept free of what a core does not need, since every recovery waits for it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final, NoReturn

import msgspec

from amp._core import _bridge
from amp.errors import AmpError
from amp.machine.config import Mode
from amp.machine.core import Boot, Crash, CrashKind
from amp.machine.mailbox import Mailbox
from amp.machine.ports import open_port
from amp.port.port import Port
from amp.region import Region

LINE_LIMIT_BYTES: Final = 1 << 20  # of JSON; a boot with its windows is some hundred bytes


class PowerOn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a core's process is told. `sites`: the primitive at each site (amp.port.doors.site_bytes).

    `confined`: it gives up what amp.machine.confine says before it reads its firmware.
    """

    boot: Boot
    cpu: int
    mode: Mode
    sites: bytes
    spin_ns: int
    confined: bool = False


class CrashReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A core's last words: a Crash, as JSON."""

    kind: CrashKind
    text: str
    da: int | None = None


class Stopped(BaseException):
    """The core is ordered to stop. Not an Exception: firmware that catches those is stopped all the same."""


# What runs on a core. Returns why it crashed; Stopped passes through it.
Rom = Callable[[Port, Boot, Mailbox], Crash]


def serve_core(arguments: list[str], rom: Rom) -> NoReturn:
    """The process's main. Ends the process: with status 0 if it was stopped, 1 if it crashed or has no parent."""
    region_fd, control_fd, parent = (int(argument) for argument in arguments)
    if not _bridge.die_with_parent(parent):
        _end(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    port: Port | None = None
    try:
        signal.signal(signal.SIGTERM, _stop)
        try:
            region = Region.from_fd(region_fd)
            order = msgspec.json.decode(_read_line(control_fd), type=PowerOn)
            port = open_port(region, order.cpu, order.mode, order.sites, order.spin_ns)
        except (AmpError, OSError, MemoryError) as error:
            text = " ".join(f"the core cannot start: {type(error).__name__}: {error}".split())
            crash = Crash(CrashKind.FATAL, text)
        else:
            refused = _confined(parent) if order.confined else None
            crash = rom(port, order.boot, Mailbox(region)) if refused is None else refused
        report = msgspec.json.encode(CrashReport(kind=crash.kind, text=crash.text, da=crash.da)) + b"\n"
        while report:
            report = report[os.write(control_fd, report) :]
    except Stopped:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if port is not None:
            with suppress(AmpError):  # the machine is lost: nobody waits for us
                port.retire()
        _end(0)
    _end(1)


def _confined(parent: int) -> Crash | None:
    """Confine this process; why it cannot be. That is no core then: no instruction of its firmware is run."""
    from amp.machine.confine import confine  # noqa: PLC0415  (no other core needs it)

    try:
        confine()
    except (AmpError, OSError, ValueError) as error:
        return Crash(CrashKind.FATAL, f"the core cannot be confined: {error}")
    if not _bridge.die_with_parent(parent):  # the kernel may forget it with a change of credentials (prctl(2))
        _end(1)
    return None


def _end(status: int) -> NoReturn:
    """Now. Threads and exit handlers of the firmware's have no say: the power is off."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


def _read_line(fd: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(fd, 65536)
        if not part or len(line) > LINE_LIMIT_BYTES:
            raise Stopped  # the parent has changed its mind
        line += part
    return line
