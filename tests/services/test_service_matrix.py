"""Matrix multiplication: the firmware's product is numpy's, and what cannot be multiplied is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from live_core import LIMIT_S, LiveCore, booted

from amp.errors import UsageError
from amp.rpmsg import Endpoint
from amp.services.matrix import JOBS, RECORD_ELEMENTS, SERVICE, Kind, Record, records
from amp.services.records import Reason, Refused, new_number
from hostside.services.matrix import MatrixClient


@pytest.fixture(scope="module")
def live() -> Iterator[LiveCore]:
    with booted("remoteside.services.matrix") as machine:
        yield machine


@pytest.fixture
def endpoint(live: LiveCore) -> Iterator[Endpoint]:
    with live.open(SERVICE) as opened:
        yield opened


@pytest.mark.parametrize("n", [1, 2, 5, 8, 100, 128])
def test_the_product_is_numpys(endpoint: Endpoint, n: int) -> None:
    chance = np.random.default_rng(n)
    left, right = chance.standard_normal((2, n, n))
    np.testing.assert_allclose(MatrixClient(endpoint).multiply(left, right, LIMIT_S), left @ right, rtol=1e-12)


def test_the_order_of_the_operands_and_their_layout_are_kept(endpoint: Endpoint) -> None:
    client = MatrixClient(endpoint)
    left, right = np.arange(9.0).reshape(3, 3), np.eye(3)[::-1]
    assert (client.multiply(left, right, LIMIT_S) == left[:, ::-1]).all()
    assert (client.multiply(right, left, LIMIT_S) == left[::-1]).all()
    assert (client.multiply(left.T, np.eye(3), LIMIT_S) == left.T).all()


def test_infinities_and_nans_are_results(endpoint: Endpoint) -> None:
    huge = np.full((2, 2), 1e300)
    assert np.isinf(MatrixClient(endpoint).multiply(huge, huge, LIMIT_S)).all()
    assert np.isnan(MatrixClient(endpoint).multiply(huge * np.nan, huge, LIMIT_S)).all()


def test_what_is_too_large_is_refused_once_and_the_next_one_served(endpoint: Endpoint) -> None:
    client = MatrixClient(endpoint)
    with pytest.raises(Refused, match="too large") as refusal:
        client.multiply(np.eye(129), np.eye(129), LIMIT_S)
    assert refusal.value.reason is Reason.TOO_LARGE
    assert (client.multiply(np.eye(4), np.eye(4), LIMIT_S) == np.eye(4)).all()
    assert endpoint.queued == 0


@pytest.mark.parametrize(("left", "right"), [((2, 3), (3, 2)), ((2, 2), (3, 3)), ((0, 0), (0, 0)), ((4,), (4,))])
def test_what_is_not_two_square_matrices_is_a_mistake_of_the_caller(
    endpoint: Endpoint, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    with pytest.raises(UsageError, match="matrices are"):
        MatrixClient(endpoint).multiply(np.zeros(left), np.zeros(right))


BAD = {
    "empty": (b"", 0, Reason.MALFORMED),
    "a header cut short": (b"\x07\0\0\0", 0, Reason.MALFORMED),
    "count beyond its elements": (Record(7, Kind.OPERANDS, 2, 0, bytes(64)).encode()[:-8], 7, Reason.MALFORMED),
    "a product": (Record(7, Kind.PRODUCT, 1, 0, bytes(8)).encode(), 7, Reason.OUT_OF_ORDER),
    "no beginning": (Record(8, Kind.OPERANDS, 2, 4, bytes(8)).encode(), 8, Reason.OUT_OF_ORDER),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_answered_with_its_reason(endpoint: Endpoint, case: str) -> None:
    data, job, reason = BAD[case]
    endpoint.send(data)
    assert Record.decode(endpoint.recv(LIMIT_S).data, writer="remote") == Record(job, Kind.REFUSED, reason=reason)


def test_a_gap_ends_the_job_and_its_rest_is_dropped(endpoint: Endpoint) -> None:
    number = new_number(JOBS) + 1  # the client's first: the refusal is for it to see
    every = list(records(number, Kind.OPERANDS, 16, bytes(2 * 16 * 16 * 8)))
    for record in (every[0], *every[2:]):
        endpoint.send(record.encode())
    client = MatrixClient(endpoint)
    with pytest.raises(Refused, match="out of order"):
        client.multiply(np.eye(2), np.eye(2), LIMIT_S)
    assert (client.multiply(np.eye(2), np.eye(2), LIMIT_S) == np.eye(2)).all()
    assert endpoint.queued == 0


def test_askers_do_not_disturb_each_other(live: LiveCore) -> None:
    with live.open(SERVICE) as one, live.open(SERVICE) as other:
        half = next(records(1, Kind.OPERANDS, 8, np.eye(8).tobytes() * 2))
        assert len(half.elements) == RECORD_ELEMENTS * 8
        one.send(half.encode())
        assert (MatrixClient(other).multiply(np.eye(8), np.eye(8), LIMIT_S) == np.eye(8)).all()
        for rest in list(records(1, Kind.OPERANDS, 8, np.eye(8).tobytes() * 2))[1:]:
            one.send(rest.encode())
        assert Record.decode(one.recv(LIMIT_S).data, writer="remote").kind is Kind.PRODUCT


def test_more_askers_than_there_is_room_for_push_out_the_oldest(live: LiveCore) -> None:
    askers = [live.open(SERVICE) for _ in range(9)]
    parts = [record.encode() for record in records(1, Kind.OPERANDS, 8, np.eye(8).tobytes() * 2)]
    for asker in askers:
        asker.send(parts[0])
    for asker in askers:
        for part in parts[1:]:
            asker.send(part)
    first, *others = [Record.decode(asker.recv(LIMIT_S).data, writer="remote") for asker in askers]
    assert first == Record(1, Kind.REFUSED, reason=Reason.SUPERSEDED)
    assert [each.kind for each in others] == [Kind.PRODUCT] * 8
    for asker in askers:
        assert asker is not askers[0] or asker.queued == 0, "the rest of the refused job is dropped without a word"
        asker.close()
