"""The processes of a machine: fresh interpreters that are given the region, one end of a socket pair, and little else.

A child's arguments are the region's descriptor, the control socket's, its parent's pid, and then its own. Children that
are alike come from one interpreter: its start is most of what a short run costs, so it forks the others beside itself
before it has imported anything of a program.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, Protocol

from amp._core import _bridge

_STDERR: Final = 2


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Ctrl-C reaches the whole group. It waits here until the children that are started are known, to be ended.

    They inherit that it is blocked, for as long as they have not said yet that they ignore it.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def start_child(
    module: str, region_fd: int, *numbers: int, stdout: int | None = None, extra: dict[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """`python -m module` and our end of its control socket; `numbers` are its own arguments.

    `extra` are variables of its environment besides ours. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs, _clear_of_streams(region_fd) as region, _clear_of_streams(theirs.fileno()) as control:
            fds = (region, control)
            process = _start(module, fds, region, control, os.getpid(), *numbers, stdout=stdout, extra=extra)
    except BaseException:
        ours.close()
        raise
    return process, ours


def _start(
    module: str, fds: Sequence[int], *numbers: int, stdout: int | None = None, extra: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *map(str, numbers)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        pass_fds=fds,
        env=environment() | (extra or {}),
    )


class Process(Protocol):
    """What is asked of a child, however it was started: as subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


class Forked:
    """A child of ours that another child has forked beside itself."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The status, minus the signal's number if one ended it; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The status. Raises TimeoutExpired if it still runs after `timeout` seconds."""
        while (status := self.poll()) is None:
            fd = os.pidfd_open(self.pid)  # ours: its number is not given away before poll() has its status
            try:
                ready, _, _ = select.select([fd], [], [], timeout)
            finally:
                os.close(fd)
            if not ready:
                raise subprocess.TimeoutExpired([f"process {self.pid}"], timeout or 0.0)
        return status

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def start_alike(module: str, region_fd: int, count: int) -> tuple[list[Process], list[socket.socket]]:
    """`count` processes of one `python -m module`, and our ends of their control sockets, in their order.

    Its arguments are the region's descriptor, our pid, and the control sockets' descriptors; `fork_alike` is how it
    becomes so many. Processes are fewer than `count` if it ended before that, or could not. Raises OSError.
    """
    ends = [socket.socketpair() for _ in range(count)]
    processes: list[Process] = []
    try:
        with ExitStack() as stack:
            region = stack.enter_context(_clear_of_streams(region_fd))
            given = [stack.enter_context(_clear_of_streams(theirs.fileno())) for _, theirs in ends]
            processes.append(_start(module, (region, *given), region, os.getpid(), *given))
            for _, theirs in ends:
                theirs.close()
        processes += [Forked(pid) for pid in _pids_of_forked(ends[0][0])]
    except BaseException:
        for process in processes:
            process.kill()
            process.wait()
        for ours, theirs in ends:
            ours.close()
            theirs.close()
        raise
    return processes, [ours for ours, _ in ends]


def _pids_of_forked(control: socket.socket) -> list[int]:
    """The line that the first process says when it has forked the others; none if it has ended."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            part = control.recv(4096)
        except ConnectionResetError:
            part = b""
        if not part:
            return []
        line += part
    return [int(word) for word in line.split()]


def fork_alike(parent: int, controls: Sequence[int]) -> int | None:
    """In a process of `start_alike`: forks the others beside it, and tells the parent. Returns which this one is.

    None if the parent is gone. Each keeps its own control socket and closes the others'.
    """
    mine, forked = 0, list[int]()
    for number in range(1, len(controls)):
        try:
            pid = _bridge.fork_beside()
        except OSError:  # the parent sees that there are too few
            break
        if pid == 0:
            mine = number
            break
        forked.append(pid)
    if not inherit(parent):
        return None
    for number, control in enumerate(controls):
        if number != mine:
            os.close(control)
    if mine == 0:
        with suppress(BrokenPipeError):  # the parent has given up: so it does when it asks for the first run
            os.write(controls[0], b" ".join(b"%d" % pid for pid in forked) + b"\n")
    return mine


def inherit(parent: int) -> bool:
    """What a child does first: it ends with its parent, and leaves Ctrl-C to it. False if the parent is gone already.

    Ctrl-C reaches the whole group; the parent decides what it means.
    """
    if not _bridge.die_with_parent(parent):
        return False
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return True


@contextmanager
def _clear_of_streams(fd: int) -> Iterator[int]:
    """`fd`, or a copy of it where it has the number of a standard stream: the child's own streams come there."""
    if fd > _STDERR:
        yield fd
        return
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)
    try:
        yield copy
    finally:
        os.close(copy)


def environment() -> dict[str, str]:
    """What children are given: ours, but for what brings modules from where the user stands, whoever put them there.

    `-P` keeps the current folder out of the module path; so do PYTHONPATH's empty and relative entries not get in. Its
    absolute ones are the user's own choice, and stay: amp itself may have been found by them. PYTHONSTARTUP is read by
    interactive interpreters only; PYTHONINSPECT would make one of a child that has ended.
    """
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONINSPECT")}
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    return {**kept, "PYTHONPATH": os.pathsep.join(path)} if path else kept
