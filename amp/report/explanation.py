"""What is known of a finding, who is asked about it, and what comes of that: the terms of amp.report.blame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from amp.errors import AmpError, Stall
from amp.ordering.barriers import BarrierClass, Orders, Primitive
from amp.ordering.instructions import Barrier
from amp.ordering.platforms import Platform, Side
from amp.ordering.sites import NO_SITES, Site, Sites
from amp.report.repair import Repair
from amp.report.shapes import Shape
from amp.report.trace import Event


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known to be wrong: which CPU found it, and the bytes that were wrong, if it is about bytes.

    `ends` says of each CPU how its program ended, "done" or what it said; empty if that is not known. `watched` is what
    the one that stalls looked at last, if the trace may not have that.
    """

    cpu: int
    text: str
    address: int | None = None
    size: int = 1
    stall: bool = False
    ends: tuple[str, ...] = ()
    watched: int | None = None

    @classmethod
    def from_error(cls, error: AmpError, cpu: int) -> Finding:
        """The finding that `error`, raised on `cpu`, reports."""
        return cls(
            cpu,
            str(error),
            getattr(error, "address", None),
            stall=isinstance(error, Stall),
            watched=getattr(error, "watched", None),
        )


class Judge(Protocol):
    """Who can repeat the run: amp.lab.trial.Trials."""

    def deciding(self) -> Event | None:
        """The step that decided it: as far as it and then in order the run ends badly, one step less and it is well."""
        ...

    def fails_in_order(self) -> bool:
        """Does the program end badly even if nothing at all is out of order?"""
        ...

    def holds_if_performed(self, load: Event, before: Event) -> bool:
        """Does the run end well if it is the same, but for the late `load`, performed before that store arrives?"""
        ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """A finding, explained.

    `pair` is the blamed CPU's two accesses in program order, `needs` the order they needed and did not have; `other` is
    the other CPU's pair that shows it. `bad` is the load that returned `read` (a store's number, 0: older than the
    trace, None: unknown) at `byte` although `missed` was due. `barrier` is the event that stands between the pair,
    None if there is none. `primitive` and `why` are what it is and why it does not reach; `cure` is the weakest
    that would and whose contract says so, None if there is none on this platform; `cure_class` is its class, None if at
    this site that class gives another. `also` is the barrier between the other pair, if that does not order it either:
    then it is not enough to repair `site` alone. All of these are None where nothing was found.

    `story` tells a lost update: a look, what was stored since, and the store over it; `sequential` says that the
    whole execution is sequentially consistent. `elsewhere`: the pair was out of order before the step that decided.

    `deciding` is the step that decided the run, by the judge's trials; None where there was no judge, or none was
    found. `tried` says whether there was one. `beyond` says why not, where the trace is the explorer's and no process
    can show it.
    """

    finding: Finding
    platform: Platform
    sides: tuple[Side, ...]
    shape: Shape
    side: Side | None = None
    site: Site | None = None
    needs: Orders | None = None
    pair: tuple[Event, Event] | None = None
    other: tuple[Event, Event] | None = None
    bad: Event | None = None
    byte: int | None = None
    read: int | None = None
    missed: Event | None = None
    barrier: Event | None = None
    primitive: Barrier | None = None
    why: str | None = None
    cure: Primitive | None = None
    cure_class: BarrierClass | None = None
    also: Event | None = None
    story: tuple[Event, ...] = ()
    sequential: bool = False
    elsewhere: bool = False
    deciding: Event | None = None
    tried: bool = False
    beyond: str = ""
    sites: Sites = NO_SITES  # the program's
    names: tuple[str, ...] = ()  # the parts', if they are known
    repair: Repair | None = None  # what was found to repair the program, if it was looked for

    @property
    def accesses(self) -> tuple[Event, ...]:
        """The cycle's four accesses by number."""
        return tuple(sorted((*(self.pair or ()), *(self.other or ())), key=lambda event: event.number))
