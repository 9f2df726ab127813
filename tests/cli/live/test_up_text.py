"""Following a trace buffer, and knowing a loop of crashes: the parts of `amp up` that only compute."""

from __future__ import annotations

import os
import re

from hypothesis import given
from hypothesis import strategies as st

from amp.cli.live.render import duration
from amp.lab.live.log import LogWriter
from amp.lab.live.recovery import CrashLoop
from amp.lab.live.textlog import LOST, TraceFollower, whole_text
from amp.lab.live.userspace import Numbers
from amp.rpmsg.names import Channel
from remoteside.trace import TraceBuffer


class Bytes:
    """The core's memory and port, as far as a trace buffer uses them: bytes from address 0."""

    def __init__(self, length: int) -> None:
        self.data = bytearray(length)

    def window(self, da: int, length: int) -> None: ...
    def fence(self, primitive: int) -> None: ...

    def store_u8(self, da: int, value: int) -> None:
        self.data[da] = value

    def write(self, da: int, data: bytes) -> None:
        self.data[da : da + len(data)] = data


def a_buffer(length: int) -> tuple[TraceBuffer, Bytes]:
    memory = Bytes(length)
    return TraceBuffer(memory, memory, 0, length), memory  # type: ignore[arg-type]


LETTERS = st.text("abcdefgh\n", max_size=20)


@given(st.lists(LETTERS, max_size=30), st.integers(32, 64))
def test_who_looks_after_every_line_misses_nothing(lines: list[str], length: int) -> None:
    buffer, memory = a_buffer(length)
    follower, seen = TraceFollower(), ""
    for line in lines:
        buffer.write(line)
        seen += follower.news(bytes(memory.data))
        assert whole_text(bytes(memory.data)) == seen[-len(whole_text(bytes(memory.data))) :]
    assert seen == "".join(lines)


def test_text_that_was_overwritten_unseen_is_said_to_be_lost() -> None:
    buffer, memory = a_buffer(16)
    follower = TraceFollower()
    buffer.write("abc\n")
    assert follower.news(bytes(memory.data)) == "abc\n"
    for number in range(10):
        buffer.write(f"line {number}\n")
    told = follower.news(bytes(memory.data))
    assert told.startswith(LOST)
    assert told.endswith("line 9\n")
    assert follower.news(bytes(memory.data)) == ""


def test_a_character_of_two_bytes_may_come_in_two_looks() -> None:
    follower = TraceFollower()
    assert follower.news("é".encode()[:1] + bytes(7)) == ""
    assert follower.news("é".encode() + bytes(6)) == "é"


def test_five_crashes_within_ten_seconds_are_a_loop_and_five_over_more_are_not() -> None:
    loop = CrashLoop()
    assert [loop.crashed(time_s) for time_s in (0, 2, 4, 6, 8)] == [False] * 4 + [True]
    loop = CrashLoop()
    assert not any(loop.crashed(time_s) for time_s in range(0, 60, 3))


def test_a_device_number_comes_back_with_its_service_and_address() -> None:
    numbers = Numbers(limit=3)
    named = [numbers.device_name(Channel(name, addr), "rpmsg") for name, addr in (("a", 1), ("b", 2), ("a", 3))]
    assert named == ["rpmsg0", "rpmsg1", "rpmsg2"]
    assert numbers.device_name(Channel("b", 2), "rpmsg") == "rpmsg1"
    assert numbers.device_name(Channel("c", 4), "rpmsg") == "rpmsg0", "who was gone longest is forgotten"


def test_a_log_that_nobody_reads_stops_nobody() -> None:
    reading, writing = os.pipe()
    try:
        with LogWriter(writing) as log:
            for number in range(30_000):
                log(f"line {number}")
            got = b""
            while b"lines were dropped here" not in got:
                got += os.read(reading, 65536)
                log("and one more")
        first, *_ = got.decode().splitlines()
        assert re.fullmatch(r"\[ +0\.\d{3}\] line 0", first)
    finally:
        os.close(reading)
        os.close(writing)


def test_durations_read_well() -> None:
    assert [duration(seconds) for seconds in (0.4, 59.9, 60, 184, 7380)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "3 min 04 s",
        "2 h 03 min",
    ]


def test_a_line_that_is_being_written_is_not_taken_for_older_text() -> None:
    """Its first byte is written last: until then the rest lies behind the NUL that ends what is there."""
    never_full = b"up\n\0atal error\n" + bytes(17)
    assert whole_text(never_full) == "up\n"
    assert TraceFollower().news(never_full) == "up\n"
    gone_round = b"new\n\0ewer\n\0older text\n\0"
    assert whole_text(gone_round) == "older text\nnew\n"
