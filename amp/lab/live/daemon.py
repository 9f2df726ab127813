"""`amp up`: one machine in its directory, with its control socket, until it is told to go down.

Who tells it: Ctrl-C, SIGTERM, SIGHUP, `amp down`. However it ends, the core is off, devices and directory are gone;
after a SIGKILL the kernel ends the core, and the next command removes the directory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Final

from amp.errors import AmpError, RprocError, UsageError
from amp.lab.descriptors import check_descriptors
from amp.lab.live import directory, protocol
from amp.lab.live.control import ControlServer
from amp.lab.live.machine import LiveMachine, Log
from amp.lab.live.settings import Settings
from amp.machine.soc import Soc
from amp.shortage import shortage

TOLD_DOWN: Final = 3  # the exit status of what was to come up, and was told to go down: nothing is wrong
DESCRIPTORS: Final = 64  # an interpreter's, a loop's and a core's some 20; the rest for programs and a second terminal

Ready = Callable[[protocol.MachineInfo], None]


class NotUp(AmpError):
    """The machine did not come up, in one line."""

    def __init__(self, text: str, status: int = UsageError.exit_status) -> None:
        self.exit_status = status
        super().__init__(text)


def stay_up(name: str, settings: Settings, log: Log, ready: Ready, *, must_hold: bool = False) -> None:
    """Boot, call `ready` once a boot has held or none will, and return when the machine is down.

    With `must_hold` a machine of which no boot has held goes down, and is not up: NotUp says why. UsageError for the
    name, the sizes, or what this computer is short of; FirmwareError or NotUp if it does not boot.
    """
    check_descriptors(DESCRIPTORS)
    try:
        _stay_up(name, settings, log, ready, must_hold=must_hold)
    except RprocError as error:
        raise NotUp(str(error)) from error
    except (OSError, MemoryError, RuntimeError) as error:
        short = shortage(error)
        if short is None:
            raise
        raise UsageError(f"machine {name}: {short}") from error


def _stay_up(name: str, settings: Settings, log: Log, ready: Ready, *, must_hold: bool) -> None:
    home = directory.claim(name)
    try:
        soc = Soc(
            mode=settings.mode,
            sites=settings.sites,
            platform=settings.platform,
            memory_bytes=settings.memory_bytes,
            seed=settings.seed,
        )
        with soc:
            asyncio.run(_Daemon(home, settings, log).main(soc, ready, must_hold=must_hold))
    finally:
        home.close()


class _Daemon:
    """The machine's answers to a second terminal (amp.lab.live.control.Answers)."""

    def __init__(self, home: directory.MachineDirectory, settings: Settings, log: Log) -> None:
        self._home, self._settings, self._log = home, settings, log
        self._started_s = time.monotonic()

    async def main(self, soc: Soc, ready: Ready, *, must_hold: bool) -> None:
        self._machine = machine = LiveMachine(self._settings, soc, self._home.path, self._log)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._trouble)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                loop.add_signal_handler(number, machine.end)
        machine.start()
        running = loop.create_task(machine.run())
        async with ControlServer(self._home.control, self, log=self._log):
            coming = loop.create_task(machine.held())
            await asyncio.wait((running, coming), return_when=asyncio.FIRST_COMPLETED)
            why_not = coming.result() if coming.done() else "it was told to go down before a boot had held"
            coming.cancel()
            if must_hold and why_not is not None:
                machine.end()
                status = TOLD_DOWN if running.done() else 1 if machine.broke_rules else UsageError.exit_status
            elif not running.done():
                ready(self.describe())
            await running
        if must_hold and why_not is not None:
            raise NotUp(f"machine {self._home.name}: {why_not}", status)

    def _trouble(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would print: no more descriptors for who connects, most likely."""
        error = context.get("exception")
        self._log(f"{context.get('message', 'trouble')}{f': {error}' if error is not None else ''}")

    def describe(self) -> protocol.MachineInfo:
        machine, settings = self._machine, self._settings
        return protocol.MachineInfo(
            name=self._home.name,
            pid=os.getpid(),
            state=str(machine.rproc.state),
            firmware=settings.firmware,
            mode=str(settings.mode),
            platform=settings.platform_name,
            barriers=settings.sites.name,
            core_pid=machine.core_pid,
            uptime_s=round(time.monotonic() - self._started_s, 3),
            crashes=machine.rproc.crash_count,
            last_crash=machine.last_crash,
            recovery=settings.recovery,
            confined=settings.confined,
            channels=machine.channels(),
        )

    async def find(self, service: str, timeout_s: float) -> protocol.ChannelInfo:
        found = await self._machine.find(service, timeout_s)
        if found is not None:
            return found
        known = sorted({channel.name for channel in self._machine.channels()})
        close = get_close_matches(service, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        has = f"known: {', '.join(known)}" if known else f"it has none; the core is {self._machine.rproc.state}"
        raise UsageError(f"machine {self._home.name} has no service {service!r:.80}{hint} ({has})")

    def traces(self) -> dict[str, str]:
        return self._machine.traces.texts()

    def follow(self, follower: Callable[[str, str], None]) -> Callable[[], None]:
        followers = self._machine.traces.followers
        followers.append(follower)
        return lambda: followers.remove(follower)

    def vrings(self) -> tuple[protocol.RingInfo, ...]:
        return self._machine.rings()

    async def crash(self, kind: str) -> protocol.CrashInfo:
        return await self._machine.crash(kind)

    def coredump(self) -> bytes:
        try:
            return self._machine.rproc.coredump()
        except RprocError as error:
            raise UsageError(f"machine {self._home.name}: {error}") from None

    def down(self) -> None:
        self._machine.end()
