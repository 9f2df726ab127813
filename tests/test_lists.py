"""A list of names as users write it, wherever one is asked for."""

import pytest

from amp.lists import chosen, listed
from amp.ordering import platform


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a,b", ("a", "b")),
        (" a , ,b,", ("a", "b")),
        (["a,b", "c"], ("a", "b", "c")),
        (("a", "a"), ("a", "a")),
        ("", ()),
        ((), ()),
    ],
)
def test_one_or_several_are_listed(given: object, names: tuple[str, ...]) -> None:
    assert listed(given) == names


def test_each_is_chosen_once_in_its_order_a_record_too() -> None:
    sc = platform("sc")
    assert chosen(["b,a", sc, "b", sc], list) == ("b", "a", sc)
    assert chosen(["b", "all"], lambda: ["x", "y"]) == ("x", "y")
