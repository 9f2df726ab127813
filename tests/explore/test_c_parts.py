"""Parts in C, through amp.h: explored, they show what Python parts show, and what they may not do is refused."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from c_parts import c_part, shared_object
from two_parts import Part, exploration, verdict

from amp.errors import AccessFault, UsageError
from amp.explore.explorer import Nondeterministic
from amp.ordering.barriers import Primitive
from amp.port.port import Port

C = Path(__file__).parent / "c"
WMB, RMB = Primitive.WMB, Primitive.RMB
BOTH = {1: WMB, 2: RMB}

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Part]:
    library = shared_object(tmp_path_factory.mktemp("parts") / "parts.so", [C / "port_parts.c"])

    def named(name: str, sites: Mapping[int, int] | None = None, argument: int = 0) -> Part:
        return c_part(library, name, argument, sites)

    return named


PAIRS = [
    ("publisher", "consumer", "data is 0"),
    ("publisher", "looking_consumer", "the look saw 0"),
    ("bulk_publisher", "bulk_consumer", "some bytes are stale"),
    ("pair_storer", "pair_loader", "half a pair"),
]


@pytest.mark.parametrize(("host", "remote", "said"), PAIRS)
def test_a_missing_barrier_is_found_and_the_right_ones_hold(
    part: Callable[..., Part], host: str, remote: str, said: str
) -> None:
    assert verdict(part(host, BOTH), part(remote, BOTH)) == ""
    assert verdict(part(host), part(remote, BOTH)) == said
    assert verdict(part(host, BOTH), part(remote)) == said


def test_release_and_acquire_hold(part: Callable[..., Part]) -> None:
    assert verdict(part("releaser"), part("acquirer")) == ""


def consumer(port: Port) -> None:
    port.poll(lambda: True if port.load_u32(0x80) == 1 else None)
    port.fence(RMB)
    assert port.load_u32(0x40) == 42


def test_a_c_part_and_a_python_part_share_the_memory(part: Callable[..., Part]) -> None:
    assert verdict(part("publisher", BOTH), consumer) == ""
    with pytest.raises(AssertionError):
        exploration(part("publisher"), consumer)


@pytest.mark.parametrize("loads", ["plain_load_then_store", "read_then_store"])
def test_a_store_may_overtake_a_load_on_whose_value_nothing_hangs(part: Callable[..., Part], loads: str) -> None:
    assert verdict(part(loads), part("other_load_then_store")) == "both loads saw the other's store"
    assert verdict(part(loads), part("other_load_then_store"), "x86-wb") == ""


def test_a_load_that_decides_a_branch_keeps_later_stores_behind_it(part: Callable[..., Part]) -> None:
    assert verdict(part("ctrl_load_then_store"), part("other_load_then_store")) == ""


def test_atomics_doorbells_and_waits_do_what_they_say(part: Callable[..., Part]) -> None:
    assert verdict(part("adder"), part("adding_waiter")) == ""


def test_a_stall_is_found(part: Callable[..., Part]) -> None:
    assert "every other processor has retired" in verdict(part("nothing"), part("waiter"))


def test_a_look_that_cannot_go_on_leaves_its_state_as_it_was(part: Callable[..., Part]) -> None:
    assert verdict(part("two_storer"), part("looking_twice")) == ""


REFUSED = [
    ("counting_looks", UsageError, "a look of amp_poll\\(\\) that finds nothing changes its state"),
    ("storing_look", UsageError, "a look of poll\\(\\) stores"),
    ("impatient", UsageError, "an exploration has no clock"),
    ("misaligned", AccessFault, "load of 4 bytes at 0x41: not aligned"),
    ("outside", AccessFault, "store of 8 bytes at 0x100000: outside"),
    ("no_such_site", AccessFault, "barrier: site 1000, this program has 255, from 1"),
    ("static_counter", Nondeterministic, "not deterministic"),
]


@pytest.mark.parametrize(("name", "error", "said"), REFUSED)
def test_what_a_part_may_not_do_is_refused(
    part: Callable[..., Part], name: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        exploration(part("two_storer"), part(name))


def test_the_argument_arrives(part: Callable[..., Part]) -> None:
    number = ctypes.c_uint64(4711)
    assert verdict(part("nothing"), part("given", argument=ctypes.addressof(number))) == ""
