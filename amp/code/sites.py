"""The barrier sites of compiled code: by source line, whichever file the line was compiled into.

A site is a line's barrier instructions, or its accesses that order by themselves (a load-acquire, a store-release, an
atomic of those), or a place right before its accesses, where the compiler put nothing and somebody wants a barrier:
`before:ring.c:77`. Several instructions of one line are one site. What an inlined function does for its caller, and
nothing else, is of the caller's line. Code without lines is named by function and offset, `send+0x1c`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from amp.code.code import Function
from amp.code.files import Files, are_called, are_one
from amp.code.listing import Line, Listing
from amp.code.rows import HALVES, Flag
from amp.errors import UsageError
from amp.ordering.barriers import ALL_ORDERS, PROMISES, Orders, Primitive
from amp.ordering.barriers import Kind as SiteKind
from amp.ordering.instructions import BY_NUMBER
from amp.ordering.platforms import Side
from amp.ordering.sites import BEFORE, SITES_LIMIT, Site, Sites
from amp.port.lines import Place, line_word

_LOADS: Final = Orders.RR | Orders.RW
_STORES: Final = Orders.WW | Orders.WR | Orders.WD
_LOCKED: Final = "a locked instruction of x86 orders whatever it is for: no plain one is atomic"


def side_of(part: str) -> Side:
    return Side.HOST if part.startswith("host") else Side.REMOTE


@dataclass(frozen=True, slots=True)
class _Found:
    """An instruction that is, or may be, part of a site."""

    part: str
    function: Function
    line: Line

    @property
    def numbers(self) -> tuple[int, ...]:
        """The barriers that it is; of a DSB not what a drain behind it makes of it."""
        row = self.line.row
        if row.barrier:
            return (row.barrier, row.store_by) if row.detail == HALVES else (row.barrier,)
        return tuple(dict.fromkeys(number for number in (row.load_by, row.store_by) if number))


def sites_of(parts: Mapping[str, Function], before: Sequence[str] = (), own: Iterable[Site] = ()) -> Sites:
    """A program's `own` sites, and all of its parts' code, `before` these lines among them.

    Each part is told the numbers of its own: do so before it is run.

    Raises UsageError for too many, and for a line of which no part makes an access.
    """
    listings = [function.code.listing for function in parts.values()]
    files = Files(path for listing in listings for path in listing.paths)
    for listing in listings:
        listing.files = files
    grouped: dict[str, list[_Found]] = {}
    for found in _ordering(parts):
        grouped.setdefault(_name(grouped, found), []).append(found)
    sites = {name: _site(name, found) for name, found in sorted(grouped.items(), key=lambda item: _in_order(item[0]))}
    ahead = {BEFORE + line_word(line): _first_accesses(parts, line) for line in dict.fromkeys(before)}
    sites |= {name: _ahead(name, found) for name, found in ahead.items()}
    if len(sites) > SITES_LIMIT:
        path = next(iter(parts.values())).code.image.path
        raise UsageError(f"{path}: {len(sites)} lines with barriers can be reached, expected at most {SITES_LIMIT}")
    known = {site.name: site for site in own}
    made = Sites({**known, **{name: site for name, site in sites.items() if name not in known}}.values())
    for name, at in grouped.items():
        for found in at:
            found.function.sites[found.line.address] = made.number(made[name])
    for name, at in ahead.items():
        for found in at:
            found.function.ahead[found.line.address] = made.number(made[name])
    return made


def _ordering(parts: Mapping[str, Function]) -> Iterator[_Found]:
    """What a part may come to that orders."""
    for part, function in parts.items():
        for lines in function.code.listing.reachable(function.entry):
            for line in lines.values():
                if line.row.barrier or line.row.load_by or line.row.store_by:
                    yield _Found(part, function, line)


def _name(known: Mapping[str, list[_Found]], found: _Found) -> str:
    """The line's name; of a line that has barriers and accesses that order, each has one."""
    name = name_at(found.function.code.listing, found.line.address)
    if name not in known or _of_access(known[name][0].line) == _of_access(found.line):
        return name
    return f"{name}:{'accesses' if _of_access(found.line) else 'barriers'}"


def _of_access(line: Line) -> bool:
    """Is it an access to shared memory that orders? One on the own stack is a compiler's way to write a fence."""
    row = line.row
    return not row.barrier and not (row.flags & Flag.FENCES and row.on_stack)


