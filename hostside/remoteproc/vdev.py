"""A virtio device over remoteproc: its registers are an entry of the resource table, in memory that both sides write.

Linux's drivers/remoteproc/remoteproc_virtio.c (v6.1), struct virtio_config_ops. The host writes gfeatures, status and
config; the firmware wrote dfeatures and the config's first content, and may add NEEDS_RESET to the status. All
accesses go through the host's port: the core runs. The rings themselves belong to the device's driver.

The table is not a bus: nothing acknowledges a write, and the firmware sees fields in the order of their becoming
visible. So a mandatory write barrier stands before each write of the status. Linux has none there (rproc_virtio_set_
status is a plain store) and leaves it to the doorbell that follows; a firmware that polls the status needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from amp.errors import RprocError
from amp.ordering.barriers import Primitive
from amp.port.port import REMOTE, Port
from amp.remoteproc import table as rsc
from amp.virtio.device import (
    HANDSHAKE,
    RESET,
    RING_FEATURES,
    TRANSPORT_F_START,
    Status,
    feature_names,
    status_names,
    status_refusal,
)
from amp.virtio.sites import K1
from amp.virtio.split import SplitLayout
from hostside.remoteproc.memory import DeviceMemory, Range
from hostside.remoteproc.resources import VdevPlan


@dataclass(frozen=True, slots=True)
class VdevVring:
    """One ring of a device: where it lies in the region, and the notify id that its doorbell carries."""

    name: str
    layout: SplitLayout
    notifyid: int


class VdevDriver(Protocol):
    """A virtio driver bound to one device (struct virtio_driver of include/linux/virtio.h, once it has probed)."""

    def ready(self) -> None:
        """The device is DRIVER_OK: it may be kicked from here on."""
        ...

    def interrupt(self) -> None:
        """The core rang: look at the rings."""
        ...

    def down(self, reason: str) -> tuple[object, ...]:
        """The device is gone, for `reason`: nobody answers any more. Returns what was sent and never acknowledged.

        The rings' memory is still there. Through the port they can be read unless the core died (PeerDied).
        """
        ...


@dataclass(frozen=True, slots=True)
class VirtioDriver:
    """A driver for one device id.

    `features` are the bits it understands, ring features included. `buffer_bytes` says how much memory it wants
    beside the rings; the host allocates it before boot, and the core sees it one to one. `probe` is called with the
    features negotiated and before DRIVER_OK; `buffers` is (start, end) in the region, (0, 0) where it wants none.
    """

    name: str
    features: int
    buffer_bytes: Callable[[rsc.Vdev], int]
    probe: Callable[[Port, RprocVdev, Range], VdevDriver]


class RprocVdev:
    """Device `plan.index`, whose table entry starts at `at` of the region. `weak_barriers` as Linux passes it: False.

    (vring_new_virtqueue in rp_find_vq: the core on the other side is no SMP sibling, 7b21e34fd1c2.)
    """

    def __init__(
        self, port: Port, plan: VdevPlan, memory: DeviceMemory, *, at: int, weak_barriers: bool = False
    ) -> None:
        self._port, self._entry, self._at = port, plan.entry, at
        self.index, self.id, self.weak_barriers = plan.index, plan.entry.id, weak_barriers
        self.name = f"vdev{plan.index}"
        self._vrings = tuple(
            VdevVring(ring.name, SplitLayout(ring.entry.num, memory[ring.name].pa, ring.entry.align), ring.notifyid)
            for ring in plan.vrings
        )
        self.buffers: Range = memory[plan.buffers].pa_range if plan.buffers is not None else (0, 0)

    def vrings(self) -> tuple[VdevVring, ...]:
        return self._vrings

    @property
    def status(self) -> Status:
        """rproc_virtio_get_status."""
        return Status(int(self._port.load_u8(self._at + rsc.VDEV_STATUS_AT)))

    def set_status(self, status: int) -> None:
        """rproc_virtio_set_status. Raises RprocError for a status that may not follow the present one."""
        refusal = status_refusal(self.status, status)
        if refusal is not None:
            raise RprocError(f"{self.name}: {refusal}")
        self._write_status(status)

    def add_status(self, bit: Status) -> None:
        """virtio_add_status."""
        self.set_status(self.status | bit)

    def _write_status(self, status: int) -> None:
        # What was written before - gfeatures, config, rings - must be visible before the status that vouches for it.
        self._port.fence(Primitive.WMB)
        self._port.store_u8(self._at + rsc.VDEV_STATUS_AT, status)

    def reset(self) -> None:
        """rproc_virtio_reset, and a doorbell, so that a firmware that sleeps sees it."""
        self._write_status(RESET)
        self._ring()

    @property
    def needs_reset(self) -> bool:
        """Has the device given up? (virtio 1.2, 2.1.2)"""
        return bool(self.status & Status.NEEDS_RESET)

    @property
    def dfeatures(self) -> int:
        """What the firmware offers (rproc_virtio_get_features)."""
        return int(self._port.load_u32(self._at + rsc.VDEV_DFEATURES_AT))

    @property
    def gfeatures(self) -> int:
        """What the host took."""
        return int(self._port.load_u32(self._at + rsc.VDEV_GFEATURES_AT))

    def finalize_features(self, driver_features: int) -> int:
        """Write and return what both sides understand (rproc_virtio_finalize_features, vring_transport_features).

        Of the bits from TRANSPORT_F_START on only RING_FEATURES can be taken; the table has 32 bits of them all.
        """
        transport = RING_FEATURES | (1 << TRANSPORT_F_START) - 1
        taken = self.dfeatures & driver_features & transport
        self._port.store_u32(self._at + rsc.VDEV_GFEATURES_AT, taken)
        return taken

    def feature_names(self) -> tuple[str, ...]:
        """The names of the negotiated features."""
        return feature_names(self.gfeatures, self.id)

    @property
    def config_len(self) -> int:
        return len(self._entry.config)

    def config_get(self, offset: int, length: int) -> bytes:
        """`length` bytes of config space (rproc_virtio_get). Raises RprocError outside of it."""
        return bytes(self._port.read(self._config(offset, length), length))

    def config_set(self, offset: int, data: bytes) -> None:
        """Write config space (rproc_virtio_set). Raises RprocError outside of it."""
        self._port.write(self._config(offset, len(data)), data)

    def _config(self, offset: int, length: int) -> int:
        if offset < 0 or length < 0 or offset + length > self.config_len:
            raise RprocError(
                f"{self.name}: config access is at {offset}, {length} bytes, config_len is {self.config_len}"
            )
        return self._at + rsc.config_at(len(self._vrings)) + offset

    def kick(self, notifyid: int) -> None:
        """Ring the core's doorbell for one ring (rproc_virtio_notify). Raises RprocError for an id it does not have.

        The mailbox has one doorbell: the core looks at every ring.
        """
        if all(ring.notifyid != notifyid for ring in self._vrings):
            raise RprocError(
                f"{self.name}: notifyid is {notifyid}, its rings have {[r.notifyid for r in self._vrings]}"
            )
        self._ring()

    def _ring(self) -> None:
        # K1: the doorbell must not overtake what it announces. Pairs with K2 where the core wakes up.
        self._port.barrier(K1)
        self._port.kick(REMOTE)

    def clear_vrings(self) -> None:
        """All rings as new: zero (rp_find_vq: "zero vring"). RprocError unless the device is reset."""
        status = self.status  # the core may write there, too: what was just reset need not stay so
        if status != RESET:
            raise RprocError(
                f"{self.name}: status is {status_names(status)}, expected a device that is reset; written by the core"
            )
        for ring in self._vrings:
            self._port.write(ring.layout.base, bytes(ring.layout.end - ring.layout.base))

    def bring_up(self, driver: VirtioDriver | None, *, used_before: bool = False) -> VdevDriver | None:
        """The handshake of virtio 1.2, 3.1.1, from reset on, as far as there is a driver; its probe's result.

        register_virtio_device and virtio_dev_probe, drivers/virtio/virtio.c. A device without a driver stays
        ACKNOWLEDGE. `used_before`: the rings are made as new. FEATURES_OK is written although Linux skips it without
        VERSION_1, which 32 bits of dfeatures cannot offer: firmware that looks for DRIVER_OK alone sees no difference.
        Whatever goes wrong leaves FAILED behind and is raised.
        """
        acknowledge, known, features_ok, driver_ok = HANDSHAKE
        self._write_status(RESET)
        if used_before:
            self.clear_vrings()
        self.add_status(acknowledge)
        if driver is None:
            return None
        bound: VdevDriver | None = None
        try:
            self.add_status(known)
            self.finalize_features(driver.features)
            self.add_status(features_ok)
            if not self.status & features_ok:  # step 6: read it again, the device may have taken it away
                raise RprocError(f"{self.name}: the device refused the features {', '.join(self.feature_names())}")
            bound = driver.probe(self._port, self, self.buffers)
            self.add_status(driver_ok)
            bound.ready()
        except BaseException as error:
            if bound is not None:
                bound.down(f"{self.name}: {error}")
            self._write_status(self.status | Status.FAILED)
            raise
        self._ring()
        return bound
