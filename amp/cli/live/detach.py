"""`amp up --detach`: the machine in a process and session of its own, and a parent that returns when it is up.

The child is forked before there is any thread, region or loop. It tells the parent one Reply: the machine, or why not.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

import msgspec

from amp.cli.live.protocol import MachineInfo, Reply
from amp.errors import AmpError


class NotUp(AmpError):
    """The machine did not come up; its own error and exit status."""

    def __init__(self, text: str, status: int) -> None:
        self.exit_status = status
        super().__init__(text)


def detached(run: Callable[[Callable[[MachineInfo], None]], None]) -> MachineInfo:
    """`run(ready)` in a new process, as far as its call of `ready`. Raises NotUp."""
    reading, writing = os.pipe()
    child = os.fork()
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
        raise NotUp("the machine's process died while it came up", AmpError.exit_status)
    reply = msgspec.json.decode(told, type=Reply)
    if reply.error is not None:
        os.waitpid(child, 0)
        raise NotUp(reply.error, reply.status)
    return msgspec.convert(reply.result, MachineInfo)


def _child(run: Callable[[Callable[[MachineInfo], None]], None], pipe: int) -> NoReturn:
    status = 0
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.close(nowhere)

        def ready(machine: MachineInfo) -> None:
            os.write(pipe, msgspec.json.encode(Reply(result=machine)))
            os.close(pipe)

        run(ready)
    except AmpError as error:
        status = error.exit_status
        _tell(pipe, Reply(error=str(error), status=status))
    except Exception as error:
        status = AmpError.exit_status
        _tell(pipe, Reply(error=f"internal error: {type(error).__name__}: {error}", status=status))
    except SystemExit:  # SIGTERM, before anything listened for it
        status = AmpError.exit_status
    finally:
        os._exit(status)


def _tell(pipe: int, reply: Reply) -> None:
    try:
        os.write(pipe, msgspec.json.encode(reply))
    except OSError:  # it is up, and its parent gone
        return
