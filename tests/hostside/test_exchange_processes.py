"""The exchange in two real processes: any options, sizes and modes; every message makes the whole way."""

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import msgspec
import pytest
from slow_sizes import size

from amp.errors import UsageError
from amp.lab.machine import Machine, Outcome
from amp.machine.config import Mode, RunConfig
from amp.ordering import platform
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.programs import SHIPPED
from amp.virtio.sites import SITES, linux_choice

MANDATORY = SiteMap.for_class(BarrierClass.MANDATORY, SITES)
# Platform and barriers that suffice on it (issue 2's table).
ENOUGH = [
    ("sc", SiteMap.for_class(BarrierClass.NONE, SITES)),
    ("x86-wb", SiteMap.for_class(BarrierClass.SMP, SITES)),
    ("arm64", SiteMap.for_class(BarrierClass.SMP, SITES)),
    ("armv7-smp", linux_choice(weak_barriers=False)),
    ("omap4-2011", MANDATORY),
    ("paranoid", MANDATORY),
]
SMALL = RunConfig(program="echo", mode=Mode.DIRECT, messages=300)


def assert_complete(outcome: Outcome) -> None:
    for report in outcome.reports:
        assert (report.outcome, report.messages) == ("done", outcome.config.messages), report
    assert outcome.finding is None


def runs(config: RunConfig, modelled_messages: int, lockstep_messages: int) -> Iterator[tuple[RunConfig, str, SiteMap]]:
    """Every mode, with EVENT_IDX and without; a platform by turns."""
    for number, event_idx in enumerate((False, True)):
        yield msgspec.structs.replace(config, event_idx=event_idx), "sc", MANDATORY
        for mode, messages in ((Mode.FREE, modelled_messages), (Mode.LOCKSTEP, lockstep_messages)):
            name, sites = ENOUGH[(number + config.payload_bytes + config.segments) % len(ENOUGH)]
            yield msgspec.structs.replace(config, event_idx=event_idx, mode=mode, messages=messages), name, sites


SHAPES = [
    (ring_size, segments, payload, indirect)
    for ring_size, segments, payload in (
        (1, 1, 64),
        (2, 2, 16),
        (4, 3, 17),
        (8, 1, 8192),
        (16, 8, 1000),
        (256, 2, 256),
        (4096, 1, 16),
        (32768, 1, 64),
    )
    for indirect in (False, True)
]


IN_TURN = {*SHAPES[0::4], *SHAPES[3::4]}  # every second with an indirect table, every second without; the rest is slow


@pytest.mark.a_few(3)
@pytest.mark.parametrize(
    ("ring_size", "segments", "payload", "indirect"),
    [pytest.param(*shape, marks=() if shape in IN_TURN else pytest.mark.slow) for shape in SHAPES],
)
def test_an_echo_of_any_shape_is_complete_in_every_mode(
    ring_size: int, segments: int, payload: int, indirect: bool
) -> None:
    config = msgspec.structs.replace(
        SMALL, ring_size=ring_size, segments=segments, payload_bytes=payload, indirect=indirect, mode=Mode.FREE
    )
    with Machine(config) as machine:
        for run, name, sites in runs(msgspec.structs.replace(config, mode=Mode.DIRECT), 60, 20):
            assert_complete(machine.run(run, platform(name), sites))


@pytest.mark.parametrize("mode", list(Mode))
def test_every_platform_with_barriers_that_suffice_carries_every_message(mode: Mode) -> None:
    config = msgspec.structs.replace(SMALL, mode=mode, ring_size=4, segments=2, messages=100, event_idx=True)
    with Machine(config) as machine:
        for seed, (name, sites) in enumerate(ENOUGH):
            assert_complete(machine.run(msgspec.structs.replace(config, seed=seed), platform(name), sites))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("ring_size", "payload"), list(product([1, 2, 8, 64, 1024], [16, 100, 1024, 8192])))
def test_the_whole_matrix_of_shapes_and_platforms_is_complete(ring_size: int, payload: int) -> None:
    for segments, indirect in product([1, 2, 3, 16], [False, True]):
        if segments > min(ring_size, payload):
            continue
        config = msgspec.structs.replace(
            SMALL, ring_size=ring_size, segments=segments, payload_bytes=payload, indirect=indirect, mode=Mode.FREE
        )
        with Machine(config) as machine:
            for (name, sites), mode, event_idx in product(ENOUGH, Mode, (False, True)):
                run = msgspec.structs.replace(config, mode=mode, event_idx=event_idx, messages=100)
                assert_complete(machine.run(run, platform(name), sites))


