"""Barrier sites: a site is a named place in protocol code at which a barrier stands.

A site is what a fault weakens, what a report blames, what the necessity matrix ranges over. The code that stands at a
site asks the port for it (`port.barrier(S1)`); which primitive that is, the program's `SiteMap` decides, and what the
primitive is worth, the platform. The sites of virtio's rings are in amp.virtio.sites; a program has its own, any number
and any names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from amp.errors import UsageError
from amp.ordering.barriers import NO_ORDERS, BarrierClass, Kind, Orders, Primitive, primitive_for
from amp.ordering.instructions import Barrier, rows_of
from amp.ordering.platforms import Side

BEFORE: Final = "before:"  # a place in compiled code: "before:ring.c:77"
PLAIN: Final = "plain"  # an access that has lost what it orders
SITES_LIMIT: Final = 255  # of one program: a trace has a byte for the number, and 0 is no site
_NAME: Final = re.compile(r"[A-Za-z_][\w.:+@-]{0,63}", re.ASCII)


class Site:
    """One barrier of a protocol. Two sites are the same only if they are the same object.

    `orders` says what must stay in order, in the protocol's words ("data before flag"). `needs` are the pairs of
    accesses (amp.ordering.barriers.Orders, or their names: "WW", "RR RW", "WD" for a doorbell behind a store). `kind`
    is what the code asks for there: mb, rmb, wmb, release or acquire. `pairs_with` names the sites at the other end.
    `symptom` says what is seen when the barrier is missing, `role` who stands there in the protocol's words ("driver"),
    `side` on which machine (None: on both). `mailbox` is the barrier half of a mailbox access that may stand there:
    WRITEL before a doorbell (so where `needs` has WD), READL behind an interrupt. `source` cites the rule's origin.

    Of compiled code: `built` are the barriers that stand there, by their numbers (amp.ordering.instructions), `isas`
    the instruction sets whose barriers may stand there instead. A site `of_access` is no barrier but accesses that
    order by themselves, a load-acquire or a store-release: they may be made plain ones, and nothing else. `fixed` says
    why not even that can be.

    Raises UsageError for a name that is no word, for unknown pairs and kinds.
    """

    __slots__ = (
        "built",
        "fixed",
        "isas",
        "kind",
        "mailbox",
        "name",
        "needs",
        "of_access",
        "orders",
        "pairs_with",
        "role",
        "side",
        "source",
        "symptom",
    )

    name: str
    orders: str
    needs: Orders
    kind: Kind
    pairs_with: tuple[str, ...]
    symptom: str
    role: str
    side: Side | None
    mailbox: Primitive | None
    source: str
    built: tuple[int, ...]
    isas: tuple[str, ...]
    of_access: bool
    fixed: str

    def __init__(
        self,
        name: str,
        orders: str,
        *,
        needs: Orders | str,
        kind: Kind | str,
        pairs_with: str | Iterable[str] = (),
        symptom: str = "",
        role: str = "",
        side: Side | str | None = None,
        mailbox: Primitive | None = None,
        source: str = "",
        built: Iterable[int] = (),
        isas: Iterable[str] = (),
        of_access: bool = False,
        fixed: str = "",
    ) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(
                f"site name is {name!r:.80}, expected a word of letters, digits, '_', '-', '+', '.' and ':'"
            )
        pairs = _orders(name, needs)
        if mailbox is None and pairs & Orders.WD:
            mailbox = Primitive.WRITEL
        values: dict[str, Any] = {
            "name": name,
            "orders": orders,
            "needs": pairs,
            "kind": _choice(f"site {name}: kind", Kind, kind),
            "pairs_with": (pairs_with,) if isinstance(pairs_with, str) else tuple(pairs_with),
            "symptom": symptom,
            "role": role,
            "side": None if side is None else _choice(f"site {name}: side", Side, side),
            "mailbox": mailbox,
            "source": source,
            "built": tuple(built),
            "isas": tuple(isas),
            "of_access": of_access,
            "fixed": fixed,
        }
        for field_name, value in values.items():
            object.__setattr__(self, field_name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Site does not change: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Site does not change: {name}")

    @property
    def is_place(self) -> bool:
        """Is it a place in compiled code at which nothing stands as built?"""
        return self.built == (int(Primitive.NONE),)

    def __repr__(self) -> str:
        return f"Site({self.name!r}, {self.orders!r}, needs={orders_names(self.needs)!r}, kind={self.kind.value!r})"


def _choice(what: str, options: Any, given: object) -> Any:
    try:
        return options(given)
    except ValueError:
        raise UsageError(f"{what} is {given!r:.80}, expected {', '.join(each.value for each in options)}") from None


_PAIRS: Final = (Orders.RR, Orders.RW, Orders.WR, Orders.WW, Orders.WD)


def orders_names(orders: Orders) -> str:
    """The pairs by name, in the order of the table: "RR RW"."""
    return " ".join(str(pair.name) for pair in _PAIRS if pair in orders)


def _orders(name: str, needs: Orders | str) -> Orders:
    if isinstance(needs, Orders):
        found = needs
    else:
        by_name = {pair.name: pair for pair in _PAIRS}
        found = NO_ORDERS
        for word in str(needs).replace(",", " ").split():
            if word not in by_name:
                raise UsageError(f"site {name}: needs {word!r:.80}, expected pairs of {', '.join(map(str, by_name))}")
            found |= by_name[word]
    if not found:
        raise UsageError(f"site {name}: needs nothing, expected at least one pair, such as WW")
    return found


class NoSite(UsageError, KeyError):
    """What was named is no site of the program."""

    __str__ = UsageError.__str__


class _Numbers(dict[Site, int]):
    """Sites' numbers, for the ports. Raises UsageError for what is no site of the program."""

    def __missing__(self, site: object) -> int:
        said = site.name if isinstance(site, Site) else repr(site)
        has = ", ".join(each.name for each in self) or "none"
        raise NoSite(f"barrier: {said:.80} is no site of this program (it has {has})")


