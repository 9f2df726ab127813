"""Where a barrier is missing: what was put where, by every name that it has, and what was tried; and the words for it.

`amp.lab.repair` fills them. A repair is what an exploration has verified, all of it at once; where none was found, the
reason says how far the search came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amp.ordering.barriers import Orders, orders_text
from amp.report.counts import count_of

HEADING = "Repair"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One barrier that repairs, alone or with others.

    `where` is "before ring.c:77" or "at ring.c:75", `inside` the function, "" at a site that the program names,
    `instead_of` what stands there as built, "" if nothing. `needs` are the pairs of accesses that it has to keep, no
    fewer will do. `barrier` is the weakest that does, as an assembler writes it; `linux` and `c11` are the weakest of
    those names that promise it and keep it on this platform, "" if none does; `c11` is None for code that was compiled
    for another processor.
    """

    where: str
    inside: str
    instead_of: str
    needs: Orders
    barrier: str
    linux: str
    c11: str | None

    @property
    def text(self) -> str:
        """ "dmb oshst before ring.c:77, in send"."""
        instead = f" in place of {self.instead_of}" if self.instead_of else ""
        inside = f", in {self.inside}" if self.inside else ""
        return f"{self.barrier}{instead} {self.where}{inside}"


@dataclass(frozen=True, slots=True)
class Repair:
    """What came of the search. `remedies` are put there together; without any, `reason` says why there are none.

    `places` are the lines at which a barrier was tried, `explorations` and `runs` what that took. `holds` are the runs
    of the exploration that verified it, `command` makes that again.
    """

    remedies: tuple[Remedy, ...]
    reason: str
    platform: str
    places: int
    explorations: int
    runs: int
    holds: int = 0
    command: str = ""


def paragraphs(repair: Repair) -> list[tuple[str, str]]:
    """(heading, text) for an explanation."""
    if not repair.remedies:
        return [(HEADING, f"{repair.reason}; {tried_text(repair)}")]
    return [(HEADING, remedies_text(repair)), ("Verified", verified_text(repair))]


def remedies_text(repair: Repair) -> str:
    """What to put where, and its names."""
    return "; and ".join(remedy_lines(repair))


def remedy_lines(repair: Repair) -> list[str]:
    """The same, a line for each."""
    return [f"{each.text} ({orders_text(each.needs)}): {_names(repair, each)}" for each in repair.remedies]


def verified_text(repair: Repair) -> str:
    """What is known of it."""
    all_of_it = "it" if len(repair.remedies) == 1 else f"these {len(repair.remedies)} together"
    return (
        f"With {all_of_it} every execution holds within these bounds, {count_of(repair.holds, 'run')}; "
        f"{tried_text(repair)}"
    )


def _names(repair: Repair, remedy: Remedy) -> str:
    linux = f"{remedy.linux}()" if remedy.linux else "no barrier"
    if remedy.c11 is None:
        return f"in Linux {linux}"
    c11 = f"in C11 {remedy.c11}" if remedy.c11 else f"no fence of C11 is as strong on {repair.platform}"
    return f"in Linux {linux}; {c11}"


def tried_text(repair: Repair) -> str:
    """What the search took."""
    return f"tried at {count_of(repair.places, 'line')}, in {count_of(repair.explorations, 'exploration')}"


def repair_data(repair: Repair) -> dict[str, Any]:
    """For `--json`."""
    return {
        "verified": bool(repair.remedies),
        "remedies": [
            {
                "where": each.where,
                "function": each.inside,
                "instead_of": each.instead_of or None,
                "needs": orders_text(each.needs).split(),
                "barrier": each.barrier,
                "linux": each.linux or None,
                "c11": each.c11 or None,
            }
            for each in repair.remedies
        ],
        "reason": repair.reason or None,
        "places": repair.places,
        "explorations": repair.explorations,
        "runs": repair.runs,
        "command": repair.command or None,
    }
