"""Eight-byte messages: a stamp is its message's alone, and anything else is told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import WrongMessage
from amp.machine.stamps import STAMP_BYTES, STAMPS_LIMIT, check_stamp, stamp

NUMBERS = st.integers(0, STAMPS_LIMIT - 1)


def said(found: bytes, number: int) -> str:
    with pytest.raises(WrongMessage) as caught:
        check_stamp(found, number, writer="host", address=0x1000)
    assert (caught.value.number, caught.value.writer) == (number, "host")
    assert caught.value.address is not None
    assert 0x1000 <= caught.value.address < 0x1000 + STAMP_BYTES
    return str(caught.value)


@given(NUMBERS)
def test_a_stamp_passes_as_its_own_message(number: int) -> None:
    assert len(stamp(number)) == STAMP_BYTES
    check_stamp(stamp(number), number, writer="host", address=0)


@given(NUMBERS, NUMBERS)
def test_another_messages_stamp_is_stale_or_early(found: int, due: int) -> None:
    if found != due:
        assert f"holds number {found} ({'stale' if found < due else 'early'})" in said(stamp(found), due)


@given(NUMBERS, st.binary(min_size=STAMP_BYTES, max_size=STAMP_BYTES))
def test_no_other_bytes_pass(number: int, found: bytes) -> None:
    if found != stamp(number):
        said(found, number)


@given(NUMBERS)
def test_memory_that_nobody_has_written_is_no_message(number: int) -> None:
    assert "before anything was written there" in said(bytes(STAMP_BYTES), number)


def test_a_stamp_put_together_from_two_names_the_first_wrong_byte() -> None:
    with pytest.raises(WrongMessage, match="is put together from several: 6, 6, 4, 4, expected 6") as caught:
        check_stamp(stamp(5)[:4] + stamp(3)[4:], 5, writer="remote", address=0x100)
    assert caught.value.address == 0x104


def test_a_message_of_another_length_is_none() -> None:
    assert "4 bytes arrived, 8 were due" in said(stamp(1)[:4], 1)
