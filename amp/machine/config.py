"""What both sides' processes are told of a run: one frozen record, sent as JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from amp.errors import UsageError
from amp.virtio.split import RING_SIZE_LIMIT

HEADER_BYTES: Final = 16  # amp.machine.messages
PAYLOAD_LIMIT_BYTES: Final = 1 << 20
SEGMENTS_LIMIT: Final = 64
ALIGN_LIMIT_BYTES: Final = 1 << 16
SPIN_LIMIT_NS: Final = 1_000_000_000
PATH_LIMIT_BYTES: Final = 4095  # limits.h, PATH_MAX


class Mode(StrEnum):
    """How the processes run."""

    DIRECT = "direct"  # the bare region, this machine's fences
    FREE = "free"  # the model, at full speed
    LOCKSTEP = "lockstep"  # the model, one access at a time; the seed decides everything


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of a program on all its processors.

    `program` is what another process finds it by (amp.programs.load), `sizes` are the program's own, by name.
    `payload_bytes` is a whole message, with its header of 16 bytes where a program's messages have one. `window` is the
    most messages under way; 0: it breathes between 1 and what both rings hold. `segments` is how many descriptors a
    buffer is split over. `sites` is the primitive at each site (amp.port.doors). Without `suppression` every message
    rings, wanted or not. A side looks `polls` times for work before it goes to sleep. `spin_ns` is how long a waiter
    spins before it sleeps; `pin` gives each side a processor of its own. `schedule` is a schedule's token
    (amp.machine.schedule) that lockstep follows instead of the seed; "": none. With `lines` a report says
    where in the program each access stands.
    """

    program: str
    mode: Mode
    messages: int = 1000
    payload_bytes: int = 64
    ring_size: int = 8
    window: int = 0
    segments: int = 1
    align: int = 4096
    event_idx: bool = False
    indirect: bool = False
    suppression: bool = True
    polls: int = 16
    file: str | None = None
    sites: bytes = b""
    seed: int = 1
    spin_ns: int = 20_000
    pin: bool = False
    schedule: str = ""
    program_sha256: str = ""  # of the file that it is from, of compiled code of what runs; "": not compared
    sizes: dict[str, int] = {}
    lines: bool = False

    def check(self) -> None:
        """Raises UsageError that names the field, the value and what is allowed."""
        limits = (
            ("messages", self.messages, 1, 1 << 40),
            ("payload", self.payload_bytes, 1, PAYLOAD_LIMIT_BYTES),
            ("ring size", self.ring_size, 1, RING_SIZE_LIMIT),
            ("segments", self.segments, 1, SEGMENTS_LIMIT),
            ("window", self.window, 0, RING_SIZE_LIMIT),
            ("polls", self.polls, 0, 1 << 20),
            ("align", self.align, 4, ALIGN_LIMIT_BYTES),
            ("spin_ns", self.spin_ns, 0, SPIN_LIMIT_NS),
            ("seed", self.seed, 0, (1 << 64) - 1),
        )
        for name, value, least, most in limits:
            if not least <= value <= most:
                raise UsageError(f"{name} is {value}, expected {least} to {most}")
        if self.file is not None and not 1 <= len(os.fsencode(self.file)) <= PATH_LIMIT_BYTES:
            raise UsageError(f"file is a name of {len(os.fsencode(self.file))} bytes, expected 1 to {PATH_LIMIT_BYTES}")
        if self.segments > self.ring_size:
            raise UsageError(f"segments is {self.segments}, expected at most the ring size, {self.ring_size}")
        if self.segments > self.payload_bytes:
            raise UsageError(f"segments is {self.segments}, expected at most the payload, {self.payload_bytes} bytes")
        if self.schedule and self.mode is not Mode.LOCKSTEP:
            raise UsageError(f"schedule has no meaning in mode {self.mode.value}: only lockstep follows one")


Count = Annotated[int, msgspec.Meta(ge=0)]
LINE_BITS: Final = 20


class Instructions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The instructions of one CPU's accesses, as `Lines` counts them: of each a number in `texts`, then the registers.

    A text is the function and how an assembler writes it, "send: str w1, [x0]"; the registers are as they were before
    it, in the order of `names`; of later accesses none are kept.
    """

    texts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    loads: tuple[tuple[Count, ...], ...] = ()
    stores: tuple[tuple[Count, ...], ...] = ()
    barriers: tuple[tuple[Count, ...], ...] = ()

    def at(self, kind: str, number: int) -> tuple[str, tuple[tuple[str, int], ...]] | None:
        """The text, and (name, value) of each register; None if that access was not kept."""
        kept: tuple[tuple[int, ...], ...] = getattr(self, kind)
        if not 0 <= number < len(kept) or not kept[number] or kept[number][0] >= len(self.texts):
            return None
        text, *values = kept[number]
        return self.texts[text], tuple(zip(self.names, values, strict=False))


class Lines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One CPU's accesses: of each load, store and barrier, in the order of issue, the number of the file and the line.

    A place is file * 2^20 + line, `files` are absolute paths. Of compiled code `code` has the instructions.
    """

    files: tuple[str, ...] = ()
    loads: tuple[Count, ...] = ()
    stores: tuple[Count, ...] = ()
    barriers: tuple[Count, ...] = ()
    code: Instructions | None = None

    def place(self, kind: str, number: int) -> tuple[str, int] | None:
        """(path, line) of the `number`-th access of that kind; None if it was not kept."""
        places: tuple[int, ...] = getattr(self, kind)
        if not 0 <= number < len(places):
            return None
        file, line = divmod(places[number], 1 << LINE_BITS)
        return (self.files[file], line) if file < len(self.files) else None


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a side says when its part of a run has ended.

    `outcome` is "done", "violation", "finished" (the other side left first), "lost" (it died) or "error". Of a
    violation: `kind` is the exception's name, `address` where in the region it was seen. `said` are the lines that
    compiled code has printed.
    """

    outcome: str
    messages: Count = 0
    elapsed_ns: Count = 0
    notifications: Count = 0
    waits: Count = 0
    kind: str = ""
    text: str = ""
    address: Count | None = None
    number: int | None = None
    sha256: str = ""
    data: dict[str, int] = {}
    lines: Lines | None = None
    said: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """What a program counts while it runs; a report has it however the run ends."""

    messages: int = 0  # received and checked
    notifications: int = 0
    waits: int = 0
    sha256: str = ""  # of the bodies received, where the program makes one
    said: tuple[str, ...] = ()  # lines that compiled code has printed


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line to a side's process: run this. The end of the stream ends the process."""

    run: RunConfig
