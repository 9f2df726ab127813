"""A stream of samples with flow control: the receiver grants credits, and a sample takes one.

Little endian. Requests go to the firmware:

| offset | size | field     | meaning                                                            |
|--------|------|-----------|--------------------------------------------------------------------|
| 0      | 1    | command   | `Command`                                                          |
| 1      | 1    | lossy     | START: 1 if samples without a credit are lost, 0 if they wait for it |
| 2      | 2    | stream    | the receiver's number for this stream                              |
| 4      | 2    | credits   | START, CREDIT: samples that may be sent, in addition               |
| 6      | 2    | reserved  | 0                                                                  |
| 8      | 4    | period_us | START: microseconds from sample to sample                          |

Reports come from it:

| offset | size | field    | meaning                                                              |
|--------|------|----------|----------------------------------------------------------------------|
| 0      | 1    | kind     | `Kind`                                                               |
| 1      | 1    | reason   | `Reason`; 0 unless refused or stopped by somebody else               |
| 2      | 2    | stream   | as in the request                                                    |
| 4      | 4    | sequence | SAMPLE: its number, from 0, lost ones counted; STOPPED: how many there were |
| 8      | 8    | time_us  | SAMPLE: microseconds since START                                     |
| 16     | 8    | value    | SAMPLE: binary64                                                     |

The newest START wins: the stream before it is stopped, and told so. Sequence numbers wrap at 2^32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from amp.services.records import Reason, expect, member

SERVICE: Final = "rpmsg-sensor"
REQUEST: Final = struct.Struct("<BBHHHI")
REPORT: Final = struct.Struct("<BBHIQd")
CREDITS_LIMIT: Final = 256  # that a stream has at one time
PERIOD_US: Final = (100, 60_000_000)  # from, to
STREAMS: Final = 1 << 16  # numbers for streams
SEQUENCES: Final = 1 << 32


class Command(IntEnum):
    START = 1
    STOP = 2
    CREDIT = 3


class Kind(IntEnum):
    SAMPLE = 1
    STOPPED = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What the receiver asks for."""

    command: Command
    stream: int
    credits: int = 0
    period_us: int = 0
    lossy: bool = False

    def encode(self) -> bytes:
        return REQUEST.pack(self.command, self.lossy, self.stream, self.credits, 0, self.period_us)

    @classmethod
    def decode(cls, data: bytes, *, writer: str) -> Self:
        """Raises BadMessage."""
        expect(len(data) == REQUEST.size, "sensor request length", len(data), REQUEST.size, writer)
        number, lossy, stream, credits, reserved, period_us = REQUEST.unpack(data)
        command = member(Command, number, "sensor command", writer)
        starts = command is Command.START
        expect(lossy <= starts, "sensor lossy", lossy, f"0 to {int(starts)}", writer)
        least, most = (0, 0) if command is Command.STOP else (1, CREDITS_LIMIT)
        expect(least <= credits <= most, "sensor credits", credits, f"{least} to {most}", writer)
        expect(reserved == 0, "sensor reserved", reserved, 0, writer)
        least, most = PERIOD_US if starts else (0, 0)
        expect(least <= period_us <= most, "sensor period_us", period_us, f"{least} to {most}", writer)
        return cls(command, stream, credits, period_us, bool(lossy))


@dataclass(frozen=True, slots=True)
class Report:
    """What the firmware says."""

    kind: Kind
    stream: int
    sequence: int = 0
    time_us: int = 0
    value: float = 0.0
    reason: Reason = Reason.NONE

    def encode(self) -> bytes:
        return REPORT.pack(self.kind, self.reason, self.stream, self.sequence, self.time_us, self.value)

    @classmethod
    def decode(cls, data: bytes, *, writer: str) -> Self:
        """Raises BadMessage."""
        expect(len(data) == REPORT.size, "sensor report length", len(data), REPORT.size, writer)
        number, why, stream, sequence, time_us, value = REPORT.unpack(data)
        kind = member(Kind, number, "sensor kind", writer)
        reason = member(Reason, why, "sensor reason", writer)
        right = {Kind.SAMPLE: why == 0, Kind.STOPPED: True, Kind.REFUSED: why != 0}[kind]
        expect(right, "sensor reason", why, "0 for a sample, another if refused", writer)
        return cls(kind, stream, sequence, time_us, value, reason)
