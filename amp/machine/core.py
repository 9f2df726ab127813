"""What a remote core is to whoever powers it: four operations, a state, and the reason of its death.

The seam for other cores (native code, emulated instructions): they take the same Boot and answer the same way. A core
knows the machine's memory and its Boot; it knows neither remoteproc nor the life cycle that is kept on the other side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec


class CoreState(StrEnum):
    """DEAD is an end that nobody asked for; a core that was stopped or killed is OFF."""

    OFF = "off"
    RUNNING = "running"
    DEAD = "dead"


class CrashKind(StrEnum):
    """The names of Linux's enum rproc_crash_type (drivers/remoteproc/remoteproc_core.c, rproc_crash_names)."""

    WATCHDOG = "watchdog"
    MMUFAULT = "mmufault"
    FATAL = "fatal error"


@dataclass(frozen=True, slots=True)
class Crash:
    """Why a core is DEAD: `text` is one line; `da` is the device address of an MMU fault, where one is known."""

    kind: CrashKind
    text: str
    da: int | None = None


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the core's IOMMU: `length` bytes at device address `da` lie at offset `pa` of the region."""

    da: int
    pa: int
    length: int
    name: str


class Boot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a core is given at power-on: where its code lies, and what it may reach. Sent as JSON.

    The code is a source text in the window that holds `entry_da`, from there to the first NUL or the window's end;
    `runtime` and `entry` are the firmware's note ("python", "main"). `table_da` and `table_bytes` say where the
    negotiated resource table lies; 0 bytes: there is none. A core whose heartbeat stands still for `watchdog_s` seconds
    has crashed; 0: nobody watches.
    """

    entry_da: int
    runtime: str
    entry: str
    table_da: int
    table_bytes: int
    windows: tuple[Window, ...]
    watchdog_s: float = 0.0


class Core(Protocol):
    """One remote core. Its owner calls it from one thread; `state` and `crash` may be read from any."""

    @property
    def state(self) -> CoreState: ...

    @property
    def crash(self) -> Crash | None:
        """Why the core is DEAD; None in every other state."""
        ...

    def check(self, runtime: str, entry: str, /) -> None:
        """Can this core run firmware whose note says so? Both are "" where it has none. Raises FirmwareError."""
        ...

    def boot(self, boot: Boot, /) -> None:
        """Power up. Returns once the core is on its way, not when its firmware is ready. RprocError if it cannot."""
        ...

    def stop(self) -> None:
        """End in good order, within a bound; by force after that. No error if it has ended."""
        ...

    def settle(self) -> None:
        """Its host has noticed the core's end: return once `state` and `crash` say so, too, within a bound."""
        ...

    def kill(self) -> None:
        """End at once, as a power switch does. No error if it has ended."""
        ...
