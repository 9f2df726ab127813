"""Where each barrier must stand, as a table, and a checker that reads recorded calls against it. Not a test.

A rule of site S: between the last access of kind `before` and the next one of kind `after` there is `barrier(S)`. And
no barrier is idle: the very next access is of kind `leads_to`, where one is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from amp.ordering.sites import Site
from amp.port.doors import Recorded
from amp.port.port import HOST, REMOTE
from amp.virtio.sites import B1, K1, K2, S1, S2, S3, S4, S5, S6, S7, S8
from amp.virtio.split import SplitLayout


@dataclass(frozen=True)
class Access:
    """One recorded call in the ring's own words: what was done (load, store, kick, wait), and to which field."""

    what: str
    ring: str
    field: str
    value: int
    barrier: Site | None = None


@dataclass(frozen=True)
class Rule:
    """`cpu` stands at `site`. Patterns are matched against "load avail.idx" and so on, within one ring or across."""

    site: Site
    cpu: int
    before: str
    after: str
    leads_to: str
    across_rings: bool = False  # the doorbell belongs to no ring; a buffer is known by its address alone


# desc.* as in field_at; "buffer" is whatever lies in no ring. A wish to be told is a cleared flag or an event index.
_WISH_OF_DEVICE = r"store (used\.avail_event|used\.flags=0)"
_WISH_OF_DRIVER = r"store (avail\.used_event|avail\.flags=0)"
RULES = (
    Rule(S1, HOST, r"store (desc|avail\.ring|buffer)", r"store avail\.idx", r"store avail\.idx"),
    Rule(S2, REMOTE, r"load avail\.idx", r"load (avail\.ring|desc|buffer)", r"load avail\.ring"),
    Rule(S3, REMOTE, r"store (used\.ring|buffer)", r"store used\.idx", r"store used\.idx"),
    Rule(S4, HOST, r"load used\.idx", r"load (used\.ring|buffer)", r"load used\.ring"),
    Rule(S5, HOST, r"store avail\.idx", r"load used\.(flags|avail_event)", r"load used\.(flags|avail_event)"),
    Rule(S6, REMOTE, _WISH_OF_DEVICE, r"load avail\.idx", r"load avail\.idx"),
    Rule(S7, REMOTE, r"store used\.idx", r"load avail\.(flags|used_event)", r"load avail\.(flags|used_event)"),
    Rule(S8, HOST, _WISH_OF_DRIVER, r"load used\.idx", ""),  # in get_used nothing follows
    Rule(K1, HOST, r"store (avail|desc|buffer)", r"kick", r"kick", across_rings=True),
    Rule(K1, REMOTE, r"store (used|buffer)", r"kick", r"kick", across_rings=True),
    Rule(K2, HOST, r"wait", r"load (used|buffer)", "", across_rings=True),
    Rule(K2, REMOTE, r"wait", r"load (avail|desc|buffer)", "", across_rings=True),
    Rule(B1, HOST, r"load buffer", r"store avail\.idx", "", across_rings=True),
    Rule(B1, REMOTE, r"load buffer", r"store used\.idx", "", across_rings=True),
)


def parse(calls: Iterable[Recorded], rings: dict[str, SplitLayout]) -> Iterator[Access]:
    """The calls in the words of `rings`, by name. Notes are left out: they are no accesses."""
    for call in calls:
        what, first = call.method.partition("_")[0], call.arguments[0] if call.arguments else 0
        if what == "barrier":
            yield Access("barrier", "", "", 0, first)
        elif what in {"kick", "wait"}:
            yield Access(what, "", "", 0)
        elif what in {"load", "read"}:
            yield Access("load", *_place(int(first), rings), 0)
        elif what in {"store", "write"}:
            value = call.arguments[1] if what == "store" else 0
            ring, field = _place(int(first), rings)
            yield Access("store", ring, f"{field}={value}" if field.endswith("flags") else field, 0)
        else:
            assert what in {"note", "set", "retire"}, call


def _place(address: int, rings: dict[str, SplitLayout]) -> tuple[str, str]:
    for name, layout in rings.items():
        field = layout.field_at(address)
        if field is not None:
            return name, field
    return "", "buffer"


def faults(accesses: list[Access], cpu: int) -> list[str]:
    """Every barrier that is missing, or that orders nothing; empty if all stand where they must, and nowhere else."""
    found = []
    rules = [rule for rule in RULES if rule.cpu == cpu]
    for rule in rules:
        found += [
            f"{rule.site.name} is missing before {str_of(access)} (access {at})"
            for at, access in _missing(accesses, rule)
        ]
    expected = {rule.site for rule in rules}
    for at, access in enumerate(accesses):
        if access.barrier is None:
            continue
        if access.barrier not in expected:
            found.append(f"{access.barrier.name} is not this side's (access {at})")
        leads_to = next((rule.leads_to for rule in rules if rule.site is access.barrier), "")
        following = next((str_of(after) for after in accesses[at + 1 :]), None)
        if leads_to and following is not None and not re.match(leads_to, following):
            found.append(f"{access.barrier.name} is followed by {following} (access {at})")
    return found


def str_of(access: Access) -> str:
    """ "load avail.idx": the form that rules are matched against."""
    return f"barrier {access.barrier.name}" if access.barrier else f"{access.what} {access.field}".strip()


def _missing(accesses: list[Access], rule: Rule) -> Iterator[tuple[int, Access]]:
    before, after = _matcher(rule.before), _matcher(rule.after)
    open_since: dict[str, int] = {}  # by ring: an access of kind `before` that no barrier has followed yet
    for at, access in enumerate(accesses):
        if access.barrier is rule.site:
            open_since.clear()
            continue
        ring = "" if rule.across_rings or access.field == "buffer" else access.ring
        text = str_of(access)
        if after(text) and (ring in open_since or (access.field == "buffer" and open_since)):
            yield at, access
        if before(text):
            open_since[ring] = at


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).match
