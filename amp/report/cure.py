"""The least of Linux's barriers that would keep a pair of accesses in order on a platform."""

from __future__ import annotations

from typing import Final

from amp.ordering.barriers import NO_ORDERS, PROMISES, BarrierClass, Kind, Orders, Primitive, primitive_for
from amp.ordering.instructions import Barrier
from amp.ordering.platforms import Platform, Side

_CLASSES: Final = (BarrierClass.SMP, BarrierClass.DMA, BarrierClass.MANDATORY)


def _kind_of(needs: Orders) -> Kind:
    """Linux's for these pairs; what neither a read nor a write barrier promises takes a full one."""
    if needs in Orders.WW | Orders.WD:
        return Kind.WMB
    return Kind.RMB if needs is Orders.RR else Kind.MB


def cure_for(
    platform: Platform,
    side: Side,
    needs: Orders,
    kind: Kind | None,
    failed: Barrier | None = None,
    *,
    near: bool = False,
) -> tuple[Primitive, BarrierClass | None] | None:
    """The least that orders it, for the others or if `near` for siblings, and its class.

    The class if the code's `kind` gives that barrier for it: else it goes by its name. Only of kinds that promise the
    pair: that a read barrier's instruction orders stores here makes it no cure for them. Nor is the instruction of the
    barrier that `failed` by another name, whatever a platform's rows say of that one.
    """
    rows = platform.processor(side).architecture.rows
    tried = [kind] if kind is not None else []
    tried += [each for each in (_kind_of(needs), Kind.MB) if each not in tried]
    for each in tried:
        for barrier_class in _CLASSES:
            primitive = primitive_for(barrier_class, each)
            if failed is not None and rows[primitive].instruction == platform.row(side, failed).instruction:
                continue
            row = rows[primitive]
            kept = platform.orders(side, primitive)
            kept |= platform.towards_siblings(side, row.orders, row.reach) if near else NO_ORDERS
            if needs in PROMISES[primitive] and needs in kept:
                return primitive, barrier_class if kind in (each, None) else None
    return None
