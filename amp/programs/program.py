"""Program: one record of a protocol that several processors run on shared memory.

It names the parts and where each runs, the shared memory, the barrier sites, the sizes and their limits. Everything
that explores, runs, replays, explains, measures or gates takes a Program, wherever it came from: one that is shipped
(amp.programs), a user's class (`amp.program`), a record made by hand. A record decides nothing at run time: the same
functions run in processes of their own and in an explorer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import msgspec

from amp.errors import UsageError
from amp.machine.config import HEADER_BYTES, Mode, RunConfig, Tally
from amp.ordering.placement import PARTS_LIMIT, Place, Placement
from amp.ordering.platforms import Platform, Side
from amp.ordering.sites import NO_POLICIES, NO_SITES, Site, SiteMap, Sites
from amp.port.port import Port

if TYPE_CHECKING:
    from amp.region import Layout as RegionLayout

Code = Callable[[Port, RunConfig, Tally], None]
SIZE_LIMIT: Final = 1 << 40

# What of RunConfig a program settles: by its `fixed`, or as RunConfig has it by itself. An exchange leaves them open.
FIXED_FIELDS: Final = (
    "payload_bytes",
    "window",
    "segments",
    "align",
    "event_idx",
    "indirect",
    "suppression",
    "polls",
    "file",
)
_OWN_FIELDS: Final = ("messages", "ring_size")  # sizes that RunConfig has as fields of their own


class Memory(Protocol):
    """Where a run's shared data lie. All of it lies from amp.machine.wiring.VRINGS_AT on."""

    def layout(self, model_bytes: int) -> RegionLayout:
        """The region's layout for this run."""
        ...

    def name_of(self, address: int) -> str:
        """What lies at `address`, in the protocol's own words; the number where nothing does."""
        ...


@dataclass(frozen=True, slots=True)
class Size:
    """A number that a user may choose: its default and its limits, inclusive."""

    default: int
    least: int = 1
    most: int = SIZE_LIMIT
    power_of_two: bool = False

    def __post_init__(self) -> None:
        self.check("default", self.default, "a size")

    def check(self, name: str, value: int, owner: str) -> None:
        """Raises UsageError for a value that cannot be."""
        wrong = not self.least <= value <= self.most or (self.power_of_two and value & (value - 1))
        if wrong:
            what = "a power of two from " if self.power_of_two and self.least < self.most else ""
            raise UsageError(f"{name} is {value}, {owner} has {what}{self.range}")

    @property
    def range(self) -> str:
        return f"{self.least} to {self.most}" if self.least < self.most else f"{self.least}"


@dataclass(frozen=True, slots=True)
class Part:
    """What one processor runs. `code` is a function, or where it is: "module:function", imported when it is needed.

    Parts of one side are siblings: CPUs of one inner domain. One that is `apart` has none.
    """

    name: str
    side: Side
    code: Code | str
    apart: bool = False

    def load(self) -> Code:
        """The function."""
        if not isinstance(self.code, str):
            return self.code
        module, _, name = self.code.partition(":")
        return cast(Code, getattr(import_module(module), name))

    @property
    def compiled(self) -> Any:
        """The function of an ELF file that it runs (amp.code.code.Function); None of any other part."""
        return getattr(self.load(), "compiled", None)

    @property
    def where(self) -> str:
        """The function's place: "hostside.small:vring"."""
        return self.code if isinstance(self.code, str) else f"{self.code.__module__}:{self.code.__qualname__}"


@dataclass(frozen=True, slots=True)
class Reuse:
    """From when on a buffer that a side has read is written again by the other, on both sides: what `site` is for.

    That takes `beyond` messages more than the ring has entries, and a ring of at least `entries`.
    """

    site: Site
    beyond: int
    entries: int


@dataclass(frozen=True, slots=True)
class Source:
    """The file that a program is from: its path, absolute, the program's name in it, and the file's sha256.

    `module` is where the program was decorated, if it may have another name there than its class; "" if `name` is it.
    """

    path: str
    name: str
    sha256: str
    module: str = ""

    @property
    def reference(self) -> str:
        return f"{self.path}:{self.name}"


