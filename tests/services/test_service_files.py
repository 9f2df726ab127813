"""The file receiver: a file arrives whole or is refused, and a core that dies in the middle is noticed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from live_core import LIMIT_S, LiveCore, booted

from amp.errors import BadMessage, LinkDown, UsageError
from amp.rpmsg import Endpoint, Message
from amp.services.files import CHUNK_BYTES, PROGRESS_BYTES, SERVICE, TRANSFERS, Kind, Record
from amp.services.records import Reason, Refused, new_number
from hostside.services.files import FileSender

STORE_BYTES = 1 << 20  # of the firmware's carveout


@pytest.fixture(scope="module")
def live() -> Iterator[LiveCore]:
    with booted("remoteside.services.files") as machine:
        yield machine


@pytest.fixture
def endpoint(live: LiveCore) -> Iterator[Endpoint]:
    with live.open(SERVICE) as opened:
        yield opened


def contents(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def answered(endpoint: Endpoint) -> Record:
    return Record.decode(endpoint.recv(LIMIT_S).data, writer="remote")


def test_a_file_as_large_as_the_store_arrives(live: LiveCore, endpoint: Endpoint) -> None:
    data, progress = contents(STORE_BYTES), list[int]()
    FileSender(endpoint, lambda received, _: progress.append(received)).send("large.bin", data, LIMIT_S)
    assert live.memory("store") == data
    assert f"large.bin: 1048576 bytes, SHA-256 {hashlib.sha256(data).hexdigest()}" in live.trace()
    assert len(progress) == STORE_BYTES // PROGRESS_BYTES
    assert progress == sorted(progress)
    assert progress[-1] == STORE_BYTES


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5000])
def test_a_file_of_any_size_arrives(live: LiveCore, endpoint: Endpoint, size: int) -> None:
    FileSender(endpoint).send(f"größe {size}", contents(size), LIMIT_S)
    assert live.memory("store")[:size] == contents(size)


def test_a_file_larger_than_the_store_is_refused_and_the_next_one_taken(live: LiveCore, endpoint: Endpoint) -> None:
    sender = FileSender(endpoint)
    with pytest.raises(Refused, match="at 0 of 1048577 bytes: too large"):
        sender.send("larger.bin", bytes(STORE_BYTES + 1), LIMIT_S)
    sender.send("small", b"small", LIMIT_S)
    assert live.memory("store")[:5] == b"small"


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "x" * 65, "\ud800"])
def test_a_name_that_cannot_be_is_a_mistake_of_the_caller(endpoint: Endpoint, name: str) -> None:
    with pytest.raises(UsageError, match="file name"):
        FileSender(endpoint).send(name, b"")


OPEN = Record(Kind.OPEN, 300, 10, b"ten")
DIGEST = hashlib.sha256(bytes(10)).digest()
BAD = {
    "empty": ([b""], 0, Reason.MALFORMED, 0),
    "a kind that is none": ([b"\x09\0\x2c\x01\0\0\0\0"], 300, Reason.MALFORMED, 0),
    "no open": ([Record(Kind.CHUNK, 299, 0, b"x").encode()], 299, Reason.OUT_OF_ORDER, 0),
    "a gap": ([OPEN.encode(), Record(Kind.CHUNK, 300, 1, b"x").encode()], 300, Reason.OUT_OF_ORDER, 0),
    "beyond its size": ([OPEN.encode(), Record(Kind.CHUNK, 300, 0, bytes(11)).encode()], 300, Reason.OUT_OF_ORDER, 0),
    "far beyond": (
        [OPEN.encode(), Record(Kind.CHUNK, 300, 0xFFFF_FFFF, bytes(8)).encode()],
        *(300, Reason.OUT_OF_ORDER, 0),
    ),
    "closed early": (
        [OPEN.encode(), Record(Kind.CHUNK, 300, 0, bytes(9)).encode(), Record(Kind.CLOSE, 300, 10, DIGEST).encode()],
        *(300, Reason.OUT_OF_ORDER, 9),
    ),
    "a wrong digest": (
        [
            OPEN.encode(),
            Record(Kind.CHUNK, 300, 0, b"0123456789").encode(),
            Record(Kind.CLOSE, 300, 10, DIGEST).encode(),
        ],
        *(300, Reason.WRONG_DIGEST, 10),
    ),
    "an answer": ([OPEN.encode(), Record(Kind.PROGRESS, 300, 5).encode()], 300, Reason.OUT_OF_ORDER, 0),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_transfer_is_refused_with_its_reason(endpoint: Endpoint, case: str) -> None:
    messages, transfer, reason, received = BAD[case]
    for message in messages:
        endpoint.send(message)
    assert answered(endpoint) == Record(Kind.REFUSED, transfer, received, reason=reason)


def test_after_a_refusal_the_rest_is_dropped(endpoint: Endpoint) -> None:
    for record in (OPEN, *(Record(Kind.CHUNK, 300, at, b"x") for at in (0, 2, 3, 4, 5))):
        endpoint.send(record.encode())
    assert answered(endpoint) == Record(Kind.REFUSED, 300, 1, reason=Reason.OUT_OF_ORDER)
    FileSender(endpoint).send("next", b"next", LIMIT_S)
    assert endpoint.queued == 0


def test_the_newest_sender_wins_and_the_one_before_is_told(live: LiveCore, endpoint: Endpoint) -> None:
    endpoint.send(OPEN.encode())
    with live.open(SERVICE) as second:
        FileSender(second).send("second", b"second", LIMIT_S)
    assert answered(endpoint) == Record(Kind.REFUSED, 300, 0, reason=Reason.SUPERSEDED)


ANSWERS = {
    "more than was sent": Record(Kind.PROGRESS, 1, 9),
    "a file, from the receiver": Record(Kind.OPEN, 1, 5, b"name"),
    "done, with another digest": Record(Kind.DONE, 1, 5, bytes(32)),
    "done, of another size": Record(Kind.DONE, 1, 4, hashlib.sha256(b"bytes").digest()),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_sender_does_not_believe_an_answer_that_cannot_be(endpoint: Endpoint, answer: Record) -> None:
    answer = replace(answer, transfer=new_number(TRANSFERS) + 1)
    endpoint.dest = 1  # nobody answers there but this test
    endpoint.deliver(Message(answer.encode(), 1))
    with pytest.raises(BadMessage, match="file"):
        FileSender(endpoint).send("name", b"bytes", LIMIT_S)


def test_a_core_that_dies_in_the_middle_of_a_file_is_reported_and_the_next_one_takes_it() -> None:
    data = contents(STORE_BYTES)
    with booted("remoteside.services.files") as live:
        progress: list[int] = []

        def kill_once(received: int, _size: int) -> None:
            progress.append(received)
            live.kill()

        with pytest.raises(LinkDown) as down:
            FileSender(live.open(SERVICE), kill_once).send("doomed.bin", data, LIMIT_S)
        assert len(progress) == 1
        chunks = [Record.decode(sent.data, writer="host") for sent in down.value.unacknowledged]
        assert all(chunk.kind is Kind.CHUNK for chunk in chunks)
        assert [chunk.value for chunk in chunks] == sorted({chunk.value for chunk in chunks})
        live.recovered()
        assert live.rproc.crash_count == 1
        FileSender(live.open(SERVICE)).send("again.bin", data, LIMIT_S)
        assert live.memory("store") == data
