"""A schedule as a value: the goals that processes in lockstep reach one after the other, and its printable token.

A CPU's stores (kicks among them) and loads are counted from 0 as the program issues them; an atomic is a load and, if
it stores, a store. A part is a granule of a bulk access, from 0 in the order of their addresses; a scalar has part 0
only. What becomes of goals is written in amp/_core/model/schedule.c, how they lie in memory in core.h, struct amp_goal.

The token is `s1.` and, in URL-safe base 64, a CRC-32 (little endian) and the deflated text of the goals: words,
separated by blanks. `v`, `n`, `r` and `t` are the kinds; the CPU's number follows, and only what is not the rule:

| word       | goal                                                                                       |
|------------|--------------------------------------------------------------------------------------------|
| `v0`       | the next store of CPU 0 becomes visible, that is, the one after its last in a `v`          |
| `v0+2`     | the second after the next; `v0-1` the one before the next: the last once more              |
| `v0.3`     | part 3 of the last store; `+` and `-` count from that one                                  |
| `r1=0`     | the next load of CPU 1 reads the store of the last `v0`; `+`, `-`, `.` as above            |
| `r1=0-2`   | ... reads the store two before that                                                        |
| `r1=i`     | ... reads initial memory                                                                   |
| `n0`       | as `v0`, to the siblings of CPU 0; `+`, `-`, `.` count from the last `n0`                  |
| `t1`       | CPU 1 takes its interrupt                                                                  |
| `v0*9`     | nine times the same word                                                                   |
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final, TypeAlias

from amp._core import _bridge
from amp.errors import UsageError

GOALS_LIMIT: Final[int] = _bridge.GOALS
CPUS_LIMIT: Final[int] = _bridge.CPUS
COUNT_LIMIT: Final = (1 << 32) - 1  # of stores, loads and parts: u32 in struct amp_goal
TEXT_LIMIT_BYTES: Final = 64 * GOALS_LIMIT  # the longest word of all has fewer

_PREFIX: Final = "s1."
_GOAL: Final = struct.Struct("<BBBxIII")  # kind, cpu, source's cpu, -, access, part, source
GOAL_BYTES: Final = _GOAL.size
_CHECKSUM: Final = struct.Struct("<I")
_WORD: Final = re.compile(
    r"([vnrt])([0-9])([+-][0-9]{1,10})?(?:\.([0-9]{1,10}))?"  # kind, cpu, offset, part
    r"(?:=(i|[0-9])([+-][0-9]{1,10})?)?"  # the source's cpu, offset
    r"(?:\*([0-9]{1,5}))?",  # how many
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Visible:
    """The `part`-th granule of the CPU's `store`-th store, or its doorbell, becomes visible to the other CPUs."""

    cpu: int
    store: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class Near:
    """The same to the siblings of its CPU: on a machine of siblings and others, where `Visible` is to the others."""

    cpu: int
    store: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """The `part`-th granule of the CPU's `load`-th load is performed.

    `source` is (cpu, store): whose store is the newest among the bytes that come from memory, or, if all come from the
    CPU's own pending stores, the newest of these. None: memory as it was at the start. Goals of loads that are
    performed together (the parts of one, several at one barrier) stand next to each other, in any order.
    """

    cpu: int
    load: int
    part: int = 0
    source: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The CPU's wait returns with its interrupt."""

    cpu: int


Goal: TypeAlias = Visible | Near | Read | Taken


