"""Matrix multiplication: two n x n matrices go to the firmware, their product comes back.

After open-amp's apps/examples/matrix_multiply in what it does. There both operands fit one message; here they are cut
into records, one a message, little endian:

| offset | size      | field    | meaning                                                     |
|--------|-----------|----------|-------------------------------------------------------------|
| 0      | 4         | job      | the asker's number for this multiplication                  |
| 4      | 1         | kind     | `Kind`                                                      |
| 5      | 1         | reason   | `Reason`; 0 unless refused                                  |
| 6      | 2         | n        | rows and columns; 0 if refused                              |
| 8      | 4         | offset   | elements of the job before these; 0 if refused              |
| 12     | 4         | count    | elements that follow; 0 if refused                          |
| 16     | 8 x count | elements | binary64, row by row; operands: the left matrix, then the right |

Records of a job come in order and without gaps. An asker has one job at a time: a new one ends the one before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from amp.services.records import PAYLOAD_BYTES, Reason, Refused, expect, member

SERVICE: Final = "rpmsg-matrix"
HEADER: Final = struct.Struct("<IBBHII")
ELEMENT_BYTES: Final = 8
RECORD_ELEMENTS: Final = (PAYLOAD_BYTES - HEADER.size) // ELEMENT_BYTES
N_LIMIT: Final = 4096  # of the format; a firmware may have room for less
JOBS: Final = 1 << 32  # numbers for jobs


class Kind(IntEnum):
    OPERANDS = 0  # to the firmware
    PRODUCT = 1  # from it
    REFUSED = 2  # from it


MATRICES: Final = {Kind.OPERANDS: 2, Kind.PRODUCT: 1, Kind.REFUSED: 0}  # of one job


@dataclass(frozen=True, slots=True)
class Record:
    """One message. `elements` are bytes, as they travel."""

    job: int
    kind: Kind
    n: int = 0
    offset: int = 0
    elements: bytes = b""
    reason: Reason = Reason.NONE

    def encode(self) -> bytes:
        count = len(self.elements) // ELEMENT_BYTES
        return HEADER.pack(self.job, self.kind, self.reason, self.n, self.offset, count) + self.elements

    @classmethod
    def decode(cls, data: bytes, *, writer: str) -> Self:
        """Raises BadMessage."""
        expect(len(data) >= HEADER.size, "matrix length", len(data), f"at least {HEADER.size}", writer)
        job, number, why, n, offset, count = HEADER.unpack_from(data)
        kind = member(Kind, number, "matrix kind", writer)
        reason = member(Reason, why, "matrix reason", writer)
        refused = kind is Kind.REFUSED
        expect((reason is not Reason.NONE) is refused, "matrix reason", why, "0 unless refused", writer)
        least = 0 if refused else 1
        most = 0 if refused else N_LIMIT
        expect(least <= n <= most, "matrix n", n, f"{least} to {most}", writer)
        total = MATRICES[kind] * n * n
        expect(least <= count <= total, "matrix count", count, f"{least} to {total}", writer)
        expect(offset <= total - count, "matrix offset", offset, f"at most {total - count}", writer)
        length = HEADER.size + ELEMENT_BYTES * count
        expect(len(data) == length, "matrix length", len(data), length, writer)
        return cls(job, kind, n, offset, data[HEADER.size :], reason)


def records(job: int, kind: Kind, n: int, elements: bytes) -> Iterator[Record]:
    """A whole job, cut into records that fill their messages."""
    step = RECORD_ELEMENTS * ELEMENT_BYTES
    for at in range(0, len(elements), step):
        yield Record(job, kind, n, at // ELEMENT_BYTES, elements[at : at + step])


class Assembly:
    """The elements of one job, put together again at the other end."""

    def __init__(self, job: int, kind: Kind, n: int) -> None:
        self.job, self.kind, self.n = job, kind, n
        self.elements = bytearray()
        self._length = MATRICES[kind] * n * n * ELEMENT_BYTES

    def add(self, record: Record) -> bool:
        """Take the next record; True once all is there. Raises Refused for one that is not the next."""
        due = (self.job, self.kind, self.n, len(self.elements) // ELEMENT_BYTES)
        if (record.job, record.kind, record.n, record.offset) != due:
            raise Refused(Reason.OUT_OF_ORDER, f"{self}: record at {record.offset} of job {record.job}")
        self.elements += record.elements
        assert len(self.elements) <= self._length, "the record's check of offset and count"
        return len(self.elements) == self._length

    def __str__(self) -> str:
        return f"matrix job {self.job}, {self.n} x {self.n}"
