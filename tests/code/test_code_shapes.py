"""What a part may do, one thing each: shapes.c, and what it must come to."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest
from machine_code import SHARED, built

import amp
from amp.code.emulator import Emulator
from amp.errors import UsageError

PLATFORM = "arm64-domains"
OUTLINE = "-mno-outline-atomics"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """With load- and store-exclusives, and with the atomics of Armv8.1."""
    directory = tmp_path_factory.mktemp("shapes")
    return {
        "v8.0": built(directory, "shapes", "-O2", OUTLINE),
        "v8.1": built(directory, "shapes", "-O2", "-march=armv8.1-a"),
    }


def verify(path: Path, host: str, remote: str, more: str = "") -> amp.Verification:
    return amp.verify(f"{path}?host={host}&remote={remote}&{SHARED}{more}", platform=PLATFORM)


@pytest.mark.parametrize(
    ("host", "remote"),
    [
        ("send_release", "receive_acquire"),
        ("send_barrier", "receive_by_address"),
        ("send_barrier", "receive_by_spilled_address"),
        ("count", "count_twice_and_look"),
        ("locked", "locked"),
        ("forgets", "send_plain"),
        ("ping,3", "pong,3"),
        ("rings", "sleeps"),
    ],
)
@pytest.mark.parametrize("march", ["v8.0", "v8.1"])
def test_is_verified(shapes: dict[str, Path], march: str, host: str, remote: str) -> None:
    verdict = verify(shapes[march], host, remote)
    assert verdict.verified, verdict


@pytest.mark.a_few(4)
@pytest.mark.parametrize(
    ("host", "remote", "text"),
    [
        ("send_plain", "receive_plain", r"assertion failed: DATA == 42 \(receive_plain, shapes.c:\d+\)"),
        ("send_barrier", "receive_plain", "assertion failed: DATA == 42"),
        ("send_plain", "receive_acquire", "assertion failed: DATA == 42"),
        ("send_plain", "receive_by_address", "assertion failed"),
        ("count_badly", "count_twice_and_look", "every other processor has retired"),
        ("nothing", "receive_never", "every other processor has retired"),
        ("wild", "nothing", r"store of 4 bytes at 0x50000008 \(wild, shapes.c:\d+, pc 0x\w+\); nothing is there, sh"),
        ("overflow", "nothing", "overflow"),
        ("undefined", "nothing", r"undefined instruction \(undefined, shapes.c:\d+, pc 0x\w+\)"),
        ("trapped", "nothing", r"trap \(trapped, shapes.c:\d+, pc 0x\w+\)"),
        ("jumped", "nothing", "wild access: fetch"),
        ("said", "nothing", "so it said"),
        ("chooses", "nothing", "the third way"),
        ("unaligned", "receive_plain", "assertion failed"),
    ],
)
def test_is_found(shapes: dict[str, Path], host: str, remote: str, text: str) -> None:
    verdict = verify(shapes["v8.0"], host, remote)
    assert verdict.finding is not None

    assert re.search(text, verdict.finding.text), verdict.finding.text


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("system_call", r"system_call, shapes.c:\d+: `svc #0`: a call of a supervisor"),
        ("wide", r"`ldxp x2, x3, \[x\d+\]`: a pair that is exclusive"),
        ("absent", "has no function 'absent' "),
        ("send_bariers", r"has no function 'send_bariers'; did you mean send_barrier\? \(it has (?!amp_)"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(shapes: dict[str, Path], host: str, text: str) -> None:
    with pytest.raises(UsageError, match=text) as refused:
        verify(shapes["v8.0"], host, "nothing")
    assert "\n" not in str(refused.value)


def test_a_loop_that_counts_is_bounded_and_never_verified(shapes: dict[str, Path]) -> None:
    verdict = verify(shapes["v8.0"], "send_barrier", "receive_impatient", "&max-loop=30")
    (cell,) = verdict.cells
    assert (cell.status, verdict.verified) == ("inconclusive", False)
    assert "30 rounds of a loop (receive_impatient, shapes.c:" in str(cell.bound)


def test_a_store_to_the_mailbox_rings_and_wfi_sleeps(shapes: dict[str, Path]) -> None:
    assert verify(shapes["v8.0"], "rings_by_mailbox", "sleeps_by_wfi", "&mailbox=0x48000000:1").verified
    found = verify(shapes["v8.0"], "nothing", "sleeps_by_wfi", "&mailbox=0x48000000:1").finding
    assert found is not None
    assert "every other processor has retired" in found.text


def test_a_register_of_a_mailbox_that_is_only_written_is_not_read(shapes: dict[str, Path]) -> None:
    said = r"polls_mailbox, shapes.c:\d+: `ldr .*`: it loads a register of the mailbox, 0x48000000, that is no --status"
    with pytest.raises(UsageError, match=said):
        verify(shapes["v8.0"], "rings_by_mailbox", "polls_mailbox", "&mailbox=0x48000000:1")


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O3", "-Os"])
def test_a_wait_at_the_head_of_another_loop_is_a_wait_at_every_level(tmp_path: Path, level: str) -> None:
    verdict = verify(built(tmp_path, "shapes", level, OUTLINE), "ping,2", "pong,2")
    assert verdict.verified, verdict


def test_parts_that_touch_no_shared_memory_are_refused(shapes: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="no part touches the shared memory"):
        verify(shapes["v8.0"], "nothing", "nothing")


def test_nothing_is_left_of_the_processors_of_an_exploration(shapes: dict[str, Path]) -> None:
    def emulators() -> int:
        gc.collect()
        return sum(isinstance(each, Emulator) for each in gc.get_objects())

    before = emulators()
    for _ in range(3):
        assert verify(shapes["v8.0"], "send_release", "receive_acquire").verified
    assert emulators() == before
