"""The vocabulary of ordering: what a barrier orders, how far it reaches, and what Linux calls it.

Numbers are shared with the C core (`Orders`, `Primitive`) and with traces (`Primitive`): they never change meaning.
This module knows no architecture; what a primitive compiles to is in `architectures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag, StrEnum
from types import MappingProxyType


class Orders(IntFlag):
    """Which pairs (access before, access after) are kept in program order. Bits are the C core's."""

    RR = 1
    RW = 2
    WR = 4
    WW = 8
    WD = 16  # memory write before, doorbell (a Device store to the mailbox) after
    RCSC = 32  # store-release before, load-acquire after: Arm's ldar waits for an earlier stlr, ldapr does not
    NO_STATUS_BEFORE = 64  # a mailbox's status counts as no load before it, a doorbell as no store before a load
    NO_STATUS_AFTER = 128  # a mailbox's status counts as no load behind it


NO_ORDERS = Orders(0)
ALL_ORDERS = Orders.RR | Orders.RW | Orders.WR | Orders.WW | Orders.WD


class Reach(IntEnum):
    """How far from its CPU a barrier takes effect. Larger includes smaller."""

    NONE = 0  # the compiler only
    INNER = 1  # the siblings of the inner shareable domain
    OUTER = 2  # observers outside it, on the far side of the interconnect
    SYSTEM = 3  # drained to memory, write buffers of outer caches included


class BarrierClass(StrEnum):
    """How strong a barrier the code at a site asks for; never a bare bool."""

    NONE = "none"
    COMPILER = "compiler"
    SMP = "smp"
    DMA = "dma"
    MANDATORY = "mandatory"


class Kind(StrEnum):
    """What a site needs from the barrier of its class. The last two are C11's fences, for code written in those."""

    MB = "mb"
    RMB = "rmb"
    WMB = "wmb"
    RELEASE = "release"
    ACQUIRE = "acquire"


class Primitive(IntEnum):
    """Linux's barriers, as a driver writes them, and C11's fences. Fewer than 32, so that a set of them is one word.

    FENCE_* are atomic_thread_fence(memory_order_release) and (memory_order_acquire) (ISO C11 7.17.4.1), in three
    strengths: the name of a class says how far the fence has to reach, C itself knows only its own threads (SMP).
    STORE_RELEASE stands before the store it belongs to, LOAD_ACQUIRE after its load. WRITEL is the barrier half of a
    writel() to the mailbox and stands before it; READL is that of a readl() of the mailbox and stands after it.
    AS_BUILT stands at a site of compiled code and nowhere else: the instruction that the compiler put there
    (amp.ordering.instructions).
    """

    NONE = 0
    COMPILER = 1
    MB = 2
    RMB = 3
    WMB = 4
    SMP_MB = 5
    SMP_RMB = 6
    SMP_WMB = 7
    DMA_MB = 8
    DMA_RMB = 9
    DMA_WMB = 10
    VIRT_MB = 11
    VIRT_RMB = 12
    VIRT_WMB = 13
    VIRT_STORE_MB = 14
    STORE_RELEASE = 15
    LOAD_ACQUIRE = 16
    WRITEL = 17
    READL = 18
    FENCE_RELEASE_SMP = 19
    FENCE_RELEASE_DMA = 20
    FENCE_RELEASE_MANDATORY = 21
    FENCE_ACQUIRE_SMP = 22
    FENCE_ACQUIRE_DMA = 23
    FENCE_ACQUIRE_MANDATORY = 24
    AS_BUILT = 25

    @property
    def label(self) -> str:
        """The name in option values, files and tables: "smp_wmb"."""
        return self.name.lower()


