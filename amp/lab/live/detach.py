"""`amp up --detach`: the machine in a process and session of its own, and a parent that returns when it is up.

The child is forked before there is any thread, region or loop. It tells the parent one Reply: the machine, or why not.
Whatever was open as 0, 1 and 2 before, or was not, is /dev/null in the child.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from typing import Final, NoReturn

import msgspec

from amp.errors import AmpError, UsageError
from amp.lab.live.daemon import TOLD_DOWN, NotUp
from amp.lab.live.protocol import MachineInfo, Reply
from amp.shortage import shortage

FIRST: Final = 3  # descriptors that are no standard stream


def detached(run: Callable[[Callable[[MachineInfo], None]], None]) -> MachineInfo:
    """`run(ready)` in a new process, as far as its call of `ready`. Raises NotUp."""
    try:
        reading, writing = _pipe()
        child = os.fork()
    except OSError as error:
        raise UsageError(f"the machine's process cannot be started: {error.strerror}") from None
    if child == 0:
        os.close(reading)
        _child(run, writing)
    os.close(writing)
    try:
        with open(reading, "rb") as pipe:
            told = pipe.read()
    except BaseException:
        os.kill(child, signal.SIGTERM)
        raise
    if not told:
        raise NotUp(f"the machine's process {_end_of(child)} while it came up", AmpError.exit_status)
    reply = msgspec.json.decode(told, type=Reply)
    if reply.error is not None:
        os.waitpid(child, 0)
        raise NotUp(reply.error, reply.status)
    return msgspec.convert(reply.result, MachineInfo)


def _pipe() -> tuple[int, int]:
    """A pipe that is no standard stream, though those may be closed."""
    low = os.pipe()
    try:
        reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST) for end in low)
    finally:
        for end in low:
            os.close(end)
    return reading, writing


def _end_of(child: int) -> str:
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with status {os.waitstatus_to_exitcode(status)}"


def _child(run: Callable[[Callable[[MachineInfo], None]], None], pipe: int) -> NoReturn:
    status = 0
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(FIRST):
            os.dup2(nowhere, stream)
        if nowhere >= FIRST:
            os.close(nowhere)

        def ready(machine: MachineInfo) -> None:
            os.write(pipe, msgspec.json.encode(Reply(result=machine)))
            os.close(pipe)

        run(ready)
    except AmpError as error:
        status = error.exit_status
        _tell(pipe, Reply(error=str(error), status=status))
    except Exception as error:
        short = shortage(error)
        status = AmpError.exit_status if short is None else UsageError.exit_status
        text = f"internal error: {type(error).__name__}: {error}" if short is None else f"the machine: {short}"
        _tell(pipe, Reply(error=" ".join(text.split()), status=status))
    except SystemExit:  # SIGTERM, before anything listened for it
        status = TOLD_DOWN
        _tell(pipe, Reply(error="the machine was told to go down before it was up", status=status))
    finally:
        os._exit(status)


def _tell(pipe: int, reply: Reply) -> None:
    try:
        os.write(pipe, msgspec.json.encode(reply))
    except OSError:  # it is up, and its parent gone
        return