class Sites(Collection[Site]):
    """The sites of one program, numbered from 1 in their order: what traces carry. 0 is "no site".

    Raises UsageError for two of one name, a partner that is not there, and more than SITES_LIMIT.
    """

    __slots__ = ("_all", "_by_name", "numbers")

    def __init__(self, sites: Iterable[Site] = ()) -> None:
        self._all = tuple(sites)
        for site in self._all:
            if not isinstance(site, Site):
                raise UsageError(f"sites has {site!r:.80}, expected amp.Site")
        self._by_name = {site.name: site for site in self._all}
        self.numbers: Mapping[Site, int] = _Numbers((site, number) for number, site in enumerate(self._all, 1))
        if len(self._all) > SITES_LIMIT:
            raise UsageError(f"{len(self._all)} sites, expected at most {SITES_LIMIT}")
        if len(self._by_name) != len(self._all):
            names = [site.name for site in self._all]
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(f"two sites are called {twice}")
        for site in self._all:
            for partner in site.pairs_with:
                if partner not in self._by_name:
                    raise UsageError(f"site {site.name} pairs with {partner!r:.80}, which is no site of the program")

    def __iter__(self) -> Iterator[Site]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, site: object) -> bool:
        return site in self.numbers

    def __getitem__(self, name: str) -> Site:
        """The site of that name. Raises KeyError."""
        return self._by_name[name]

    def number(self, site: Site) -> int:
        """The number that traces carry. Raises NoSite, a UsageError and a KeyError."""
        return self.numbers[site]

    def at(self, number: int) -> Site | None:
        """The site with that number; None for 0, and for one that is none."""
        return self._all[number - 1] if 1 <= number <= len(self._all) else None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)


NO_SITES: Final = Sites()


@dataclass(frozen=True, slots=True)
class SiteMap(Mapping[Site, Barrier]):
    """Which barrier stands at each of `sites`: a primitive, or of compiled code an instruction.

    A value: `weaken` gives a new one. `name` is how a report calls it.
    """

    name: str
    sites: Sites
    barriers: tuple[Barrier, ...]  # by site number, that of number 1 first
    numbers: Mapping[Site, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert len(self.barriers) == len(self.sites), self.barriers
        object.__setattr__(self, "numbers", self.sites.numbers)

    def __getitem__(self, site: Site) -> Barrier:
        return self.barriers[self.numbers[site] - 1]

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites)

    def __len__(self) -> int:
        return len(self.barriers)

    @classmethod
    def for_class(cls, barrier_class: BarrierClass, sites: Sites = NO_SITES) -> SiteMap:
        """Every site calls the primitive of `barrier_class` for its kind; what is no barrier stays as built."""
        barriers = (
            Primitive.AS_BUILT if site.of_access or site.is_place else primitive_for(barrier_class, site.kind)
            for site in sites
        )
        return cls(barrier_class.value, sites, tuple(barriers))

    def weaken(self, site: Site, to: BarrierClass | Barrier) -> SiteMap:
        """This map with `to` at `site`: a barrier, or the primitive of that class for the site's kind."""
        barrier = primitive_for(to, site.kind) if isinstance(to, BarrierClass) else to
        assert not isinstance(barrier, Primitive) or stands_at(barrier, site), f"{barrier.label} at {site.name}"
        return self.put({site: barrier}, f"{self.name}, {site.name}={label_at(barrier, site)}")

    def put(self, at: Mapping[Site, Barrier], name: str | None = None) -> SiteMap:
        """This map with these barriers, under that name."""
        barriers = list(self.barriers)
        for site, barrier in at.items():
            barriers[self.numbers[site] - 1] = barrier
        return SiteMap(self.name if name is None else name, self.sites, tuple(barriers))


