"""A board for a test: firmware that runs on a core of its own, a process, and the host's side in the test.

    with BootedBoard("remoteside.services.echo") as board:
        echo = board.open("rpmsg-echo")
        echo.send(b"hello")
        assert echo.recv(10).data == b"hello"

A core that crashes stays down, so that what it did can be looked at; `unexpected` tells of one that nobody asked for.
"""

from __future__ import annotations

import os
import select
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from amp.errors import AmpError, LinkDown, PeerDied, UsageError
from amp.lab.board import Board
from amp.lab.firmware import load
from amp.lab.plan import chosen_sites
from amp.machine.config import Mode
from amp.ordering import platform as find_platform
from amp.remoteproc.build import build, declaration, find_module
from amp.remoteproc.image import Image, read_image
from amp.rpmsg import Bus, Endpoint
from amp.virtio.sites import LINUX, SITES
from hostside.remoteproc.rproc import WATCHDOG_S, CrashReport, Rproc
from hostside.remoteproc.states import RprocState

LIMIT_S: Final = 10.0  # far above what an interpreter's start takes on a busy machine
_IMAGES: Final = (".elf", ".bin", ".out", ".axf")


class NoCrash(AmpError):
    """A crash was waited for, and the core is well."""


def image_of(firmware: str | Path, folder: str = "") -> Image:
    """The image in a file, or one that is made of a Python module, by path or by name; paths are seen from `folder`.

    Raises UsageError for what is not there, FirmwareError for what is in it.
    """
    name = os.fspath(firmware)
    path = Path(folder, name)
    if path.suffix in _IMAGES or (path.is_file() and path.suffix != ".py"):
        return load(str(path))[0]
    module = find_module(str(path) if path.suffix == ".py" or "/" in name else name)
    return read_image(build(module, declaration(module)))


class BootedBoard:
    """Entered, the firmware runs; left, everything is off and gone, whatever has happened.

    `firmware` is as `image_of` has it. Without a `platform` the memory is this machine's own; with one it is the
    model's at full speed, as `seed` has it. `barriers` and `weaken` are of both sides, as of `amp up`. What remoteproc
    and rpmsg log is in `log`.
    """

    def __init__(
        self,
        firmware: str | Path,
        *,
        platform: str = "",
        barriers: str = "virtio-strong",
        weaken: tuple[str, ...] | list[str] = (),
        seed: int = 1,
        watchdog_s: float = WATCHDOG_S,
        memory_bytes: int = 4 << 20,
        folder: str = "",
    ) -> None:
        self.log: list[str] = []
        self.crash: CrashReport | None = None
        self._expected = 0  # crashes that somebody has waited for
        self.board = Board(
            image_of(firmware, folder),
            mode=Mode.FREE if platform else Mode.DIRECT,
            sites=chosen_sites(SITES, LINUX, barriers, tuple(weaken)),
            platform=find_platform(platform) if platform else None,
            seed=seed,
            log=self.log.append,
            soc={"memory_bytes": memory_bytes},
            rproc={"recovery": False, "watchdog_s": watchdog_s},
        )

    @property
    def rproc(self) -> Rproc:
        """The core's life cycle: start, stop, detach, core files."""
        return self.board.rproc

    @property
    def bus(self) -> Bus:
        """The host's rpmsg; after `recover` there is another."""
        return self.board.bus

    @property
    def pid(self) -> int | None:
        """The core's process; None where none runs."""
        return self.board.core.pid

    def open(self, service: str, *, timeout_s: float = LIMIT_S, **options: Any) -> Endpoint:
        """A new endpoint of a service, once that is announced. `options` as Bus.create_endpoint has them."""
        return self.bus.open_channel(self.bus.wait_for_channel(service, timeout_s), **options)

    def traces(self) -> dict[str, str]:
        """What the firmware has printed, by trace buffer; also after a crash."""
        return {
            each.name: self.rproc.read_trace(each.name).partition(b"\0")[0].decode("utf-8", "backslashreplace")
            for each in self.rproc.traces
        }

    @property
    def trace(self) -> str:
        """All of it."""
        return "".join(self.traces().values())

    def memory(self, carveout: str) -> bytes:
        """The bytes of a carveout of that name. Raises UsageError."""
        entry = next((each for each in self.rproc.carveouts if each.name == carveout), None)
        if entry is None:
            raise UsageError(f"no carveout {carveout!r} ({', '.join(each.name for each in self.rproc.carveouts)})")
        return self.board.soc.dump(entry.pa, entry.length)

    def expect_crash(self, timeout_s: float = LIMIT_S) -> CrashReport:
        """Wait until the core has crashed, which is no failure then. Raises NoCrash if it does not in time."""
        if self.rproc.state is RprocState.RUNNING:
            try:
                self.bus.wait_until(lambda: False, timeout_s)
            except (LinkDown, PeerDied):
                self.look(settle=True)
            else:
                self.look()
        if self.crash is None:
            raise NoCrash(f"the core has not crashed within {timeout_s:g} s")
        self._expected = self.crash.number
        return self.crash

    def recover(self) -> None:
        """Boot a core that has crashed anew. Raises RprocError if it has not, UsageError if nobody waited for it to."""
        if crashed := self.unexpected():
            raise UsageError(f"{crashed.splitlines()[0]}; recover() comes behind expect_crash()")
        self.rproc.recover()
        self.crash = None

    def look(self, *, settle: bool = False) -> None:
        """Take notice of a crash; with `settle` of one that is about to become known. An ended process is one."""
        pid = self.pid
        if settle or (pid is not None and _has_ended(pid)):
            self.board.core.settle()
        report = self.rproc.check()
        self.crash = self.crash if report is None else report

    def unexpected(self) -> str:
        """What a crash that nobody has waited for was, and what the firmware had printed; "" if there was none."""
        self.look()
        if self.crash is None or self.crash.number <= self._expected:
            return ""
        return "\n".join([f"the core crashed: {self.crash.kind}: {self.crash.text}", *self.told()])

    def told(self) -> list[str]:
        """What the firmware has printed and what was logged, a line each."""
        lines = [f"{name}: {line}" for name, text in self.traces().items() for line in text.splitlines()]
        return [*lines, *(f"log: {line}" for line in self.log)]

    def __enter__(self) -> Self:
        self.board.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Power off, in whatever state it is. A second call does nothing."""
        self.board.close()


def _has_ended(pid: int) -> bool:
    """Has that child ended, whether or not its status was taken?"""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ended = select.poll()
        ended.register(fd, select.POLLIN)
        return bool(ended.poll(0))
    finally:
        os.close(fd)
