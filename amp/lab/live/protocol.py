"""What a second terminal and a machine say to each other: one JSON object a line, over the control socket.

The client sends requests, each with the version and `op`; the machine answers each in order with one Reply. Two answers
are longer: `trace` with `follow` is followed by Reply lines of new text until somebody hangs up, and `coredump` by as
many raw bytes as its result says. A line has at most LINE_LIMIT_BYTES. What is no request is answered with an error,
and the connection ends. So it does for who says nothing for long (amp.lab.live.control, SILENT_LIMIT_S).

Records only: nothing here reads, writes or decides.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

VERSION: Final = 1
LINE_LIMIT_BYTES: Final = 1 << 16  # of a request
REPLY_LIMIT_BYTES: Final = 1 << 22  # of a reply: the trace buffers of a machine may be in it
WAIT_LIMIT_S: Final = 60.0

Short = Annotated[str, msgspec.Meta(max_length=64)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=WAIT_LIMIT_S)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op"):
    version: int


class Describe(Request, frozen=True, kw_only=True, tag="describe"):
    """The machine, its state and its channels: a `MachineInfo`."""


class Find(Request, frozen=True, kw_only=True, tag="find"):
    """The channel of that service, as soon as it is announced: a `ChannelInfo`."""

    service: Short
    timeout_s: Seconds = 0.0


class Trace(Request, frozen=True, kw_only=True, tag="trace"):
    """The trace buffers' text, by name; with `follow` all that comes from now on, too."""

    follow: bool = False


class Vrings(Request, frozen=True, kw_only=True, tag="vrings"):
    """Every ring: a list of `RingInfo`."""


class CrashIt(Request, frozen=True, kw_only=True, tag="crash"):
    """Crash the core: a kind of Linux's rproc_crash_names, or "kill": SIGKILL to the core's process."""

    kind: Short


class Coredump(Request, frozen=True, kw_only=True, tag="coredump"):
    """The last crash's core file."""


class Down(Request, frozen=True, kw_only=True, tag="down"):
    """Stop the core and end. Answered before that is done: the connection's end says that it is."""


AnyRequest = Describe | Find | Trace | Vrings | CrashIt | Coredump | Down


class Reply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`result`, or one line of `error` and the exit status it is worth."""

    result: Any = None
    error: str | None = None
    status: int = 0


class ChannelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A channel and where programs find it. `path` is None if it could not be given a device.

    `kind` is "seqpacket", "pty" or "none"; `payload_bytes` what fits into a message.
    """

    name: str
    addr: int
    device: str
    path: str | None
    kind: str
    payload_bytes: int
    connections: int


class MachineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as it is now. `state` is remoteproc's; `platform` is None in direct mode."""

    name: str
    pid: int
    state: str
    firmware: str
    mode: str
    platform: str | None
    barriers: str
    core_pid: int | None
    uptime_s: float
    crashes: int
    last_crash: str | None
    recovery: bool
    channels: tuple[ChannelInfo, ...]
    confined: bool = False


class RingInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One ring, as its driver counts and as its memory reads now. Addresses are offsets in the region, times seconds.

    `free` and `in_flight` are descriptors; `kicks` the driver's, `last_kick_s` how long ago (None: never).
    """

    name: str
    vdev: str
    num: int
    align: int
    notifyid: int
    desc: int
    avail: int
    used: int
    avail_idx: int
    used_idx: int
    avail_flags: int
    used_flags: int
    used_event: int
    avail_event: int
    event_idx: bool
    free: int
    in_flight: int
    kicks: int
    last_kick_s: float | None


class CrashInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A crash and whether a new core runs since."""

    number: int
    kind: str
    text: str
    recovered: bool
