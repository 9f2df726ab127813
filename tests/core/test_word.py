"""Word against int: the same results, the same errors, and the time of the youngest word that went in."""

from __future__ import annotations

import copy
import operator
import pickle
import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amp._core._bridge import Word
from amp.ordering.barriers import Orders

LIMIT = 1 << 64
edges = st.sampled_from([0, 1, 63, 64, 2**31, 2**32 - 1, 2**63 - 1, 2**63, LIMIT - 1])
u64 = st.one_of(st.integers(0, LIMIT - 1), edges)
other = st.one_of(u64, st.integers(-(LIMIT * 4), LIMIT * 4), st.booleans())
times = st.integers(0, 1 << 40)

ARITHMETIC = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.floordiv,
    operator.mod,
    operator.and_,
    operator.or_,
    operator.xor,
    operator.truediv,
    divmod,
]
SHIFTS = [operator.lshift, operator.rshift, operator.pow]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
UNARY = [
    operator.neg,
    operator.pos,
    operator.invert,
    abs,
    int,
    float,
    bool,
    hash,
    str,
    repr,
    hex,
    bin,
    operator.index,
]
Operation = Callable[..., object]


def result_of(operation: Operation, *operands: object) -> object:
    """The value, or the kind of error."""
    try:
        return operation(*operands)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
        return type(error)


def check_word(result: object, expected: object, time: int) -> None:
    if isinstance(expected, tuple):
        assert isinstance(result, tuple)
        for part, wanted in zip(result, expected, strict=True):
            check_word(part, wanted, time)
        return
    assert result == expected
    if type(expected) is int and 0 <= expected < LIMIT:
        assert type(result) is Word
        assert result.time == time
    elif isinstance(expected, int):
        assert type(result) is type(expected), "no address is outside u64: a plain int"


@pytest.mark.parametrize("operation", ARITHMETIC, ids=lambda operation: operation.__name__)
@given(a=u64, b=other, s=times, t=times)
def test_arithmetic_is_that_of_int(operation: Operation, a: int, b: int, s: int, t: int) -> None:
    check_word(result_of(operation, Word(a, s), b), result_of(operation, a, b), s)
    check_word(result_of(operation, b, Word(a, s)), result_of(operation, b, a), s)
    if 0 <= b < LIMIT:
        check_word(result_of(operation, Word(a, s), Word(b, t)), result_of(operation, a, int(b)), max(s, t))


@pytest.mark.parametrize("operation", SHIFTS, ids=lambda operation: operation.__name__)
@given(a=u64, n=st.integers(-2, 70), s=times, t=times)
def test_shifts_and_powers_are_those_of_int(operation: Operation, a: int, n: int, s: int, t: int) -> None:
    check_word(result_of(operation, Word(a, s), n), result_of(operation, a, n), s)
    if n >= 0:
        check_word(result_of(operation, Word(a, s), Word(n, t)), result_of(operation, a, n), max(s, t))


@pytest.mark.parametrize("operation", COMPARISONS, ids=lambda operation: operation.__name__)
@given(a=u64, b=st.one_of(other, st.floats(allow_nan=True), st.none(), st.text(max_size=2)))
@example(a=2**63, b=float(2**63))
def test_comparisons_are_those_of_int(operation: Operation, a: int, b: object) -> None:
    assert result_of(operation, Word(a), b) == result_of(operation, a, b)
    assert result_of(operation, b, Word(a)) == result_of(operation, b, a)


@pytest.mark.parametrize("operation", UNARY, ids=lambda operation: operation.__name__)
@given(a=u64, t=times)
def test_what_takes_one_number_sees_the_int(operation: Operation, a: int, t: int) -> None:
    result = result_of(operation, Word(a, t))
    assert result == result_of(operation, a)
    if operation in (operator.pos, abs):
        assert isinstance(result, Word)
        assert result.time == t


@given(a=u64, t=times)
def test_it_formats_indexes_hashes_packs_copies_and_pickles_as_its_int(a: int, t: int) -> None:
    word = Word(a, t)
    assert f"{word} {word:#x} {word:>24,}" == f"{a} {a:#x} {a:>24,}"
    assert "%d %x" % (word, word) == "%d %x" % (a, a)  # noqa: UP031
    as_keys: dict[int, str] = {word: "found"}
    assert {a: "found"}[word] == as_keys[a] == "found"
    assert struct.pack("<Q", word) == struct.pack("<Q", a)
    assert list(range(10))[Word(a % 10)] == a % 10
    for twin in (pickle.loads(pickle.dumps(word)), copy.copy(word), copy.deepcopy(word), Word(word, word.time)):
        assert type(twin) is Word
        assert (int(twin), twin.time) == (a, t)


def test_a_flag_of_an_enum_is_tested_as_with_an_int() -> None:
    assert Word(3) & Orders.RW == Orders.RW
    assert Orders.RW & Word(3) == Orders.RW
    assert not Word(1) & Orders.RW


@given(value=st.one_of(st.integers(max_value=-1), st.integers(min_value=LIMIT)))
def test_a_word_outside_u64_is_refused(value: int) -> None:
    with pytest.raises(OverflowError):
        Word(value)


@pytest.mark.parametrize("value", ["1", 1.0, None, b"1"])
def test_a_word_of_something_else_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        Word(value)  # type: ignore[arg-type]


def test_what_an_address_is_computed_from_is_remembered_along_the_way() -> None:
    index = Word(7, 41)
    base = Word(0x1000, 12)
    address = base + 16 * (index & 0xFF) % 8 + (index >> 1 << 2)
    assert isinstance(address, Word)
    assert address.time == 41