def _in_order(name: str) -> tuple[str, int, str]:
    """By file and line, of what was inlined by those of the call."""
    inner, _, outer = name.rpartition("@")
    file, _, line = outer.rpartition(":")
    return (file, int(line), inner) if line.isdigit() else (name, 0, inner)


def name_at(listing: Listing, address: int) -> str:
    """ "vring.c:48"; of a header's code that was inlined "ring.h:12@vring.c:48"; without lines "send+0x14".

    Of two files of one name "host_vring.c:48".
    """
    return line_word("@".join(map(listing.files.text, listing.calls_at(address))))


def _orders(number: int) -> Orders:
    return BY_NUMBER[number].orders if number in BY_NUMBER else PROMISES[Primitive(number)]


def _site(name: str, found: list[_Found]) -> Site:
    orders = Orders(0)
    for number in (number for each in found for number in each.numbers):
        orders |= _orders(number)
    kind = SiteKind.MB if orders & _LOADS and orders & _STORES else SiteKind.RMB if orders & _LOADS else SiteKind.WMB
    texts = ", ".join(dict.fromkeys(_said(each) for each in found))
    of_access = _of_access(found[0].line)
    native = all(number in BY_NUMBER for each in found for number in each.numbers)
    return Site(
        name,
        f"{texts} in {_where(found[0])}",
        needs=orders & ~Orders.RCSC or Orders.WW,
        kind=kind,
        side=_side(found),
        built=dict.fromkeys(number for each in found for number in each.numbers),
        isas=_isas(found) if native and not of_access else (),
        of_access=of_access,
        fixed=_LOCKED if of_access and any(each.line.row.flags & Flag.FENCES for each in found) else "",
        symptom="what the code itself checks",
        source=found[0].function.code.image.path,
    )


def _said(found: _Found) -> str:
    row = found.line.row
    number = row.barrier
    if not number or row.detail == HALVES:
        return found.line.text
    return BY_NUMBER[number].name if number in BY_NUMBER else f"amp_{Primitive(number).label}()"


def _where(found: _Found) -> str:
    symbol = found.function.code.image.function_at(found.line.address)
    return symbol.name if symbol is not None else "code without a symbol"


def _side(found: list[_Found]) -> Side | None:
    """None: both."""
    sides = {side_of(each.part) for each in found}
    return sides.pop() if len(sides) == 1 else None


def _isas(found: list[_Found]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.function.code.listing.isa.name for each in found))


# --- where nothing stands


def _ahead(name: str, found: list[_Found]) -> Site:
    return Site(
        name,
        f"no barrier in {_where(found[0])}",
        needs=ALL_ORDERS,
        kind=SiteKind.MB,
        side=_side(found),
        built=(int(Primitive.NONE),),
        isas=_isas(found),
        symptom="what the code itself checks",
        source=found[0].function.code.image.path,
    )


def _first_accesses(parts: Mapping[str, Function], line: str) -> list[_Found]:
    """The first access of that line in each copy that the compiler made: a barrier of the source stands before it."""
    found: list[tuple[_Found, tuple[Place, ...]]] = []
    for part, function in parts.items():
        listing = function.code.listing
        for lines in listing.reachable(function.entry):
            for first in _copies(listing, lines):
                places = listing.calls_at(first.address)
                if are_called(places, line) or name_at(listing, first.address) == line:
                    found.append((_Found(part, function, first), places))
    path = next(iter(parts.values())).code.image.path
    if not found:
        raise UsageError(
            f"{path}: no access to shared memory stands at {line!r:.80}, so none can have a barrier before it"
        )
    other = next((places for _, places in found if not are_one(places, found[0][1])), None)
    if other is not None:
        both = " and ".join("@".join(f"{file}:{number}" for file, number in each) for each in (found[0][1], other))
        raise UsageError(f"{path}: {line!r:.80} is {both}: say more of the path of the one that is meant")
    return [each for each, _ in found]


def place_at(listing: Listing, address: int) -> str | None:
    """What `before=` would call the access at that address; None if no site can stand before it."""
    line = listing.at(address)
    return name_at(listing, address) if line is not None and listing.may_share(line) else None


def _copies(listing: Listing, lines: Mapping[int, Line]) -> Iterator[Line]:
    """The first of each run of accesses that are of one line; what ends a path ends a run."""
    last = ""
    for line in lines.values():
        if listing.may_share(line):
            name = name_at(listing, line.address)
            if name != last:
                yield line
            last = name
        elif line.row.ends:
            last = ""
