"""Has the firmware multiply two matrices; see amp.services.matrix for the messages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amp.errors import UsageError
from amp.rpmsg import Endpoint
from amp.services.matrix import JOBS, N_LIMIT, SERVICE, Assembly, Kind, Record, records
from amp.services.records import Refused, new_number

Matrix = NDArray[np.float64]
ANSWER_S = 15.0


class MatrixClient:
    """Over an endpoint of the service's channel, without a callback: `MatrixClient(bus.open_channel(channel))`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._job = endpoint, 0

    def multiply(self, left: Matrix, right: Matrix, timeout_s: float | None = ANSWER_S) -> Matrix:
        """The product, as the firmware's numpy has it.

        Raises UsageError unless both are n x n with n from 1 to N_LIMIT, Refused, TimeoutError when no message comes
        for so long, BadMessage for an answer that breaks the format, and what the endpoint raises.
        """
        n = len(left)
        if left.shape != (n, n) or right.shape != (n, n) or not 0 < n <= N_LIMIT:
            raise UsageError(f"matrices are {left.shape} and {right.shape}, expected (n, n), n from 1 to {N_LIMIT}")
        self._job = new_number(JOBS)
        operands = left.astype("<f8").tobytes() + right.astype("<f8").tobytes()
        for record in records(self._job, Kind.OPERANDS, n, operands):
            self._endpoint.send(record.encode(), timeout_s)
        result = Assembly(self._job, Kind.PRODUCT, n)
        while not result.add(self._answer(timeout_s)):
            pass
        return np.frombuffer(result.elements, "<f8").reshape(n, n).astype(np.float64)

    def _answer(self, timeout_s: float | None) -> Record:
        """The next record of the present job; what an earlier one left behind is skipped."""
        while True:
            record = Record.decode(self._endpoint.recv(timeout_s).data, writer=self._endpoint.bus.link.writer)
            if record.job == self._job and record.kind is Kind.REFUSED:
                raise Refused(record.reason, f"{SERVICE}: job {record.job}")
            if record.job == self._job:
                return record
