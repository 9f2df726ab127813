"""The services' messages: what is written is read again, and no bytes raise anything but BadMessage."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import BadMessage
from amp.services import files, matrix, sensor
from amp.services.records import PAYLOAD_BYTES, Reason, Refused

U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
REFUSALS = st.sampled_from([reason for reason in Reason if reason is not Reason.NONE])
FORMATS = (matrix.Record, sensor.Request, sensor.Report, files.Record)


@st.composite
def matrix_records(draw: st.DrawFn) -> matrix.Record:
    kind = draw(st.sampled_from(matrix.Kind))
    if kind is matrix.Kind.REFUSED:
        return matrix.Record(draw(U32), kind, reason=draw(REFUSALS))
    n = draw(st.integers(1, 64))
    total = matrix.MATRICES[kind] * n * n
    count = draw(st.integers(1, min(total, matrix.RECORD_ELEMENTS)))
    return matrix.Record(
        draw(U32), kind, n, draw(st.integers(0, total - count)), draw(st.binary(min_size=8 * count, max_size=8 * count))
    )


@st.composite
def sensor_requests(draw: st.DrawFn) -> sensor.Request:
    command = draw(st.sampled_from(sensor.Command))
    if command is sensor.Command.STOP:
        return sensor.Request(command, draw(U16))
    credits = draw(st.integers(1, sensor.CREDITS_LIMIT))
    if command is sensor.Command.CREDIT:
        return sensor.Request(command, draw(U16), credits)
    return sensor.Request(command, draw(U16), credits, draw(st.integers(*sensor.PERIOD_US)), draw(st.booleans()))


@st.composite
def sensor_reports(draw: st.DrawFn) -> sensor.Report:
    kind = draw(st.sampled_from(sensor.Kind))
    reason = draw(REFUSALS) if kind is sensor.Kind.REFUSED else Reason.NONE
    value = draw(st.floats(allow_nan=False))
    return sensor.Report(kind, draw(U16), draw(U32), draw(st.integers(0, (1 << 64) - 1)), value, reason)


@st.composite
def file_records(draw: st.DrawFn) -> files.Record:
    kind = draw(st.sampled_from(files.Kind))
    least, most = files.BODY_BYTES[kind]
    body = draw(st.binary(min_size=least, max_size=most))
    if kind is files.Kind.OPEN:
        body = draw(st.text("abc-._ ÄΩ", min_size=1, max_size=32)).encode()
    reason = draw(REFUSALS) if kind is files.Kind.REFUSED else Reason.NONE
    return files.Record(kind, draw(U16), draw(U32), body, reason)


ANY_RECORD = st.one_of(matrix_records(), sensor_requests(), sensor_reports(), file_records())


@given(ANY_RECORD)
def test_what_is_written_is_read_again_and_fits_a_message(record: Any) -> None:
    data = record.encode()
    assert len(data) <= PAYLOAD_BYTES
    assert type(record).decode(data, writer="host") == record


@given(ANY_RECORD, st.data())
def test_a_record_that_was_tampered_with_is_refused_or_says_what_it_is(record: Any, data: st.DataObject) -> None:
    """What is accepted is written as the very bytes that were read: nothing in a message is overlooked."""
    message = bytearray(record.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    accepted_is_exact(type(record), bytes(message))


@given(st.sampled_from(FORMATS), st.binary(max_size=PAYLOAD_BYTES))
def test_no_bytes_raise_anything_but_bad_message(format: Any, message: bytes) -> None:
    accepted_is_exact(format, message)


def accepted_is_exact(format: Any, message: bytes) -> None:
    try:
        record = format.decode(message, writer="host")
    except BadMessage:
        return
    again = record.encode()
    nan = format is sensor.Report and record.value != record.value  # of a NaN the sign and payload need not be kept
    assert again == message or (nan and again[:16] == message[:16])


@given(ANY_RECORD, st.data())
def test_a_record_that_was_cut_short_is_refused_or_shorter(record: Any, data: st.DataObject) -> None:
    message = record.encode()
    accepted_is_exact(type(record), message[: data.draw(st.integers(0, len(message) - 1))])


@given(st.integers(1, 40), U32, st.data())
def test_a_job_is_put_together_from_its_records_and_from_nothing_else(n: int, job: int, data: st.DataObject) -> None:
    elements = bytes(range(256)) * (2 * n * n * 8 // 256 + 1)
    elements = elements[: 2 * n * n * 8]
    every = list(matrix.records(job, matrix.Kind.OPERANDS, n, elements))
    whole = matrix.Assembly(job, matrix.Kind.OPERANDS, n)
    for record in every[:-1]:
        wrong = data.draw(st.sampled_from([each for each in every if each is not record]))
        with pytest.raises(Refused, match="out of order"):
            whole.add(wrong)
        assert not whole.add(record)
    with pytest.raises(Refused, match="out of order"):
        whole.add(dataclasses.replace(every[-1], job=job ^ 1))
    assert whole.add(every[-1])
    assert whole.elements == elements


ROWS = [  # each field of each layout at its offset, by hand
    (
        matrix.Record(0x01020304, matrix.Kind.PRODUCT, 0x0506, 0x0708090A, b"abcdefgh"),
        "04030201 01 00 0605 0a090807 01000000 6162636465666768",
    ),
    (matrix.Record(1, matrix.Kind.REFUSED, reason=Reason.TOO_LARGE), "01000000 02 02 0000 00000000 00000000"),
    (sensor.Request(sensor.Command.START, 0x0102, 0x10, 0x030405, True), "01 01 0201 1000 0000 05040300"),
    (
        sensor.Report(sensor.Kind.SAMPLE, 0x0102, 0x03040506, 0x0708, 1.0),
        "01 00 0201 06050403 0807000000000000 000000000000f03f",
    ),
    (files.Record(files.Kind.OPEN, 0x0102, 0x03040506, b"a.b"), "01 00 0201 06050403 612e62"),
    (files.Record(files.Kind.REFUSED, 1, 2, b"", Reason.SUPERSEDED), "06 04 0100 02000000"),
]


@pytest.mark.parametrize(("record", "message"), ROWS)
def test_every_field_lies_where_its_table_says(record: Any, message: str) -> None:
    assert record.encode() == bytes.fromhex(message)


BAD = [
    (matrix.Record, "01000000 00 01 0100 00000000 01000000 0000000000000000", "matrix reason is 1"),
    (matrix.Record, "01000000 03 00 0100 00000000 01000000 0000000000000000", "matrix kind is 3"),
    (matrix.Record, "01000000 00 00 0000 00000000 01000000 0000000000000000", "matrix n is 0"),
    (matrix.Record, "01000000 00 00 0110 00000000 01000000 0000000000000000", "matrix n is 4097"),
    (matrix.Record, "01000000 00 00 0100 00000000 00000000", "matrix count is 0"),
    (matrix.Record, "01000000 00 00 0100 02000000 01000000 0000000000000000", "matrix offset is 2"),
    (matrix.Record, "01000000 00 00 0100 ffffffff 01000000 0000000000000000", "matrix offset is 4294967295"),
    (matrix.Record, "01000000 02 02 0000 00000000 00000000 00", "matrix length is 17"),
    (sensor.Request, "01 02 0000 0100 0000 e8030000", "sensor lossy is 2"),
    (sensor.Request, "03 01 0000 0100 0000 00000000", "sensor lossy is 1"),
    (sensor.Request, "01 00 0000 0101 0000 e8030000", "sensor credits is 257"),
    (sensor.Request, "01 00 0000 0100 0100 e8030000", "sensor reserved is 1"),
    (sensor.Request, "01 00 0000 0100 0000 63000000", "sensor period_us is 99"),
    (sensor.Request, "02 00 0000 0100 0000 00000000", "sensor credits is 1"),
    (sensor.Report, "01 01 0000 00000000 0000000000000000 0000000000000000", "sensor reason is 1"),
    (sensor.Report, "03 00 0000 00000000 0000000000000000 0000000000000000", "sensor reason is 0"),
    (files.Record, "01 00 0000 00000000", "file OPEN body length is 0"),
    (files.Record, "01 00 0000 00000000 2f", "file name's first byte is 47"),
    (files.Record, "01 00 0000 00000000 ff", "file name's first byte is 255"),
    (files.Record, "03 00 0000 00000000 00", "file CLOSE body length is 1"),
    (files.Record, "06 00 0000 00000000", "file reason is 0"),
]


@pytest.mark.parametrize(("format", "message", "why"), BAD)
def test_a_field_out_of_range_is_named_with_its_value(format: Any, message: str, why: str) -> None:
    with pytest.raises(BadMessage, match=f"{why}, allowed is .*; written by the remote"):
        format.decode(bytes.fromhex(message), writer="remote")
