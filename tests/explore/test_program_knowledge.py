"""States are merged by what a program knows: whatever Python lets it do with a loaded value must count as knowing."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from two_parts import Bad, X, Y, Z, nothing, verdict

from amp.errors import AccessFault, UsageError
from amp.explore.explorer import Nondeterministic
from amp.ordering.barriers import Primitive
from amp.port.port import Port


@dataclasses.dataclass
class Header:
    seq: Any


KEPT: dict[str, Callable[[Any], Any]] = {
    "itself": lambda word: word,
    "a shallow copy": copy.copy,
    "a deep copy": copy.deepcopy,
    "a deep copy in a list": lambda word: copy.deepcopy([word])[0],
    "a field of asdict": lambda word: dataclasses.asdict(Header(word))["seq"],
    "a field of astuple": lambda word: dataclasses.astuple(Header(word))[0],
    "a field of replace": lambda word: dataclasses.replace(Header(word)).seq,
    "a pickle": lambda word: pickle.loads(pickle.dumps(word)),
    "made from it": lambda word: type(word)(word),
    "a text": lambda word: int(f"{word}"),
    "a repr": lambda word: int(repr(word)),
    "bytes": lambda word: int.from_bytes(bytes([word]), "little"),
    "a key": lambda word: next(iter({word: 1})),
    "a key's value": lambda word: {0: 0, 1: 1}[word],
    "an index": lambda word: (0, 1)[word],
    "a difference that is no word": lambda word: (word - 1) + 1,
    "what is in a generator": lambda word: next(each for each in [word]),
    "the length of a range": lambda word: len(range(word)),
    "the number of times": lambda word: sum(1 for _ in range(word)),
}


def publish(port: Port) -> None:
    port.store_u32(X, 1)
    port.store_u32(Y, 1)


@pytest.mark.parametrize("keep", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("platform", ["sc", "arm64"])
def test_a_value_read_first_is_told_from_another_however_it_is_kept(keep: Callable[[Any], Any], platform: str) -> None:
    def remote(port: Port) -> None:
        first: Any = keep(port.load_u32(X))
        port.poll(lambda: True if port.load_u32(Y) == 1 else None)
        port.poll(lambda: True if port.load_u32(X) == 1 else None)
        if first == 0:
            raise Bad("0 was read first")

    assert verdict(publish, remote, platform) == "0 was read first"


def told_by(complaint: type[Exception], access: Callable[[Port, Any], object]) -> Callable[[Port], None]:
    """A part that learns a value from what an access with it raises, and nothing else."""

    def remote(port: Port) -> None:
        word = port.load_u32(X)
        seen = 1
        try:
            access(port, word)
        except complaint:
            seen = 0
        del word
        port.poll(lambda: True if port.load_u32(Y) == 1 else None)
        port.poll(lambda: True if port.load_u32(X) == 1 else None)
        if seen == 0:
            raise Bad("0 was read first")

    return remote


@pytest.mark.parametrize(
    ("complaint", "access"),
    [
        pytest.param(OverflowError, lambda port, word: port.store_u8(Z, 256 - word), id="store_that_does_not_fit"),
        pytest.param(OverflowError, lambda port, word: port.cmpxchg_u8(Z, 256 - word, 0), id="cmpxchg_of_too_much"),
        pytest.param(AccessFault, lambda port, word: port.load_u32(4096 - 4 * word), id="load_outside"),
        pytest.param(AccessFault, lambda port, word: port.store_u32(Z + 1 - word, 0), id="store_that_is_not_aligned"),
        pytest.param(AccessFault, lambda port, word: port.read(4092, 5 - word), id="read_too_long"),
        pytest.param(AccessFault, lambda port, word: port.write(4096 - word, b"x"), id="write_outside"),
        pytest.param(ValueError, lambda port, word: port.kick(2 - word), id="kick_of_nobody"),
    ],
)
def test_what_an_exception_tells_of_a_value_is_known(
    complaint: type[Exception], access: Callable[[Port, Any], object]
) -> None:
    assert verdict(publish, told_by(complaint, access), "sc") == "0 was read first"


def test_a_doorbell_that_has_rung_and_was_not_taken_is_told_from_one_that_was() -> None:
    def host(port: Port) -> None:
        port.kick(1)
        port.kick(1)
        port.fence(Primitive.MB)
        port.store_u32(X, 1)
        port.poll(lambda: True if port.load_u32(Y) == 1 else None)
        port.store_u32(Z, 1)
        port.fence(Primitive.MB)
        port.kick(1)

    def remote(port: Port) -> None:
        port.wait()
        if port.load_u32(X) == 0:
            port.store_u32(Y, 1)
            return
        port.fence(Primitive.MB)
        port.load_u32(X)
        port.store_u32(Y, 1)
        port.wait()
        if port.load_u32(Z) != 1:
            raise Bad("woken too early")

    assert verdict(host, remote, "sc") == "woken too early"


def test_doorbells_that_a_processor_rings_itself_arrive_one_by_one_or_together() -> None:
    def host(port: Port) -> None:
        port.kick(0)
        port.kick(0)
        port.wait()
        port.wait()
        raise Bad("both arrived")

    assert verdict(host, nothing) in {"both arrived", verdict(lambda port: port.wait(), nothing)}

    def once(port: Port) -> None:
        port.kick(0)
        port.wait()

    assert verdict(once, nothing) == ""


def test_a_length_that_was_read_is_a_branch_and_no_address() -> None:
    def host(port: Port) -> None:
        port.store_u32(X, 0x01010101)
        port.fence(Primitive.MB)
        port.store_u32(Y, 4)

    def remote(port: Port) -> None:
        length = port.load_u32(Y)
        if bytes(port.read(X, length)) == b"\0\0\0\0":
            raise Bad("stale payload")

    assert verdict(host, remote, "arm64") == "stale payload"
    assert verdict(host, remote, "sc") == ""


def test_a_bulk_write_waits_for_the_value_that_its_address_was_computed_from() -> None:
    """Load buffering through an address: 1 is read before it is written only without that dependency."""

    def host(port: Port) -> None:
        word = port.load_u32(Y)
        port.write(X + (word & 0), b"\1\0\0\0")
        if word == 1:
            raise Bad("read before it was written")

    def remote(port: Port) -> None:
        port.store_u32(Y, port.load_u32(X))

    assert verdict(host, remote, "arm64") == ""


@pytest.mark.parametrize("platform", ["arm64", "arm64-domains", "riscv"])
def test_who_has_read_what_was_never_written_yet_is_told_apart(platform: str) -> None:
    """The u64 load reads Q and X before either is written; a later store to X comes after it, and after what it saw."""
    q, x, w, r, z = 0x100, 0x104, 0x140, 0x180, 0x1C0

    def writer(port: Port) -> None:
        port.store_u32(Y, 1)
        port.store_release_u32(q, 1)
        if int(port.load_u32(z)):
            port.store_u32(x, 1)
        if int(port.load_u32(r)) == 1:
            raise Bad("seen")

    def observer(port: Port) -> None:
        port.load_u64(q)
        second = port.load_u32(q)
        first = int(port.load_u32(x))
        port.load_u32(w)
        port.store_u32(z, 1)
        later = port.load_u32(x)
        behind = port.load_u32(Y + (later & 0))
        if first == 0 and int(later) == 1 and int(behind) == 0 and int(second) == 1:
            port.store_u32(r, 1)

    assert verdict(writer, observer, platform) == "seen"


def test_a_cmpxchg_waits_for_the_value_that_it_compares_with() -> None:
    """Load buffering through the expected value: 1 is read before it is written only without that dependency."""

    def host(port: Port) -> None:
        word = port.load_u32(Y)
        port.cmpxchg_u32(X, word & 0, 1)
        if word == 1:
            raise Bad("out of thin air")

    def remote(port: Port) -> None:
        port.store_u32(Y, port.load_u32(X))

    assert verdict(host, remote, "paranoid") == ""


@pytest.mark.parametrize("platform", ["armv7-smp", "arm64-domains", "paranoid"])
@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda port: port.load_u32(X), id="load"),
        pytest.param(lambda port: port.fetch_add_u32(X, 0), id="fetch_add"),
        pytest.param(lambda port: port.xchg_u32(X, 9), id="xchg"),
        pytest.param(lambda port: port.cmpxchg_u32(X, 5, 6), id="cmpxchg"),
        pytest.param(lambda port: port.cmpxchg_u32(X, 77, 78), id="failed_cmpxchg"),
    ],
)
def test_a_later_store_overtakes_what_an_atomic_reads_where_no_barrier_of_it_reaches(
    read: Callable[[Port], int], platform: str
) -> None:
    assert _overtaken(read, platform) == "a later store came first"


@pytest.mark.parametrize("platform", ["sc", "x86-wb", "arm64"])
def test_no_store_overtakes_an_atomic_whose_barriers_reach(platform: str) -> None:
    assert _overtaken(lambda port: port.fetch_add_u32(X, 0), platform) == ""


def _overtaken(read: Callable[[Port], int], platform: str) -> str:
    result, done = 0x200, 0x208

    def host(port: Port) -> None:
        first = read(port)
        port.store_u32(Y, 1)
        port.fence(Primitive.MB)
        port.poll(lambda: True if port.load_u32(done) else None)
        port.fence(Primitive.MB)
        if port.load_u32(result) == 1 and first == 5:
            raise Bad("a later store came first")

    def remote(port: Port) -> None:
        seen = port.load_u32(Y)
        port.fence(Primitive.MB)
        port.store_u32(X, 5)
        port.store_u32(result, seen)
        port.fence(Primitive.MB)
        port.store_u32(done, 1)

    return verdict(host, remote, platform)


def test_a_value_of_another_processor_s_part_is_refused() -> None:
    shared: list[int] = []

    def host(port: Port) -> None:
        shared.append(port.load_u32(X))

    def remote(port: Port) -> None:
        port.load_u32(Y)
        if shared and shared[-1] == 1:
            raise Bad("heard by another way")

    with pytest.raises(UsageError, match="share nothing but the memory"):
        verdict(host, remote)


def test_a_value_of_an_earlier_run_is_refused() -> None:
    kept: list[int] = []

    def host(port: Port) -> None:
        if kept and kept[0] == 1:
            raise Bad("remembered")
        kept.append(port.load_u32(X))

    with pytest.raises(Nondeterministic, match="earlier run"):
        verdict(host, publish)


def test_an_explored_value_has_no_time_and_bytes_do_not_say_when_they_are_loaded() -> None:
    def host(port: Port) -> None:
        word: Any = port.load_u32(X)
        with pytest.raises(AttributeError, match="no clock"):
            _ = word.time
        with pytest.raises(AttributeError, match="does not say"):
            _ = port.read(X, 8).performed  # type: ignore[attr-defined]

    assert verdict(host, publish) == ""
