"""The process of one part: takes runs from the control channel, opens its port, runs its part, reports.

`python -m amp.machine.side REGION_FD CONTROL_FD PARENT_PID CPU`, started by `amp`, not by hand. CONTROL_FD is one end
of a socket pair over which requests and reports go as lines of JSON. The end of the requests ends the process; so does
the death of its parent. It imports its own part of a program and no other.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, cast

import msgspec

from amp._core import _bridge
from amp.errors import AmpError, PeerDied, PeerFinished, UsageError, Violation
from amp.machine.config import Mode, Report, Request, RunConfig, Tally
from amp.ordering.sites import SiteMap
from amp.port.doors import DirectPort, ModelledPort, open_direct, open_modelled, site_map
from amp.port.port import Port
from amp.programs import load
from amp.programs.program import Program
from amp.region import Region

# What an exception that ends a program says of the run; the first that fits.
_OUTCOMES: tuple[tuple[type[AmpError], str], ...] = (
    (Violation, "violation"),
    (PeerFinished, "finished"),
    (PeerDied, "lost"),
    (AmpError, "error"),
)
_FAILED = ("violation", "error")  # nobody waits for what such a part would have written


def serve(arguments: list[str]) -> int:
    """The process's main. Returns its exit status."""
    region_fd, control_fd, parent, cpu = (int(argument) for argument in arguments)
    if not _bridge.die_with_parent(parent):
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    with Region.from_fd(region_fd) as region, os.fdopen(control_fd, "r+b", buffering=0) as control:
        while line := _read_line(control):
            config = msgspec.json.decode(line, type=Request).run
            report = _run(region, cpu, config)
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


def _run(region: Region, cpu: int, config: RunConfig) -> Report:
    tally, lines = Tally(), None
    _place(cpu, config)
    start = time.monotonic_ns()
    try:
        program = load(config.program)
        _check_same(program, config)
        code = program.parts[cpu].load()
        if program.bare:
            return cast(Report, code(region, config))  # type: ignore[arg-type,call-arg]
        port = _open(region, cpu, config, program)
        finding = _finding(lambda: code(port, config, tally))
        lines = getattr(port, "lines", None)
        if finding.outcome in _FAILED and isinstance(port, ModelledPort):
            port.fail()
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
        said=tally.said,
        lines=lines,
        elapsed_ns=time.monotonic_ns() - start,
    )


def _place(cpu: int, config: RunConfig) -> None:
    """Give each side a processor of its own where a run asks for it and there are enough."""
    usable = sorted(os.sched_getaffinity(os.getppid()))
    if config.pin and len(usable) > cpu:
        os.sched_setaffinity(0, {usable[cpu]})
    else:
        os.sched_setaffinity(0, usable)


def _check_same(program: Program, config: RunConfig) -> None:
    """Raises UsageError if the program's file is not the one that the run was planned with."""
    if program.source is not None and config.program_sha256 not in ("", program.source.sha256):
        raise UsageError(f"program {program.source.path} has changed since the run was started")


def _open(region: Region, cpu: int, config: RunConfig, program: Program) -> Port:
    sites = site_map(config.sites, program.sites)
    opened = _door(config, sites, len(program.parts))(region, cpu, sites)
    # A waiter that spins on the only CPU keeps from running what it waits for.
    opened.set_spin_ns(config.spin_ns if len(os.sched_getaffinity(os.getppid())) > 1 else 0)
    return opened


def _door(config: RunConfig, sites: SiteMap, cpus: int) -> Callable[[Region, int, SiteMap], ModelledPort | DirectPort]:
    if config.mode is Mode.DIRECT:
        return partial(open_direct, cpus=cpus)
    if not config.lines and not any(site.is_place for site in sites):
        return open_modelled
    from amp.port.lines import LinedPort, stands_ahead  # noqa: PLC0415  (few runs are asked for their lines)

    return partial(open_modelled, door=LinedPort) if config.lines or stands_ahead(sites) else open_modelled


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


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
