"""Where each processor stands: its side, and the inner domain in which it has its siblings.

A processor's stores reach the siblings of its domain first, all others after the last stage (`docs/model.md`). So what
a barrier is worth depends on who looks: `arrangement` has both answers for each processor, and is all that the engines
are told. Processors of one side are siblings unless a placement says otherwise: those of a host are the CPUs of one SMP
kernel, which puts them into one inner domain, and the cores of a remote are one cluster, as OMAP4's pair of Cortex-M3
(SOURCES). A remote of several that share nothing but the memory is placed apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from amp.errors import UsageError
from amp.ordering.barriers import Orders, Primitive, Reach
from amp.ordering.instructions import INSTRUCTIONS
from amp.ordering.platforms import PLATFORMS, Platform, Processor, Side

PARTS_LIMIT: Final = 6  # the core's AMP_CPUS
TWO: Final = 2  # with so many nobody can tell whether stores are multi-copy atomic
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

    `near` and `far` are by the barrier's number: a Primitive, or an instruction of compiled code.
    """

    implicit: Orders
    near: tuple[Orders, ...]
    far: tuple[Orders, ...]


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
        found.append(Orders2(platform.implicit(place.side), near, far))
    return tuple(found)


def _towards_siblings(platform: Platform, side: Side) -> list[int]:
    """By the barrier's number."""
    table = [0] * len(platform.core_table(side))
    for each in (*Primitive, *INSTRUCTIONS):
        row = platform.row(side, each)
        table[each if isinstance(each, Primitive) else each.number] = platform.towards_siblings(
            side, row.orders, row.reach
        )
    return table


def _promising() -> list[str]:
    return [
        name
        for name, platform in PLATFORMS.items()
        if all(platform.processor(side).architecture.multi_copy_atomic for side in Side)
    ]


def check_observers(platform: Platform, placement: Placement) -> None:
    """Raises UsageError where a third processor could see what no engine of amp shows.

    With three a store may be seen by one and not yet by another, unless the writer's architecture promises that it is
    not (multi-copy atomicity). The engines show no such executions, so without the promise they would show too few.
    """
    if len(placement) <= TWO:
        return
    for side in Side:
        architecture = platform.processor(side).architecture
        if any(place.side is side for place in placement.places) and not architecture.multi_copy_atomic:
            raise UsageError(
                f"{platform.name}: {len(placement)} processors, expected at most {TWO}: a store of its {side} may "
                f"reach one observer before another ({architecture.multi_copy_source}), and amp does not model that; "
                f"platforms that promise it: {', '.join(_promising())}"
            )
