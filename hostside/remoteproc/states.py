"""The life cycle of a remote core as its host sees it: states, events, and a table of which event leads where.

Sources are functions of drivers/remoteproc/remoteproc_core.c, Linux v6.1. Rows whose source starts with "here:" are
not Linux's; each says why it is there. Linux's RPROC_DELETED is the end of its kernel object and has no state here.
SUSPENDED is in the table's states and in none of its rows: include/linux/remoteproc.h has RPROC_SUSPENDED, and nothing
in v6.1's drivers/remoteproc/remoteproc_core.c enters or leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from amp.errors import RprocError


class RprocState(StrEnum):
    """The names are those of rproc_state_string, drivers/remoteproc/remoteproc_sysfs.c."""

    OFFLINE = "offline"
    SUSPENDED = "suspended"
    RUNNING = "running"
    CRASHED = "crashed"
    ATTACHED = "attached"
    DETACHED = "detached"


class Event(StrEnum):
    START = "start"
    STOP = "stop"
    ATTACH = "attach"
    DETACH = "detach"
    CRASH = "crash"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True)
class Transition:
    """`event` in state `origin` leads to `to`."""

    origin: RprocState
    event: Event
    to: RprocState
    source: str


_OFFLINE, _RUNNING, _CRASHED = RprocState.OFFLINE, RprocState.RUNNING, RprocState.CRASHED
_ATTACHED, _DETACHED = RprocState.ATTACHED, RprocState.DETACHED
TRANSITIONS: Final = (
    Transition(_OFFLINE, Event.START, _RUNNING, "rproc_boot, rproc_fw_boot, rproc_start"),
    Transition(_RUNNING, Event.STOP, _OFFLINE, "rproc_shutdown, rproc_stop"),
    Transition(_ATTACHED, Event.STOP, _OFFLINE, "rproc_shutdown, rproc_stop"),
    Transition(_DETACHED, Event.ATTACH, _ATTACHED, "rproc_attach, __rproc_attach"),
    Transition(_DETACHED, Event.START, _ATTACHED, "rproc_boot: what runs already is attached to"),
    Transition(_ATTACHED, Event.DETACH, _DETACHED, "rproc_detach, __rproc_detach"),
    Transition(_RUNNING, Event.DETACH, _DETACHED, "here: rproc_detach wants ATTACHED; who booted may leave, too"),
    Transition(_RUNNING, Event.CRASH, _CRASHED, "rproc_report_crash, rproc_crash_handler_work"),
    Transition(_ATTACHED, Event.CRASH, _CRASHED, "rproc_report_crash, rproc_crash_handler_work"),
    Transition(_DETACHED, Event.CRASH, _CRASHED, "rproc_report_crash, rproc_crash_handler_work"),
    Transition(_CRASHED, Event.RECOVER, _RUNNING, "rproc_trigger_recovery, rproc_boot_recovery"),
    Transition(_CRASHED, Event.STOP, _OFFLINE, "here: rproc_shutdown refuses; without it, no way out but recovery"),
)
_NEXT = {(row.origin, row.event): row.to for row in TRANSITIONS}


def allowed(state: RprocState) -> tuple[Event, ...]:
    """The events that `state` has a row for."""
    return tuple(row.event for row in TRANSITIONS if row.origin is state)


def after(state: RprocState, event: Event) -> RprocState:
    """The state that `event` leads to. Raises RprocError, which names the state and the events it allows."""
    to = _NEXT.get((state, event))
    if to is None:
        raise RprocError(
            f"{event}: the remote processor is {state}, which allows {', '.join(allowed(state)) or 'none'}"
        )
    return to
