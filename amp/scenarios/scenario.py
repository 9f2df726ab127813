"""Scenario: a program for each side, small enough to explore, with its sizes, its barrier sites and its properties.

A record decides nothing at run time: the same two functions run in two processes (`amp run`) and in an explorer. What
a run needs beyond them is a RunConfig (`config`, or `settle` for one that a user's options made) and a plan of its
addresses (`plan`), which both follow from the record and the sizes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

import msgspec

from amp.errors import UsageError
from amp.machine.config import Mode, RunConfig, Tally
from amp.machine.small import Plan, plan_for
from amp.ordering.sites import NO_KINDS, Kinds, Site
from amp.port.port import Port

Program = Callable[[Port, RunConfig, Tally], None]

# What of RunConfig a scenario settles: by its `fixed`, or else as RunConfig has it by itself.
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


def _said(name: str, value: Any) -> str:
    """A field as a wish: "event_idx on", "window 3"."""
    if isinstance(value, bool):
        return f"{name} {'on' if value else 'off'}"
    shown = "none" if value is None else str(value)
    return f"{name} {shown:.80}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario.

    `fixed` are the fields of RunConfig that make it what it is. `messages` and `ring_size` are defaults, the limits
    next to them inclusive; with `power_of_two` the ring size must be one. `kinds` are the barriers that the program is
    written in where they are not those of the sites' rows. `sites` says what is seen when the barrier at a site is
    missing and all others are there; `idle_sites` of those at which nothing is, why. `violations` says what counts as
    one.
    """

    name: str
    summary: str
    host: Program
    remote: Program
    violations: str
    sites: Mapping[Site, str]
    idle_sites: Mapping[Site, str] = field(default_factory=lambda: MappingProxyType({}))
    kinds: Kinds = field(default_factory=lambda: NO_KINDS)
    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    messages: int = 2
    messages_limit: int = 1_000_000
    ring_size: int = 2
    ring_size_limits: tuple[int, int] = (1, 8)
    power_of_two: bool = True

    def __post_init__(self) -> None:
        assert set(self.fixed) <= set(FIXED_FIELDS), self.fixed
        assert not set(self.sites) & set(self.idle_sites), self.name

    def config(self, mode: Mode, *, messages: int | None = None, ring_size: int | None = None) -> RunConfig:
        """A run of this scenario; sizes that are not given are its own. Raises UsageError for impossible ones."""
        return self.settle(
            RunConfig(
                program=self.name,
                mode=mode,
                messages=self.messages if messages is None else messages,
                ring_size=self.ring_size if ring_size is None else ring_size,
            )
        )

    def settle(self, config: RunConfig) -> RunConfig:
        """`config` with what the scenario fixes. Raises UsageError for another wish than that, and for other sizes."""
        default = RunConfig(program=self.name, mode=config.mode)
        for name in FIXED_FIELDS:
            value, plain = getattr(config, name), getattr(default, name)
            if value not in (plain, self.fixed.get(name, plain)):
                raise UsageError(
                    f"{self.name} always has {_said(name, self.fixed.get(name, plain))}, not {_said(name, value)}"
                )
        settled = msgspec.structs.replace(config, **self.fixed)
        self._check_sizes(settled)
        settled.check()
        return settled

    def _check_sizes(self, config: RunConfig) -> None:
        least, most = self.ring_size_limits
        size = config.ring_size
        if not least <= size <= most or (self.power_of_two and size & (size - 1)):
            what = "a power of two from " if self.power_of_two and least < most else ""
            raise UsageError(f"ring size is {size}, {self.name} has {what}{_range(least, most)}")
        if not 1 <= config.messages <= self.messages_limit:
            raise UsageError(f"messages is {config.messages}, {self.name} has 1 to {self.messages_limit}")

    def plan(self, config: RunConfig) -> Plan:
        """Where the run's shared data lie; `name_of` says what an address is."""
        return plan_for(config)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: values in place of functions."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        for side in ("host", "remote"):
            told[side] = f"{told[side].__module__}.{told[side].__name__}"
        told["counts_as_violation"] = told.pop("violations")  # that key is a number in every command's object
        for mapping in ("sites", "idle_sites"):
            told[mapping] = {site.name: text for site, text in told[mapping].items()}
        told["kinds"] = {site.name: kind.value for site, kind in self.kinds.items()}
        told["fixed"] = dict(self.fixed)
        told["ring_size_limits"] = list(self.ring_size_limits)
        return told


def _range(least: int, most: int) -> str:
    return f"{least} to {most}" if least < most else f"{least}"
