"""A side's process: takes runs from the control channel, opens its port, runs the program, reports.

The process is started with two descriptors: the region, and one end of a socket pair over which requests and reports go
as lines of JSON. The end of the requests ends it; so does the death of its parent.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from typing import BinaryIO

import msgspec

from amp._core import _bridge
from amp.errors import AmpError, PeerDied, PeerFinished, Violation
from amp.machine.config import Mode, Report, Request, RunConfig, Tally
from amp.ordering.barriers import Primitive
from amp.ordering.sites import SiteMap
from amp.port.doors import open_direct, open_modelled
from amp.port.port import Port
from amp.region import Region

Program = Callable[[Port, RunConfig, Tally], None]
RegionProgram = Callable[[Region, RunConfig], Report]

# What an exception that ends a program says of the run; the first that fits.
_OUTCOMES: tuple[tuple[type[AmpError], str], ...] = (
    (Violation, "violation"),
    (PeerFinished, "finished"),
    (PeerDied, "lost"),
    (AmpError, "error"),
)


def serve(arguments: list[str], cpu: int, programs: Mapping[str, Program], bare: Mapping[str, RegionProgram]) -> int:
    """The process's main. `arguments`: region descriptor, control descriptor, the parent's pid. Returns exit status.

    `programs` are given a port; `bare` ones the region itself, and no model (only the bare silicon's ring is that).
    """
    region_fd, control_fd, parent = (int(argument) for argument in arguments)
    if not _bridge.die_with_parent(parent):
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    with Region.from_fd(region_fd) as region, os.fdopen(control_fd, "r+b", buffering=0) as control:
        while line := _read_line(control):
            config = msgspec.json.decode(line, type=Request).run
            report = _run(region, cpu, config, programs, bare)
            try:
                control.write(msgspec.json.encode(report) + b"\n")
            except (BrokenPipeError, ConnectionResetError):  # nobody is interested any more
                return 1
    return 0


def _read_line(control: BinaryIO) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        try:
            part = control.read(65536)
        except ConnectionResetError:  # the parent left without reading our last report
            part = b""
        if not part:
            return b""
        line += part
    return line


def _run(
    region: Region, cpu: int, config: RunConfig, programs: Mapping[str, Program], bare: Mapping[str, RegionProgram]
) -> Report:
    tally = Tally()
    _place(cpu, config)
    start = time.monotonic_ns()
    try:
        if config.program in bare:
            return bare[config.program](region, config)
        port = _open(region, cpu, config)
        finding = _finding(lambda: programs[config.program](port, config, tally))
        if finding.outcome != "lost":
            port.retire()
    except PeerDied as error:
        finding = Report(outcome="lost", text=str(error))
    except Exception as error:
        finding = _failure(error)
    return msgspec.structs.replace(
        finding,
        messages=tally.messages,
        notifications=tally.notifications,
        waits=tally.waits,
        sha256=tally.sha256,
        elapsed_ns=time.monotonic_ns() - start,
    )


def _place(cpu: int, config: RunConfig) -> None:
    """Give each side a processor of its own where a run asks for it and there are enough."""
    usable = sorted(os.sched_getaffinity(os.getppid()))
    if config.pin and len(usable) > cpu:
        os.sched_setaffinity(0, {usable[cpu]})
    else:
        os.sched_setaffinity(0, usable)


def _open(region: Region, cpu: int, config: RunConfig) -> Port:
    sites = SiteMap("run", tuple(Primitive(number) for number in config.sites[1:]))
    opened = (open_direct if config.mode is Mode.DIRECT else open_modelled)(region, cpu, sites)
    # A waiter that spins on the only CPU keeps from running what it waits for.
    opened.set_spin_ns(config.spin_ns if len(os.sched_getaffinity(os.getppid())) > 1 else 0)
    return opened


def _finding(program: Callable[[], None]) -> Report:
    """How the program ended: done, with a violation, or because the other side left."""
    try:
        program()
    except AmpError as error:
        outcome = next(name for kind, name in _OUTCOMES if isinstance(error, kind))
        return Report(
            outcome=outcome,
            kind=type(error).__name__,
            text=str(error),
            address=getattr(error, "address", None),
            number=getattr(error, "number", None),
        )
    except Exception as error:  # not further up: the port must retire, or the other side waits in vain
        return _failure(error)
    return Report(outcome="done")


def _failure(error: Exception) -> Report:
    """A bug in a program: what, and where, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Report(outcome="error", text=f"{text} ({os.path.basename(frame.filename)}, line {frame.lineno})")
