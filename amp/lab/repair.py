"""Where a program lacks a barrier: a search for the places, and for the weakest that will do there.

A violation's path gives the lines to try: a barrier may stand before each access to shared memory that the parts made
on it. The strongest is put before all of them, and at all of the program's sites; where it then still breaks, the new
path's lines come to them. What holds is made less, place by place and strength by strength, each step a whole
exploration: so what is left is verified, as one program, and nothing of it can be left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from amp.errors import AmpError, UsageError
from amp.explore.explorer import Bounds, Exploration, Explorer, Finding
from amp.explore.lined import lines_along
from amp.lab.plan import Plan, sites_for
from amp.lab.search import Search, Strength
from amp.lab.stopping import Stop, explore
from amp.lab.strength import c11_name, needed, primitives, weakest
from amp.lab.verify import explorer_of
from amp.machine.config import Lines
from amp.ordering.barriers import Orders, Primitive
from amp.ordering.instructions import Barrier, Instruction
from amp.ordering.sites import BEFORE, SITES_LIMIT, Site
from amp.port.lines import line_name
from amp.programs import load
from amp.programs.program import Program
from amp.report.matrix import Explored, Verdict
from amp.report.repair import Remedy, Repair

RUNS_LIMIT: Final = 200_000  # of all explorations together
SECONDS_LIMIT: Final = 30.0
BOUNDS: Final = Bounds(RUNS_LIMIT, SECONDS_LIMIT / 3)  # of each


class _Spent(AmpError):
    """The search has taken as much as it may."""


def is_possible(plan: Plan) -> bool:
    """Is it a program that the search can add sites to: an ELF file, or a class of a user's file?"""
    program = plan.program
    return program.with_places is not None and not program.shipped and bool(program.reference)


def repair_compiled(plan: Plan, stop: Stop | None = None) -> Repair | None:
    """What comes with every finding in compiled code, asked for or not; of other programs `amp sites` looks for it."""
    return repair(plan, stop=stop) if plan.program.fits is not None else None


def repair(plan: Plan, bounds: Bounds = BOUNDS, stop: Stop | None = None) -> Repair | None:
    """What repairs the plan's program; None for one that is not broken, or that the search can put nothing into."""
    if not is_possible(plan):
        return None
    search = _Repairing(plan.with_config(schedule=""), bounds, stop or Stop())
    try:
        return search.found()
    except AmpError as error:  # too much, or with a barrier more it is too large to explore; what was found stands
        return search.none(f"not known: {error}")


@dataclass(slots=True)
class _Repairing:
    plan: Plan
    bounds: Bounds
    stop: Stop
    lines: dict[str, bool] = field(default_factory=dict)  # those to try: does the line store?
    began: float = field(default_factory=time.monotonic)
    searches: list[Search] = field(default_factory=list)
    first: list[Exploration] = field(default_factory=list)  # those of no search

    def found(self) -> Repair | None:
        """See `repair`."""
        plan = self.plan
        while True:
            explorer, exploration = self._strongest(plan)
            if exploration.finding is None:
                break
            path = _path(plan, explorer, exploration.finding)
            new = {name: stores for name, stores in path.items() if name not in self.lines}
            if not new or len(self.lines) + len(new) + len(plan.program.sites) > SITES_LIMIT:
                return self.none("no barrier at any line of its path repairs it, nor all of them together")
            self.lines |= new
            plan = _with_places(self.plan, self.lines)
        if not self.lines:
            return None
        if exploration.bound is not None:
            return self.none(f"not known: with the strongest barrier everywhere, stopped after {exploration.bound}")
        return self._least(plan)

    def _strongest(self, plan: Plan) -> tuple[Explorer, Exploration]:
        """With the strongest barrier at every site; as built before any line is to be tried."""
        if self.lines:
            at: dict[Site, Barrier] = dict.fromkeys(_open_sites(plan), Primitive.MB)
            plan = replace(plan, sites=plan.sites.put(at))
        explorer = explorer_of(plan)
        exploration = explore(explorer, self.bounds, self.stop)
        self.first.append(exploration)
        self._check()
        return explorer, exploration

    def _search(self, plan: Plan) -> Search:
        """The explorations of a plan, as long as there is something left for them."""
        search = Search(plan, self.bounds, self._check, self.stop)
        self.searches.append(search)
        return search

    def _check(self, *_: object) -> None:
        """Raises _Spent."""
        if self.runs > RUNS_LIMIT or time.monotonic() - self.began > SECONDS_LIMIT:
            raise _Spent(f"the search ended after {self.runs:,} runs, of {RUNS_LIMIT:,} or {SECONDS_LIMIT:g} s")

    @property
    def runs(self) -> int:
        return sum(each.runs for each in self.first) + sum(each.runs for each in self._known())

    def _known(self) -> list[Explored]:
        return [each for search in self.searches for each in search.known.values()]

    # --- as little as will do

    def _least(self, plan: Plan) -> Repair:
        search = self._search(plan)
        sites = plan.program.sites
        at: dict[Site, Strength] = dict.fromkeys(_open_sites(plan), Primitive.MB)
        # A store is announced as late as can be, news is acted upon as early: so these go first.
        places = [sites[BEFORE + name] for name, stores in self.lines.items() if stores]
        places += [sites[BEFORE + name] for name, stores in reversed(self.lines.items()) if not stores]
        for site in (*places, *(site for site in at if not site.is_place)):
            fewer = {other: each for other, each in at.items() if other is not site}
            if search.explored(fewer).verdict is Verdict.HOLDS:
                at = fewer
        needs: dict[Site, Orders] = {}
        for site in at:
            probe = needed(search, site, at)
            if probe is None:
                return self.none(f"not known: how strong it has to be {_where(site)} could not be explored")
            at[site], needs[site] = probe, probe.orders
        for site in at:
            found = weakest(search, site, needs[site], at)
            if found is None:
                return self.none(f"no barrier that {plan.platform_name} has is as strong as is needed {_where(site)}")
            at[site] = found
        return self._verified(at, needs)

    def _verified(self, at: Mapping[Site, Strength], needs: Mapping[Site, Orders]) -> Repair:
        """The repair by itself, at no more lines than it needs: explored once more, as the command has it."""
        names = [site.name.removeprefix(BEFORE) for site in at if site.is_place]
        plan = _with_places(self.plan, names)
        alone = self._search(plan)
        sites = plan.program.sites
        chosen = {sites[site.name]: each for site, each in at.items()}
        explored = alone.explored(chosen)
        if explored.verdict is not Verdict.HOLDS:
            return self.none("not known: what holds among more places was not decided by itself")
        remedies = tuple(_remedy(alone, site, chosen[site], needs[old]) for old, site in zip(at, chosen, strict=True))
        return Repair(
            remedies,
            "",
            str(plan.platform_name),
            len(self.lines),
            len(self.first) + len(self._known()),
            self.runs,
            explored.runs,
            alone.changed(chosen).verify_command(),
        )

    def none(self, reason: str) -> Repair:
        """That none was found, and why."""
        explorations = len(self.first) + len(self._known())
        return Repair((), reason, str(self.plan.platform_name), len(self.lines), explorations, self.runs)


