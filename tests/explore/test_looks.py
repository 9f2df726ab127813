"""Looks of a poll: every read of one may return something new, and what a look must not do is refused with its line."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from greenlet import greenlet
from two_parts import Bad, Part, X, Y, Z, nothing, verdict

from amp.errors import Stall, UsageError
from amp.explore.explorer import LEFT, STALLED, Nondeterministic
from amp.ordering.barriers import Primitive
from amp.port.port import Port

PLATFORMS = ["sc", "x86-wb", "arm64", "paranoid"]


def take_request(port: Port) -> None:
    port.poll(lambda: True if port.load_u32(X) == 1 else None)
    port.store_u32(X, 0)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_second_fetch_of_a_look_may_be_newer_than_the_first(platform: str) -> None:
    def remote(port: Port) -> None:
        port.store_u32(X, 1)
        found = port.poll(lambda: 99 if port.load_u32(X) == 0 else int(port.load_u32(X)) + 1)
        if found == 1:
            raise Bad("checked 1, fetched 0")

    assert verdict(take_request, remote, platform) == "checked 1, fetched 0"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_third_fetch_may_still_be_older_than_a_write_behind_the_second(platform: str) -> None:
    """Y goes 1, 0 and Z goes 0, 1: the look fetches Y twice, then Z, and finds if the first differs from the last."""

    def host(port: Port) -> None:
        port.store_u32(Y, 1)

        def look() -> int | None:
            first, second, third = port.load_u32(Y), port.load_u32(Y), port.load_u32(Z)
            return int(second) + 1 if first != third else None

        if port.poll(look) == 1:
            raise Bad("Y was 1, then 0, and Z still 0")

    def remote(port: Port) -> None:
        port.store_u32(Y, 0)
        port.store_u32(Z, 1)

    assert verdict(host, remote, platform) == "Y was 1, then 0, and Z still 0"


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    "clear",
    [
        pytest.param(lambda port: port.store_u32(X, 0), id="stored"),
        pytest.param(lambda port: port.store_u32(X, 2), id="another_value"),
        pytest.param(lambda port: port.xchg_u32(X, 0), id="exchanged"),
    ],
)
def test_a_flag_that_is_cleared_after_it_was_set_is_polled_for_ever(clear: Part, platform: str) -> None:
    def host(port: Port) -> None:
        clear(port)
        port.poll(lambda: True if port.load_u32(X) == 1 else None)

    assert verdict(host, lambda port: port.store_u32(X, 1), platform) == LEFT


BREACHES: dict[str, tuple[Callable[[Port], object], str]] = {
    "a store": (lambda port: port.store_u32(Y, 1), "stores"),
    "a bulk store": (lambda port: port.write(Y, b"1"), "writes"),
    "an atomic": (lambda port: port.fetch_add_u32(Y, 1), "makes an atomic access"),
    "a failing atomic": (lambda port: port.cmpxchg_u32(Y, 5, 1), "makes an atomic access"),
    "a kick": (lambda port: port.kick(1), "rings a doorbell"),
    "a wait": (lambda port: port.wait(), "waits"),
    "a poll": (lambda port: port.poll(lambda: 1), "polls"),
}


@pytest.mark.parametrize(("breach", "named"), BREACHES.values(), ids=BREACHES)
@pytest.mark.parametrize("caught", [False, True], ids=["", "caught"])
def test_a_look_that_does_more_than_load_is_refused_with_its_line(
    breach: Callable[[Port], object], named: str, caught: bool
) -> None:
    def host(port: Port) -> None:
        def look() -> int | None:
            try:
                breach(port)
            except BaseException:
                if not caught:
                    raise
            return port.load_u32(X) or None

        port.poll(look)

    with pytest.raises(UsageError, match=rf"test_looks\.py:\d+: a look of poll\(\) {named}"):
        verdict(host, lambda port: port.store_u32(X, 1))


class Counter:
    def __init__(self) -> None:
        self.looks = 0


def counting_attribute(port: Port, kept: Counter) -> Callable[[], int | None]:
    def look() -> int | None:
        kept.looks += 1
        return port.load_u32(X) or None

    return look


def counting_variable(port: Port, _: Counter) -> Callable[[], int | None]:
    looks = 0

    def look() -> int | None:
        nonlocal looks
        looks += 1
        return port.load_u32(X) or None

    return look


def appending(port: Port, _: Counter) -> Callable[[], int | None]:
    seen: list[int] = []

    def look() -> int | None:
        seen.append(port.load_u32(X))
        return seen[-1] or None

    return look


def kept_generator(port: Port, _: Counter) -> Callable[[], int | None]:
    def loads() -> Any:
        while True:
            yield port.load_u32(X) or None

    each = loads()
    return lambda: next(each)


def kept_iterator(port: Port, _: Counter) -> Callable[[], int | None]:
    numbers = iter([0] * 1000)
    return lambda: next(numbers) or port.load_u32(X) or None


def now_and_then(port: Port, kept: Counter) -> Callable[[], int | None]:
    """It changes something only where it reads 2, and only where that is not what it looks for."""

    def look() -> int | None:
        value = port.load_u32(X)
        if value == 2:
            kept.looks = 1
        return True if value == 1 else None

    return look


def given_defaults(port: Port, _: Counter) -> Callable[[], int | None]:
    """A function that had no defaults has some afterwards."""

    def helper(*given: int) -> int:
        return len(given)

    def look() -> int | None:
        helper.__defaults__ = (port.load_u32(X),)
        return helper() or port.load_u32(X) or None

    return look


class Slotted:
    __slots__ = ("looks",)


def filling_a_slot(port: Port, _: Counter) -> Callable[[], int | None]:
    kept = Slotted()

    def look() -> int | None:
        kept.looks = int(port.load_u32(X))
        return kept.looks or None

    return look


def kept_generator_of_another(port: Port, _: Counter) -> Callable[[], int | None]:
    def loads() -> Any:
        yield None
        yield port.load_u32(X) or None
        yield 1

    def all_of(inner: Any) -> Any:
        yield from inner()

    each = all_of(loads)
    next(each)
    return lambda: next(each)


def counting_in_a_base(port: Port, _: Counter) -> Callable[[], int | None]:
    class Base:
        looks = 0

        @classmethod
        def look(cls) -> int | None:
            Base.looks += 1
            return port.load_u32(X) or None

    class Derived(Base):
        pass

    def look() -> int | None:
        return Derived.look()

    return look


class Alike(type):
    def __eq__(cls, other: object) -> bool:
        return isinstance(other, Alike)

    def __hash__(cls) -> int:
        return 7


def counting_in_one_of_classes_that_are_equal(port: Port, _: Counter) -> Callable[[], int | None]:
    class Other(metaclass=Alike):
        pass

    class Counts(metaclass=Alike):
        looks = 0

        def look(self) -> int | None:
            type(self).looks += 1
            return port.load_u32(X) or None

    both = Other(), Counts()

    def look() -> int | None:
        return both[1].look()

    return look


class Unhashed(type):
    def __eq__(cls, other: object) -> bool:
        return cls is other

    __hash__ = None  # type: ignore[assignment]


def counting_in_a_class_without_hash(port: Port, _: Counter) -> Callable[[], int | None]:
    class Counts(metaclass=Unhashed):
        looks = 0

    kept = Counts()

    def look() -> int | None:
        kept.looks += 1
        return port.load_u32(X) or None

    return look


LOOKS = [
    kept_generator_of_another,
    counting_in_a_base,
    counting_in_one_of_classes_that_are_equal,
    counting_in_a_class_without_hash,
    counting_attribute,
    counting_variable,
    appending,
    kept_generator,
    kept_iterator,
    now_and_then,
    given_defaults,
    filling_a_slot,
]


@pytest.mark.parametrize("make", LOOKS)
def test_a_look_in_vain_that_changes_its_program_is_refused(
    make: Callable[[Port, Counter], Callable[[], int | None]],
) -> None:
    def host(port: Port) -> None:
        port.poll(make(port, Counter()))

    def remote(port: Port) -> None:
        port.store_u32(X, 2)
        port.store_u32(X, 1)

    with pytest.raises(UsageError, match=r"test_looks\.py:\d+: a look of poll\(\) that finds nothing changes "):
        verdict(host, remote)


def test_a_look_that_finds_something_and_nothing_when_its_run_is_made_again_is_not_deterministic() -> None:
    """What it counts is reached by a computed name: nobody sees that it has changed, but what comes of it is seen."""
    said = {_said_of_a_look_that_finds_at_its(number) for number in range(1, 21)}
    again = "run again with the same values read, "
    assert {text.partition(again)[2] for text in said if text} == {
        "a look of poll() that had found something found nothing",
        "it made other accesses (does it keep something between runs, in a module or a class?)",
    }


def _said_of_a_look_that_finds_at_its(first: int) -> str:
    """Of an exploration, runs counted together."""
    _COUNTED["looks"] = 0

    def look(port: Port) -> int | None:
        counted = globals()["_COUNT" + "ED"]
        counted["looks"] += 1
        return int(port.load_u32(X)) or (1 if counted["looks"] == first else None)

    def host(port: Port) -> None:
        for each in (look, lambda port: port.load_u32(Y) or None, look):
            port.poll(lambda each=each: each(port))

    def remote(port: Port) -> None:
        port.store_u32(X, 1)
        port.store_u32(Y, 1)

    try:
        return verdict(host, remote)
    except Nondeterministic as error:
        return str(error)


_COUNTED = {"looks": 0}


def test_a_look_that_changes_its_program_only_after_another_beginning_is_refused() -> None:
    """The look does the same in both runs; what the program knew before it decides whether it changes anything."""

    def host(port: Port) -> None:
        known = int(port.load_u32(X))
        hidden: list[int] = []

        def look() -> int | None:
            if port.load_u32(Y):
                return 1
            if known:
                hidden.append(1)
            return None

        port.poll(look)

    def remote(port: Port) -> None:
        port.store_u32(X, 1)
        port.store_u32(Y, 1)

    with pytest.raises(UsageError, match="finds nothing changes hidden"):
        verdict(host, remote)


def test_a_look_in_vain_that_uses_bytes_read_before_it_is_refused() -> None:
    """They are loaded once: the second look would find what the first has loaded."""

    def host(port: Port) -> None:
        payload = port.read(X, 4)
        port.poll(lambda: bytes(payload) if port.load_u32(Y) and bytes(payload)[0] else bytes(payload) and None)

    with pytest.raises(UsageError, match=r"test_looks\.py:\d+: a look of poll\(\) that finds nothing uses bytes"):
        verdict(host, lambda port: port.store_u32(X, 1))


@pytest.mark.parametrize("platform", ["sc", "x86-wb", "arm64"])
def test_the_first_read_of_a_look_may_be_late_where_the_second_was_in_another_run(platform: str) -> None:
    """The first, postponed second read finds nothing in one order of the writes; the other order is another matter."""

    def host(port: Port) -> None:
        first = int(port.load_u32(X))
        port.store_u32(Y, 6)

        def look() -> int | None:
            a, b = int(port.load_u32(X)), int(port.load_u32(Y))
            return 10 * a + b if b else None

        if first == 0 and port.poll(look) == 16:
            raise Bad("X was 0 before the look and 1 in it, and Y was still mine")

    def remote(port: Port) -> None:
        port.store_u32(Y, 0)
        port.store_u32(X, 1)
        port.store_u32(Y, 9)

    assert verdict(host, remote, platform) == "X was 0 before the look and 1 in it, and Y was still mine"


def test_a_look_may_change_its_program_when_it_finds() -> None:
    def host(port: Port) -> None:
        taken: list[int] = []

        def look() -> int | None:
            if port.load_u32(X) == 0:
                return None
            taken.append(port.load_u32(Y))
            return len(taken)

        for number in itertools.count(1):
            if port.poll(look) != number or number == 2:
                break

    assert verdict(host, lambda port: port.store_u32(X, 1)) == ""


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_look_that_raises_ends_the_poll_and_what_it_read_stands(platform: str) -> None:
    def host(port: Port) -> None:
        def look() -> int | None:
            if port.load_u32(X) == 1:
                raise ZeroDivisionError
            return None

        try:
            port.poll(look)
        except ZeroDivisionError:
            port.fence(Primitive.MB)
            port.store_u32(Y, 1)
            if port.load_u32(X) == 0:
                raise Bad("older than what the look read") from None

    assert verdict(host, lambda port: port.store_u32(X, 1), platform) == ""


def test_a_look_that_catches_everything_is_made_again_all_the_same() -> None:
    def host(port: Port) -> None:
        def look() -> int | None:
            try:
                return port.load_u32(X) or None
            except BaseException:
                return 1

        port.poll(look)
        if port.load_u32(X) == 0:
            raise Bad("found what it did not read")

    assert verdict(host, lambda port: port.store_u32(X, 1)) == ""


def test_a_program_that_catches_the_end_of_its_run_is_refused() -> None:
    def host(port: Port) -> None:
        while True:
            try:
                port.wait()
            except BaseException:
                continue

    with pytest.raises(UsageError, match="must let it pass"):
        verdict(host, nothing)


def test_a_stall_that_a_program_catches_is_a_stall_all_the_same() -> None:
    def host(port: Port) -> None:
        try:
            port.wait()
        except Stall:
            return

    assert verdict(host, nothing) == STALLED


def test_a_part_that_exits_has_not_held() -> None:
    def host(port: Port) -> None:
        if port.load_u32(X):
            sys.exit(0)

    with pytest.raises(UsageError, match=r"test_looks\.py:\d+: a part raises SystemExit"):
        verdict(host, lambda port: port.store_u32(X, 1))


def test_what_a_part_says_of_a_run_that_was_given_up_does_not_count() -> None:
    """Both sides exchange twice: of the runs in which the exchanges cannot follow one another there are none."""

    def host(port: Port) -> None:
        done = False
        try:
            port.load_u32(Z)
            port.xchg_u32(X, 7)
            port.xchg_u32(X, 8)
            done = True
        finally:
            if not done:
                raise Bad("not done")

    def remote(port: Port) -> None:
        port.xchg_u32(X, 1)
        port.xchg_u32(X, 2)
        port.store_u32(Z, 1)

    assert verdict(host, remote, "sc") == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the run ends in that thread
def test_a_part_is_one_thread() -> None:
    def host(port: Port) -> None:
        thread = threading.Thread(target=port.load_u32, args=(X,))
        thread.start()
        thread.join()

    with pytest.raises(Nondeterministic, match=r"calls threading\.Thread\.start"):
        verdict(host, nothing)


def test_a_part_that_waits_in_a_greenlet_of_its_own_is_refused() -> None:
    def host(port: Port) -> None:
        greenlet(lambda: port.poll(lambda: port.load_u32(X) or None)).switch()

    with pytest.raises(UsageError, match="greenlet of its own"):
        verdict(host, lambda port: port.store_u32(X, 1))


def test_a_wait_with_a_limit_is_refused() -> None:
    with pytest.raises(UsageError, match="no clock"):
        verdict(lambda port: port.wait(0.001), lambda port: port.kick(0))


def test_a_part_that_does_nothing_when_it_is_called_is_refused() -> None:
    def host(port: Port) -> Any:
        yield port.load_u32(X)

    with pytest.raises(UsageError, match="generator function"):
        verdict(host, nothing)
