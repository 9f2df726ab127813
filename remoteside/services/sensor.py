"""A sensor that streams samples, never more than its receiver has granted; see amp.services.sensor for the messages.

A stream that may not lose samples takes none while it has no credit. A lossy one goes on, and counts what it could not
send.
"""

from __future__ import annotations

import math
import time
from typing import Final

from amp.errors import BadMessage, LinkDown, RpmsgError
from amp.rpmsg import Bus, Endpoint, Message
from amp.services.records import Reason
from amp.services.sensor import CREDITS_LIMIT, SEQUENCES, SERVICE, Command, Kind, Report, Request
from remoteside.firmware import Firmware
from remoteside.services.serving import Tick, answer, serve

CYCLE: Final = 64  # samples in a turn of what is measured


def main(firmware: Firmware) -> None:
    serve(firmware, start)


def start(firmware: Firmware, bus: Bus) -> Tick:
    firmware.print(f"{SERVICE}: ready")
    return Sensor(firmware, bus).tick


def measure(sequence: int) -> float:
    """In place of a sensor: a sine."""
    return math.sin(2 * math.pi * (sequence % CYCLE) / CYCLE)


class Stream:
    """What one receiver was promised."""

    def __init__(self, receiver: int, request: Request) -> None:
        self.receiver, self.number, self.lossy = receiver, request.stream, request.lossy
        self.credits = request.credits
        self.sequence = 0
        self.period_ns = request.period_us * 1000
        self.began_ns = self.due_ns = time.monotonic_ns()


class Sensor:
    """At most one stream."""

    def __init__(self, firmware: Firmware, bus: Bus) -> None:
        self._firmware, self._bus, self._link = firmware, bus, bus.link
        self._stream: Stream | None = None
        self._refused = 0
        self._endpoint = bus.create_endpoint(SERVICE, self.take)

    def take(self, endpoint: Endpoint, message: Message) -> None:
        """The callback."""
        self._look_at_link()
        try:
            request = Request.decode(message.data, writer=endpoint.bus.link.writer)
        except BadMessage as error:
            self._refuse(message.source, 0, Reason.MALFORMED, str(error))
            return
        {Command.START: self._start, Command.CREDIT: self._credit, Command.STOP: self._stop}[request.command](
            message.source, request
        )

    def _look_at_link(self) -> None:
        """If the host began anew, its addresses are other ones: nobody of now has asked for the stream."""
        if self._link is not self._bus.link:
            self._link, self._stream = self._bus.link, None

    def _start(self, receiver: int, request: Request) -> None:
        self._end(Reason.SUPERSEDED)
        self._stream = Stream(receiver, request)

    def _credit(self, receiver: int, request: Request) -> None:
        stream = self._of(receiver, request)
        if stream is None:  # it was on its way when the stream ended
            return
        if stream.credits + request.credits > CREDITS_LIMIT:
            text = f"credits are {stream.credits} and {request.credits} more, at most {CREDITS_LIMIT}"
            self._refuse(receiver, request.stream, Reason.TOO_LARGE, text)
            return
        stream.credits += request.credits

    def _stop(self, receiver: int, request: Request) -> None:
        if self._of(receiver, request) is None:
            self._refuse(receiver, request.stream, Reason.OUT_OF_ORDER, f"stream {request.stream} does not run")
            return
        self._end(Reason.NONE)

    def _of(self, receiver: int, request: Request) -> Stream | None:
        stream = self._stream
        ours = stream is not None and (stream.receiver, stream.number) == (receiver, request.stream)
        return stream if ours else None

    def _end(self, reason: Reason) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            report = Report(Kind.STOPPED, stream.number, stream.sequence % SEQUENCES, reason=reason)
            answer(self._firmware, self._endpoint, stream.receiver, report.encode())

    def _refuse(self, receiver: int, stream: int, reason: Reason, why: str) -> None:
        self._refused += 1
        self._firmware.print(f"{SERVICE}: {why} ({self._refused} refused so far)")
        answer(self._firmware, self._endpoint, receiver, Report(Kind.REFUSED, stream, reason=reason).encode())

    def tick(self) -> float | None:
        """Take the sample that is due. Seconds until the next one is; None while there is nothing to do."""
        self._look_at_link()
        stream = self._stream
        if stream is None or not (stream.credits or stream.lossy):
            return None
        now_ns = time.monotonic_ns()
        if now_ns >= stream.due_ns:
            self._sample(stream, now_ns)
            stream.due_ns = max(stream.due_ns + stream.period_ns, now_ns)  # what was missed is not made up for
        return max(0, stream.due_ns - now_ns) / 1e9

    def _sample(self, stream: Stream, now_ns: int) -> None:
        sequence = stream.sequence
        stream.sequence += 1
        if not stream.credits:
            return  # lost
        time_us = (now_ns - stream.began_ns) // 1000
        report = Report(Kind.SAMPLE, stream.number, sequence % SEQUENCES, time_us, measure(sequence)).encode()
        if not stream.lossy:
            if not answer(self._firmware, self._endpoint, stream.receiver, report):
                self._stream = None  # nobody takes them
        else:
            try:
                self._endpoint.trysendto(report, stream.receiver)
            except LinkDown:
                raise
            except RpmsgError:
                return  # lost
        stream.credits -= 1
