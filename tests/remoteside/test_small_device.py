"""The remote's half of the small programs alone: what it says of a host that does it wrong, or not at all."""

from __future__ import annotations

import struct

import pytest
from lone_side import configured, run_alone, u16, u32

from amp.errors import BadRing, Stall, Violation, WrongMessage
from amp.machine.stamps import stamp
from amp.port.port import REMOTE
from amp.programs import EXPLORABLE
from amp.programs.doorbell import mailbox
from amp.programs.one_ring import one_ring
from amp.programs.program import Code
from amp.programs.spsc_vring import cells
from amp.virtio.split import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE

SPSC = configured("spsc-vring", messages=2)
VRING = configured("vring", messages=2)
INDIRECT = configured("vring-indirect", messages=1, indirect=True, segments=2)
DOORBELL = configured("doorbell", messages=1, ring_size=1)
CELLS, RING, CHAINS, BOX = cells(SPSC), one_ring(VRING), one_ring(INDIRECT), mailbox(DOORBELL)
FIRST, SECOND = RING.buffers, RING.buffers + 8
DESC = RING.ring.desc


def remote_of(program: str) -> Code:
    return EXPLORABLE[program].parts[REMOTE].load()


def desc(address: int, length: int, flags: int = 0, following: int = 0) -> bytes:
    return struct.pack("<QIHH", address, length, flags, following)


def table(*, writable: bool = True) -> bytes:
    """The indirect table of a message: a request and a reply."""
    first = desc(CHAINS.buffers, 8, DESC_F_NEXT, 1)
    return first + desc(CHAINS.buffers + 8, 8, DESC_F_WRITE if writable else 0)


GOOD = [
    (
        SPSC,
        {
            CELLS.avail_idx: u32(2),
            **{CELLS.avail_ring(n): u32(n + 1) for n in range(2)},
            **{at(n): u32(n + 1) for n in range(2) for at in (CELLS.length, CELLS.payload)},
        },
    ),
    (
        VRING,
        {
            DESC: desc(FIRST, 8) + desc(SECOND, 8, DESC_F_WRITE),
            RING.ring.avail_idx: u16(2, 0, 1),
            FIRST: stamp(0),
        },
    ),
    (
        INDIRECT,
        {
            CHAINS.ring.desc: desc(CHAINS.tables, 32, DESC_F_INDIRECT),
            CHAINS.tables: table(),
            CHAINS.ring.avail_idx: u16(1, 0),
            CHAINS.buffers: stamp(0),
        },
    ),
    (DOORBELL, {BOX.request_number: u32(1), BOX.request: stamp(0)}),
]


@pytest.mark.parametrize(("config", "written"), GOOD, ids=lambda value: getattr(value, "program", ""))
def test_a_host_that_did_everything_right_leaves_nothing_to_say(config, written) -> None:  # type: ignore[no-untyped-def]
    tally = run_alone(remote_of(config.program), REMOTE, config, written, rung=config.program == "doorbell")
    assert tally.messages == config.messages


BAD = [
    (SPSC, {CELLS.avail_ring(0): u32(3)}, BadRing, "avail_ring id is 3, allowed is 1 to 2", CELLS.avail_ring(0)),
    (SPSC, {CELLS.avail_ring(0): u32(0)}, BadRing, "avail_ring id is 0, allowed is 1 to 2", CELLS.avail_ring(0)),
    (SPSC, {CELLS.length(1): u32(1)}, BadRing, "len is 1, allowed is 2", CELLS.length(1)),
    (SPSC, {CELLS.payload(1): u32(1)}, WrongMessage, r"message 1: holds number 0 \(stale\)", CELLS.payload(1)),
    (SPSC, {CELLS.payload(0): u32(3)}, WrongMessage, r"message 0: holds number 2 \(early\)", CELLS.payload(0)),
    (SPSC, {CELLS.payload(0): u32(0)}, WrongMessage, "was read before anything was written", CELLS.payload(0)),
    (VRING, {DESC: desc(FIRST, 8, DESC_F_WRITE)}, WrongMessage, "came as 0 readable and 1 writable", DESC + 12),
    (VRING, {DESC + 16: desc(SECOND, 8)}, WrongMessage, "came as 1 readable and 0 writable", DESC + 16 + 12),
    (VRING, {DESC: desc(FIRST, 4)}, BadRing, "desc.len is 4, allowed is 8", DESC + 8),
    (VRING, {FIRST: stamp(2)}, WrongMessage, r"message 0: holds number 2 \(early\)", FIRST),
    (INDIRECT, {CHAINS.tables: table(writable=False)}, WrongMessage, "came as 2 readable", CHAINS.tables + 16 + 12),
    (DOORBELL, {BOX.request_number: u32(2)}, WrongMessage, r"number holds number 1 \(early\)", BOX.request_number),
    (DOORBELL, {BOX.request: bytes(8)}, WrongMessage, "was read before anything was written", BOX.request),
]


@pytest.mark.parametrize(("config", "change", "error", "text", "address"), BAD)
def test_a_host_that_did_one_thing_wrong_is_told_of_by_field_value_limit_and_address(  # type: ignore[no-untyped-def]
    config, change, error: type[Violation], text: str, address: int
) -> None:
    written = {**dict(next(good for known, good in GOOD if known is config)), **change}
    with pytest.raises(error, match=text) as caught:
        run_alone(remote_of(config.program), REMOTE, config, written, rung=config.program == "doorbell")
    assert "host" in str(caught.value)
    assert getattr(caught.value, "address", None) == address


@pytest.mark.parametrize("name", EXPLORABLE)
def test_a_host_that_left_without_a_word_is_a_stall_that_says_what_is_missing(name: str) -> None:
    indirect = {"indirect": True, "segments": 2} if name == "vring-indirect" else {}
    config = configured(name, messages=2, event_idx=name == "vring-event-idx", **indirect)
    missing = "the driver was never ready" if name == "rpmsg-ping" else "message 0 never arrived"
    with pytest.raises(Stall, match=missing):
        run_alone(remote_of(name), REMOTE, config, {})
