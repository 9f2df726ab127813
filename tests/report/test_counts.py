"""One of a thing is told in the singular, wherever things are counted."""

import pytest

from amp.report.counts import count_of


@pytest.mark.parametrize(
    ("number", "what", "said"),
    [(0, "run", "0 runs"), (1, "run", "1 run"), (2, "run", "2 runs"), (1204, "state", "1,204 states")],
)
def test_only_one_is_singular(number: int, what: str, said: str) -> None:
    assert count_of(number, what) == said


def test_a_word_may_have_a_plural_of_its_own() -> None:
    assert (count_of(1, "context switch", "es"), count_of(2, "context switch", "es")) == (
        "1 context switch",
        "2 context switches",
    )
