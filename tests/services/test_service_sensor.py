"""The sensor stream: never more under way than was granted, nothing lost unless that was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from live_core import LIMIT_S, LiveCore, booted

from amp.errors import BadMessage, UsageError
from amp.rpmsg import Endpoint, Message
from amp.services.records import Reason, Refused
from amp.services.sensor import CREDITS_LIMIT, PERIOD_US, SERVICE, Command, Kind, Report, Request
from hostside.services.sensor import SensorReceiver


@pytest.fixture(scope="module")
def live() -> Iterator[LiveCore]:
    with booted("remoteside.services.sensor") as machine:
        yield machine


@pytest.fixture
def endpoint(live: LiveCore) -> Iterator[Endpoint]:
    with live.open(SERVICE) as opened:
        yield opened


def stopped(receiver: SensorReceiver) -> int:
    """Stop, take what is under way; how many samples there were in all."""
    receiver.stop()
    drained(receiver)
    assert receiver.total is not None
    return receiver.total


def drained(receiver: SensorReceiver) -> None:
    while receiver.read(LIMIT_S) is not None:
        pass


def test_every_sample_arrives_in_order_and_with_its_time(endpoint: Endpoint) -> None:
    receiver = SensorReceiver(endpoint, window=16)
    receiver.start(PERIOD_US[0])
    samples = [receiver.read(LIMIT_S) for _ in range(500)]
    assert stopped(receiver) == receiver.received
    assert receiver.lost == 0
    reports = [sample for sample in samples if sample is not None]
    assert [each.sequence for each in reports] == list(range(500))
    assert [each.value for each in reports] == [math.sin(2 * math.pi * (number % 64) / 64) for number in range(500)]
    times = [each.time_us for each in reports]
    assert times == sorted(times)
    assert times[-1] >= 499 * PERIOD_US[0] - PERIOD_US[0], "no faster than its period"


@pytest.mark.parametrize("window", [1, 2, 8, CREDITS_LIMIT])
def test_a_receiver_that_does_not_read_gets_no_more_than_its_window(
    live: LiveCore, endpoint: Endpoint, window: int
) -> None:
    receiver = SensorReceiver(endpoint, window)
    receiver.start(PERIOD_US[0])
    assert live.bus.wait_until(lambda: endpoint.queued == window, LIMIT_S)
    receiver.stop()  # whatever was sent before the firmware's answer to this comes before it
    assert live.bus.wait_until(lambda: endpoint.queued > window, LIMIT_S)
    assert endpoint.queued == window + 1
    drained(receiver)
    assert receiver.total == receiver.received == window


def test_credits_are_never_exceeded_however_slowly_they_come(live: LiveCore, endpoint: Endpoint) -> None:
    """Counted here, sample by sample, without the receiver's own books."""
    endpoint.send(Request(Command.START, 9, 3, PERIOD_US[0]).encode())
    granted, came = 3, 0
    for more in (1, 5, 2, 7, 1, 4) * 5:
        assert live.bus.wait_until(lambda due=granted - came: endpoint.queued >= due, LIMIT_S)
        while endpoint.queued:
            assert Report.decode(endpoint.recv().data, writer="remote").sequence == came
            came += 1
        assert came == granted
        endpoint.send(Request(Command.CREDIT, 9, more).encode())
        granted += more
    endpoint.send(Request(Command.STOP, 9).encode())
    reports = [Report.decode(endpoint.recv(LIMIT_S).data, writer="remote")]
    while reports[-1].kind is Kind.SAMPLE:
        reports.append(Report.decode(endpoint.recv(LIMIT_S).data, writer="remote"))
    assert reports[-1].kind is Kind.STOPPED
    assert came + len(reports) - 1 == reports[-1].sequence <= granted


def test_a_lossy_stream_says_how_many_it_lost(endpoint: Endpoint) -> None:
    receiver = SensorReceiver(endpoint, window=1)
    receiver.start(PERIOD_US[0], lossy=True)
    while not receiver.lost:
        assert receiver.read(LIMIT_S) is not None
    assert stopped(receiver) == receiver.received + receiver.lost


