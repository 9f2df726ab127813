"""What each barrier of a binary is worth on a platform: needed, stronger than needed, or for nothing.

Only of code that holds as it is built, and at one site at a time: all others are as they were built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from amp.lab.search import Search
from amp.lab.strength import instructions
from amp.ordering.barriers import Primitive
from amp.ordering.instructions import BY_NUMBER, Barrier, Instruction, cost
from amp.ordering.sites import Site, label_at
from amp.report.matrix import Built, Verdict, Worth


def built(search: Search) -> Iterator[Built]:
    """Every site of the binary at which stands what the compiler put there."""
    for site in search.plan.program.stood_at:
        if any(site.built) and search.plan.sites[site] is Primitive.AS_BUILT:
            yield _access(search, site) if site.of_access else _barrier(search, site)


def _access(search: Search, site: Site) -> Built:
    text, _, _ = site.orders.rpartition(" in ")
    if site.fixed:
        return Built(site, text, Worth.FIXED, "", "", site.fixed)
    plain = search.explored({site: Primitive.NONE})
    said = f"--weaken {site.name}={label_at(Primitive.NONE, site)}"
    if plain.verdict is Verdict.UNKNOWN:
        return Built(site, text, Worth.UNKNOWN, "", "", f"made plain, stopped after {plain.bound}")
    if plain.verdict is Verdict.HOLDS:
        return Built(site, text, Worth.IDLE, "plain", said, "what else is there is enough within these bounds")
    return Built(site, text, Worth.NEEDED, "", said, f"a plain one is not enough: {plain.text}")


def _barrier(search: Search, site: Site) -> Built:
    none = search.explored({site: Primitive.NONE})
    found = Built(site, search.built(site), Worth.NEEDED, "", f"--weaken {site.name}=none", f"without it: {none.text}")
    if none.verdict is Verdict.UNKNOWN:
        return replace(found, worth=Worth.UNKNOWN, weaken="", why=f"without it, stopped after {none.bound}")
    if none.verdict is Verdict.HOLDS:
        return replace(found, worth=Worth.IDLE, weakest="none", why=f"it {search.note(site)}")
    for barrier in _weaker(search, site):
        explored = search.explored({site: barrier})
        if explored.verdict is Verdict.HOLDS:
            name = barrier.name if isinstance(barrier, Instruction) else search.named(site, barrier)
            said = f"--weaken {site.name}={barrier.label}"
            return replace(found, worth=Worth.STRONG, weakest=name, weaken=said, why="the least that holds")
        if explored.verdict is Verdict.UNKNOWN:
            why = f"needed; whether {barrier.label} is enough is not known: stopped after {explored.bound}"
            return replace(found, worth=Worth.UNKNOWN, weaken="", why=why)
    return found


def _weaker(search: Search, site: Site) -> list[Barrier]:
    """What could stand there that holds less back than what does, the cheapest first."""
    if not site.isas:
        return [search.primitive(site, each) for each in search.weaker(site)]
    most = max(cost(BY_NUMBER[number]) for number in site.built)
    return [row for row in instructions(search, site) if cost(row) < most]
