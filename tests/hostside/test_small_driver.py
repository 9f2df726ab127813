"""The host's half of the small programs alone: what it says of a remote that does it wrong, or not at all."""

from __future__ import annotations

import pytest
from lone_side import configured, run_alone, u16, u32

from amp.errors import BadRing, Stall, Violation, WrongMessage
from amp.machine.stamps import stamp
from amp.port.port import HOST
from amp.programs import EXPLORABLE
from amp.programs.doorbell import mailbox
from amp.programs.one_ring import one_ring
from amp.programs.program import Code
from amp.programs.spsc_vring import cells

SPSC = configured("spsc-vring", messages=2)
VRING = configured("vring", messages=2)
INDIRECT = configured("vring-indirect", messages=1, indirect=True, segments=2)
DOORBELL = configured("doorbell", messages=1, ring_size=1)
CELLS, RING, CHAINS, BOX = cells(SPSC), one_ring(VRING), one_ring(INDIRECT), mailbox(DOORBELL)
FIRST, SECOND = RING.buffers, RING.buffers + 8


def host_of(program: str) -> Code:
    return EXPLORABLE[program].parts[HOST].load()


GOOD = [
    (SPSC, {CELLS.used_idx: u32(2), CELLS.used_ring(0): u32(1), CELLS.used_ring(1): u32(2)}),
    (VRING, {RING.ring.used_idx: u16(2), RING.ring.used_ring: u32(0, 0, 1, 8), SECOND: stamp(1)}),
    (INDIRECT, {CHAINS.ring.used_idx: u16(1), CHAINS.ring.used_ring: u32(0, 8), CHAINS.buffers + 8: stamp(0)}),
    (DOORBELL, {BOX.reply_number: u32(1), BOX.reply: stamp(0)}),
]


@pytest.mark.parametrize(("config", "written"), GOOD, ids=lambda value: getattr(value, "program", ""))
def test_a_remote_that_did_everything_right_leaves_nothing_to_say(config, written) -> None:  # type: ignore[no-untyped-def]
    tally = run_alone(host_of(config.program), HOST, config, written, rung=config.program == "doorbell")
    assert tally.messages == config.messages


BAD = [
    (SPSC, {CELLS.used_ring(0): u32(3)}, BadRing, "used_ring id is 3, allowed is an id in flight", CELLS.used_ring(0)),
    (SPSC, {CELLS.used_ring(0): u32(0)}, BadRing, "used_ring id is 0, allowed is an id in flight", CELLS.used_ring(0)),
    (SPSC, {CELLS.used_ring(1): u32(1)}, BadRing, "used_ring id is 1, allowed is an id in flight", CELLS.used_ring(1)),
    (VRING, {RING.ring.used_ring: u32(1, 8, 0, 0)}, WrongMessage, "message 0: buffer 1 came back, buffer 0 was due", 0),
    (VRING, {RING.ring.used_ring: u32(0, 0, 1, 4)}, BadRing, "used.ring len is 4, allowed is 8", 12),
    (VRING, {SECOND: bytes(8)}, WrongMessage, "message 1: was read before anything was written there", SECOND),
    (VRING, {SECOND: stamp(3)}, WrongMessage, r"message 1: holds number 3 \(early\)", SECOND),
    (INDIRECT, {CHAINS.buffers + 8: stamp(0)[:4] + bytes(4)}, WrongMessage, "message 0: is put together", None),
    (DOORBELL, {BOX.reply_number: u32(0)}, WrongMessage, "the reply's number was read before", BOX.reply_number),
    (DOORBELL, {BOX.reply: stamp(1)}, WrongMessage, r"holds number 1 \(early\)", BOX.reply),
]


@pytest.mark.parametrize(("config", "change", "error", "text", "address"), BAD)
def test_a_remote_that_did_one_thing_wrong_is_told_of_by_field_value_limit_and_address(  # type: ignore[no-untyped-def]
    config, change, error: type[Violation], text: str, address: int | None
) -> None:
    written = {**dict(next(good for known, good in GOOD if known is config)), **change}
    with pytest.raises(error, match=text) as caught:
        run_alone(host_of(config.program), HOST, config, written, rung=config.program == "doorbell")
    assert "remote" in str(caught.value)
    found = getattr(caught.value, "address", None)
    expected = {0: RING.ring.used_ring, 12: RING.ring.used_ring + 12, None: CHAINS.buffers + 8 + 4}
    assert found == expected.get(address, address)


MISSING = {"doorbell": "the reply to message 0 never came", "rpmsg-ping": "the service was never announced"}


@pytest.mark.parametrize("name", EXPLORABLE)
def test_a_remote_that_left_without_a_word_is_a_stall_that_says_what_is_missing(name: str) -> None:
    own = {"vring-indirect": {"indirect": True, "segments": 2}, "rpmsg-ping": {"payload_bytes": 56}}
    config = configured(name, messages=2, event_idx=name == "vring-event-idx", **own.get(name, {}))
    missing = MISSING.get(name, "message 0 never came back")
    with pytest.raises(Stall, match=missing):
        run_alone(host_of(name), HOST, config, {})
