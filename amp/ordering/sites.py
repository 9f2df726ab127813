"""The barrier sites of the protocols: every barrier in protocol code is one of these, and has no other name.

A site is what a fault weakens, what a report blames, what the necessity matrix ranges over. The code that stands at a
site asks the port for it by name (`port.barrier(Site.S1)`); which primitive that is, the port's `SiteMap` decides, and
what the primitive is worth, the platform.

A program that is written in other barriers than its sites' rows say has a mapping of its own from sites to kinds:
`kinds`, which the functions here take and which comes before the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from amp.errors import UsageError
from amp.ordering.barriers import BarrierClass, Kind, Orders, Primitive, primitive_for
from amp.ordering.platforms import Side


class Site(IntEnum):
    """Numbers are stable: traces carry them. 0 means "no site"."""

    S1 = 1
    S2 = 2
    S3 = 3
    S4 = 4
    S5 = 5
    S6 = 6
    S7 = 7
    S8 = 8
    K1 = 9
    K2 = 10
    B1 = 11


class Role(StrEnum):
    """Who stands at a site. Under remoteproc the host is the driver of every vring, the remote its device."""

    DRIVER = "driver"
    DEVICE = "device"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One site: who stands there, what must stay in order, what is seen when it does not, and the other end's site.

    `side` is None where both sides stand. `needs` is one pair of `Orders`; `pairs_with` may name the site itself, when
    the other side stands at its own copy of it.
    """

    site: Site
    side: Side | None
    role: Role
    orders: str
    kind: Kind
    needs: Orders
    if_missing: str
    pairs_with: tuple[Site, ...]
    source: str


_RING = "Linux v6.1 drivers/virtio/virtio_ring.c"
_VRINGH = "Linux v6.1 drivers/vhost/vringh.c"
_SPEC = "virtio 1.2"
_IO_EFFECTS = "Linux Documentation/memory-barriers.txt, Kernel I/O barrier effects"
_HOST, _REMOTE = Side.HOST, Side.REMOTE
_DRIVER, _DEVICE, _BOTH = Role.DRIVER, Role.DEVICE, Role.BOTH
_ROWS = (
    SiteRow(
        Site.S1,
        _HOST,
        _DRIVER,
        "descriptor, avail.ring before avail.idx",
        Kind.WMB,
        Orders.WW,
        "garbage descriptor",
        (Site.S2,),
        f"{_RING}, virtqueue_add_split; {_SPEC} 2.7.13.2",
    ),
    SiteRow(
        Site.S2,
        _REMOTE,
        _DEVICE,
        "avail.idx before avail.ring, descriptor",
        Kind.RMB,
        Orders.RR,
        "wrong head",
        (Site.S1,),
        f"{_VRINGH}, __vringh_get_head; {_SPEC} 2.7.13.2",
    ),
    SiteRow(
        Site.S3,
        _REMOTE,
        _DEVICE,
        "payload, used.ring before used.idx",
        Kind.WMB,
        Orders.WW,
        "stale id, length or payload",
        (Site.S4,),
        f"{_VRINGH}, __vringh_complete; {_SPEC} 2.7.8.2",
    ),
    SiteRow(
        Site.S4,
        _HOST,
        _DRIVER,
        "used.idx before used.ring, payload",
        Kind.RMB,
        Orders.RR,
        "not a head",
        (Site.S3,),
        f"{_RING}, virtqueue_get_buf_ctx_split; {_SPEC} 2.7.14",
    ),
    SiteRow(
        Site.S5,
        _HOST,
        _DRIVER,
        "avail.idx before NO_NOTIFY or avail_event",
        Kind.MB,
        Orders.WR,
        "lost kick",
        (Site.S6,),
        f"{_RING}, virtqueue_kick_prepare_split; {_SPEC} 2.7.13.4",
    ),
    SiteRow(
        Site.S6,
        _REMOTE,
        _DEVICE,
        "NO_NOTIFY or avail_event before the recheck of avail.idx",
        Kind.MB,
        Orders.WR,
        "lost kick",
        (Site.S5,),
        f"{_VRINGH}, __vringh_notify_enable; {_SPEC} 2.7.10",
    ),
    SiteRow(
        Site.S7,
        _REMOTE,
        _DEVICE,
        "used.idx before NO_INTERRUPT or used_event",
        Kind.MB,
        Orders.WR,
        "lost interrupt",
        (Site.S8,),
        f"{_VRINGH}, __vringh_need_notify; {_SPEC} 2.7.7.2",
    ),
    SiteRow(
        Site.S8,
        _HOST,
        _DRIVER,
        "NO_INTERRUPT or used_event before the recheck of used.idx",
        Kind.MB,
        Orders.WR,
        "lost interrupt",
        (Site.S7,),
        f"{_RING}, virtqueue_enable_cb_prepare_split, virtqueue_poll; {_SPEC} 2.7.7",
    ),
    SiteRow(
        Site.K1,
        None,
        _BOTH,
        "ring before doorbell",
        Kind.WMB,
        Orders.WD,
        "stranded message",
        (Site.K2,),
        f"{_IO_EFFECTS}, writel()",
    ),
    SiteRow(
        Site.K2,
        None,
        _BOTH,
        "interrupt before the reads of the ring",
        Kind.RMB,
        Orders.RR,
        "stranded message",
        (Site.K1,),
        f"{_IO_EFFECTS}, readl()",
    ),
    SiteRow(
        Site.B1,
        None,
        _BOTH,
        "reads of a buffer before it is handed back",
        Kind.MB,
        Orders.RW,
        "payload overwritten while it is read",
        (Site.B1,),
        f"{_SPEC} 2.7.13, 2.7.8: a buffer that was handed over is the other side's to write",
    ),
)
SITES: Mapping[Site, SiteRow] = MappingProxyType({row.site: row for row in _ROWS})

