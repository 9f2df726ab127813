"""Rproc: one remote core under its host's control, from a firmware image to running virtio devices and back.

drivers/remoteproc/remoteproc_core.c of Linux v6.1, in its order: handle the resource table, allocate, load the segments
and the negotiated table, power up, start the devices. Every operation is a row of `states.TRANSITIONS`. What fails is
undone completely before its one error is raised.

Who does what: the Soc holds memory and power, the Core runs, the drivers given here run the devices. Rproc is called
from one thread, has no clock, and starts nothing by itself: its owner calls `check` when a core may have died
(ProcessCore's on_change, PeerDied from the port) and `interrupt` when the port's wait says so.

Not as Linux does it: a core that crashed is switched off at once, recovery or not, so that nothing writes to memory
that is being dumped and given back. A detached core keeps its negotiated table (Linux restores the clean one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amp.errors import AmpError, FirmwareError, PeerDied, PeerFinished, RprocError
from amp.machine.core import Boot, Core, CoreState, Crash, CrashKind
from amp.machine.soc import Soc
from amp.port.port import HOST, Port
from amp.remoteproc.image import Image
from amp.remoteproc.table import Table
from hostside.remoteproc.coredump import DumpSegment, core_file, machine_number
from hostside.remoteproc.memory import MemEntry
from hostside.remoteproc.resources import Resources, TraceBuffer, VendorAnswer, VendorHook, handle
from hostside.remoteproc.session import Session, fill_memory, planned, table_of, taken_over
from hostside.remoteproc.states import Event, RprocState, after
from hostside.remoteproc.vdev import RprocVdev, VirtioDriver

LET_GO_S: Final = 2.0  # far above a firmware's wait for interrupts, which ends with the reset's doorbell
WATCHDOG_S: Final = 5.0  # far above what a Python firmware may take between two waits on a busy machine


@dataclass(frozen=True, slots=True)
class CrashReport:
    """One crash and what came of it. `recovered`: a new core runs; `failure`: why not, though it was to."""

    number: int
    kind: CrashKind
    text: str
    da: int | None
    unacknowledged: tuple[object, ...]
    recovered: bool
    failure: str | None = None


class Rproc:
    """A core's life cycle. OFFLINE when made; `of_running` makes one that is DETACHED.

    `recovery`: a crash is followed by a new start. `coredump`: a crash leaves a core file. `vendor_hooks` are called
    for table entries of their type, `drivers` bound to devices of their id. `watchdog_s`: a core whose heartbeat stands
    still for so long has crashed; 0: nobody watches. `log` is given a line for each table entry that is skipped.
    """

    def __init__(
        self,
        soc: Soc,
        core: Core,
        *,
        recovery: bool = True,
        coredump: bool = True,
        vendor_hooks: Mapping[int, VendorHook] = MappingProxyType({}),
        drivers: Mapping[int, VirtioDriver] = MappingProxyType({}),
        watchdog_s: float = WATCHDOG_S,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._soc, self._core, self._log = soc, core, log
        self.recovery, self.dumps = recovery, coredump
        self._hooks, self._drivers, self._watchdog_s = vendor_hooks, drivers, watchdog_s
        self._state = RprocState.OFFLINE
        self._image: Image | None = None
        self._boot: Boot | None = None  # of the core that runs
        self._port: Port | None = None  # since that core's power-on
        self._session: Session | None = None
        self._coredump: bytes | None = None
        self.crash_count = 0
        self.unacknowledged: tuple[object, ...] = ()  # by the devices' drivers, when they last went down

    @classmethod
    def of_running(
        cls,
        soc: Soc,
        core: Core,
        boot: Boot,
        *,
        recovery: bool = False,
        coredump: bool = True,
        vendor_hooks: Mapping[int, VendorHook] = MappingProxyType({}),
        drivers: Mapping[int, VirtioDriver] = MappingProxyType({}),
    ) -> Rproc:
        """For a core that somebody else booted with `boot`, and has detached from: DETACHED."""
        rproc = cls(soc, core, recovery=recovery, coredump=coredump, vendor_hooks=vendor_hooks, drivers=drivers)
        rproc._state, rproc._boot = RprocState.DETACHED, boot
        return rproc

    @property
    def state(self) -> RprocState:
        return self._state

    @property
    def boot(self) -> Boot | None:
        """What the running core was booted with, for `of_running`; None if there is none."""
        return self._boot

    @property
    def port(self) -> Port:
        """The host's port while the core runs. RprocError otherwise."""
        if self._port is None:
            raise RprocError(f"the remote processor is {self._state}: its host has no port")
        return self._port

    @property
    def carveouts(self) -> tuple[MemEntry, ...]:
        """Everything the core can reach, vrings, buffers and table included; empty unless there is a core."""
        return tuple(self._session.memory) if self._session is not None else ()

    @property
    def traces(self) -> tuple[TraceBuffer, ...]:
        return tuple(self._session.resources.traces) if self._session is not None else ()

    @property
    def vdevs(self) -> tuple[RprocVdev, ...]:
        return tuple(self._session.vdevs) if self._session is not None else ()

    @property
    def vendor_answers(self) -> tuple[tuple[int, VendorAnswer], ...]:
        """(type, answer) for each vendor entry of the table."""
        return tuple(self._session.resources.vendor) if self._session is not None else ()

    def read_trace(self, name: str) -> bytes:
        """A trace buffer's bytes, through the debugger's door. RprocError if there is none of that name."""
        for trace in self.traces:
            if trace.name == name:
                assert self._session is not None
                return self._soc.dump(self._session.memory.to_pa(trace.da, trace.length), trace.length)
        raise RprocError(f"trace {name!r}: the firmware has {', '.join(each.name for each in self.traces) or 'none'}")

    def coredump(self) -> bytes:
        """The last crash's core file (ELF). RprocError if there was no crash, or no dump was wanted."""
        if self._coredump is None:
            raise RprocError(f"no coredump: {self.crash_count} crashes, dumps {'on' if self.dumps else 'off'}")
        return self._coredump

    def load(self, image: Image) -> None:
        """Take the firmware for the next start. Raises FirmwareError if its resource table is malformed, or if the core
        cannot run it.

        Only while OFFLINE (rproc_set_firmware: -EBUSY, "can't change firmware while running").
        """
        if self._state is not RprocState.OFFLINE:
            raise RprocError(f"load: the remote processor is {self._state}, expected {RprocState.OFFLINE}")
        note = image.note
        try:
            self._core.check(note.runtime if note is not None else "", note.entry if note is not None else "")
        except FirmwareError as error:
            raise (
                FirmwareError(f"{error}; it has no resource table, either") if image.table is None else error
            ) from None
        table_of(image)
        self._image = image

    def start(self) -> None:
        """OFFLINE: boot the loaded image. DETACHED: attach, as Linux's rproc_boot does.

        Raises FirmwareError for an image or table that cannot be served, RprocError for everything else that goes
        wrong; nothing runs then and nothing is taken.
        """
        to = after(self._state, Event.START)
        if to is RprocState.ATTACHED:
            self.attach()
            return
        self._bring_up("start")
        self._state = to

    def stop(self) -> None:
        """Devices reset, core off, drivers down, memory given back."""
        to = after(self._state, Event.STOP)
        try:
            self._devices_reset()
            self._core.stop()  # before the drivers: what it has acknowledged is final then
            self._drivers_down("stopped")
        finally:
            self._core.kill()
            self._forget()
            self._state = to

    def detach(self) -> None:
        """Devices reset, drivers down; the core keeps running."""
        to = after(self._state, Event.DETACH)
        try:
            self._devices_reset()
            self._drivers_down("detached")
        finally:
            self._session = None
            self._state = to

    def attach(self) -> None:
        """Take over a core that runs: its table is read from memory, its memory stays, its rings are new.

        Raises FirmwareError or RprocError, and leaves core and state alone.
        """
        to = after(self._state, Event.ATTACH)
        if self._core.state is not CoreState.RUNNING:
            raise RprocError(f"attach: the core is {self._core.state}, expected {CoreState.RUNNING}")
        boot = self._boot
        assert boot is not None
        try:
            if self._port is None:
                self._port = self._soc.open_port(HOST)
            self._wait_until_let_go(self._port)
            self._session = taken_over(boot, self._port, self._handled, self._soc.pools)
            self._devices_up(used_before=True)
        except BaseException as error:
            self._devices_reset()
            self._drivers_down("the attach failed")
            self._session = None
            plain = _plain(error, "attach")
            if plain is None:
                raise
            raise plain from error
        self._state = to

    def _wait_until_let_go(self, port: Port) -> None:
        """A firmware that has not yet seen its devices reset would go on in rings that are being made anew."""
        while self._soc.links.value:
            if not port.wait(LET_GO_S):
                raise RprocError(f"attach: the firmware has not let go of its devices' rings in {LET_GO_S:g} s")

    def report_crash(self, kind: CrashKind, text: str, da: int | None = None) -> CrashReport:
        """rproc_report_crash: whoever finds out says so. Dumps, takes the devices down, recovers if that is on."""
        self._state = after(self._state, Event.CRASH)
        self.crash_count += 1
        reason = f"{kind}: {text}"
        self._core.kill()
        try:
            if self.dumps and self._session is not None:
                self._coredump = self._core_file(self._session, reason)
        finally:
            self._drivers_down(reason)
        failure, lost = None, self.unacknowledged
        if self.recovery:
            try:
                self.recover()
            except AmpError as error:
                failure = str(error)
        recovered = self._state is RprocState.RUNNING
        return CrashReport(self.crash_count, kind, text, da, lost, recovered, failure)

    def recover(self) -> None:
        """CRASHED: start the loaded image anew. If that fails the error is raised, and the state is OFFLINE."""
        to = after(self._state, Event.RECOVER)
        self._core.stop()
        self._forget()
        try:
            self._bring_up("recover")
        except BaseException:
            self._state = after(self._state, Event.STOP)
            raise
        self._state = to

    def check(self) -> CrashReport | None:
        """Has the core died? Then `report_crash` for it; None if all is well, or no core is ours to watch."""
        if self._state not in (RprocState.RUNNING, RprocState.ATTACHED):
            return None
        if self._core.state is CoreState.RUNNING:
            if not self._memory_is_lost():
                return None
            self._core.settle()
        crash = self._core.crash
        if crash is None:
            return self.report_crash(CrashKind.FATAL, f"the core is {self._core.state}, and its host did not stop it")
        return self.report_crash(crash.kind, crash.text, crash.da)

    def _memory_is_lost(self) -> bool:
        """Did the core die within an access, with the model's lock? Whoever comes next sees it before anybody else."""
        try:
            self.port.load_u8(self._soc.pools["resources"][0])
        except PeerDied:
            return True
        return False

    def interrupt(self) -> None:
        """The core rang: every driver looks at its rings (rproc_vq_interrupt; one doorbell serves them all)."""
        for driver in tuple(self._session.bound) if self._session is not None else ():
            driver.interrupt()

    def _bring_up(self, what: str) -> None:
        """rproc_fw_boot, rproc_start. Leaves a session, or nothing."""
        image = self._image
        if image is None:
            raise RprocError(f"{what}: no firmware is loaded")
        session = planned(image, self._handled(table_of(image)), self._soc.pools, watchdog_s=self._watchdog_s)
        if self._log is not None:
            for warning in session.resources.warnings:
                self._log(warning)
        try:
            fill_memory(self._soc, image, session)
            self._soc.power_on()
            self._port = self._soc.open_port(HOST)
            self._core.boot(session.boot)
            self._session, self._boot = session, session.boot
            self._devices_up()
        except BaseException as error:
            crash = self._core.crash  # before the kill, which clears it
            self._core.kill()
            self._drivers_down(f"the {what} failed")
            self._forget()
            plain = _plain(error, what, crash)
            if plain is None:
                raise
            raise plain from error

    def _handled(self, table: Table) -> Resources:
        wants = {number: driver.buffer_bytes for number, driver in self._drivers.items()}
        return handle(table, hooks=self._hooks, buffer_bytes=wants)

    def _devices_up(self, *, used_before: bool = False) -> None:
        """rproc_start_subdevices."""
        session, port = self._session, self._port
        assert session is not None
        assert port is not None
        for plan in session.resources.vdevs:
            assert session.table_at is not None
            vdev = RprocVdev(port, plan, session.memory, at=session.table_at + plan.offset)
            session.vdevs.append(vdev)
            bound = vdev.bring_up(self._drivers.get(plan.entry.id), used_before=used_before)
            if bound is not None:
                session.bound.append(bound)
        if self._core.state is not CoreState.RUNNING:  # stores to a dead core's memory need not fail
            raise RprocError(f"the core is {self._core.state}")

    def _devices_reset(self) -> None:
        """rproc_stop_subdevices, last one first: the core is told before the rings lose their driver."""
        with suppress(PeerDied, PeerFinished):  # it has just died: nobody is left to be told
            for vdev in reversed(self.vdevs):
                vdev.reset()

    def _drivers_down(self, reason: str) -> None:
        """The drivers leave, last one first; what was not acknowledged is kept."""
        lost: list[object] = []
        session = self._session
        while session is not None and session.bound:
            lost += session.bound.pop().down(reason)
        self.unacknowledged = tuple(lost)

    def _forget(self) -> None:
        """rproc_resource_cleanup: memory, table and port of a core that is off."""
        self._session = self._boot = self._port = None

    def _core_file(self, session: Session, reason: str) -> bytes:
        entries = sorted((entry for entry in session.memory if entry.dumped), key=lambda entry: entry.da)
        return core_file(
            [DumpSegment(entry.name, entry.da, self._soc.dump(entry.pa, entry.length)) for entry in entries],
            bits=self._image.bits if self._image is not None else 32,
            machine=machine_number(self._image.machine if self._image is not None else "EM_NONE"),
            entry_da=session.boot.entry_da,
            reason=reason,
        )


def _plain(error: BaseException, what: str, crash: Crash | None = None) -> RprocError | None:
    """What is raised in place of `error`; None: itself, which is a FirmwareError, an RprocError, or not amp's."""
    if isinstance(error, AmpError) and crash is not None:
        return RprocError(f"{what}: the core died while its devices came up: {crash.kind}: {crash.text}")
    if isinstance(error, AmpError) and not isinstance(error, FirmwareError | RprocError):
        return RprocError(f"{what}: {error}")
    return None
