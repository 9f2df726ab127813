"""Where each processor stands: its side, and the inner domain in which it has its siblings.

A processor's stores reach the siblings of its domain first, all others after the last stage (`docs/model.md`). So what
a barrier is worth depends on who looks: `arrangement` has both answers for each processor, and is all that the engines
are told. Processors of one side are siblings unless a placement says otherwise: those of a host are the CPUs of one SMP
kernel, which puts them into one inner domain, and the cores of a remote are one cluster, as OMAP4's pair of Cortex-M3
(SOURCES). A remote of several that share nothing but the memory is placed apart.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from amp.errors import UsageError
from amp.ordering.architectures import ARCHITECTURES, FENCES, Architecture, Row
from amp.ordering.barriers import Orders, Primitive, Reach
from amp.ordering.instructions import INSTRUCTIONS
from amp.ordering.platforms import Platform, Processor, Side

PARTS_LIMIT: Final = 6  # the core's AMP_CPUS
SOURCES: Final[Mapping[Side, str]] = MappingProxyType(
    {
        Side.HOST: "Linux v6.1 arch/arm64/include/asm/pgtable-hwdef.h: PTE_SHARED, as all CPUs of a kernel have it, is "
        "inner shareable",
        Side.REMOTE: "Linux v6.1 Documentation/devicetree/bindings/remoteproc/ti,omap-remoteproc.yaml: an IPU, one "
        "sub-system behind an IOMMU, has two Cortex-M3",
    }
)
_NAME: Final = re.compile(r"(host|remote)([2-6]?)")


@dataclass(frozen=True, slots=True)
class Place:
    """One processor. `domain` is any number; those of one domain are siblings, and on one side."""

    name: str
    side: Side
    domain: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The places of all processors, by number. Raises UsageError for what no machine is."""

    places: tuple[Place, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.places) <= PARTS_LIMIT:
            raise UsageError(f"placement: {len(self.places)} processors, expected 1 to {PARTS_LIMIT}")
        sides: dict[int, Side] = {}
        for place in self.places:
            if sides.setdefault(place.domain, place.side) is not place.side:
                raise UsageError(f"placement: {place.name} shares a domain with a processor of the other side")
        if len(set(self.names)) < len(self.places):
            raise UsageError(f"placement: a name stands twice among {', '.join(self.names)}")

    @classmethod
    def of(cls, names: Sequence[str], apart: Sequence[str] = ()) -> Placement:
        """Processors by name: host, host2, remote, remote2 and so on; those named in `apart` have no siblings."""
        places = []
        for number, name in enumerate(names):
            match = _NAME.fullmatch(name)
            if match is None:
                raise UsageError(f"placement: {name!r:.40} is no processor, expected host, remote, host2, remote2 …")
            side = Side(match[1])
            places.append(Place(name, side, len(Side) + number if name in apart else tuple(Side).index(side)))
        if unknown := set(apart).difference(names):
            raise UsageError(f"placement: {min(unknown)!r:.40} is placed apart, and is not among the processors")
        return cls(tuple(places))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(place.name for place in self.places)

    @property
    def sides(self) -> tuple[Side, ...]:
        return tuple(place.side for place in self.places)

    @property
    def domains(self) -> tuple[int, ...]:
        """Of each processor, numbered from 0 in the order in which they come."""
        known: dict[int, int] = {}
        return tuple(known.setdefault(place.domain, len(known)) for place in self.places)

    @property
    def staged(self) -> tuple[int, ...]:
        """The domains where some are siblings and some are not; else none matter."""
        return self.domains if self.levels > 1 else ()

    @property
    def levels(self) -> int:
        """2 if some are siblings and some are not; else all see a store at once, and one level is enough."""
        return 1 if len(set(self.domains)) in (1, len(self.places)) else 2

    def on(self, platform: Platform) -> Placement:
        """The same as that machine has it: nobody has siblings where whoever reaches those reaches everybody."""
        if not all(_reaches_all_at_once(platform.processor(side)) for side in Side):
            return self
        return Placement(tuple(replace(place, domain=number) for number, place in enumerate(self.places)))


def _reaches_all_at_once(processor: Processor) -> bool:
    """No stage of its stores, and none of its loads, tells its siblings from the others."""
    reaches = (processor.load_reach, *(reach for stage in processor.stages for reach in (stage.memory, stage.doorbell)))
    return max(reaches) <= Reach.INNER


