"""A file receiver; see amp.services.files for the messages.

The file lies in a carveout of the firmware's own, and is at most as large as that. When all has come it is read back
from there, and the digest is of what was read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from amp.errors import BadMessage
from amp.remoteproc.spec import CarveoutSpec
from amp.remoteproc.spec import Firmware as FirmwareSpec
from amp.rpmsg import Bus, Endpoint, Link, Message
from amp.services.files import HEADER, PROGRESS_BYTES, SERVICE, Kind, Record
from amp.services.records import Reason, Refused
from remoteside.firmware import Firmware
from remoteside.services.serving import answer, serve

STORE_DA: Final = 0x2000_0000
STORE_BYTES: Final = 1 << 20

FIRMWARE = FirmwareSpec(carveouts=(CarveoutSpec(name="store", da=STORE_DA, length=STORE_BYTES),))


def main(firmware: Firmware) -> None:
    serve(firmware, start)


def start(firmware: Firmware, bus: Bus) -> None:
    bus.create_endpoint(SERVICE, Store(firmware).take)
    firmware.print(f"{SERVICE}: ready")


@dataclass(slots=True)
class Transfer:
    """A file that is coming; or one that was refused, whose rest is dropped."""

    sender: int
    number: int
    name: str
    size: int
    received: int = 0
    refused: bool = False


class Store:
    """Has room for one file."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self._link: Link | None = None
        self._transfer: Transfer | None = None
        self._refused = 0

    def take(self, endpoint: Endpoint, message: Message) -> None:
        """The callback."""
        sender = message.source
        if self._link is not endpoint.bus.link:  # the host began anew: its addresses are other ones
            self._link, self._transfer = endpoint.bus.link, None
        try:
            record = Record.decode(message.data, writer=endpoint.bus.link.writer)
        except BadMessage as error:
            number = int.from_bytes(message.data[2:4], "little") if len(message.data) >= HEADER.size else 0
            self._refuse(endpoint, sender, number, Reason.MALFORMED, error)
            return
        try:
            if record.kind is Kind.OPEN:
                self._open(endpoint, sender, record)
                return
            reply = self._go_on(sender, record)
        except Refused as error:
            self._refuse(endpoint, sender, record.transfer, error.reason, error)
            return
        if reply is not None:
            answer(self._firmware, endpoint, sender, reply.encode())

    def _open(self, endpoint: Endpoint, sender: int, record: Record) -> None:
        before = self._transfer
        if before is not None and not before.refused:
            why = Refused(Reason.SUPERSEDED, f"{before.name} at {before.received} of {before.size} bytes")
            self._refuse(endpoint, before.sender, before.number, why.reason, why)
        self._transfer = Transfer(sender, record.transfer, record.name, record.value)
        if record.value > STORE_BYTES:
            raise Refused(Reason.TOO_LARGE, f"{record.name} has {record.value} bytes, at most {STORE_BYTES}")

    def _go_on(self, sender: int, record: Record) -> Record | None:
        transfer = self._transfer
        if transfer is None or (transfer.sender, transfer.number) != (sender, record.transfer):
            raise Refused(Reason.OUT_OF_ORDER, f"{record.kind.name} of transfer {record.transfer}, which is not open")
        if transfer.refused:
            return None
        if record.kind is Kind.CHUNK:
            return self._chunk(transfer, record)
        if record.kind is Kind.CLOSE:
            return self._close(transfer, record)
        raise Refused(Reason.OUT_OF_ORDER, f"{transfer.name}: record is {record.kind.name}, which the firmware sends")

    def _chunk(self, transfer: Transfer, record: Record) -> Record | None:
        begin, end = record.value, record.value + len(record.body)
        if begin != transfer.received or end > transfer.size:
            text = f"{transfer.name}: bytes {begin} to {end}, due from {transfer.received} of {transfer.size}"
            raise Refused(Reason.OUT_OF_ORDER, text)
        self._firmware.memory.write(STORE_DA + begin, record.body)
        transfer.received = end
        if begin // PROGRESS_BYTES == end // PROGRESS_BYTES:
            return None
        return Record(Kind.PROGRESS, transfer.number, end)

    def _close(self, transfer: Transfer, record: Record) -> Record:
        if not transfer.received == transfer.size == record.value:
            text = f"{transfer.name}: closed at {record.value}, received {transfer.received} of {transfer.size}"
            raise Refused(Reason.OUT_OF_ORDER, text)
        digest = hashlib.sha256(bytes(self._firmware.memory.read(STORE_DA, transfer.size))).digest()
        if digest != record.body:
            raise Refused(Reason.WRONG_DIGEST, f"{transfer.name}: SHA-256 {digest.hex()}, sent {record.body.hex()}")
        self._transfer = None
        self._firmware.print(f"{transfer.name}: {transfer.size} bytes, SHA-256 {digest.hex()}")
        return Record(Kind.DONE, transfer.number, transfer.size, digest)

    def _refuse(self, endpoint: Endpoint, sender: int, number: int, reason: Reason, why: Exception) -> None:
        """Say so once for each transfer; its rest is dropped."""
        transfer, received = self._transfer, 0
        if transfer is not None and (transfer.sender, transfer.number) == (sender, number):
            transfer.refused, received = True, transfer.received
        self._refused += 1
        self._firmware.print(f"{SERVICE}: {why} ({self._refused} refused so far)")
        answer(self._firmware, endpoint, sender, Record(Kind.REFUSED, number, received, reason=reason).encode())
