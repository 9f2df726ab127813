"""The explorations that the necessity matrix is made of, each made once.

What makes two programs different to the explorer is what the barrier at each site orders towards the other side. So
that is what an exploration is known by: classes that order the same at a site share it, and so do the matrix and the
search for the least that is enough together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from amp.errors import AmpError
from amp.explore.explorer import Bounds, Exploration
from amp.explore.shrink import Shrunk, shrink
from amp.lab.plan import Plan, sites_for
from amp.lab.run import Witness
from amp.lab.stopping import BY_USER, Stop, explore
from amp.lab.verify import explorer_of, fewest_messages
from amp.lab.verify import replay as show_in_two_processes
from amp.ordering.architectures import NO_INSTRUCTION
from amp.ordering.barriers import NO_ORDERS, BarrierClass, Kind, Orders, Primitive, orders_text, primitive_for
from amp.ordering.instructions import Barrier, Instruction, barrier_of, number_of
from amp.ordering.placement import Orders2, arrangement
from amp.ordering.platforms import Platform, Side
from amp.ordering.sites import Site, SiteMap, label_at, parse_weaken
from amp.report.history import History
from amp.report.matrix import Assignment, Counterexample, Explored, MatrixCell, Row, Trial, Verdict
from amp.report.words import Words

CLASSES: Final = tuple(BarrierClass)  # weakest first
CellsDone = Callable[[str, int, int], None]  # (what is explored, cells done, of how many)
Key = tuple[tuple[Orders, ...], ...]
Strength = BarrierClass | Barrier

# The class whose barriers a primitive belongs to. virt_* are SMP barriers whatever the build is (Linux
# include/asm-generic/barrier.h); a release, an acquire and virtio_store_mb are made of them. writel() and readl() hold
# back whatever wmb() and rmb() do (Linux Documentation/memory-barriers.txt, Kernel I/O barrier effects).
_CLASS_OF: Final[Mapping[Primitive, BarrierClass]] = MappingProxyType(
    {
        **{primitive_for(barrier_class, kind): barrier_class for barrier_class in CLASSES for kind in Kind},
        Primitive.VIRT_MB: BarrierClass.SMP,
        Primitive.VIRT_RMB: BarrierClass.SMP,
        Primitive.VIRT_WMB: BarrierClass.SMP,
        Primitive.VIRT_STORE_MB: BarrierClass.SMP,
        Primitive.STORE_RELEASE: BarrierClass.SMP,
        Primitive.LOAD_ACQUIRE: BarrierClass.SMP,
        Primitive.WRITEL: BarrierClass.MANDATORY,
        Primitive.READL: BarrierClass.MANDATORY,
    }
)
_NO_INSTRUCTION: Final = {Primitive.NONE: "no barrier", Primitive.COMPILER: "compiler barrier"}
# What is weakened first where not everything can be: a full barrier waits for the stores before it, a release for loads
# and stores, a write barrier for stores, the two others for nothing but loads. Among equals the first site is first.
_COSTLIEST_FIRST: Final = (Kind.MB, Kind.RELEASE, Kind.WMB, Kind.ACQUIRE, Kind.RMB)


def unjudged(plan: Plan, site: Site) -> str | None:
    """Why these bounds say nothing of `site`, if so."""
    reuse = plan.program.reuse
    if reuse is None or site is not reuse.site:
        return None
    config, name = plan.config, site.name
    if config.ring_size < reuse.entries:
        larger = f"take --ring-size {reuse.entries} or more"
        return f"what {name} is for cannot happen in a ring of {config.ring_size}: {larger}"
    least = config.ring_size + reuse.beyond
    if config.messages >= least:
        return None
    return f"what {name} is for happens from --messages {least} on, where both sides' buffers are used again"


@dataclass(slots=True)
class Search:
    """The explorations of one matrix, each made once. `known` has them by the orders that every site gives.

    Of compiled code is known which sites an exploration has come to. What stands at the others made no difference.
    """

    plan: Plan
    bounds: Bounds
    progress: CellsDone | None
    stop: Stop = field(default_factory=Stop)
    known: dict[Key, Explored] = field(default_factory=dict)
    _reached: list[tuple[frozenset[int], Key, Explored]] = field(default_factory=list)
    _small: dict[Key, tuple[int, Shrunk]] = field(default_factory=dict)
    _arrangement: tuple[Orders2, ...] = field(init=False)
    _what: str = "as coded"
    _of: int = 1

    def __post_init__(self) -> None:
        self._arrangement = arrangement(self.platform, self.plan.program.placement)

    @property
    def platform(self) -> Platform:
        assert self.plan.platform is not None, self.plan
        return self.plan.platform

    @property
    def sites(self) -> tuple[Site, ...]:
        """Those of barriers."""
        return tuple(site for site in self.plan.program.stood_at if not site.of_access)

    def primitive(self, site: Site, barrier_class: BarrierClass) -> Primitive:
        return primitive_for(barrier_class, site.kind)

    def orders(self, site: Site, barrier: Barrier) -> tuple[Orders, ...]:
        """What `barrier` orders at `site`, for each part that may stand there: towards siblings, and the others."""
        found: list[Orders] = []
        built = barrier is Primitive.AS_BUILT
        numbers = site.built if built else (number_of(barrier),)
        for place, orders in zip(self.plan.program.placement.places, self._arrangement, strict=True):
            if site.side in (None, place.side):
                for number in numbers:
                    found += (orders.near[number], orders.far[number])
        # An access that orders is more than a barrier and an access: nothing else is the same as it.
        return (NO_ORDERS, *found) if built and site.of_access else tuple(found)

    def distinct(self, site: Site) -> tuple[BarrierClass, ...]:
        """The weakest class of each set of classes that give the same orders at `site`."""
        first: dict[tuple[Orders, ...], BarrierClass] = {}
        for barrier_class in CLASSES[CLASSES.index(self.least(site)) :]:
            first.setdefault(self.orders(site, self.primitive(site, barrier_class)), barrier_class)
        return tuple(first.values())

    def least(self, site: Site) -> BarrierClass:
        """What a C program needs at `site` in any case: where the hardware alone keeps an order, the compiler's.

        To the explorer none and compiler are one, for Python does not reorder. Where another barrier keeps the order,
        that one holds the compiler back, too.
        """
        row = site
        kept = any(row.needs in self.platform.implicit(each) for each in (Side if row.side is None else (row.side,)))
        needed = site in self.plan.program.needed
        return BarrierClass.COMPILER if kept and needed else BarrierClass.NONE

    def weaker(self, site: Site, than: BarrierClass | None = None) -> tuple[BarrierClass, ...]:
        """The distinct classes below `than`, or below what is coded, weakest first."""
        limit = CLASSES.index(than) if than is not None else self._coded(site)
        return tuple(each for each in self.distinct(site) if CLASSES.index(each) < limit)

    def _coded(self, site: Site) -> int:
        """The place of what is coded among the classes. Of an instruction: that of the first that orders as much."""
        barrier = self.plan.sites[site]
        if isinstance(barrier, Primitive) and barrier is not Primitive.AS_BUILT:
            return CLASSES.index(_CLASS_OF[barrier])
        built = self.orders(site, barrier)
        for place, each in enumerate(CLASSES):
            orders = self.orders(site, self.primitive(site, each))
            if all(one in other for one, other in zip(built, orders * len(built), strict=False)):
                return place
        return len(CLASSES)

    # --- explorations

    def changed(self, at: Mapping[Site, Strength]) -> Plan:
        """The plan with these classes, or barriers, at these sites."""
        program = self.plan.program
        kept = [text for text in self.plan.weaken if parse_weaken(text, program.sites)[0] not in at]
        barriers = {
            site: self.primitive(site, each) if isinstance(each, BarrierClass) else each for site, each in at.items()
        }
        said = (
            each.value if isinstance(each, BarrierClass) else label_at(barriers[site], site)
            for site, each in at.items()
        )
        weaken = (*kept, *(f"{site.name}={each}" for site, each in zip(at, said, strict=True)))
        name = ", ".join((self.plan.barriers, *weaken))
        sites = sites_for(program, self.plan.barriers, tuple(kept)).put(barriers, name)
        return replace(self.plan, weaken=weaken, sites=sites)

    def key(self, sites: SiteMap) -> Key:
        return tuple(self.orders(site, sites[site]) for site in self.plan.program.stood_at)

    def explored(self, at: Mapping[Site, Strength]) -> Explored:
        """What the exploration with these comes to; from memory if one of the same orders has been made."""
        plan = self.changed(at)
        key = self.key(plan.sites)
        found = self.known.get(key) or self._alike(key)
        if found is not None:
            return found
        if self.stop.asked:
            return _told(Exploration(bound=BY_USER))
        found = self.known[key] = _told(explore(explorer_of(plan), self.bounds, self.stop))
        self._reached.append((self._reached_sites(), key, found))
        if self.progress is not None:
            self.progress(self._what, len(self.known), max(self._of, len(self.known)))
        return found

    def _alike(self, key: Key) -> Explored | None:
        """An exploration that differs only at sites that it has not come to: it would be made again, step by step."""
        for reached, other, found in self._reached:
            if all(key[place] == other[place] for place in reached):
                return found
        return None

    def _reached_sites(self) -> frozenset[int]:
        """The places, in a key, of those that the exploration just made has come to.

        Of sites in Python nobody knows: they count as reached.
        """
        compiled = [function for part in self.plan.program.parts if (function := part.compiled) is not None]
        reached = frozenset[int]().union(*(function.reached() for function in compiled))
        known = {number for function in compiled for number in (*function.sites.values(), *function.ahead.values())}
        number = self.plan.program.sites.number
        return frozenset(
            place
            for place, site in enumerate(self.plan.program.stood_at)
            if number(site) in reached or not site.built or number(site) not in known
        )

    def counterexample(self, classes: Mapping[Site, BarrierClass], *, replayed: bool) -> Counterexample:
        """The smallest one of a broken assignment; run in processes if `replayed`, and if those can show it."""
        messages, shrunk = self._smallest(classes)
        plan = self.changed(classes).with_config(messages=messages)
        found = Counterexample(
            side=plan.program.part_names[shrunk.finding.cpu],
            kind=type(shrunk.finding.error).__name__,
            text=str(shrunk.finding.error),
            messages=messages,
            schedule=None,
            command=plan.verify_command(),
        )
        if shrunk.schedule is None:
            return found
        plan = plan.with_config(schedule=shrunk.schedule.token())
        found = replace(found, schedule=plan.config.schedule, command=plan.command(plan.config.seed))
        if not replayed:
            return found
        try:
            return _explained(found, plan, show_in_two_processes(plan, shrunk))
        except (AmpError, OSError):  # whatever became of the replay, the finding stands; verify says why
            return replace(found, schedule=None, command=self.changed(classes).verify_command())

    def _smallest(self, classes: Mapping[Site, BarrierClass]) -> tuple[int, Shrunk]:
        """With as few messages as it takes, and shrunk; from memory if one of the same orders has been made."""
        plan = self.changed(classes)
        key = self.key(plan.sites)
        if key not in self._small:
            explorer = explorer_of(plan)
            # What was found within the bounds is found again; only the clock might say otherwise.
            finding = explorer.explore(Bounds(self.bounds.executions)).finding
            assert finding is not None, plan
            plan, explorer, finding, _ = fewest_messages(plan, explorer, finding, self.bounds, self.stop)
            self._small[key] = plan.config.messages, shrink(explorer, finding)
        return self._small[key]

    # --- the matrix

    def rows(self, *, replayed: bool) -> tuple[Row, ...]:
        """A row for every site of the program."""
        machines = {self.key(self.changed({site: each}).sites) for site in self.sites for each in CLASSES}
        self._what, self._of = "cells", len(machines | set(self.known))
        return tuple(self._row(site, replayed=replayed) for site in self.sites)

    def _row(self, site: Site, *, replayed: bool) -> Row:
        first: dict[tuple[Orders, ...], BarrierClass] = {}
        cells = []
        for each in CLASSES:
            primitive = self.primitive(site, each)
            same = first.setdefault(self.orders(site, primitive), each)
            explored = self.explored({site: each})
            cells.append(MatrixCell(each, self.named(site, primitive), explored, None if same is each else same, None))
        why = unjudged(self.plan, site)
        coded, least = self.named(site, self.plan.sites[site]), self.least(site)
        row = Row(site, coded, tuple(cells), None, why is None, least)
        decisive = row.decisive if replayed and not self.stop.asked else None
        shown = tuple(
            replace(cell, counterexample=self.counterexample({site: cell.barrier_class}, replayed=cell is decisive))
            if cell.explored.verdict is Verdict.BROKEN
            else cell
            for cell in row.cells
        )
        if why is not None:
            return replace(row, cells=shown, note=f"is not judged: {why}")
        needless = row.weakest is not None and row.weakest.barrier_class in (BarrierClass.NONE, BarrierClass.COMPILER)
        return replace(row, cells=shown, note=self.note(site) if needless else None)

    def named(self, site: Site, primitive: Barrier) -> str:
        """What stands there: "smp_wmb: dmb"; for two sides that differ, "mb: host dsb; outer_sync, remote dmb"."""
        if primitive is Primitive.AS_BUILT:
            return self.built(site)
        if isinstance(primitive, Instruction):
            return primitive.name
        if primitive in _NO_INSTRUCTION:
            return _NO_INSTRUCTION[primitive]
        side = site.side
        sides = tuple(Side) if side is None else (side,)
        texts = {each: self.platform.processor(each).architecture.rows[primitive].instruction for each in sides}
        compiled = {each: "compiler only" if text == NO_INSTRUCTION else text for each, text in texts.items()}
        said = ", ".join(f"{each} {text}" for each, text in compiled.items())
        if len(set(compiled.values())) == 1:
            said = compiled[sides[0]]
        return f"{primitive.label}: {said}"

    def built(self, site: Site) -> str:
        """What the compiler put there, in the words of an assembler."""
        barriers = [barrier_of(number) for number in site.built if number]
        return ", ".join(each.name if isinstance(each, Instruction) else each.label for each in barriers) or "nothing"

    def note(self, site: Site) -> str:
        """Why no instruction is needed at `site`."""
        row, program = site, self.plan.program
        sides = tuple(Side) if row.side is None else (row.side,)
        if all(row.needs in self.platform.implicit(side) for side in sides):
            kept = orders_text(row.needs) if row.built else row.orders
            return f"needs no instruction here: the hardware keeps {kept}"
        if site in program.idle:
            return f"needs no barrier of its own: {program.idle[site]}"
        if self._reached and program.stood_at.index(site) not in self._reached[0][0]:
            return "needs no barrier within these bounds: no execution comes to it"
        return "needs no barrier of its own within these bounds: what else is coded is enough"

    # --- all sites at once

    def assignment(self, rows: tuple[Row, ...]) -> Assignment:
        """The weakest classes that hold together; locally minimal, which is shown by exploring what is weaker still.

        First each site gets the weakest class that holds alone: mostly that is it. Where these do not hold together the
        sites are weakened one by one, the costliest first, each as far as all before it allow. A site that is not
        judged stays as coded.
        """
        self._what, self._of = "together", len(self.known)
        rows = tuple(row for row in rows if row.judged)
        sites = [row.site for row in rows]
        chosen = {row.site: row.weakest.barrier_class for row in rows if row.weakest and self._is_weaker(row)}
        if self.explored(chosen).verdict is not Verdict.HOLDS:
            chosen = self._one_by_one(sites)
        while True:
            trials = tuple(
                Trial(site, each, self.explored({**chosen, site: each}))
                for site in sites
                for each in self.weaker(site, chosen.get(site))
            )
            better = next((trial for trial in trials if trial.explored.verdict is Verdict.HOLDS), None)
            if better is None:
                break
            chosen[better.site] = better.barrier_class
        chosen = {site: chosen[site] for site in self.sites if site in chosen}
        assert self.explored(chosen).verdict is Verdict.HOLDS, chosen
        return Assignment(chosen, self.explored(chosen), trials, self.changed(chosen).verify_command())

    def _is_weaker(self, row: Row) -> bool:
        return row.weakest is not None and row.weakest.barrier_class in self.weaker(row.site)

    def _one_by_one(self, sites: list[Site]) -> dict[Site, BarrierClass]:
        chosen: dict[Site, BarrierClass] = {}
        for site in sorted(sites, key=lambda each: (_COSTLIEST_FIRST.index(each.kind), self.sites.index(each))):
            for each in self.weaker(site):
                if self.explored({**chosen, site: each}).verdict is Verdict.HOLDS:
                    chosen[site] = each
                    break
        return chosen


def _told(result: Exploration) -> Explored:
    """What an exploration says. Where a bound was reached it says nothing of the rest."""
    found = result.finding
    verdict = Verdict.BROKEN if found is not None else Verdict.HOLDS if result.verified else Verdict.UNKNOWN
    text = None if found is None else str(found.error)
    return Explored(verdict, result.runs, result.executions, result.states, text, result.bound)


def _explained(found: Counterexample, plan: Plan, witness: Witness) -> Counterexample:
    """With what processes showed of it."""
    if witness.trace is None or witness.explanation is None:
        return replace(found, replayed=True)
    words = Words(History(witness.trace), witness.explanation, plan.name_of)
    return replace(found, replayed=True, blamed=witness.site, paragraphs=tuple(words.paragraphs()))
