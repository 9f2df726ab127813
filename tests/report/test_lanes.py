"""Stores on their way as lines: one in a lane at a time, from its issue to its arrivals, the right way round."""

from hypothesis import given
from hypothesis import strategies as st

from amp.report.lanes import ASCII, Flight, Lanes, stack

SPANS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 30)).map(lambda s: (s[0], s[0] + s[1])), max_size=25).map(
    sorted
)


@given(SPANS)
def test_no_two_of_a_row_touch(spans: list[tuple[int, int]]) -> None:
    rows = stack(spans)
    for i, (start, end) in enumerate(spans):
        for j in range(i):
            if rows[i] == rows[j]:
                assert spans[j][1] < start <= end


@given(SPANS)
def test_there_are_no_more_rows_than_spans_at_one_time(spans: list[tuple[int, int]]) -> None:
    most = max((sum(start <= at <= end for start, end in spans) for at, _ in spans), default=0)
    assert max(stack(spans), default=-1) + 1 == most


def picture(*flights: Flight, until: int) -> list[str]:
    lanes = Lanes(flights, ASCII)
    return [lanes.row(number) for number in range(1, until + 1)]


def test_a_store_of_the_left_goes_right_and_the_other_way_round() -> None:
    assert picture(Flight(1, (3,), rightwards=True), until=4) == ["--.  ", "  |  ", "  `->", "     "]
    assert picture(Flight(1, (3,), rightwards=False), until=4) == ["  .--", "  |  ", "<-'  ", "     "]


def test_lines_cross_where_one_arrives_while_another_is_under_way() -> None:
    flights = (Flight(1, (4,), rightwards=True), Flight(2, (3,), rightwards=True), Flight(5, (6,), rightwards=False))
    assert picture(*flights, until=6) == ["--.   ", "--+.  ", "  |`->", "  `-->", "  .---", "<-'   "]
    two = (Flight(1, (4,), rightwards=True), Flight(2, (3,), rightwards=False))
    assert picture(*two, until=4) == ["--.   ", "  |.--", "<-+'  ", "  `-->"]


def test_a_part_that_arrives_leaves_the_line_going_on() -> None:
    assert picture(Flight(1, (2, 3), rightwards=True), until=3) == ["--.  ", "  +->", "  `->"]


def test_what_never_arrives_goes_on_to_the_bottom() -> None:
    lanes = Lanes([Flight(1, (), rightwards=True), Flight(2, (3,), rightwards=True)], ASCII)
    assert [lanes.row(number) for number in (1, 2, 3, 9)] == ["--.   ", "--+.  ", "  |`->", "  |   "]
    assert lanes.below(9) == "  |   "


def test_a_gap_in_time_is_seen_on_every_line_under_way() -> None:
    lanes = Lanes([Flight(1, (9,), rightwards=True), Flight(2, (3,), rightwards=True)], ASCII)
    assert lanes.below(2, gap=True) == "  ::  "
    assert lanes.below(3, gap=True) == "  :   "
    assert lanes.below(9) == "      "


def test_no_stores_are_no_lanes() -> None:
    assert Lanes([]).row(1) == "    "