# writel() and readl() are accesses to the mailbox: their barrier halves mean nothing at any other site.
_MAILBOX_HALVES: Final = (Primitive.WRITEL, Primitive.READL)
NO_POLICIES: Final[Mapping[str, SiteMap]] = MappingProxyType({})


def stands_at(primitive: Primitive, site: Site) -> bool:
    """May the code at `site` call `primitive`?"""
    if primitive is Primitive.AS_BUILT:
        return bool(site.built)
    if site.of_access:
        return primitive is Primitive.NONE and not site.fixed
    return primitive not in _MAILBOX_HALVES or primitive is site.mailbox


def label_at(barrier: Barrier, site: Site) -> str:
    """What `--weaken` calls it there: an access that orders, and does not any more, is plain."""
    return PLAIN if site.of_access and barrier is Primitive.NONE else barrier.label


def barriers_at(site: Site) -> dict[str, Barrier]:
    """All that may stand at `site`, by the names that `--weaken` takes: classes, instructions, primitives."""
    if site.of_access:
        kept: dict[str, Barrier] = {Primitive.AS_BUILT.label: Primitive.AS_BUILT}
        return kept if site.fixed else {PLAIN: Primitive.NONE, BarrierClass.NONE.value: Primitive.NONE, **kept}
    rows = [{row.label: row for row in rows_of(isa)} for isa in site.isas]
    common = {label: row for label, row in rows[0].items() if all(label in other for other in rows)} if rows else {}
    primitives = {each.label: each for each in Primitive if stands_at(each, site)}
    return {**{cls.value: primitive_for(cls, site.kind) for cls in BarrierClass}, **common, **primitives}


def _unknown(what: str, given: str, known: Collection[str]) -> UsageError:
    names = list(known)
    close = get_close_matches(given.strip(), names, n=1) or get_close_matches(given.strip().lower(), names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return UsageError(f"{what} {given!r:.80} is unknown{hint} (known: {', '.join(names)})")


def parse_policy(text: str, sites: Sites, policies: Mapping[str, SiteMap] = NO_POLICIES) -> SiteMap:
    """The map that `--barriers` names: a barrier class, or one of `policies`. Raises UsageError for any other text."""
    name = text.strip().lower()
    known = [*(cls.value for cls in BarrierClass), *policies]
    if name not in known:
        raise _unknown("barriers", text, known)
    return policies[name] if name in policies else SiteMap.for_class(BarrierClass(name), sites)


def parse_weaken(text: str, sites: Sites) -> tuple[Site, Barrier]:
    """What `--weaken` asks for: "S1=none", "publish=dma", or a barrier by name, "S1=smp_rmb", "ring.c:75=dmb-ish".

    Of accesses that order by themselves: "ring.c:51=plain".

    Raises UsageError if there is no "=", the site or the barrier is unknown, or the barrier has no meaning there.
    """
    name, equals, barrier = text.partition("=")
    if not equals:
        such = f"{next(iter(sites.names), 'S1')}=none"
        raise UsageError(f"weaken {text!r:.80} is not of the form SITE=CLASS, such as {such}")
    if not sites:
        raise UsageError(f"weaken {text!r:.80}: the program has no site")
    folded = {each.lower(): each for each in sites.names}
    wanted = name.strip()
    found = wanted if wanted in sites.names else folded.get(wanted.lower())
    if found is None:
        raise _unknown("weaken: site", name, sites.names)
    site = sites[found]
    known, label = barriers_at(site), barrier.strip().lower()
    if label not in known and site.fixed:
        raise UsageError(f"weaken: {site.name}: {site.fixed}")
    if label not in known:
        raise _unknown(f"weaken: barrier for {site.name}", barrier, known)
    return site, known[label]
