"""The barrier sites of virtio's rings and doorbells, and what Linux puts there.

Under remoteproc the host is the driver of every vring and the remote its device. Names and order are stable: traces
carry the numbers, and amp/_core/virtio/ring.h has the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from amp.ordering.barriers import BarrierClass, Kind, Primitive
from amp.ordering.platforms import Side
from amp.ordering.sites import Site, SiteMap, Sites

DRIVER: Final = "driver"
DEVICE: Final = "device"
BOTH: Final = "driver or device"

_RING: Final = "Linux v6.1 drivers/virtio/virtio_ring.c"
_VRINGH: Final = "Linux v6.1 drivers/vhost/vringh.c"
_SPEC: Final = "virtio 1.2"
_IO_EFFECTS: Final = "Linux Documentation/memory-barriers.txt, Kernel I/O barrier effects"
_HOST, _REMOTE = Side.HOST, Side.REMOTE

S1: Final = Site(
    "S1",
    "descriptor, avail.ring before avail.idx",
    needs="WW",
    kind="wmb",
    pairs_with="S2",
    symptom="garbage descriptor",
    role=DRIVER,
    side=_HOST,
    source=f"{_RING}, virtqueue_add_split; {_SPEC} 2.7.13.2",
)
S2: Final = Site(
    "S2",
    "avail.idx before avail.ring, descriptor",
    needs="RR",
    kind="rmb",
    pairs_with="S1",
    symptom="wrong head",
    role=DEVICE,
    side=_REMOTE,
    source=f"{_VRINGH}, __vringh_get_head; {_SPEC} 2.7.13.2",
)
S3: Final = Site(
    "S3",
    "payload, used.ring before used.idx",
    needs="WW",
    kind="wmb",
    pairs_with="S4",
    symptom="stale id, length or payload",
    role=DEVICE,
    side=_REMOTE,
    source=f"{_VRINGH}, __vringh_complete; {_SPEC} 2.7.8.2",
)
S4: Final = Site(
    "S4",
    "used.idx before used.ring, payload",
    needs="RR",
    kind="rmb",
    pairs_with="S3",
    symptom="not a head",
    role=DRIVER,
    side=_HOST,
    source=f"{_RING}, virtqueue_get_buf_ctx_split; {_SPEC} 2.7.14",
)
S5: Final = Site(
    "S5",
    "avail.idx before NO_NOTIFY or avail_event",
    needs="WR",
    kind="mb",
    pairs_with="S6",
    symptom="lost kick",
    role=DRIVER,
    side=_HOST,
    source=f"{_RING}, virtqueue_kick_prepare_split; {_SPEC} 2.7.13.4",
)
S6: Final = Site(
    "S6",
    "NO_NOTIFY or avail_event before the recheck of avail.idx",
    needs="WR",
    kind="mb",
    pairs_with="S5",
    symptom="lost kick",
    role=DEVICE,
    side=_REMOTE,
    source=f"{_VRINGH}, __vringh_notify_enable; {_SPEC} 2.7.10",
)
S7: Final = Site(
    "S7",
    "used.idx before NO_INTERRUPT or used_event",
    needs="WR",
    kind="mb",
    pairs_with="S8",
    symptom="lost interrupt",
    role=DEVICE,
    side=_REMOTE,
    source=f"{_VRINGH}, __vringh_need_notify; {_SPEC} 2.7.7.2",
)
S8: Final = Site(
    "S8",
    "NO_INTERRUPT or used_event before the recheck of used.idx",
    needs="WR",
    kind="mb",
    pairs_with="S7",
    symptom="lost interrupt",
    role=DRIVER,
    side=_HOST,
    source=f"{_RING}, virtqueue_enable_cb_prepare_split, virtqueue_poll; {_SPEC} 2.7.7",
)
K1: Final = Site(
    "K1",
    "ring before doorbell",
    needs="WD",
    kind="wmb",
    pairs_with="K2",
    symptom="stranded message",
    role=BOTH,
    mailbox=Primitive.WRITEL,
    source=f"{_IO_EFFECTS}, writel()",
)
K2: Final = Site(
    "K2",
    "interrupt before the reads of the ring",
    needs="RR",
    kind="rmb",
    pairs_with="K1",
    symptom="stranded message",
    role=BOTH,
    mailbox=Primitive.READL,
    source=f"{_IO_EFFECTS}, readl()",
)
B1: Final = Site(
    "B1",
    "reads of a buffer before it is handed back",
    needs="RW",
    kind="mb",
    pairs_with="B1",
    symptom="payload overwritten while it is read",
    role=BOTH,
    source=f"{_SPEC} 2.7.13, 2.7.8: a buffer that was handed over is the other side's to write",
)
SITES: Final = Sites((S1, S2, S3, S4, S5, S6, S7, S8, K1, K2, B1))

# include/linux/virtio_ring.h, virtio_mb, virtio_rmb, virtio_wmb: by weak_barriers, then by kind.
_VIRTIO: Final[Mapping[bool, Mapping[Kind, Primitive]]] = MappingProxyType(
    {
        True: {Kind.MB: Primitive.VIRT_MB, Kind.RMB: Primitive.VIRT_RMB, Kind.WMB: Primitive.VIRT_WMB},
        False: {Kind.MB: Primitive.MB, Kind.RMB: Primitive.DMA_RMB, Kind.WMB: Primitive.DMA_WMB},
    }
)


def linux_choice(*, weak_barriers: bool) -> SiteMap:
    """Linux's choice for a virtio device: virt_* if `weak_barriers`, else mb, dma_rmb, dma_wmb.

    S8's virtio_store_mb is a store and virtio_mb; B1, which Linux leaves to the other barriers, gets virtio_mb. virtio
    has no barrier of its own for the doorbell: virtqueue_notify ends in the mailbox driver, whose writel() has one, and
    whose interrupt handler starts with readl(). So drivers/mailbox/imx-mailbox.c (iowrite32, ioread32) and most others;
    omap-mailbox.c uses __raw_writel, and there S5's full barrier is all that holds the doorbell back.
    """
    by_kind = _VIRTIO[weak_barriers]
    return SiteMap(
        "virtio-weak" if weak_barriers else "virtio-strong",
        SITES,
        tuple(by_kind[site.kind] if site.mailbox is None else site.mailbox for site in SITES),
    )


# What `--barriers` may name for programs whose sites are these.
LINUX: Final[Mapping[str, SiteMap]] = MappingProxyType(
    {choice.name: choice for choice in (linux_choice(weak_barriers=True), linux_choice(weak_barriers=False))}
)
POLICIES: Final[Mapping[str, SiteMap]] = MappingProxyType(
    {**{cls.value: SiteMap.for_class(cls, SITES) for cls in BarrierClass}, **LINUX}
)