@dataclass(frozen=True)
class Program:
    """One protocol.

    `memory` gives the shared memory of a run; it raises UsageError for sizes that cannot be. `sites` are all barrier
    sites that the parts may name, `stands_at` those at which their code stands (None: all). `symptoms` says what is
    seen when the barrier at a site is missing and all others are there; a site without an entry has its own `symptom`.
    `idle` names sites whose removal shows nothing, with the reason. `violations` says what counts as one. `sizes` are
    the numbers that a user may choose; "messages" and "ring_size" have options of their own. `fixed` are the fields of
    RunConfig that make the program what it is. `policies` are further choices for all sites together, by name.
    `sleeps`: its sides sleep when there is nothing to do. An `exchange` goes on for as long as it is told to, has every
    option of RunConfig, and is too large to be explored; a `bare` one is given the region and no port. `barriers` are
    those that it has unless a user wants others ("": as any program). `fits` says in words what a platform makes of the
    barriers in compiled code, and raises UsageError where it can make nothing of them. `source` is the file that it is
    from; None for a shipped one, and for one that no other process can find. `with_places` makes the same program with
    a site before each of these lines, where nothing stands as built; it raises UsageError for a line where no
    code stands (None: a program that cannot be added to).
    """

    name: str
    summary: str
    parts: tuple[Part, ...]
    memory: Callable[[RunConfig], Memory]
    sites: Sites = NO_SITES
    violations: str = ""
    symptoms: Mapping[Site, str] = field(default_factory=lambda: MappingProxyType({}))
    idle: Mapping[Site, str] = field(default_factory=lambda: MappingProxyType({}))
    sizes: Mapping[str, Size] = field(default_factory=lambda: MappingProxyType({}))
    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    stands_at: frozenset[Site] | None = None
    policies: Mapping[str, SiteMap] = field(default_factory=lambda: NO_POLICIES)
    reuse: Reuse | None = None
    sleeps: bool = False
    exchange: bool = False
    bare: bool = False
    barriers: str = ""
    fits: Callable[[Platform], str] | None = None
    shipped: bool = False
    source: Source | None = None
    with_places: Callable[[Sequence[str]], Program] | None = None

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if not 1 <= len(names) <= PARTS_LIMIT or len(set(names)) != len(names):
            raise UsageError(
                f"program {self.name}: parts are {', '.join(names) or 'none'}, expected 1 to {PARTS_LIMIT}, each once"
            )
        assert set(self.fixed) <= set(FIXED_FIELDS), self.fixed
        for what, said in (("symptoms", self.symptoms), ("idle", self.idle), ("stands_at", self.stands_at or ())):
            for site in said:
                if not isinstance(site, Site):
                    raise UsageError(f"program {self.name}: {what} has {site!r:.80}, expected an amp.Site")
                if site not in self.sites:
                    raise UsageError(f"program {self.name}: {what} has {site.name}, which is no site of it")
        for site in self.symptoms:
            if site in self.idle:
                raise UsageError(f"program {self.name}: {site.name} stands in symptoms and in idle, expected one")

    @property
    def reference(self) -> str:
        """What another process finds it by; "" if none can."""
        if self.shipped or self.source is None:
            return self.name if self.shipped else ""
        if not self.source.module:
            return self.source.reference
        known = vars(sys.modules[self.source.module]) if self.source.module in sys.modules else {}
        names = (name for name, value in known.items() if value is self)
        return next((f"{self.source.path}:{name}" for name in names), "")

    @cached_property
    def stood_at(self) -> tuple[Site, ...]:
        """The sites at which its code stands, in their order."""
        return tuple(site for site in self.sites if self.stands_at is None or site in self.stands_at)

    @property
    def needed(self) -> tuple[Site, ...]:
        """The sites whose removal shows something."""
        return tuple(site for site in self.stood_at if site not in self.idle)

    def symptom(self, site: Site) -> str:
        """What is seen when the barrier at `site` is missing."""
        return self.symptoms.get(site) or site.symptom

    @property
    def part_names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts)

    @property
    def sides(self) -> tuple[Side, ...]:
        """Where each part runs."""
        return tuple(part.side for part in self.parts)

    @cached_property
    def placement(self) -> Placement:
        """The processor of each part."""
        sides = tuple(Side)
        return Placement(
            tuple(
                Place(part.name, part.side, len(sides) + number if part.apart else sides.index(part.side))
                for number, part in enumerate(self.parts)
            )
        )

    # --- sizes

    def size_of(self, config: RunConfig, name: str) -> int:
        """The size that a run has."""
        return int(getattr(config, name)) if name in _OWN_FIELDS else config.sizes[name]

    def said(self, config: RunConfig) -> str:
        """A run's sizes in words: "2 messages, ring of 2"."""
        return ", ".join(self._size_said(name, self.size_of(config, name)) for name in self.sizes)

    def _size_said(self, name: str, value: int) -> str:
        if name == "messages":
            return f"{value:,} message{'s' * (value != 1)}"
        return f"ring of {value}" if name == "ring_size" else f"{name} {value}"

    def config(
        self,
        mode: Mode,
        *,
        messages: int | None = None,
        ring_size: int | None = None,
        sizes: Mapping[str, int] = MappingProxyType({}),
    ) -> RunConfig:
        """A run of this program; sizes that are not given are its own. Raises UsageError for impossible ones."""
        given = {"messages": messages, "ring_size": ring_size}
        known = {name: value for name, value in given.items() if value is not None}
        return self.settle(self.sized(RunConfig(program=self.reference, mode=mode), {**known, **sizes}))

    def sized(self, config: RunConfig, sizes: Mapping[str, int]) -> RunConfig:
        """`config` with these sizes, and the program's own for the others. Raises UsageError for one it has not."""
        for name in sizes:
            if name not in self.sizes:
                has = ", ".join(self.sizes) or "none"
                raise UsageError(f"{name.replace('_', ' ')} has no meaning for {self.name} (its sizes: {has})")
        values = {name: sizes.get(name, size.default) for name, size in self.sizes.items()}
        own = {name: values.pop(name, 1) for name in _OWN_FIELDS}
        return msgspec.structs.replace(config, **own, sizes=values)

    def settle(self, config: RunConfig) -> RunConfig:
        """`config` with what the program fixes. Raises UsageError for another wish than that, and for other sizes."""
        if config.file is not None and self.name != "stream":
            raise UsageError(f"--file has no meaning for {self.name}")
        settled = config if self.exchange else self._fix(config)
        if set(settled.sizes) != {name for name in self.sizes if name not in _OWN_FIELDS}:
            raise UsageError(f"sizes are {', '.join(settled.sizes) or 'none'}, {self.name} has others")
        for name, size in self.sizes.items():
            size.check(name.replace("_", " "), self.size_of(settled, name), self.name)
        settled.check()
        if self.exchange and settled.payload_bytes < HEADER_BYTES:
            raise UsageError(
                f"payload is {settled.payload_bytes}, expected at least the {HEADER_BYTES} bytes of a message's header"
            )
        return settled

    def _fix(self, config: RunConfig) -> RunConfig:
        default = RunConfig(program=config.program, mode=config.mode)
        for name in FIXED_FIELDS:
            value, plain = getattr(config, name), getattr(default, name)
            if value not in (plain, self.fixed.get(name, plain)):
                wanted = _said(name, self.fixed.get(name, plain))
                raise UsageError(f"{self.name} always has {wanted}, not {_said(name, value)}")
        return msgspec.structs.replace(config, **self.fixed)

    # --- told

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: texts and numbers in place of functions."""
        return {
            "name": self.name,
            "summary": self.summary,
            "parts": {
                part.name: {"side": part.side.value, "apart": part.apart, "code": part.where} for part in self.parts
            },
            "counts_as_violation": self.violations,
            "sites": {site.name: self.symptom(site) for site in self.needed},
            "idle_sites": {site.name: text for site, text in self.idle.items()},
            "kinds": {site.name: site.kind.value for site in self.stood_at},
            "fixed": dict(self.fixed),
            "sizes": {
                name: {"default": size.default, "limits": [size.least, size.most], "power_of_two": size.power_of_two}
                for name, size in self.sizes.items()
            },
            "source": None if self.source is None else {"path": self.source.path, "sha256": self.source.sha256},
        }


def _said(name: str, value: Any) -> str:
    """A field as a wish: "event_idx on", "window 3"."""
    if isinstance(value, bool):
        return f"{name} {'on' if value else 'off'}"
    shown = "none" if value is None else str(value)
    return f"{name} {shown:.80}"
