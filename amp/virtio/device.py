"""A virtio device as its driver sets it up: device status, device types, feature bits (virtio 1.2, 2.1, 2.2, 3.1, 5).

The status is one byte. The driver adds its bits one at a time in the order of 3.1.1, and writes 0 to reset the device;
the device adds NEEDS_RESET when it has failed beyond repair. Which bit may follow which is a table, `STATUS_ROWS`.
Over remoteproc the byte is `status` of struct fw_rsc_vdev (include/linux/remoteproc.h): plain memory that both sides
write, so no write is refused by a bus; a wrong order is only found by whoever compares with the table.

This module touches no memory and knows no transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum
from types import MappingProxyType
from typing import Final

from amp.virtio.split import RING_F_EVENT_IDX, RING_F_INDIRECT_DESC

ID_RPMSG: Final = 7  # VIRTIO_ID_RPMSG, include/uapi/linux/virtio_ids.h; reserved by virtio 1.2, 5
RPMSG_F_NS: Final = 0  # VIRTIO_RPMSG_F_NS, drivers/rpmsg/virtio_rpmsg_bus.c: the device announces names

# Bits from here on belong to rings and transports, not to a device type (VIRTIO_TRANSPORT_F_START,
# include/uapi/linux/virtio_config.h; virtio 1.2, 2.2 counts those from 24 on as reserved, too).
TRANSPORT_F_START: Final = 28
# Those of them that split rings in this machine know. VERSION_1 (32) is beyond a resource table's 32 bits.
RING_FEATURES: Final = 1 << RING_F_INDIRECT_DESC | 1 << RING_F_EVENT_IDX


class Status(IntFlag):
    """Device status bits, virtio 1.2, 2.1; include/uapi/linux/virtio_config.h."""

    ACKNOWLEDGE = 1
    DRIVER = 2
    DRIVER_OK = 4
    FEATURES_OK = 8
    NEEDS_RESET = 0x40
    FAILED = 0x80


RESET: Final = Status(0)


class Writer(StrEnum):
    """Who writes a status: the roles of a virtqueue, not the machines."""

    DRIVER = "driver"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class StatusRow:
    """`writer` may add `bit` to a status that has all of `needs` and none of `never`."""

    bit: Status
    writer: Writer
    needs: Status
    never: Status
    source: str


_KNOWN = Status.ACKNOWLEDGE | Status.DRIVER
_BROKEN = Status.FAILED | Status.NEEDS_RESET
_INIT = "virtio 1.2, 3.1.1"
STATUS_ROWS: Final = (
    StatusRow(Status.ACKNOWLEDGE, Writer.DRIVER, RESET, _BROKEN, f"{_INIT} step 2"),
    StatusRow(Status.DRIVER, Writer.DRIVER, Status.ACKNOWLEDGE, _BROKEN, f"{_INIT} step 3"),
    StatusRow(Status.FEATURES_OK, Writer.DRIVER, _KNOWN, _BROKEN | Status.DRIVER_OK, f"{_INIT} step 5"),
    # FEATURES_OK is not needed: legacy drivers skip steps 5 and 6 (3.1.2), and so does Linux v6.1
    # drivers/virtio/virtio.c, virtio_features_ok, for every device that does not offer VERSION_1.
    StatusRow(Status.DRIVER_OK, Writer.DRIVER, _KNOWN, _BROKEN, f"{_INIT} step 8"),
    StatusRow(Status.FAILED, Writer.DRIVER, RESET, RESET, f"{_INIT}, last paragraph: the driver has given up"),
    # 2.1.2 lets a device fail at any time; before ACKNOWLEDGE there is no driver whom it could tell.
    StatusRow(Status.NEEDS_RESET, Writer.DEVICE, Status.ACKNOWLEDGE, RESET, "virtio 1.2, 2.1.2"),
)
_ROW_OF = {row.bit: row for row in STATUS_ROWS}

# In the order of 3.1.1: what a driver that finds its device in order writes, one after the other.
HANDSHAKE: Final = (Status.ACKNOWLEDGE, Status.DRIVER, Status.FEATURES_OK, Status.DRIVER_OK)


def status_names(status: int) -> str:
    """ "ACKNOWLEDGE|DRIVER", "0" for reset; unknown bits as a number."""
    names = [str(bit.name) for bit in Status if status & bit]
    unknown = status & ~sum(Status)
    return "|".join([*names, *([f"{unknown:#x}"] if unknown else [])]) or "0"


def status_refusal(old: int, new: int, writer: Writer = Writer.DRIVER) -> str | None:
    """Why `writer` may not write `new` over `old`, in one line; None if it may.

    Allowed are the reset by the driver, what adds nothing, and what adds one bit whose row is satisfied.
    """
    reason = _reset_refusal(writer) if new == 0 else _bits_refusal(old, new, writer)
    return reason and f"device status {status_names(old)} -> {status_names(new)} by the {writer}: {reason}"


def _reset_refusal(writer: Writer) -> str | None:
    return None if writer is Writer.DRIVER else "only the driver resets (virtio 1.2, 2.1.2)"


def _bits_refusal(old: int, new: int, writer: Writer) -> str | None:
    added = new & ~old
    if old & ~new:
        return f"takes {status_names(old & ~new)} away, which only a reset does (virtio 1.2, 2.1.1)"
    if not added:
        return None
    row = _ROW_OF.get(Status(added))
    if row is None:
        return f"adds {status_names(added)}, expected one known bit at a time ({_INIT})"
    for wrong, text in (
        (row.writer is not writer, f"is the {row.writer}'s to write"),
        (row.needs & ~old, f"needs {status_names(row.needs & ~old)} first"),
        (row.never & old, f"comes no more after {status_names(row.never & old)}"),
    ):
        if wrong:
            return f"{row.bit.name} {text} ({row.source})"
    return None


FEATURE_NAMES: Final = MappingProxyType(
    {RING_F_INDIRECT_DESC: "RING_F_INDIRECT_DESC", RING_F_EVENT_IDX: "RING_F_EVENT_IDX"}
)
# Bits below TRANSPORT_F_START mean what the device type says.
DEVICE_FEATURE_NAMES: Final = MappingProxyType({ID_RPMSG: MappingProxyType({RPMSG_F_NS: "RPMSG_F_NS"})})


def feature_names(features: int, device_id: int) -> tuple[str, ...]:
    """The names of the bits that are set, lowest first; "bit 5" for one that has none."""
    names = {**FEATURE_NAMES, **DEVICE_FEATURE_NAMES.get(device_id, {})}
    return tuple(names.get(bit, f"bit {bit}") for bit in range(features.bit_length()) if features >> bit & 1)
