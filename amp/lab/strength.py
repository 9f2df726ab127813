"""How strong a barrier has to be at a site: which pairs of accesses it has to keep, and by which names.

Both are found by exploring, not by reasoning about the program: RISC-V's fences name the accesses before and after them
one by one and reach everybody, so they serve as probes on any machine. What keeps the pairs that a probe has shown to
be enough is enough as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from amp.lab.search import Search, Strength
from amp.ordering.barriers import NO_ORDERS, Orders, Primitive
from amp.ordering.c11 import fences
from amp.ordering.instructions import FITS, RISCV, Barrier, Instruction, rows_of
from amp.ordering.platforms import Side
from amp.ordering.sites import Site
from amp.report.cure import cure_for
from amp.report.matrix import Verdict

_NOTHING: Final[Mapping[Site, Strength]] = MappingProxyType({})


def _probes() -> Iterator[Instruction]:
    """One for each set of pairs; on RISC-V a mailbox's status is ordered by those alone that name a device's input."""
    seen = {(NO_ORDERS, False)}
    for row in rows_of(RISCV):
        if (row.orders, "i" in row.name) not in seen:
            seen.add((row.orders, "i" in row.name))
            yield row


PROBES: Final = tuple(_probes())  # those of fewer pairs first


def sides_of(site: Site) -> tuple[Side, ...]:
    return tuple(Side) if site.side is None else (site.side,)


def needed(search: Search, site: Site, others: Mapping[Site, Strength] = _NOTHING) -> Instruction | None:
    """The probe of fewest pairs that holds at `site`, with `others` as they are said; None: none is known to."""
    for probe in PROBES:
        if search.explored({**others, site: probe}).verdict is Verdict.HOLDS:
            return probe
    return None


def weakest(search: Search, site: Site, needs: Orders, others: Mapping[Site, Strength] = _NOTHING) -> Barrier | None:
    """The cheapest barrier that the site's code can have and that holds: an instruction, else a primitive of Linux."""
    tried: list[Barrier] = [*instructions(search, site), *primitives(search, site, needs)]
    for barrier in tried:
        if search.explored({**others, site: barrier}).verdict is Verdict.HOLDS:
            return barrier
    return None


def instructions(search: Search, site: Site) -> list[Instruction]:
    """What may be put there, the cheapest first; nothing where the platform's processor has no such instruction."""
    for side in sides_of(site):
        architecture = search.platform.processor(side).architecture.name
        if not site.isas or any(architecture not in FITS[isa] for isa in site.isas):
            return []
    common = set.intersection(*({row.label for row in rows_of(isa)} for isa in site.isas))
    return [row for row in rows_of(site.isas[0]) if row.label in common]


def primitives(search: Search, site: Site, needs: Orders) -> list[Primitive]:
    """Linux's name for it: the least that promises these pairs and keeps them on every side that stands there."""
    sides = sides_of(site)
    found = [cure[0] for side in sides if (cure := cure_for(search.platform, side, needs, None)) is not None]
    return [each for each in found if all(needs in search.platform.orders(side, each) for side in sides)][:1]


def c11_name(search: Search, site: Site, needs: Orders) -> str | None:
    """The weakest of C11's fences that promises these pairs and keeps them here, "" if none does.

    None where the code's compiler is another processor's: what its fences are there nobody knows.
    """
    if not instructions(search, site):
        return None
    for fence in (fence for isa in site.isas[:1] for fence in fences(isa)):
        kept = (search.platform.towards_others(side, fence.orders, fence.reach) for side in sides_of(site))
        if needs in fence.orders | _implicit(search, site) and all(needs in each for each in kept):
            return fence.name
    return ""


def _implicit(search: Search, site: Site) -> Orders:
    """What the hardware keeps on every side that stands there."""
    orders = ~NO_ORDERS
    for side in sides_of(site):
        orders &= search.platform.implicit(side)
    return orders
