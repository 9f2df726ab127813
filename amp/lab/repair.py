"""Where compiled code lacks a barrier: a search for the places, and for the weakest that will do there.

A violation's path gives the lines to try: a barrier may stand before each access to shared memory that the parts made
on it. The strongest is put before all of them, and at all sites of the code; where the program then still breaks, the
new path's lines come to them. What holds is made less, place by place and strength by strength, each step a whole
exploration: so what is left is verified, as one program, and nothing of it can be left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from amp.errors import AmpError
from amp.explore.explorer import Bounds, Exploration
from amp.lab.plan import Plan, sites_for
from amp.lab.search import Search, Strength
from amp.lab.stopping import Stop, explore
from amp.lab.strength import c11_name, needed, primitives, weakest
from amp.lab.verify import explorer_of
from amp.ordering.barriers import Orders, Primitive
from amp.ordering.instructions import Barrier, Instruction
from amp.ordering.sites import BEFORE, SITES_LIMIT, Site
from amp.port.lines import LINES_LIMIT
from amp.programs import load
from amp.report.matrix import Explored, Verdict
from amp.report.repair import Remedy, Repair

RUNS_LIMIT: Final = 200_000  # of all explorations together
SECONDS_LIMIT: Final = 30.0
BOUNDS: Final = Bounds(RUNS_LIMIT, SECONDS_LIMIT / 3)  # of each


class _Spent(AmpError):
    """The search has taken as much as it may."""


def is_possible(plan: Plan) -> bool:
    """Is it a program whose sites the search can add to: an ELF file?"""
    return plan.program.fits is not None and "?" in plan.program.reference


def repair(plan: Plan, bounds: Bounds = BOUNDS, stop: Stop | None = None) -> Repair | None:
    """What repairs the plan's program; None for one that is not broken, or that the search can put nothing into."""
    if not is_possible(plan):
        return None
    search = _Repairing(plan.with_config(script=""), bounds, stop or Stop())
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
            exploration = self._strongest(plan)
            if exploration.finding is None:
                break
            new = {name: stores for name, stores in self._path(plan).items() if name not in self.lines}
            if not new or len(self.lines) + len(new) + len(plan.program.sites) > SITES_LIMIT:
                return self.none("no barrier at any line of its path repairs it, nor all of them together")
            self.lines |= new
            plan = _with_places(self.plan, self.lines)
        if not self.lines:
            return None
        if exploration.bound is not None:
            return self.none(f"not known: with the strongest barrier everywhere, stopped after {exploration.bound}")
        return self._least(plan)

    def _strongest(self, plan: Plan) -> Exploration:
        """With the strongest barrier at every site; as built before any line is to be tried."""
        if self.lines:
            at: dict[Site, Barrier] = dict.fromkeys(_open_sites(plan), Primitive.MB)
            plan = replace(plan, sites=plan.sites.put(at))
        explorer = explorer_of(plan)
        for function in _functions(plan):
            function.engine.core.keep(LINES_LIMIT, 0)
        exploration = explore(explorer, self.bounds, self.stop)
        self.first.append(exploration)
        self._check()
        return exploration

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

    @staticmethod
    def _path(plan: Plan) -> dict[str, bool]:
        """The lines of the accesses of the run just made, by address: does the line store?"""
        found: dict[str, bool] = {}
        for function in _functions(plan):
            loads, stores, _ = ([pc for pc, *_ in kind] for kind in function.engine.core.places())
            for address in sorted({*loads, *stores}):
                name = function.place_at(address)
                if name is not None:
                    found[name] = found.get(name, False) or address in stores
        return found

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


def _functions(plan: Plan) -> list[Any]:
    """The compiled functions of the parts (amp.code.code.Function)."""
    return [function for part in plan.program.parts if (function := part.compiled) is not None]


def _open_sites(plan: Plan) -> Iterable[Site]:
    return [site for site in plan.program.sites if not site.of_access]


def _with_places(plan: Plan, lines: Iterable[str]) -> Plan:
    """The plan with a site before each of these lines."""
    asked = plan.program.reference
    new = [each for each in lines if f"&before={each}&" not in f"{asked}&"]
    program = load("&".join([asked, *(f"before={each}" for each in new)]))
    shown = "&".join([plan.shown, *(f"before={each}" for each in new)])
    config = plan.with_config(program=program.reference).config
    return replace(
        plan, program=program, shown=shown, config=config, sites=sites_for(program, plan.barriers, plan.weaken)
    )


def _where(site: Site) -> str:
    if site.is_place:
        return f"before {site.name.removeprefix(BEFORE)}"
    return f"at {site.name}"


def _remedy(search: Search, site: Site, barrier: Strength, needs: Orders) -> Remedy:
    assert isinstance(barrier, Primitive | Instruction), barrier
    _, _, inside = site.orders.rpartition(" in ")
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