PAIR: Final = Placement.of(("host", "remote"))


@dataclass(frozen=True, slots=True)
class Orders2:
    """What one processor keeps in order with no barrier, and by each of them: towards siblings, and the others.

    `near` and `far` are by the barrier's number: a Primitive, or an instruction of compiled code. `multi_copy_atomic`:
    if one at a distance sees a store of this CPU, all there do.
    """

    implicit: Orders
    near: tuple[Orders, ...]
    far: tuple[Orders, ...]
    multi_copy_atomic: bool
    explored: tuple[tuple[int, ...], tuple[int, ...]]  # `near` and `far` for the explorer: Platform.device_orders


@functools.lru_cache(64)  # every exploration asks
def arrangement(platform: Platform, placement: Placement) -> tuple[Orders2, ...]:
    """For each processor. Where nobody has other company than siblings, or none, `near` and `far` are the same."""
    found = []
    placement = placement.on(platform)
    domains = placement.domains
    for number, place in enumerate(placement.places):
        far = tuple(map(Orders, platform.core_table(place.side)))
        near = tuple(map(Orders.__or__, far, map(Orders, _towards_siblings(platform, place.side))))
        if placement.levels == 1:
            alone = domains.count(domains[number]) == 1
            near = far = far if alone else near
        at_once = platform.processor(place.side).architecture.multi_copy_atomic
        explored = platform.device_orders(near), platform.device_orders(far)
        found.append(Orders2(platform.implicit(place.side), near, far, at_once, explored))
    return tuple(found)


def reach_one_by_one(platform: Platform, placement: Placement) -> bool:
    """May a store reach one observer before another, at the same distance? With two processors nobody could tell."""
    architectures = (platform.processor(place.side).architecture for place in placement.places)
    return len(placement) > len(PAIR) and not all(each.multi_copy_atomic for each in architectures)


def check_observers(platform: Platform, sides: Sequence[Side]) -> None:
    """Raises UsageError where a third processor could see what the explorer does not show.

    Without multi-copy atomicity a barrier that orders stores, and none before a later load, may be weaker than Arm's
    `dmb st`, a full fence for stores: Power's lwsync and eieio are. So such a row must be one of amp's own, of an
    architecture that is not multi-copy atomic either: what another's `fence w,w` or `sfence` would be worth there,
    nobody says. Of compiled code's instructions only Arm's run on such an architecture (instructions.FITS).
    """
    if len(sides) <= len(PAIR):
        return
    for side in Side:
        architecture = platform.processor(side).architecture
        if side not in sides or architecture.multi_copy_atomic:
            continue
        known = [row for each in ARCHITECTURES.values() if not each.multi_copy_atomic for row in each.rows.values()]
        rows = [row for row in architecture.rows.values() if row not in known and not _is_full(architecture, row)]
        told = next((f"{row.primitive.label} ({row.instruction})" for row in rows if _is_partial(row.orders)), "")
        if _is_partial(architecture.implicit):
            told = "what it keeps with no barrier"
        if told:
            raise UsageError(
                f"{platform.name}: {len(sides)} processors, expected at most {len(PAIR)}: a store of its {side} may "
                f"reach one observer before another ({architecture.multi_copy_source}), and {told} orders stores, but "
                f"none before a later load: of such orders there amp models no other than Armv7's"
            )


def _is_full(architecture: Architecture, row: Row) -> bool:
    """A C11 fence that is the full barrier of its class, or a release with such a fence."""
    fences = {fence: barrier for barrier, *each in FENCES for fence in each}
    barrier = fences.get(row.primitive)
    return Orders.WR in row.fence or (barrier is not None and row.instruction == architecture.rows[barrier].instruction)


def _is_partial(orders: Orders) -> bool:
    return Orders.WW in orders and Orders.WR not in orders


def _towards_siblings(platform: Platform, side: Side) -> list[int]:
    """By the barrier's number."""
    table = [0] * len(platform.core_table(side))
    for each in (*Primitive, *INSTRUCTIONS):
        row = platform.row(side, each)
        table[each if isinstance(each, Primitive) else each.number] = platform.towards_siblings(
            side, row.orders, row.reach
        )
    return table
