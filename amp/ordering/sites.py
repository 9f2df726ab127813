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
from amp.ordering.platforms import Side

SITES_LIMIT: Final = 255  # of one program: a trace has a byte for the number, and 0 is no site
_NAME: Final = re.compile(r"[A-Za-z_][\w.:@-]{0,63}", re.ASCII)


class Site:
    """One barrier of a protocol. Two sites are the same only if they are the same object.

    `orders` says what must stay in order, in the protocol's words ("data before flag"). `needs` are the pairs of
    accesses (amp.ordering.barriers.Orders, or their names: "WW", "RR RW", "WD" for a doorbell behind a store). `kind`
    is what the code asks for there: mb, rmb, wmb, release or acquire. `pairs_with` names the sites at the other end.
    `symptom` says what is seen when the barrier is missing, `role` who stands there in the protocol's words ("driver"),
    `side` on which machine (None: on both). `mailbox` is the barrier half of a mailbox access that may stand there:
    WRITEL before a doorbell (so where `needs` has WD), READL behind an interrupt. `source` cites the rule's origin.
    `built`: the barriers that stand there in compiled code, by their numbers (amp.ordering.instructions).

    Raises UsageError for a name that is no word, for unknown pairs and kinds.
    """

    __slots__ = (
        "built",
        "kind",
        "mailbox",
        "name",
        "needs",
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
    ) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(f"site name is {name!r:.80}, expected a word of letters, digits, '_', '-', '.' and ':'")
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
        }
        for field_name, value in values.items():
            object.__setattr__(self, field_name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Site does not change: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Site does not change: {name}")

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
class SiteMap(Mapping[Site, Primitive]):
    """Which primitive stands at each of `sites`. A value: `weaken` gives a new one. `name` is how a report calls it."""

    name: str
    sites: Sites
    primitives: tuple[Primitive, ...]  # by site number, that of number 1 first
    numbers: Mapping[Site, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert len(self.primitives) == len(self.sites), self.primitives
        object.__setattr__(self, "numbers", self.sites.numbers)

    def __getitem__(self, site: Site) -> Primitive:
        return self.primitives[self.numbers[site] - 1]

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites)

    def __len__(self) -> int:
        return len(self.primitives)

    @classmethod
    def for_class(cls, barrier_class: BarrierClass, sites: Sites = NO_SITES) -> SiteMap:
        """Every site calls the primitive of `barrier_class` for its kind."""
        return cls(barrier_class.value, sites, tuple(primitive_for(barrier_class, site.kind) for site in sites))

    def weaken(self, site: Site, to: BarrierClass | Primitive) -> SiteMap:
        """This map with `to` at `site`: a primitive, or the one of that class for the site's kind."""
        primitive = to if isinstance(to, Primitive) else primitive_for(to, site.kind)
        assert stands_at(primitive, site), f"{primitive.label} at {site.name}"
        primitives = list(self.primitives)
        primitives[self.numbers[site] - 1] = primitive
        return SiteMap(f"{self.name}, {site.name}={primitive.label}", self.sites, tuple(primitives))


# writel() and readl() are accesses to the mailbox: their barrier halves mean nothing at any other site.
_MAILBOX_HALVES: Final = (Primitive.WRITEL, Primitive.READL)
NO_POLICIES: Final[Mapping[str, SiteMap]] = MappingProxyType({})


def stands_at(primitive: Primitive, site: Site) -> bool:
    """May the code at `site` call `primitive`?"""
    if primitive is Primitive.AS_BUILT:
        return bool(site.built)
    return primitive not in _MAILBOX_HALVES or primitive is site.mailbox


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


def parse_weaken(text: str, sites: Sites) -> tuple[Site, Primitive]:
    """What `--weaken` asks for: "S1=none", "publish=dma", or a primitive by name, "S1=smp_rmb".

    Raises UsageError if there is no "=", the site or the barrier is unknown, or the primitive has no meaning there.
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
    label = barrier.strip().lower()
    classes = {cls.value: primitive_for(cls, site.kind) for cls in BarrierClass}
    primitives = {primitive.label: primitive for primitive in Primitive if stands_at(primitive, site)}
    known = primitives | classes
    if label not in known:
        raise _unknown(f"weaken: barrier for {site.name}", barrier, classes | primitives)
    return site, known[label]