def test_a_stream_starts_again_from_the_beginning(endpoint: Endpoint) -> None:
    receiver = SensorReceiver(endpoint)
    for _ in range(3):
        receiver.start(PERIOD_US[0])
        first = receiver.read(LIMIT_S)
        assert first is not None
        assert first.sequence == 0
        stopped(receiver)
    receiver.start(PERIOD_US[0])
    receiver.start(PERIOD_US[0])  # in place of the one before, whose end and samples are not taken for its own
    assert stopped(receiver) == receiver.received


def test_the_newest_receiver_wins_and_the_one_before_is_told(live: LiveCore, endpoint: Endpoint) -> None:
    with live.open(SERVICE) as second:
        before, after = SensorReceiver(endpoint, 4), SensorReceiver(second, 4)
        before.start(PERIOD_US[0])
        assert before.read(LIMIT_S) is not None
        after.start(PERIOD_US[0])
        with pytest.raises(Refused, match="superseded"):
            drained(before)
        assert after.read(LIMIT_S) is not None
        assert stopped(after) == after.received


BAD = {
    "empty": (b"", 0, Reason.MALFORMED),
    "no credit": (Request(Command.START, 5, 0, 1000).encode(), 0, Reason.MALFORMED),
    "a period too short": (Request(Command.START, 5, 1, 1).encode(), 0, Reason.MALFORMED),
    "no stream to stop": (Request(Command.STOP, 5).encode(), 5, Reason.OUT_OF_ORDER),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_refused_with_its_reason(endpoint: Endpoint, case: str) -> None:
    data, stream, reason = BAD[case]
    endpoint.send(data)
    report = Report.decode(endpoint.recv(LIMIT_S).data, writer="remote")
    assert report == Report(Kind.REFUSED, stream, reason=reason)


def test_more_credits_than_a_stream_may_have_are_refused(endpoint: Endpoint) -> None:
    endpoint.send(Request(Command.START, 5, 200, PERIOD_US[1]).encode())
    endpoint.send(Request(Command.CREDIT, 5, 200).encode())
    reports = [Report.decode(endpoint.recv(LIMIT_S).data, writer="remote") for _ in range(2)]
    assert Report(Kind.REFUSED, 5, reason=Reason.TOO_LARGE) in reports
    endpoint.send(Request(Command.STOP, 5).encode())
    assert Report.decode(endpoint.recv(LIMIT_S).data, writer="remote").kind is Kind.STOPPED


@pytest.mark.parametrize("numbers", [[1], [0, 0], [0, 2]], ids=str)
def test_a_receiver_does_not_believe_a_gap_in_a_stream_that_loses_nothing(
    endpoint: Endpoint, numbers: list[int]
) -> None:
    receiver = told(endpoint, window=8, numbers=numbers)
    for _ in numbers[:-1]:
        assert receiver.read(LIMIT_S) is not None
    with pytest.raises(BadMessage, match="sensor sequence"):
        receiver.read(LIMIT_S)


def test_a_receiver_does_not_believe_a_sample_without_a_credit(endpoint: Endpoint) -> None:
    receiver = told(endpoint, window=1, numbers=[0])
    receiver.read(LIMIT_S)
    receiver._credits = 0  # as if it had returned none
    deliver(endpoint, Report(Kind.SAMPLE, receiver._stream, 1))
    with pytest.raises(BadMessage, match="without a credit"):
        receiver.read(LIMIT_S)


def told(endpoint: Endpoint, *, window: int, numbers: list[int]) -> SensorReceiver:
    """A receiver of a stream that this test makes up: its requests go where nobody is."""
    endpoint.dest = 1
    receiver = SensorReceiver(endpoint, window)
    receiver.start(PERIOD_US[0])
    for number in numbers:
        deliver(endpoint, Report(Kind.SAMPLE, receiver._stream, number))
    return receiver


def deliver(endpoint: Endpoint, report: Report) -> None:
    endpoint.deliver(Message(report.encode(), 1))


@pytest.mark.parametrize("window", [0, CREDITS_LIMIT + 1])
def test_a_window_that_cannot_be_is_a_mistake_of_the_caller(endpoint: Endpoint, window: int) -> None:
    with pytest.raises(UsageError, match="window is"):
        SensorReceiver(endpoint, window)
    with pytest.raises(UsageError, match="period is"):
        SensorReceiver(endpoint).start(PERIOD_US[1] + 1)
