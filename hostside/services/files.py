"""Sends a file to the firmware; see amp.services.files for the messages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from amp.errors import BadMessage, UsageError
from amp.rpmsg import Endpoint
from amp.services.files import CHUNK_BYTES, SERVICE, SIZE_LIMIT, TRANSFERS, Kind, Record, name_bytes
from amp.services.records import Refused, new_number

ANSWER_S = 15.0


class FileSender:
    """Over an endpoint of the service's channel, without a callback.

    `on_progress(received, size)` is called, with numbers of bytes, whenever the firmware says how much it has.
    """

    def __init__(
        self, endpoint: Endpoint, on_progress: Callable[[int, int], None] = lambda _received, _size: None
    ) -> None:
        self._endpoint, self._on_progress = endpoint, on_progress
        self._transfer = 0

    def send(self, name: str, data: bytes, timeout_s: float | None = ANSWER_S) -> None:
        """Returns when the firmware has the whole file, and has checked it.

        Raises UsageError for a name or a size that cannot be, Refused, TimeoutError when no message comes or is taken
        for so long, BadMessage for an answer that breaks the format, and what the endpoint raises: LinkDown if the core
        is gone.
        """
        size = len(data)
        if size > SIZE_LIMIT:
            raise UsageError(f"file {name!r:.100} has {size} bytes, at most {SIZE_LIMIT}")
        digest = hashlib.sha256(data).digest()
        self._transfer = new_number(TRANSFERS)
        self._put(Kind.OPEN, size, name_bytes(name), timeout_s)
        for begin in range(0, size, CHUNK_BYTES):
            self._put(Kind.CHUNK, begin, data[begin : begin + CHUNK_BYTES], timeout_s)
            self._endpoint.bus.process()
            while self._endpoint.queued:
                self._hear(size, min(begin + CHUNK_BYTES, size), digest, timeout_s)
        self._put(Kind.CLOSE, size, digest, timeout_s)
        while not self._hear(size, size, digest, timeout_s):
            pass

    def _put(self, kind: Kind, value: int, body: bytes, timeout_s: float | None) -> None:
        self._endpoint.send(Record(kind, self._transfer, value, body).encode(), timeout_s)

    def _hear(self, size: int, sent: int, digest: bytes, timeout_s: float | None) -> bool:
        """Take an answer; True if the file has arrived. `sent`: bytes of it so far."""
        writer = self._endpoint.bus.link.writer
        record = Record.decode(self._endpoint.recv(timeout_s).data, writer=writer)
        if record.transfer != self._transfer:
            return False  # left behind by an earlier one
        if record.value > sent:
            raise BadMessage("file bytes received", record.value, limit=f"at most {sent}", writer=writer)
        if record.kind is Kind.REFUSED:
            raise Refused(record.reason, f"{SERVICE}: transfer {record.transfer} at {record.value} of {size} bytes")
        if record.kind is Kind.PROGRESS:
            self._on_progress(record.value, size)
            return False
        if record.kind is not Kind.DONE or (record.value, record.body) != (size, digest):
            raise BadMessage("file result kind", record.kind, limit=f"{Kind.DONE} with size and digest", writer=writer)
        return True