@dataclass(frozen=True, slots=True)
class Schedule:
    """Goals in the order in which they are reached."""

    goals: tuple[Goal, ...]

    def pack(self, cpus: int = CPUS_LIMIT) -> bytes:
        """For `model_set_schedule`, on a machine of so many CPUs. Raises UsageError: the goal and its field."""
        if len(self.goals) > GOALS_LIMIT:
            raise UsageError(f"schedule: {len(self.goals)} goals, expected at most {GOALS_LIMIT}")
        return b"".join(_packed(number, goal, cpus) for number, goal in enumerate(self.goals, 1))

    def text(self) -> str:
        """The words of the table above."""
        context = _Context()
        runs = ((word, len(list(same))) for word, same in groupby(context.word(goal) for goal in self.goals))
        return " ".join(word if n == 1 else f"{word}*{n}" for word, n in runs)

    @classmethod
    def from_text(cls, text: str) -> Schedule:
        """What `text` gave. Raises UsageError that names the word it cannot read."""
        context = _Context()
        goals: list[Goal] = []
        for word in text.split():
            match = _WORD.fullmatch(word)
            if match is None:
                raise UsageError(f"schedule: {word[:40]!r} after {len(goals)} goals is no goal")
            for _ in range(int(match[7] or 1)):
                goals.append(context.goal(match))
                if len(goals) > GOALS_LIMIT:
                    raise UsageError(f"schedule: more than {GOALS_LIMIT} goals")
        return cls(tuple(goals))

    def token(self) -> str:
        """One printable word that stands for the schedule. The same goals give the same token."""
        self.pack()
        packed = zlib.compress(self.text().encode("ascii"), 9)
        return _PREFIX + base64.urlsafe_b64encode(_CHECKSUM.pack(zlib.crc32(packed)) + packed).decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str) -> Schedule:
        """What `token` gave. Raises UsageError that says why anything else is refused."""
        if not token.startswith(_PREFIX):
            start = token[: len(_PREFIX)]
            raise UsageError(f"schedule: starts with {start!r}, expected {_PREFIX!r}: not a schedule's token")
        letters = token.removeprefix(_PREFIX)
        try:
            packed = base64.b64decode(letters + "=" * (-len(letters) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error) as error:
            raise UsageError(f"schedule: not URL-safe base 64, cut off or mistyped: {error}") from None
        if len(packed) < _CHECKSUM.size:
            raise UsageError(
                f"schedule: {token[:40]!r} is no whole schedule: it holds {len(packed)} bytes, the checksum alone has "
                f"{_CHECKSUM.size}: cut off"
            )
        (checksum,), packed = _CHECKSUM.unpack_from(packed), packed[_CHECKSUM.size :]
        if zlib.crc32(packed) != checksum:
            raise UsageError(
                f"schedule: checksum 0x{checksum:08x}, the contents give 0x{zlib.crc32(packed):08x}: "
                "cut off or mistyped"
            )
        schedule = cls.from_text(_inflate(packed))
        schedule.pack()
        return schedule


def _inflate(packed: bytes) -> str:
    """A token with a good checksum may still be made by somebody else."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(packed, TEXT_LIMIT_BYTES)
        if inflater.unconsumed_tail or inflater.unused_data or not inflater.eof:
            raise UsageError(f"schedule: damaged, or over {TEXT_LIMIT_BYTES} bytes of text")
        return text.decode("ascii")
    except (zlib.error, UnicodeDecodeError) as error:
        raise UsageError(f"schedule: damaged: {error}") from None


def _packed(number: int, goal: Goal, cpus: int) -> bytes:
    match goal:
        case Visible(cpu, store, part):
            limits: Iterable[tuple[str, int, int]] = (("cpu", cpu, cpus - 1), ("store", store, COUNT_LIMIT))
            fields = (_bridge.GOAL_VISIBLE, cpu, 0, store, part, 0)
        case Near(cpu, store, part):
            limits = (("cpu", cpu, cpus - 1), ("store", store, COUNT_LIMIT))
            fields = (_bridge.GOAL_NEAR, cpu, 0, store, part, 0)
        case Read(cpu, load, part, source):
            owner, store = (_bridge.INITIAL, 0) if source is None else source
            owners = 0 if source is None else owner
            limits = (
                ("cpu", cpu, cpus - 1),
                ("load", load, COUNT_LIMIT),
                ("source's cpu", owners, cpus - 1),
                ("source's store", store, COUNT_LIMIT),
            )
            fields = (_bridge.GOAL_READ, cpu, owner, load, part, store)
        case Taken(cpu):
            part, limits = 0, (("cpu", cpu, cpus - 1),)
            fields = (_bridge.GOAL_TAKEN, cpu, 0, 0, 0, 0)
    for name, value, most in (*limits, ("part", part, COUNT_LIMIT)):
        if not 0 <= value <= most:
            raise UsageError(f"schedule: goal {number}: {name} is {value}, expected 0 to {most}")
    return _GOAL.pack(*fields)


_STORES: Final[Mapping[str, Callable[[int, int, int], Goal]]] = MappingProxyType({"v": Visible, "n": Near})


class _Context:
    """What a word leaves out: each CPU's last store and load."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], int] = defaultdict(lambda: -1)

    def word(self, goal: Goal) -> str:
        match goal:
            case Visible(cpu, store, part):
                return f"v{cpu}{self._offset('v', cpu, store, part)}"
            case Near(cpu, store, part):
                return f"n{cpu}{self._offset('n', cpu, store, part)}"
            case Read(cpu, load, part, source):
                origin = "i" if source is None else f"{source[0]}{_signed(source[1] - self._last['v', source[0]])}"
                return f"r{cpu}{self._offset('r', cpu, load, part)}={origin}"
            case Taken(cpu):
                return f"t{cpu}"

    def goal(self, match: re.Match[str]) -> Goal:
        kind, cpu = match[1], int(match[2])
        offset, part, owner = int(match[3] or 0), int(match[4] or 0), match[5]
        beyond = (kind == "t" and (match[3] or match[4])) or (owner == "i" and match[6])
        if beyond or (owner is not None) != (kind == "r"):
            raise UsageError(f"schedule: {match[0]!r} is no goal")
        if kind == "t":
            return Taken(cpu)
        access = self._last[kind, cpu] + offset + (part == 0)
        self._last[kind, cpu] = access
        if kind in _STORES:
            return _STORES[kind](cpu, access, part)
        source = None if owner == "i" else (int(owner), self._last["v", int(owner)] + int(match[6] or 0))
        return Read(cpu, access, part, source)

    def _offset(self, kind: str, cpu: int, access: int, part: int) -> str:
        offset = access - self._last[kind, cpu] - (part == 0)
        self._last[kind, cpu] = access
        return _signed(offset) + (f".{part}" if part else "")


def _signed(offset: int) -> str:
    return f"{offset:+d}" if offset else ""
