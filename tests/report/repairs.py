"""The repair test: is a violation gone when the named site alone is at full strength, and all else as it was?

"The same schedule" is the witness's own, as far as the step that decided it, bent as little as the repair takes: at
each barrier of that site the stores before it become visible, and a load that would be too old then, or late, has no
goal any more and reads the newest. If the load that the explanation is about is one of those, the violation is gone: it
cannot return what it did. Else the run is finished in order, and tells. A schedule whose program goes another way by
then, because an earlier load of another message returned something else, fits no more, and tells nothing.
"""

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum

import msgspec

from amp.errors import ScheduleMismatch
from amp.lab.machine import Machine
from amp.lab.plan import Plan
from amp.lab.run import Witness
from amp.machine.config import Mode
from amp.machine.schedule import Goal, Schedule, Visible
from amp.ordering.barriers import BarrierClass, Primitive
from amp.ordering.sites import Site, SiteMap
from amp.report.history import GRANULE, granule_of
from amp.report.schedule import goals_of
from amp.report.trace import Event, EventKind, Trace

BENDS = 400
TOO_OLD_OR_LATE = ("source is older than", "performed already", "performs the load on its way")


class Repair(Enum):
    GONE = "gone"
    STAYS = "stays"
    UNDECIDED = "the bent schedule is another run"


@dataclass
class Repaired:
    """One witness's schedule on `sites`."""

    machine: Machine
    plan: Plan
    found: Witness
    sites: SiteMap

    def outcome(self) -> Repair:
        explanation, trace = self.found.explanation, self.found.trace
        assert explanation is not None
        assert trace is not None
        told = [event.number for event in (explanation.deciding, explanation.bad, *explanation.accesses) if event]
        steps = hastened(trace, explanation.site, max(told))
        for _ in range(BENDS):
            try:
                return Repair.STAYS if self._fails([goal for _, goal in steps]) else Repair.GONE
            except ScheduleMismatch as error:
                event = steps[error.number - 1][0]
                if not any(reason in str(error) for reason in TOO_OLD_OR_LATE):
                    return Repair.UNDECIDED
                if event.number in told:
                    return Repair.GONE
                del steps[error.number - 1]
        return Repair.UNDECIDED

    def _fails(self, goals: list[Goal]) -> bool:
        config = msgspec.structs.replace(
            self.plan.config, mode=Mode.LOCKSTEP, schedule=Schedule(tuple(goals)).token(), messages=self.messages
        )
        outcome = self.machine.run(config, self.plan.platform, self.sites, until_violation=True)
        return any(report.outcome in ("violation", "error") for report in outcome.reports)

    @property
    def messages(self) -> int:
        return min(self.plan.config.messages, self.found.outcome.messages + 32)


def hastened(trace: Trace, site: Site, last: int) -> list[tuple[Event, Goal]]:
    """The steps as far as event `last`, with every store visible by its CPU's next barrier at that site."""
    barriers = [event for event in trace.events if event.kind is EventKind.BARRIER and trace.site(event) is site]
    placed = []
    for order, (event, goal) in enumerate([*goals_of(trace), *never_arrived(trace)]):
        moment, behind = float(event.number), event.number
        if isinstance(goal, Visible):
            behind = event.store
            due = (each.number for each in barriers if each.cpu == goal.cpu and each.number > event.store)
            moment = min(moment, next(due, event.number) + 0.5)
        if moment <= last:
            placed.append((moment, behind, order, (event, goal)))
    return [step for *_, step in sorted(placed, key=lambda each: each[:3])]


def never_arrived(trace: Trace) -> list[tuple[Event, Goal]]:
    """The stores that were pending to the end, each part as if it arrived then."""
    arrived = {(event.store, event.address) for event in trace.events if event.kind is EventKind.VISIBLE}
    end = replace(trace.events[-1], number=trace.last + 1)
    issued: Counter[int] = Counter()
    missing: list[tuple[Event, Goal]] = []
    for store in trace.events:
        if store.kind not in (EventKind.STORE, EventKind.KICK):
            continue
        number, issued[store.cpu] = issued[store.cpu], issued[store.cpu] + 1
        if store.kind is EventKind.STORE:
            granules = range(granule_of(store.address), store.address + store.size, GRANULE)
            missing += [
                (replace(end, store=store.number), Visible(store.cpu, number, part))
                for part, granule in enumerate(granules)
                if (store.number, granule) not in arrived
            ]
    return missing


def full_strength(sites: SiteMap, site: Site) -> SiteMap:
    """The map with a full mandatory barrier at `site`."""
    return sites.weaken(site, Primitive.MB if site.mailbox is None else BarrierClass.MANDATORY)


def repaired(machine: Machine, plan: Plan, found: Witness) -> Repair:
    """What becomes of `found`, whose explanation names a site, when that site alone is at full strength."""
    assert found.explanation is not None
    assert found.explanation.site is not None
    return Repaired(machine, plan, found, full_strength(plan.sites, found.explanation.site)).outcome()