_PRIMITIVE_FOR: Mapping[tuple[BarrierClass, Kind], Primitive] = MappingProxyType(
    {
        **{(BarrierClass.NONE, kind): Primitive.NONE for kind in Kind},
        **{(BarrierClass.COMPILER, kind): Primitive.COMPILER for kind in Kind},
        (BarrierClass.SMP, Kind.MB): Primitive.SMP_MB,
        (BarrierClass.SMP, Kind.RMB): Primitive.SMP_RMB,
        (BarrierClass.SMP, Kind.WMB): Primitive.SMP_WMB,
        (BarrierClass.DMA, Kind.MB): Primitive.DMA_MB,
        (BarrierClass.DMA, Kind.RMB): Primitive.DMA_RMB,
        (BarrierClass.DMA, Kind.WMB): Primitive.DMA_WMB,
        (BarrierClass.MANDATORY, Kind.MB): Primitive.MB,
        (BarrierClass.MANDATORY, Kind.RMB): Primitive.RMB,
        (BarrierClass.MANDATORY, Kind.WMB): Primitive.WMB,
        (BarrierClass.SMP, Kind.RELEASE): Primitive.FENCE_RELEASE_SMP,
        (BarrierClass.SMP, Kind.ACQUIRE): Primitive.FENCE_ACQUIRE_SMP,
        (BarrierClass.DMA, Kind.RELEASE): Primitive.FENCE_RELEASE_DMA,
        (BarrierClass.DMA, Kind.ACQUIRE): Primitive.FENCE_ACQUIRE_DMA,
        (BarrierClass.MANDATORY, Kind.RELEASE): Primitive.FENCE_RELEASE_MANDATORY,
        (BarrierClass.MANDATORY, Kind.ACQUIRE): Primitive.FENCE_ACQUIRE_MANDATORY,
    }
)

_MB, _RMB, _WMB = ALL_ORDERS, Orders.RR, Orders.WW | Orders.WD
_RELEASE, _ACQUIRE = Orders.RW | Orders.WW, Orders.RR | Orders.RW

# What a driver author may hope for when choosing the primitive; what it really gives is the platform's to say.
# Documentation/memory-barriers.txt, "Varieties of memory barrier" and "Kernel I/O barrier effects". A release fence
# keeps all before it ahead of the stores after it, an acquire fence the loads before it ahead of all after it: ISO C11
# 7.17.4, where the pairs are those of the atomic accesses on both sides of the fence.
PROMISES: Mapping[Primitive, Orders] = MappingProxyType(
    {
        Primitive.NONE: NO_ORDERS,
        Primitive.COMPILER: NO_ORDERS,
        Primitive.MB: _MB,
        Primitive.RMB: _RMB,
        Primitive.WMB: _WMB,
        Primitive.SMP_MB: _MB,
        Primitive.SMP_RMB: _RMB,
        Primitive.SMP_WMB: _WMB,
        Primitive.DMA_MB: _MB,
        Primitive.DMA_RMB: _RMB,
        Primitive.DMA_WMB: _WMB,
        Primitive.VIRT_MB: _MB,
        Primitive.VIRT_RMB: _RMB,
        Primitive.VIRT_WMB: _WMB,
        Primitive.VIRT_STORE_MB: _MB,
        Primitive.STORE_RELEASE: _RELEASE,
        Primitive.LOAD_ACQUIRE: _ACQUIRE,
        Primitive.WRITEL: Orders.WD,
        Primitive.READL: Orders.RR,
        Primitive.FENCE_RELEASE_SMP: _RELEASE,
        Primitive.FENCE_RELEASE_DMA: _RELEASE,
        Primitive.FENCE_RELEASE_MANDATORY: _RELEASE,
        Primitive.FENCE_ACQUIRE_SMP: _ACQUIRE,
        Primitive.FENCE_ACQUIRE_DMA: _ACQUIRE,
        Primitive.FENCE_ACQUIRE_MANDATORY: _ACQUIRE,
        Primitive.AS_BUILT: NO_ORDERS,
    }
)


def primitive_for(cls: BarrierClass, kind: Kind) -> Primitive:
    """The primitive of class `cls` that a site of kind `kind` calls: (SMP, WMB) is `smp_wmb`."""
    return _PRIMITIVE_FOR[cls, kind]


def orders_text(orders: Orders) -> str:
    """`orders` in words of two letters, "RR RW WW"; "nothing" when empty."""
    return " ".join(str(order.name) for order in Orders if order in orders) or "nothing"
