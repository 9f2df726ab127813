"""The device status as a table: every pair of old and new status, against the words of virtio 1.2."""

import itertools

import pytest

from amp.virtio.device import (
    HANDSHAKE,
    ID_RPMSG,
    RING_FEATURES,
    STATUS_ROWS,
    Status,
    Writer,
    feature_names,
    status_names,
    status_refusal,
)

VALUES = [
    # include/uapi/linux/virtio_config.h, VIRTIO_CONFIG_S_*
    ("ACKNOWLEDGE", 1),
    ("DRIVER", 2),
    ("DRIVER_OK", 4),
    ("FEATURES_OK", 8),
    ("NEEDS_RESET", 0x40),
    ("FAILED", 0x80),
]


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_each_bit_has_its_value_in_the_header_file_and_a_row(name: str, value: int) -> None:
    assert Status[name] == value
    assert [row.bit for row in STATUS_ROWS].count(Status[name]) == 1
    assert len(Status) == len(VALUES) == len(STATUS_ROWS)


@pytest.mark.parametrize("features_ok", [True, False])
def test_the_handshake_is_a_path_through_the_table_with_and_without_features_ok(features_ok: bool) -> None:
    status = Status(0)
    for bit in HANDSHAKE:
        if bit is not Status.FEATURES_OK or features_ok:
            assert status_refusal(status, status | bit) is None
            status |= bit
    assert status == (0x0F if features_ok else 0x07)


@pytest.mark.parametrize("order", [each for each in itertools.permutations(HANDSHAKE) if each != HANDSHAKE])
def test_no_other_order_of_the_four_is_a_path(order: tuple[Status, ...]) -> None:
    status, refusals = 0, []
    for bit in order:
        refusals.append(status_refusal(status, status | bit))
        status |= bit
    assert any(refusals)


REFUSED = [
    (0, 2, Writer.DRIVER, "device status 0 -> DRIVER by the driver: DRIVER needs ACKNOWLEDGE first"),
    (1, 5, Writer.DRIVER, "DRIVER_OK needs DRIVER first"),
    (0, 3, Writer.DRIVER, "adds ACKNOWLEDGE|DRIVER, expected one known bit at a time"),
    (3, 2, Writer.DRIVER, "takes ACKNOWLEDGE away, which only a reset does"),
    (3, 0x13, Writer.DRIVER, "adds 0x10, expected one known bit"),
    (7, 15, Writer.DRIVER, "FEATURES_OK comes no more after DRIVER_OK"),
    (0x83, 0x8B, Writer.DRIVER, "FEATURES_OK comes no more after FAILED"),
    (0x4B, 0x4F, Writer.DRIVER, "DRIVER_OK comes no more after NEEDS_RESET"),
    (15, 0x4F, Writer.DRIVER, "NEEDS_RESET is the device's to write"),
    (0, 0x40, Writer.DEVICE, "NEEDS_RESET needs ACKNOWLEDGE first"),
    (15, 0x8F, Writer.DEVICE, "FAILED is the driver's to write"),
    (15, 0, Writer.DEVICE, "only the driver resets"),
]


@pytest.mark.parametrize(("old", "new", "writer", "why"), REFUSED)
def test_a_wrong_status_is_refused_and_says_why(old: int, new: int, writer: Writer, why: str) -> None:
    refusal = status_refusal(old, new, writer)
    assert refusal is not None
    assert why in refusal
    assert "\n" not in refusal


def test_a_reset_is_allowed_from_everywhere_and_what_stays_the_same_is_no_change() -> None:
    for old in range(256):
        assert status_refusal(old, 0) is None
        assert old == 0 or status_refusal(old, old) is None


def test_the_driver_may_give_up_and_the_device_may_fail_at_any_later_point() -> None:
    for old in (1, 3, 11, 15):
        assert status_refusal(old, old | Status.FAILED) is None
        assert status_refusal(old, old | Status.NEEDS_RESET, Writer.DEVICE) is None


def test_status_and_features_are_spelled_as_in_the_specification() -> None:
    assert status_names(0x8B) == "ACKNOWLEDGE|DRIVER|FEATURES_OK|FAILED"
    assert status_names(0x30) == "0x30"
    assert status_names(0) == "0"
    assert RING_FEATURES == 0x3000_0000
    names = ("RPMSG_F_NS", "bit 5", "RING_F_INDIRECT_DESC", "RING_F_EVENT_IDX")
    assert feature_names(RING_FEATURES | 1 | 1 << 5, ID_RPMSG) == names
    assert feature_names(1, ID_RPMSG + 1) == ("bit 0",)
