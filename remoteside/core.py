"""The boot ROM of a core that runs Python: `python -m remoteside.core`, started by the machine, not by hand.

Reads the firmware's source from the core's memory, through the port, compiles it and calls its entry with a Firmware.
An entry that returns leaves the core idle: it waits for interrupts until it is stopped. Whatever else leaves the entry
is the core's crash, and is also printed into the firmware's trace buffer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType, TracebackType

from amp.errors import AccessFault, MmuFault
from amp.machine.core import Boot, Crash, CrashKind
from amp.machine.core_process import Stopped, serve_core
from amp.machine.mailbox import Mailbox
from amp.port.port import Port
from remoteside.firmware import Firmware

MODULE: str = "firmware"  # the name under which the firmware's module is known inside the core


def run(port: Port, boot: Boot, mailbox: Mailbox) -> Crash:
    """The ROM. Returns why the core crashed; Stopped passes through."""
    mailbox.heartbeat.bump()  # the watchdog watches from here on
    firmware = Firmware(port, boot, mailbox)
    try:
        module, source = load(firmware)
        exec(compile(source, source_name(firmware), "exec"), module.__dict__)
        entry_of(module, boot.entry)(firmware)
        while True:
            firmware.wait()
    except Stopped:
        raise
    except BaseException as error:  # a panic and SystemExit, too: nothing above us could do anything with them
        crash = crash_of(error)
        with suppress(Exception):  # the table may be what is wrong, the port may be dead
            firmware.print(f"{crash.kind}: {crash.text}")
        return crash


def load(firmware: Firmware) -> tuple[ModuleType, bytes]:
    """An empty module, known to the interpreter as dataclasses and pickle want it, and the source to fill it."""
    entry_da = firmware.boot.entry_da
    window = firmware.memory.window(entry_da)
    source = bytes(firmware.memory.read(entry_da, window.da + window.length - entry_da))
    module = sys.modules[MODULE] = ModuleType(MODULE)
    module.__file__ = source_name(firmware)
    return module, source.partition(b"\0")[0]  # the window may be larger than the text: a source has no NUL


def entry_of(module: ModuleType, name: str) -> Callable[[Firmware], object]:
    """What the firmware's own text calls `name`; nothing that every module has. AttributeError if there is none."""
    if name not in vars(module) or name in vars(ModuleType("empty")) or name == "__builtins__":
        raise AttributeError(f"module {MODULE!r} has no attribute {name!r}")
    entry: Callable[[Firmware], object] = vars(module)[name]
    return entry


def source_name(firmware: Firmware) -> str:
    """How the firmware's code is called in messages: by the window that it lies in."""
    return firmware.memory.window(firmware.boot.entry_da).name


def crash_of(error: BaseException) -> Crash:
    """An exception as a crash: one line, "Type: text (file, line)"."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if not isinstance(error, SyntaxError):  # that names its place itself
        text += f" ({place_of(error.__traceback__)})"
    if isinstance(error, MmuFault):
        return Crash(CrashKind.MMUFAULT, text, error.da)
    return Crash(CrashKind.MMUFAULT if isinstance(error, AccessFault) else CrashKind.FATAL, text)


def place_of(trace: TracebackType | None) -> str:
    """Where the newest frame of the firmware's own code stood, else the newest of all."""
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append((trace.tb_frame.f_globals.get("__name__") == MODULE, code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    own = [place for place in places if place[0]] or places
    return f"{os.path.basename(own[-1][1])}, line {own[-1][2]}" if own else "nowhere"


if __name__ == "__main__":
    serve_core(sys.argv[1:], run)
