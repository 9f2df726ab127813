"""Matrix multiplication with numpy; see amp.services.matrix for the messages.

Each asker has one job under way. Jobs are bounded in size and number; the oldest makes room.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from amp.errors import BadMessage
from amp.rpmsg import Bus, Endpoint, Link, Message
from amp.services.matrix import HEADER, SERVICE, Assembly, Kind, Record, records
from amp.services.records import Reason, Refused
from remoteside.firmware import Firmware
from remoteside.services.serving import answer, serve

LARGEST_N: Final = 128  # 256 KiB of operands
ASKERS: Final = 8  # with jobs under way at one time


def main(firmware: Firmware) -> None:
    serve(firmware, start)


def start(firmware: Firmware, bus: Bus) -> None:
    bus.create_endpoint(SERVICE, Multiplier(firmware).take)
    firmware.print(f"{SERVICE}: ready")


class Multiplier:
    """The jobs under way, by whom they come from."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self._link: Link | None = None
        self._jobs: dict[int, Assembly] = {}
        self._refused = 0
        self._refused_last: tuple[int, int] | None = None  # asker and job: its rest is dropped without a word

    def take(self, endpoint: Endpoint, message: Message) -> None:
        """The callback."""
        asker = message.source
        if self._link is not endpoint.bus.link:  # the host began anew: its addresses are other ones
            self._link, self._refused_last = endpoint.bus.link, None
            self._jobs.clear()
        try:
            record = Record.decode(message.data, writer=endpoint.bus.link.writer)
            job = self._job(endpoint, asker, record)
            if job is None or not job.add(record):
                return
        except BadMessage as error:
            number = int.from_bytes(message.data[:4], "little") if len(message.data) >= HEADER.size else 0
            self._refuse(endpoint, asker, number, Reason.MALFORMED, error)
            return
        except Refused as error:
            self._refuse(endpoint, asker, record.job, error.reason, error)
            return
        del self._jobs[asker]
        for each in records(job.job, Kind.PRODUCT, job.n, product(job.elements, job.n)):
            if not answer(self._firmware, endpoint, asker, each.encode()):
                return

    def _job(self, endpoint: Endpoint, asker: int, record: Record) -> Assembly | None:
        """What the record is a part of; a record of offset 0 begins a job."""
        if record.kind is not Kind.OPERANDS:
            raise Refused(Reason.OUT_OF_ORDER, f"matrix record is {record.kind.name}, expected OPERANDS")
        if record.offset == 0:
            self._jobs.pop(asker, None)
            if record.n > LARGEST_N:
                raise Refused(Reason.TOO_LARGE, f"matrix n is {record.n}, at most {LARGEST_N}")
            if len(self._jobs) == ASKERS:
                oldest, job = next(iter(self._jobs.items()))
                why = Refused(Reason.SUPERSEDED, str(job))
                self._refuse(endpoint, oldest, job.job, why.reason, why)
            if self._refused_last == (asker, record.job):
                self._refused_last = None
            self._jobs[asker] = Assembly(record.job, Kind.OPERANDS, record.n)
        if asker not in self._jobs and self._refused_last != (asker, record.job):
            raise Refused(Reason.OUT_OF_ORDER, f"matrix job {record.job} begins at offset {record.offset}")
        return self._jobs.get(asker)

    def _refuse(self, endpoint: Endpoint, asker: int, job: int, reason: Reason, why: Exception) -> None:
        self._refused += 1
        self._firmware.print(f"{SERVICE}: {why} ({self._refused} refused so far)")
        self._jobs.pop(asker, None)
        self._refused_last = asker, job
        answer(self._firmware, endpoint, asker, Record(job, Kind.REFUSED, reason=reason).encode())


def product(operands: bytes | bytearray, n: int) -> bytes:
    """The product of two n x n matrices that follow each other, as they travel."""
    left, right = np.frombuffer(operands, "<f8").reshape(2, n, n)
    with np.errstate(all="ignore"):  # infinities and NaNs are results, too
        result: bytes = (left @ right).astype("<f8").tobytes()
    return result