@pytest.mark.parametrize("window", [1, 3, 8])
def test_a_window_bounds_what_is_under_way_and_costs_no_message(window: int) -> None:
    config = msgspec.structs.replace(SMALL, window=window)
    with Machine(config) as machine:
        assert_complete(machine.run(config, sites=MANDATORY))


@pytest.mark.a_few(4)
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("size", [1, 48, 49, 10_007])
def test_a_file_is_streamed_to_its_last_byte_and_from_its_start_again(tmp_path: Path, size: int, mode: Mode) -> None:
    content = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1 + size // 32))[:size]
    path = tmp_path / "file"
    path.write_bytes(content)
    chunks = -(-size // 48)
    config = msgspec.structs.replace(
        SMALL, program="stream", mode=mode, file=str(path), segments=3, messages=chunks + 2, event_idx=True
    )
    with Machine(config) as machine:
        assert_complete(machine.run(config, platform("omap4-2011"), MANDATORY))


@pytest.mark.parametrize(("content", "payload"), [(b"", 64), (b"x", 16)])
def test_a_stream_of_nothing_is_an_error_in_words_on_one_side_and_an_end_on_the_other(
    tmp_path: Path, content: bytes, payload: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    config = msgspec.structs.replace(SMALL, program="stream", file=str(path), payload_bytes=payload)
    with Machine(config) as machine:
        host, remote = machine.run(config, sites=MANDATORY).reports
    assert (host.outcome, host.kind) == ("error", "UsageError")
    assert "stream needs bytes to send" in host.text
    assert remote.outcome == "finished"


def test_without_barriers_it_is_not_complete() -> None:
    """The other direction: what these tests call complete can fail."""
    config = msgspec.structs.replace(SMALL, mode=Mode.LOCKSTEP)
    with Machine(config) as machine:
        outcome = machine.run(config, platform("paranoid"), SiteMap.for_class(BarrierClass.NONE, SITES))
        assert outcome.finding is not None
        with pytest.raises(AssertionError):
            assert_complete(outcome)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": 0}, "messages is 0, echo has 1 to"),
        ({"payload_bytes": 15}, "payload is 15, expected at least the 16 bytes of a message's header"),
        ({"ring_size": 0}, "ring size is 0, echo has 1 to 32768"),
        ({"ring_size": 65536}, "ring size is 65536, echo has 1 to 32768"),
        ({"ring_size": 12}, "ring size is 12, expected a power of two"),
        ({"segments": 0}, "segments is 0, expected 1 to 64"),
        ({"segments": 9}, "segments is 9, expected at most the ring size, 8"),
        (
            {"segments": 17, "payload_bytes": 16, "ring_size": 32},
            "segments is 17, expected at most the payload, 16 bytes",
        ),
        ({"window": -1}, "window is -1, expected 0 to 32768"),
        ({"align": 24}, "ring alignment is 24, expected a power of two"),
        ({"seed": -1}, "seed is -1, expected 0 to"),
    ],
)
def test_a_run_that_cannot_be_is_a_usage_error_that_names_field_value_and_limit(
    change: dict[str, int], message: str
) -> None:
    echo = SHIPPED["echo"]
    with pytest.raises(UsageError, match=message):
        echo.memory(echo.settle(msgspec.structs.replace(SMALL, **change)))


def soak(messages: int) -> Outcome:
    config = msgspec.structs.replace(
        SMALL, messages=messages, ring_size=256, event_idx=True, payload_bytes=16, pin=True
    )
    with Machine(config) as machine:
        outcome = machine.run(config, sites=SiteMap.for_class(BarrierClass.SMP, SITES))
    assert_complete(outcome)
    return outcome


def test_a_soak_past_the_wrap_of_the_indexes_loses_doubles_and_reorders_nothing() -> None:
    outcome = soak(70_000)
    assert all(report.notifications < 2 * 70_000 for report in outcome.reports), "EVENT_IDX spares doorbells"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_millions_of_messages_through_256_entries_lose_double_and_reorder_nothing() -> None:
    """Every message is checked on both sides: its number must be the one that is due."""
    soak(size(1_000_000, 10_000_000))