Kinds = Mapping[Site, Kind]
NO_KINDS: Final[Kinds] = MappingProxyType({})

# writel() and readl() are accesses to the mailbox: their barrier halves mean nothing at any other site.
_ONLY_AT: Mapping[Primitive, Site] = MappingProxyType({Primitive.WRITEL: Site.K1, Primitive.READL: Site.K2})

# include/linux/virtio_ring.h, virtio_mb, virtio_rmb, virtio_wmb: by weak_barriers, then by kind.
_VIRTIO: Mapping[bool, Mapping[Kind, Primitive]] = MappingProxyType(
    {
        True: {Kind.MB: Primitive.VIRT_MB, Kind.RMB: Primitive.VIRT_RMB, Kind.WMB: Primitive.VIRT_WMB},
        False: {Kind.MB: Primitive.MB, Kind.RMB: Primitive.DMA_RMB, Kind.WMB: Primitive.DMA_WMB},
    }
)
# virtio has no barrier of its own for the doorbell: virtqueue_notify ends in the mailbox driver, whose writel() has
# one, and whose interrupt handler starts with readl(). So drivers/mailbox/imx-mailbox.c (iowrite32, ioread32) and most
# others; omap-mailbox.c uses __raw_writel, and there S5's full barrier is all that holds the doorbell back.
_MAILBOX: Mapping[Site, Primitive] = MappingProxyType({Site.K1: Primitive.WRITEL, Site.K2: Primitive.READL})


def kind_at(site: Site, kinds: Kinds = NO_KINDS) -> Kind:
    """What the code at `site` asks for."""
    return kinds.get(site, SITES[site].kind)


