"""What a firmware module declares about itself: `FIRMWARE = Firmware(...)`, or the same fields in a TOML file.

Records only. amp.remoteproc.build turns them into a resource table and an ELF file. All lengths are in bytes; device
addresses (`da`) are 32 bits. An address of None is chosen when the image is built, FW_RSC_ADDR_ANY when it is booted.
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Any, Final

import msgspec

from amp.errors import UsageError
from amp.remoteproc.table import FW_RSC_ADDR_ANY, U32_LIMIT, VENDOR_END, VENDOR_START, VRINGS_LIMIT
from amp.virtio.device import ID_RPMSG, RPMSG_F_NS

TEXT_DA: Final = 0x1000_0000  # above every byte offset of a region, where rings and buffers are mapped one to one

PAGE_BYTES: Final = 4096

U32 = Annotated[int, msgspec.Meta(ge=0, le=U32_LIMIT)]
Length = Annotated[int, msgspec.Meta(ge=1, le=U32_LIMIT)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[\x20-\x7e]{1,32}\Z")]
Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-fA-F]{2})*\Z", max_length=8192)]
Entry = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}\Z")]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class CarveoutSpec(_Record, frozen=True, kw_only=True):
    """RSC_CARVEOUT: memory of the firmware's own."""

    name: Name
    length: Length
    da: U32 | None = None
    flags: U32 = 0


class DevmemSpec(_Record, frozen=True, kw_only=True):
    """RSC_DEVMEM: memory at physical address `pa` (a byte offset in the region) that the core sees at `da`."""

    name: Name
    da: U32
    pa: U32
    length: Length
    flags: U32 = 0


class TraceSpec(_Record, frozen=True, kw_only=True):
    """RSC_TRACE: a buffer for the firmware's prints, in the carveout that `build` makes for them."""

    name: Name = "trace0"
    length: Length = 4096


class RingSpec(_Record, frozen=True, kw_only=True):
    """A vring: `num` entries, its used ring aligned to `align` bytes."""

    num: U32 = 256
    align: U32 = 4096
    da: U32 = FW_RSC_ADDR_ANY


class VdevSpec(_Record, frozen=True, kw_only=True):
    """RSC_VDEV: a virtio device, by default rpmsg with the name service. `config_hex` is its config space."""

    id: U32 = ID_RPMSG
    features: U32 = 1 << RPMSG_F_NS
    rings: Annotated[tuple[RingSpec, ...], msgspec.Meta(max_length=VRINGS_LIMIT)] = (RingSpec(), RingSpec())
    config_hex: Hex = ""


class VendorSpec(_Record, frozen=True, kw_only=True):
    """An entry of a vendor's own type; `data_hex` is padded with zeros to a multiple of 4 bytes."""

    type: Annotated[int, msgspec.Meta(ge=VENDOR_START, le=VENDOR_END)]
    data_hex: Hex = ""


class Firmware(_Record, frozen=True, kw_only=True):
    """All of it. The carveout with the module's source (`text`) and the one with the trace buffers are implied."""

    entry: Entry = "main"
    text_da: Annotated[int, msgspec.Meta(ge=0, le=U32_LIMIT, multiple_of=PAGE_BYTES)] = TEXT_DA
    text_bytes: U32 = 0  # of the text carveout, at least; it is always large enough
    carveouts: tuple[CarveoutSpec, ...] = ()
    devmems: tuple[DevmemSpec, ...] = ()
    traces: tuple[TraceSpec, ...] = (TraceSpec(),)
    vdevs: tuple[VdevSpec, ...] = (VdevSpec(),)
    vendors: tuple[VendorSpec, ...] = ()


def rpmsg(*, num: int = 256, align: int = 4096, name_service: bool = True) -> VdevSpec:
    """An rpmsg device with two rings of `num` entries each."""
    ring = RingSpec(num=num, align=align)
    return VdevSpec(features=int(name_service) << RPMSG_F_NS, rings=(ring, ring))


def checked(firmware: object, origin: str) -> Firmware:
    """The declaration with every field's type and range checked; UsageError names `origin`, field and problem."""
    if not isinstance(firmware, Firmware):
        raise UsageError(
            f"{origin}: FIRMWARE is of type {type(firmware).__name__}, expected amp.remoteproc.spec.Firmware"
        )
    try:
        return _converted(msgspec.to_builtins(firmware), origin)
    except TypeError as error:  # a value that no record can hold
        raise UsageError(_line(f"{origin}: {error}")) from None


def from_toml(text: str, origin: str) -> Firmware:
    """The fields of Firmware as a TOML document; UsageError names `origin`, field and problem."""
    try:
        return _converted(tomllib.loads(text), origin)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(_line(f"{origin}: not TOML: {error}")) from None


def _converted(tree: Any, origin: str) -> Firmware:
    try:
        return msgspec.convert(tree, Firmware)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at ")
        field = path.strip("`").removeprefix("$").removeprefix(".")
        raise UsageError(_line(f"{origin}: {field}: {problem}" if field else f"{origin}: {problem}")) from None


def _line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)[:400]
