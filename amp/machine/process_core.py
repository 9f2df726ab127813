"""A remote core that is a process of this machine: a fresh interpreter that runs a boot ROM, a module given by name.

Who does what. The owner's thread starts, stops and kills. A watcher thread hears the process: its last words, its end,
its heartbeat; it alone takes its exit status. If the process ends and nobody asked for it, the watcher records why,
tells the SoC (`Soc.lost`) and then the owner. When it is through, descriptors, thread and process are gone, and the
processes that the firmware has started.

Not here: what to do about a crash. The inside of the process is `amp.machine.core_process`.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from amp.errors import FirmwareError, RprocError
from amp.machine import descendants
from amp.machine.children import ctrl_c_waits, start_child
from amp.machine.core import Boot, CoreState, Crash, CrashKind
from amp.machine.core_process import LINE_LIMIT_BYTES, CrashReport, PowerOn
from amp.machine.patience import Patience, in_line_s
from amp.machine.soc import Soc
from amp.port.port import REMOTE
from amp.threads import Worker

RUNTIME: Final = "python"  # of the firmware's note: what this core can run
STOP_LIMIT_S: Final = 2.0  # how long an orderly stop may take
BOOT_LIMIT_S: Final = 10.0  # to the first heartbeat: an interpreter's start on a machine that is busy
SETTLE_LIMIT_S: Final = 2.0  # between the death of a process and its parent's knowing
WORDS_LIMIT: Final = 4096  # of a core's last words, which are the firmware's: one line
LOOKS: Final = 4  # at the heartbeat, within the watchdog's time

# What a signal that ended the process was, if it was no mere kill: accesses that this machine's own MMU refused.
_SIGNALS: Final[Mapping[int, CrashKind]] = {signal.SIGSEGV: CrashKind.MMUFAULT, signal.SIGBUS: CrashKind.MMUFAULT}


class ProcessCore:
    """`module` is the boot ROM (`python -m module`). `on_change(core)` is called by the watcher when the core has died.
    An orderly stop may take `stop_limit_s`. A `confined` core runs as amp.machine.confine says.

    boot, stop and kill belong to one thread, and on_change must not call them. When the thread that called boot ends,
    the kernel ends the core (prctl(2), PR_SET_PDEATHSIG). A core that died is stopped, which clears it, before the next
    power-on.
    """

    def __init__(
        self,
        soc: Soc,
        module: str,
        *,
        on_change: Callable[[ProcessCore], None] | None = None,
        stop_limit_s: float = STOP_LIMIT_S,
        confined: bool = False,
    ) -> None:
        self.confined = confined
        self._soc, self._module, self._on_change, self._stop_limit_s = soc, module, on_change, stop_limit_s
        self._lock = threading.Lock()  # over _state, _crash, _asked, _run's descriptors
        self._state = CoreState.OFF
        self._crash: Crash | None = None
        self._asked = False  # to end
        self._run: _Run | None = None
        self._watcher: Worker | None = None

    @property
    def state(self) -> CoreState:
        return self._state

    @property
    def crash(self) -> Crash | None:
        return self._crash

    @property
    def pid(self) -> int | None:
        """The process; None unless the core is RUNNING."""
        run = self._run
        return run.process.pid if run is not None and self._state is CoreState.RUNNING else None

    def check(self, runtime: str, entry: str, /) -> None:
        """Python only, from a function that the firmware's own text defines: no path through other modules."""
        if not runtime:
            raise FirmwareError(
                "firmware image: has no AMP note, so this core cannot run it: it runs Python source that "
                "`amp firmware build` has packaged, no machine code"
            )
        if runtime != RUNTIME:
            raise FirmwareError(f"firmware image: AMP note's runtime is {runtime!r}, this core runs {RUNTIME!r}")
        if not entry.isidentifier():
            raise FirmwareError(
                f"firmware image: AMP note's entry is {entry!r}, expected a name that the image's own text defines"
            )

    def boot(self, boot: Boot, /) -> None:
        """Start the process. Raises RprocError unless the core is OFF, and for what `check` refuses."""
        if self._state is not CoreState.OFF:
            raise RprocError(f"the core is {self._state.value}, expected {CoreState.OFF.value}: stop it first")
        try:
            self.check(boot.runtime, boot.entry)
        except FirmwareError as error:
            raise RprocError(str(error)) from None
        soc = self._soc
        order = PowerOn(
            boot=boot, cpu=REMOTE, mode=soc.mode, sites=soc.sites, spin_ns=soc.spin_ns, confined=self.confined
        )
        with ctrl_c_waits():
            self._run = run = _Run(soc, self._module, boot.watchdog_s)
            self._asked, self._crash, self._state = False, None, CoreState.RUNNING
            self._watcher = Worker(partial(self._watch, run), f"{self._module} watcher")
            try:
                self._watcher.start()
            except RuntimeError as error:
                self._run, self._watcher, self._state = None, None, CoreState.OFF
                run.signal(signal.SIGKILL)
                run.end()
                raise RprocError(f"the core cannot be watched: {error}") from None
            run.send(msgspec.json.encode(order) + b"\n")

    def stop(self) -> None:
        """Unwind the firmware; kill it if that takes longer than the limit. The core is OFF when this returns."""
        self._ask(signal.SIGTERM)
        if self._watcher is not None:
            # A signal that comes between its last look and its sleep does not wake the core; a doorbell after it does.
            self._soc.ring(REMOTE)
            Patience(self.pid or 0, self._stop_limit_s).until(partial(_ended, self._watcher))
        self.kill()

    def settle(self) -> None:
        """Wait for the watcher, which learns of the process's end later than who was waiting for its lock."""
        if self._watcher is not None and self._state is CoreState.RUNNING:
            self._watcher.join(SETTLE_LIMIT_S)

    def kill(self) -> None:
        """Cut the power. The core is OFF when this returns."""
        self._ask(signal.SIGKILL)
        if self._watcher is not None:
            self._watcher.join()
        self._run, self._watcher, self._crash, self._state = None, None, None, CoreState.OFF

    def _ask(self, number: signal.Signals) -> None:
        with self._lock:
            if self._run is not None and self._state is CoreState.RUNNING:
                self._asked = True
                self._run.signal(number)

    def _watch(self, run: _Run) -> None:
        """The watcher's thread."""
        crash = run.follow()
        with self._lock:
            how = run.end()
            if self._asked:
                self._state = CoreState.OFF
                return
            self._crash, self._state = crash or how, CoreState.DEAD
        self._soc.lost()
        if self._on_change is not None:
            self._on_change(self)


