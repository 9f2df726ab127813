"""One machine that is up: a SoC, a core, its life cycle, and the rpmsg bus that programs reach through devices.

Everything happens in the event loop's thread, which is also the one that boots the core (its end is the core's end, see
ProcessCore). From other threads come only the doorbell (amp.rpmsg.aio.Pump) and the news of a core's death.

From boot to crash is one session: a pump runs, devices come and go. The session ends when the core has died, when it
has broken the rules of ring or message so that its host cannot go on, when somebody crashed it, or when the machine
goes down. Only after that, with nobody left who listens or sends, is the life cycle moved on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

from amp.errors import AmpError, UsageError, Violation
from amp.lab.board import core_on
from amp.lab.live.protocol import ChannelInfo, CrashInfo, RingInfo
from amp.lab.live.recovery import CrashLoop
from amp.lab.live.rings import Rings
from amp.lab.live.settings import Settings
from amp.lab.live.traces import Traces
from amp.lab.live.userspace import Numbers, UserSpace
from amp.machine.core import CoreState, Crash, CrashKind
from amp.machine.process_core import ProcessCore
from amp.machine.soc import Soc
from amp.rpmsg import ADDR_ANY, Bus, Endpoint
from amp.rpmsg.aio import ListeningPort, Pump
from amp.rpmsg.names import ANY_NAME, Driver
from amp.services.hello import SERVICE as HELLO
from hostside.remoteproc.rproc import CrashReport
from hostside.remoteproc.states import RprocState
from hostside.services.client_sample import ClientSample

# Channels that a driver of the host's own has, as a kernel module would; every other one belongs to user space.
HOST_DRIVERS: Final[Mapping[str, Callable[[Bus, Callable[[str], None]], Driver]]] = MappingProxyType(
    {HELLO: ClientSample}
)
KILL: Final = "kill"
TICK_S: Final = 0.1  # how often traces and rings are looked at
LOOKS_S: Final = 0.02  # at a core that is coming up
HELD_S: Final = 0.3  # how long a core has lived, at least, when its boot has held
SETTLED_S: Final = 2.0  # the same of one that has announced no service
UP_LIMIT_S: Final = 30.0  # for a boot that holds
FIND_QUIET_S: Final = 0.25
QUIET_S: Final = 0.05  # firmware that announces several services does it in one go

Log = Callable[[str], None]


class LiveMachine:
    """`start`, then `run`. `directory` is where its devices go; `log` is given lines."""

    def __init__(self, settings: Settings, soc: Soc, directory: Path, log: Log) -> None:
        self.settings, self._soc, self._directory, self._log = settings, soc, directory, log
        self._loop = asyncio.get_running_loop()
        self._core, self.rproc = core_on(
            soc,
            self._probed,
            log=log,
            on_change=self._core_changed,
            recovery=False,  # it is done here: not before the session's pump and programs are gone
            watchdog_s=settings.watchdog_s,
            confined=settings.confined,
        )
        self._buses: list[Bus] = []  # since the core was last booted
        self._userspace: UserSpace | None = None
        self._numbers = Numbers()
        self._crash_loop = CrashLoop()
        self._trouble: asyncio.Future[Crash | None] | None = None  # ends the session; None: the machine goes down
        self._ending = asyncio.Event()
        self._changed = asyncio.Event()
        self._waits_for_crash: list[asyncio.Future[CrashInfo]] = []
        self.traces = Traces(self.rproc, log)
        self._rings = Rings(soc)
        self._stays_down = False
        self._changed_s = self._alive_s = time.monotonic()
        self._alive = False
        self.last_crash: str | None = None
        self.broke_rules = False  # was the last crash a broken ring or message, found by the host?

    def _probed(self, bus: Bus) -> None:
        self._buses.append(bus)

    # --- what is told of it

    @property
    def core_pid(self) -> int | None:
        return self._core.pid

    def channels(self) -> tuple[ChannelInfo, ...]:
        return self._userspace.describe() if self._userspace is not None else ()

    def rings(self) -> tuple[RingInfo, ...]:
        return self._rings.describe()

    async def find(self, service: str, timeout_s: float) -> ChannelInfo | None:
        """The channel of that service that was announced first.

        Waits for it so long at most; where other services are known, until no more come for FIND_QUIET_S.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (found := self._channel(service)) is None and not self._stays_down:
                    if not self.channels():
                        await self._changed.wait()
                    elif not await self._changes_within(FIND_QUIET_S):
                        break
                return found
        return None

    async def held(self) -> str | None:
        """Returns when a boot has held: None; or when none has, and why: the core stays down, or UP_LIMIT_S are over.

        It has held when its services are announced and the core has lived for HELD_S, or without any for SETTLED_S. To
        live is to pet the watchdog, which the boot ROM does once before the firmware's first instruction.
        """
        deadline = time.monotonic() + UP_LIMIT_S
        while not self._stays_down and time.monotonic() < deadline:
            if self._holds():
                return None
            await self._changes_within(LOOKS_S)
        why = f": {self.last_crash}" if self.last_crash is not None else ""
        if self._stays_down:
            return f"no boot has held, and the core stays down{why}"
        return f"no boot has held in {UP_LIMIT_S:g} s{why}"

    def _holds(self) -> bool:
        now, beats = time.monotonic(), self._soc.heartbeat.value
        if self._core.state is not CoreState.RUNNING or self._trouble is None or self._trouble.done() or not beats:
            self._alive = False
            return False
        if not self._alive:
            self._alive, self._alive_s = True, now
        if beats < 2 and self.settings.watchdog_s:  # the ROM's own: who pets no more is no boot that holds
            return False
        announced = bool(self.channels()) and now - self._changed_s >= QUIET_S
        return now - self._alive_s >= (HELD_S if announced else SETTLED_S)

    async def _changes_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _channel(self, service: str) -> ChannelInfo | None:
        return next((channel for channel in self.channels() if channel.name == service), None)

    def _channels_changed(self) -> None:
        self._changed_s = time.monotonic()
        self._changed.set()  # whoever waits looks again
        self._changed = asyncio.Event()

    # --- its life

    def start(self) -> None:
        """Boot. Raises FirmwareError or RprocError; nothing runs then."""
        self.rproc.load(self.settings.image)
        self.rproc.start()
        self._rings.booted(self.rproc, self._buses)
        confined = ", confined" if self.settings.confined else ""
        self._log(f"booted {self.settings.firmware}, core pid {self.core_pid}{confined}")

    def end(self) -> None:
        """The machine is to go down."""
        self._ending.set()
        self._give_trouble(None)

    async def run(self) -> None:
        """Sessions, and what is done between them, from `start` to `end`. The core is off when this returns."""
        ticking = self._loop.create_task(self._tick())
        try:
            while not self._ending.is_set():
                crash = await self._session()
                if crash is None or not await self._crashed(crash):
                    break
            await self._ending.wait()
        finally:
            ticking.cancel()
            self.traces.poll()
            if self.rproc.state is not RprocState.OFFLINE:
                self.rproc.stop()
            await self._drained()
            self._log("down")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.traces.poll()
            self._rings.look()

    async def _session(self) -> Crash | None:
        """Until something ends it: the crash, or None if the machine goes down."""
        trouble: asyncio.Future[Crash | None] = self._loop.create_future()
        self._trouble = trouble
        self._look_at_core()  # it may have died before anybody asked
        if not self._buses:
            return await trouble
        for number in range(1, len(self._buses)):
            self._log(f"rpmsg device {number}: not served, programs can reach the first one")
        async with self._pumped(self._buses[0]):
            return await trouble

    @asynccontextmanager
    async def _pumped(self, bus: Bus) -> AsyncIterator[None]:
        """Pump the bus and give its channels devices. What ends the pump is the session's trouble."""
        pump = Pump(bus, cast(ListeningPort, self.rproc.port))
        self._userspace = UserSpace(
            bus,
            pump,
            self._directory,
            self._numbers,
            log=self._log,
            changed=self._channels_changed,
            wrong=self._wrong,
        )
        for name, driver in HOST_DRIVERS.items():
            bus.names.register(name, driver(bus, self._log))
        bus.names.register(ANY_NAME, self._userspace)
        async with pump:
            watch = self._loop.create_task(self._watch(bus, pump))
            try:
                yield
            finally:
                watch.cancel()
                await asyncio.wait([watch])

    async def _watch(self, bus: Bus, pump: Pump) -> None:
        """Until the pump ends by itself, by the core's fault."""
        nobody = Endpoint(bus, "", ADDR_ANY, ADDR_ANY, None, zero_copy=False, announced=False)  # no message is for it
        try:
            while True:
                await pump.arrival(nobody)
        except AmpError as error:
            self._wrong(error)
        except Exception as error:  # our own fault: ends the machine
            if self._trouble is not None and not self._trouble.done():
                self._trouble.set_exception(error)

    # --- trouble

    def _core_changed(self, _: ProcessCore) -> None:
        """In the core's watcher's thread."""
        self._loop.call_soon_threadsafe(self._look_at_core)

    def _look_at_core(self) -> None:
        if self._core.state is CoreState.DEAD:
            self.broke_rules = False
            self._give_trouble(self._core.crash)

    def _wrong(self, error: AmpError) -> None:
        """The host cannot go on with what the core, or a barrier, has made of the rings."""
        self.broke_rules = isinstance(error, Violation)
        self._give_trouble(Crash(CrashKind.FATAL, f"found by the host: {type(error).__name__}: {error}"))

    def _give_trouble(self, crash: Crash | None) -> None:
        if self._trouble is not None and not self._trouble.done():
            self._trouble.set_result(crash)

    async def crash(self, kind: str) -> CrashInfo:
        """Crash the core: rproc_crash_write of Linux's drivers/remoteproc/remoteproc_debugfs.c, or with KILL a SIGKILL.

        Returns when the crash was handled. Raises UsageError for an unknown kind, and if no core runs.
        """
        kinds = [*(str(each) for each in CrashKind), KILL]
        if kind not in kinds:
            raise UsageError(f"crash kind {kind!r} is unknown (known: {', '.join(kinds)})")
        if self._ending.is_set():
            raise UsageError("crash: the machine is going down")
        pid = self._core.pid
        if self._trouble is None or self._trouble.done() or pid is None:
            raise UsageError(f"crash: the remote processor is {self.rproc.state}")
        told: asyncio.Future[CrashInfo] = self._loop.create_future()
        self._waits_for_crash.append(told)
        if kind == KILL:
            with suppress(ProcessLookupError):  # it has just died by itself, which is told as this crash
                os.kill(pid, signal.SIGKILL)
        else:
            self._give_trouble(Crash(CrashKind(kind), "reported by amp crash"))
        return await told

    async def _crashed(self, crash: Crash) -> bool:
        """Take the core down, and boot it again if that is wanted. False if it stays down."""
        self.traces.poll()
        self._rings.look()
        report = self.rproc.report_crash(crash.kind, crash.text, crash.da)
        self.last_crash = f"{report.kind}: {report.text}"
        self._log(f"crash {report.number}: {self.last_crash}")
        await self._drained()
        wanted = bool(self._waits_for_crash)  # then it says nothing about the firmware
        looping = not wanted and self._crash_loop.crashed(time.monotonic())
        if not self.settings.recovery:
            self._log("recovery is off: the core stays down")
        elif looping:
            loop = self._crash_loop
            self._log(f"{loop.limit} crashes within {loop.within_s:g} s: the core stays down")
        else:
            self._recover()
        self._tell_crash(report)
        self._stays_down = self.rproc.state is not RprocState.RUNNING
        self._channels_changed()
        return not self._stays_down

    def _recover(self) -> None:
        self._buses = []
        self._userspace = None
        started = time.perf_counter()
        try:
            self.rproc.recover()
            self._rings.booted(self.rproc, self._buses)
        except AmpError as error:
            self._log(f"recovery failed: {error}")
            self.last_crash = f"{self.last_crash}; recovery failed: {error}"
        else:
            took_ms = 1000 * (time.perf_counter() - started)
            self._log(f"recovered in {took_ms:.1f} ms, core pid {self.core_pid}")
        self.traces.restart()

    def _tell_crash(self, report: CrashReport) -> None:
        info = CrashInfo(
            number=report.number,
            kind=str(report.kind),
            text=report.text,
            recovered=self.rproc.state is RprocState.RUNNING,
        )
        for told in self._waits_for_crash:
            if not told.done():
                told.set_result(info)
        self._waits_for_crash = []

    async def _drained(self) -> None:
        if self._userspace is not None:
            await self._userspace.drained()