@dataclass(frozen=True, slots=True)
class SiteMap(Mapping[Site, Primitive]):
    """Which primitive stands at each site. A value: `weaken` gives a new one. `name` is how a report calls it."""

    name: str
    primitives: tuple[Primitive, ...]  # by site number, S1 first

    def __post_init__(self) -> None:
        assert len(self.primitives) == len(Site), self.primitives

    def __getitem__(self, site: Site) -> Primitive:
        if site not in SITES:  # 0, "no site", would otherwise be the last one
            raise KeyError(site)
        return self.primitives[site - 1]

    def __iter__(self) -> Iterator[Site]:
        return iter(Site)

    def __len__(self) -> int:
        return len(self.primitives)

    @classmethod
    def for_class(cls, barrier_class: BarrierClass, kinds: Kinds = NO_KINDS) -> SiteMap:
        """Every site calls the primitive of `barrier_class` for its kind."""
        return cls(barrier_class.value, tuple(primitive_for(barrier_class, kind_at(site, kinds)) for site in Site))

    @classmethod
    def virtio(cls, *, weak_barriers: bool) -> SiteMap:
        """Linux's choice for a virtio device: virt_* if `weak_barriers`, else mb, dma_rmb, dma_wmb.

        S8's virtio_store_mb is a store and virtio_mb; B1, which Linux leaves to the other barriers, gets virtio_mb.
        """
        by_kind = _VIRTIO[weak_barriers]
        return cls(
            "virtio-weak" if weak_barriers else "virtio-strong",
            tuple(_MAILBOX.get(site, by_kind[SITES[site].kind]) for site in Site),
        )

    def weaken(self, site: Site, to: BarrierClass | Primitive, kinds: Kinds = NO_KINDS) -> SiteMap:
        """This map with `to` at `site`: a primitive, or the one of that class for the site's kind."""
        primitive = to if isinstance(to, Primitive) else primitive_for(to, kind_at(site, kinds))
        assert _ONLY_AT.get(primitive, site) is site, f"{primitive.label} at {site.name}"
        primitives = list(self.primitives)
        primitives[site - 1] = primitive
        return SiteMap(f"{self.name}, {site.name}={primitive.label}", tuple(primitives))


POLICIES: Mapping[str, SiteMap] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            *(SiteMap.for_class(cls) for cls in BarrierClass),
            SiteMap.virtio(weak_barriers=True),
            SiteMap.virtio(weak_barriers=False),
        )
    }
)


def _unknown(what: str, given: str, known: list[str]) -> UsageError:
    close = get_close_matches(given.strip(), known, n=1) or get_close_matches(given.strip().lower(), known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return UsageError(f"{what} {given!r:.80} is unknown{hint} (known: {', '.join(known)})")


def parse_policy(text: str, kinds: Kinds = NO_KINDS) -> SiteMap:
    """The map that `--barriers` names: a barrier class, "virtio-weak" or "virtio-strong".

    Raises UsageError for any other text; with `kinds` also for virtio's choice, which is one of Linux's barriers.
    """
    name = text.strip().lower()
    known = [cls.value for cls in BarrierClass] if kinds else list(POLICIES)
    if name not in known:
        raise _unknown("barriers", text, known)
    return SiteMap.for_class(BarrierClass(name), kinds) if kinds else POLICIES[name]


def parse_weaken(text: str, kinds: Kinds = NO_KINDS) -> tuple[Site, Primitive]:
    """What `--weaken` asks for: "S1=none", "B1=dma", or a primitive by name, "S1=smp_rmb".

    Raises UsageError if there is no "=", the site or the barrier is unknown, or the primitive has no meaning there.
    """
    name, equals, barrier = text.partition("=")
    if not equals:
        raise UsageError(f"weaken {text!r:.80} is not of the form SITE=CLASS, such as S1=none")
    site = Site.__members__.get(name.strip().upper())
    if site is None:
        raise _unknown("weaken: site", name, [member.name for member in Site])
    label = barrier.strip().lower()
    classes = {cls.value: primitive_for(cls, kind_at(site, kinds)) for cls in BarrierClass}
    primitives = {primitive.label: primitive for primitive in Primitive if _ONLY_AT.get(primitive, site) is site}
    known = primitives | classes
    if label not in known:
        raise _unknown(f"weaken: barrier for {site.name}", barrier, list(classes | primitives))
    return site, known[label]
