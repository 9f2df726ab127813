"""A schedule's token: short, printable, the same goals again, and refused with the reason if it is not whole."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp._core import _bridge
from amp.errors import UsageError
from amp.machine.schedule import COUNT_LIMIT, GOALS_LIMIT, Goal, Read, Schedule, Taken, Visible

cpus = st.integers(0, _bridge.CPUS - 1)
counts = st.integers(0, 40) | st.integers(0, COUNT_LIMIT)
goals = st.one_of(
    st.builds(Visible, cpus, counts, counts),
    st.builds(Read, cpus, counts, counts, st.none() | st.tuples(cpus, counts)),
    st.builds(Taken, cpus),
)


@given(st.lists(goals, max_size=30))
def test_a_token_gives_the_same_goals_again(made: list[Goal]) -> None:
    schedule = Schedule(tuple(made))
    assert Schedule.from_token(schedule.token()) == schedule
    assert Schedule.from_text(schedule.text()) == schedule
    assert len(schedule.pack()) == 16 * len(made)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", ()),
        ("v0 v0 v1 v0+2", (Visible(0, 0), Visible(0, 1), Visible(1, 0), Visible(0, 4))),
        ("v0+1 v0-2 v0", (Visible(0, 1), Visible(0, 0), Visible(0, 1))),
        ("v0 v0.1 v0.2 v0", (Visible(0, 0), Visible(0, 0, 1), Visible(0, 0, 2), Visible(0, 1))),
        ("v0*3", (Visible(0, 0), Visible(0, 1), Visible(0, 2))),
        (
            "v0*3 r1=0 r1=0-2 r1=i",
            (*(Visible(0, i) for i in range(3)), Read(1, 0, 0, (0, 2)), Read(1, 1, 0, (0, 0)), Read(1, 2)),
        ),
        ("t1", (Taken(1),)),
    ],
)
def test_a_word_says_only_what_is_not_the_rule(text: str, made: tuple[Goal, ...]) -> None:
    expanded = Schedule.from_text(text)
    assert expanded == Schedule(made)
    assert Schedule.from_text(expanded.text()) == expanded


def test_goals_are_packed_as_the_core_reads_them() -> None:
    schedule = Schedule((Visible(1, 0x01020304, 5), Read(0, 6, 7, (1, 8)), Read(1, 9), Taken(1)))
    assert list(struct.iter_unpack("<BBBBIII", schedule.pack())) == [
        (_bridge.GOAL_VISIBLE, 1, 0, 0, 0x01020304, 5, 0),
        (_bridge.GOAL_READ, 0, 1, 0, 6, 7, 8),
        (_bridge.GOAL_READ, 1, _bridge.INITIAL, 0, 9, 0, 0),
        (_bridge.GOAL_TAKEN, 1, 0, 0, 0, 0, 0),
    ]


def test_a_schedule_of_regular_steps_has_a_short_token() -> None:
    steps = [goal for i in range(1000) for goal in (Visible(0, i), Read(1, i, 0, (0, i)))]
    token = Schedule(tuple(steps)).token()
    assert len(token) < 100
    assert token.isascii()
    assert all(letter.isalnum() or letter in "-_." for letter in token)


TOKEN = Schedule((Visible(0, 0), Read(1, 0, 0, (0, 0)), Taken(1))).token()


def sealed(text: bytes) -> str:
    """A token with a good checksum, whatever it holds."""
    packed = zlib.compress(text)
    return "s1." + base64.urlsafe_b64encode(struct.pack("<I", zlib.crc32(packed)) + packed).decode().rstrip("=")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "starts with '', expected 's1.'"),
        ("s2" + TOKEN[2:], "starts with 's2.', expected 's1.'"),
        (TOKEN[:-1], "cut off or mistyped"),
        (TOKEN[:8], "cut off"),
        (TOKEN + "AAAA", "cut off or mistyped"),
        (TOKEN[:12] + ("A" if TOKEN[12] != "A" else "B") + TOKEN[13:], "cut off or mistyped"),
        (TOKEN[:-3] + "!" + TOKEN[-2:], "not URL-safe base 64"),
        (sealed(b"v0 x1"), "'x1' after 1 goals is no goal"),
        (sealed(b"r1"), "'r1' is no goal"),
        (sealed(b"v1=0"), "'v1=0' is no goal"),
        (sealed(b"t1.2"), "'t1.2' is no goal"),
        (sealed(b"r1=i+1"), "'r1=i+1' is no goal"),
        (sealed(b"v0-1"), "goal 1: store is -1"),
        (sealed(b"v7"), "goal 1: cpu is 7, expected 0 to 5"),
        (sealed(b"r1=0"), "goal 1: source's store is -1"),
        (sealed(b"v0*60000 v0*60000"), f"more than {GOALS_LIMIT} goals"),
        (sealed(b"\xff"), "damaged"),
        (sealed(b" " * (1 << 24)), "damaged, or over"),
    ],
)
def test_what_is_no_token_is_refused_with_the_reason(token: str, reason: str) -> None:
    with pytest.raises(UsageError) as refused:
        Schedule.from_token(token)
    assert reason in str(refused.value)
    assert str(refused.value).startswith("schedule: ")


def test_more_goals_than_the_room_holds_are_refused() -> None:
    with pytest.raises(UsageError, match=f"schedule: {GOALS_LIMIT + 1} goals, expected at most {GOALS_LIMIT}"):
        Schedule((Taken(0),) * (GOALS_LIMIT + 1)).token()
    assert len(Schedule((Taken(0),) * GOALS_LIMIT).pack()) == 16 * GOALS_LIMIT
