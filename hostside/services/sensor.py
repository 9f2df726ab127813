"""Receives a sensor's samples and grants its credits; see amp.services.sensor for the messages."""

from __future__ import annotations

from amp.errors import BadMessage, UsageError
from amp.rpmsg import Endpoint
from amp.services.records import Reason, Refused, new_number
from amp.services.sensor import (
    CREDITS_LIMIT,
    PERIOD_US,
    SEQUENCES,
    SERVICE,
    STREAMS,
    Command,
    Kind,
    Report,
    Request,
)

ANSWER_S = 15.0


class SensorReceiver:
    """Over an endpoint of the service's channel, without a callback. At most `window` samples are under way or unread.

    `received` and `lost` count the present stream's samples; `total` is how many there were, once it has stopped.
    """

    def __init__(self, endpoint: Endpoint, window: int = 32) -> None:
        if not 0 < window <= CREDITS_LIMIT:
            raise UsageError(f"window is {window} samples, expected 1 to {CREDITS_LIMIT}")
        self._endpoint, self.window = endpoint, window
        self._stream = 0
        self._lossy = False
        self._credits = 0  # that the sensor may still use
        self._unreturned = 0  # of samples that were read
        self._due = 0
        self.received = self.lost = 0
        self.total: int | None = None

    def start(self, period_us: int, *, lossy: bool = False) -> None:
        """Begin a new stream; one that runs is stopped by that."""
        if not PERIOD_US[0] <= period_us <= PERIOD_US[1]:
            raise UsageError(f"period is {period_us} us, expected {PERIOD_US[0]} to {PERIOD_US[1]}")
        self._stream = new_number(STREAMS)
        self._lossy, self._credits, self._unreturned, self._due = lossy, self.window, 0, 0
        self.received = self.lost = 0
        self.total = None
        self._endpoint.send(Request(Command.START, self._stream, self.window, period_us, lossy).encode())

    def stop(self) -> None:
        """Ask for the end. `read` gives what is under way, and then None."""
        self._endpoint.send(Request(Command.STOP, self._stream).encode())

    def read(self, timeout_s: float | None = ANSWER_S) -> Report | None:
        """The next sample; None once the stream has stopped.

        Raises Refused (also if another receiver has taken the sensor), TimeoutError when none came in time, BadMessage
        for a report that breaks the format, the window or the sequence, and what the endpoint raises.
        """
        while self.total is None:
            report = Report.decode(self._endpoint.recv(timeout_s).data, writer=self._writer)
            if report.stream != self._stream:
                continue  # left behind by an earlier one
            if report.reason is not Reason.NONE:
                raise Refused(report.reason, f"{SERVICE}: stream {report.stream}")
            if report.kind is Kind.SAMPLE:
                self._count(report)
                return report
            self._skip_to(report.sequence)
            self.total = report.sequence
        return None

    def _count(self, sample: Report) -> None:
        if not self._credits:
            raise BadMessage("sensor samples without a credit", 1, limit=0, writer=self._writer)
        self._credits -= 1
        self._skip_to(sample.sequence)
        self._due = (self._due + 1) % SEQUENCES
        self.received += 1
        self._unreturned += 1
        if 2 * self._unreturned >= self.window:  # in halves: a message for every sample would double the traffic
            self._endpoint.send(Request(Command.CREDIT, self._stream, self._unreturned).encode())
            self._credits += self._unreturned
            self._unreturned = 0

    def _skip_to(self, sequence: int) -> None:
        gap = (sequence - self._due) % SEQUENCES
        most = SEQUENCES // 2 if self._lossy else 0
        if gap > most:
            raise BadMessage(
                "sensor sequence", sequence, limit=f"{self._due}, or at most {most} more", writer=self._writer
            )
        self.lost += gap
        self._due = sequence

    @property
    def _writer(self) -> str:
        return self._endpoint.bus.link.writer
