"""The terms of an exploration: what it is asked, what it runs on, what it says, how a run of it ends."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from amp.errors import AmpError, UsageError, Violation
from amp.ordering.placement import PAIR, Placement, check_observers
from amp.ordering.platforms import Platform
from amp.ordering.sites import SiteMap
from amp.port.port import CPU_NAMES, Port, cpu_name

Program = Callable[[Port], object]
Choice = tuple[int, int]  # (branch, the option's index or the value promised): the core's enum xp_branch

# As the core says it in processes.
STALLED: Final = "wait: every processor sleeps and no doorbell is under way"
LEFT: Final = "wait: every other processor has retired"


class Nondeterministic(AmpError):
    """The program did something else when it was run again with the same values read: it cannot be explored."""

    exit_status = 2


class Ending(IntEnum):
    """How a run ended: the core's enum xp_ending."""

    COMPLETE = 0
    STALL = 1
    REDUNDANT = 2
    MERGED = 3
    FAILED = 4


class Chooser(IntEnum):
    """Who makes the choices: the core's enum xp_chooser; chooser.c says how."""

    EXHAUSTIVE = 0
    SC = 1
    RANDOM = 2
    PCT = 3
    URW = 4
    REPLAY = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where an exploration gives up."""

    executions: int = 1_000_000  # runs, also those cut short
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation and the choices that lead to it. `error` is what the program of CPU `cpu` raised."""

    cpu: int
    error: Violation
    choices: tuple[Choice, ...]


@dataclass(slots=True)
class Exploration:
    """What came of it. `bound` says which limit was reached; None: every execution was met, or a violation ended it."""

    runs: int = 0
    executions: int = 0
    states: int = 0
    merged: int = 0
    redundant: int = 0
    seconds: float = 0.0
    bound: str | None = None
    finding: Finding | None = None

    @property
    def verified(self) -> bool:
        return self.bound is None and self.finding is None


@dataclass(frozen=True, slots=True)
class Machine:
    """What the programs run on: `memory` is (start, end) of the shared addresses, bytes, multiples of 8.

    Raises UsageError for a placement that the explorer cannot show on that platform (placement.check_observers).
    """

    platform: Platform
    sites: SiteMap
    memory: tuple[int, int]
    placement: Placement = PAIR

    def __post_init__(self) -> None:
        check_observers(self.platform, self.placement.sides)


# Why an exploration ended early, by the core's error; -EAGAIN begins anew, -EPERM is a rule that the program broke.
WHY_NOT: Final[Mapping[int, tuple[type[AmpError], str]]] = MappingProxyType(
    {
        errno.EPROTO: (
            Nondeterministic,
            "the program is not deterministic: run again with the same values read, it made other "
            "accesses (does it keep something between runs, in a module or a class?)",
        ),
        errno.ESTALE: (
            Nondeterministic,
            "the program is not deterministic: it uses a value that it loaded in an earlier run",
        ),
        errno.EXDEV: (
            UsageError,
            "a processor's part uses a value that another one's loaded: they share nothing but the memory",
        ),
        errno.ENOTRECOVERABLE: (
            UsageError,
            "the program catches what ends its run (BaseException, or a bare except:) and goes on; it must let it pass",
        ),
        errno.E2BIG: (UsageError, "an execution is too large to explore: fewer messages, or a smaller payload"),
        errno.ENOMEM: (UsageError, "the exploration is out of memory: fewer messages, or a smaller payload"),
    }
)


def side_name(cpu: int, names: Sequence[str] = CPU_NAMES) -> str:
    """`names` are the placement's, of a machine of more processors than two."""
    return cpu_name(cpu, names)