def _path(plan: Plan, explorer: Explorer, finding: Finding) -> dict[str, bool]:
    """The lines of the accesses that lead to the finding, those of each part in their order: does the line store?"""
    found: dict[str, bool] = {}
    kept = lines_along(explorer, finding)
    for part, lines in zip(plan.program.parts, kept, strict=False):
        for name, stores in _compiled_path(part.compiled) if part.compiled is not None else _python_path(lines):
            found[name] = found.get(name, False) or stores
    return {name: stores for name, stores in found.items() if _can_stand(plan.program, name)}


def _compiled_path(function: Any) -> Iterator[tuple[str, bool]]:
    """Of a part of compiled code (amp.code.code.Function), in the run just made."""
    loads, stores, _ = ([pc for pc, *_ in kind] for kind in function.engine.core.places())
    for address in sorted({*loads, *stores}):
        name = function.place_at(address)
        if name is not None:
            yield name, address in stores


def _python_path(lines: Lines) -> Iterator[tuple[str, bool]]:
    loads, stores = ({lines.place(kind, n) for n in range(len(getattr(lines, kind)))} for kind in ("loads", "stores"))
    for place in sorted(filter(None, loads | stores)):
        yield line_name(place), place in stores


def _can_stand(program: Program, line: str) -> bool:
    """Can a site stand before it? Not before a line of amp's, or of an installed package."""
    assert program.with_places is not None, program
    try:
        program.with_places([line])
    except UsageError:
        return False
    return True


def _open_sites(plan: Plan) -> Iterable[Site]:
    return [site for site in plan.program.sites if not site.of_access]


def _with_places(plan: Plan, lines: Iterable[str]) -> Plan:
    """The plan with a site before each of these lines."""
    new = [f"before={each}" for each in lines if BEFORE + each not in plan.program.sites.names]
    program = load(_with_words(plan.program.reference, new))
    shown = _with_words(plan.shown, new)
    config = plan.with_config(program=program.reference).config
    return replace(
        plan, program=program, shown=shown, config=config, sites=sites_for(program, plan.barriers, plan.weaken)
    )


def _with_words(reference: str, words: Sequence[str]) -> str:
    return "&".join([reference, *words]) if "?" in reference or not words else f"{reference}?{'&'.join(words)}"


def _where(site: Site) -> str:
    if site.is_place:
        return f"before {site.name.removeprefix(BEFORE)}"
    return f"at {site.name}"


def _remedy(search: Search, site: Site, barrier: Strength, needs: Orders) -> Remedy:
    assert isinstance(barrier, Primitive | Instruction), barrier
    inside = site.orders.rpartition(" in ")[2] if site.built else ""
    linux, stood = primitives(search, site, needs), search.plan.sites[site]
    shown = barrier.name if isinstance(barrier, Instruction) else search.named(site, barrier)
    return Remedy(
        _where(site),
        inside,
        "" if stood is Primitive.NONE or site.is_place else search.named(site, stood),
        needs,
        shown,
        linux[0].label if linux else "",
        c11_name(search, site, needs),
    )
