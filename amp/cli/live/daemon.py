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
from typing import Final

from amp.cli.live import directory, protocol
from amp.cli.live.control import ControlServer
from amp.cli.live.machine import LiveMachine, Log, Settings
from amp.errors import RprocError, UsageError
from amp.machine.soc import Soc

SETTLED_S: Final = 2.0  # how long "up" waits for the firmware's first channel

Ready = Callable[[protocol.MachineInfo], None]


def stay_up(name: str, settings: Settings, log: Log, ready: Ready) -> None:
    """Boot, call `ready` once the first channel is there, and return when the machine is down.

    UsageError for the name or the sizes, FirmwareError or RprocError if it does not boot.
    """
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
            asyncio.run(_Daemon(home, settings, log).main(soc, ready))
    finally:
        home.close()


class _Daemon:
    """The machine's answers to a second terminal (amp.cli.live.control.Answers)."""

    def __init__(self, home: directory.MachineDirectory, settings: Settings, log: Log) -> None:
        self._home, self._settings, self._log = home, settings, log
        self._started_s = time.monotonic()

    async def main(self, soc: Soc, ready: Ready) -> None:
        self._machine = machine = LiveMachine(self._settings, soc, self._home.path, self._log)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                loop.add_signal_handler(number, machine.end)
        machine.start()
        running = loop.create_task(machine.run())
        async with ControlServer(self._home.control, self):
            await machine.settled(SETTLED_S)
            ready(self.describe())
            await running

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