def _ended(worker: Worker, within_s: float) -> bool:
    worker.join(within_s)
    return not worker.is_alive()


class _Run:
    """One process from its start to its end."""

    def __init__(self, soc: Soc, module: str, watchdog_s: float) -> None:
        self._soc, self._watchdog_s, self._received = soc, watchdog_s, b""
        self._mark = descendants.new_mark()
        try:  # a firmware that prints must not spoil what a command says: to stderr
            marked = {descendants.VARIABLE: self._mark}
            self.process, self._control = start_child(module, soc.region.fd, stdout=2, extra=marked)
        except OSError as error:
            raise RprocError(f"the core cannot be started: {error}") from error
        try:
            # A pid may be another process's by the time it is used; a pidfd never is.
            self._pidfd = os.pidfd_open(self.process.pid)
        except OSError as error:
            self.process.kill()
            self.process.wait()
            self._control.close()
            raise RprocError(f"the core cannot be watched: {error}") from error

    def send(self, line: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has died: the watcher says so
            self._control.sendall(line)

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has ended, and been waited for
            signal.pidfd_send_signal(self._pidfd, number)

    def follow(self) -> Crash | None:
        """Until the process has ended. What the watchdog or its last words say; None if neither does."""
        dog = _Watchdog(self._soc.heartbeat.value, self._watchdog_s, self.process.pid)
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        poll.register(self._control, select.POLLIN)
        bitten = None
        while True:
            ready = {fd for fd, _ in poll.poll(dog.tick_ms)}
            if self._control.fileno() in ready and not self._receive():
                poll.unregister(self._control)
            if self._pidfd in ready:
                while self._receive():  # the process is gone, its last words may still be on the way
                    pass
                return bitten or self._last_words()
            if bitten is None and (text := dog.bites(self._soc.heartbeat.value)):
                bitten = Crash(CrashKind.WATCHDOG, text)
                self.signal(signal.SIGKILL)

    def _receive(self) -> bool:
        try:
            part = self._control.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:  # a child of the firmware holds the other end
            return False
        except ConnectionResetError:
            part = b""
        self._received += part[: max(0, LINE_LIMIT_BYTES - len(self._received))]
        return bool(part)

    def _last_words(self) -> Crash | None:
        if not self._received.endswith(b"\n"):  # it was killed in the middle of them
            return None
        try:
            report = msgspec.json.decode(self._received, type=CrashReport)
        except msgspec.DecodeError as error:
            return Crash(CrashKind.FATAL, f"the core's report cannot be read: {error}")
        return Crash(report.kind, " ".join(report.text.split())[:WORDS_LIMIT], report.da)

    def end(self) -> Crash:
        """Take the exit status, end what the firmware has started, close everything. What the status says."""
        pid, status = self.process.pid, self.process.wait()
        descendants.end_marked(self._mark)
        os.close(self._pidfd)
        self._control.close()
        if status >= 0:
            early = "" if self._soc.heartbeat.value else " before its boot ROM ran"
            return Crash(CrashKind.FATAL, f"the core's process (pid {pid}) ended with status {status}{early}")
        known = {number.value: number.name for number in signal.Signals}  # not all of the real-time ones
        name = known.get(-status, f"signal {-status}")
        return Crash(_SIGNALS.get(-status, CrashKind.FATAL), f"the core's process (pid {pid}) was killed by {name}")


class _Watchdog:
    """Bites when the heartbeat stood still for `limit_s`, or BOOT_LIMIT_S before the first; never if `limit_s` is 0.

    Counts time that it saw go by, not the clock: a machine that was stopped as a whole has lost none. Nor has a process
    that stood in line for a processor.
    """

    def __init__(self, heartbeat: int, limit_s: float, pid: int) -> None:
        self._heartbeat, self._limit_s, self._pid, self._line_s = heartbeat, limit_s, pid, in_line_s(pid)
        self._still_s, self._looked_s = 0.0, time.monotonic()
        self._tick_s = limit_s / LOOKS

    @property
    def tick_ms(self) -> int | None:
        return max(1, round(self._tick_s * 1000)) if self._limit_s else None

    def bites(self, heartbeat: int) -> str | None:
        """Look at the heartbeat. Why it bites, in words; None if it does not."""
        now = time.monotonic()
        passed, self._looked_s = min(now - self._looked_s, 2 * self._tick_s), now
        before_s, self._line_s = self._line_s, in_line_s(self._pid)
        passed = max(0.0, passed - (self._line_s - before_s))
        if not self._limit_s or heartbeat != self._heartbeat:
            self._heartbeat, self._still_s = heartbeat, 0.0
            return None
        self._still_s += passed
        limit_s = self._limit_s if heartbeat else max(self._limit_s, BOOT_LIMIT_S)
        if self._still_s < limit_s:
            return None
        since = f"at {heartbeat}" if heartbeat else "since power-on"
        return f"the heartbeat stood still {since} for {limit_s:g} s"
