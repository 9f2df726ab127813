"""All outcomes of a litmus test on a platform.

Every thread is a CPU of the platform's host. Threads of one group are siblings of one inner domain; threads of
different groups see one another only beyond the platform's stages, and there a barrier counts as far as it reaches.
The core (`explore.h`) meets every execution that the ordering allows; nothing here decides what is allowed but the
platform's tables.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from amp._core import _bridge
from amp.errors import UsageError
from amp.litmus.program import (
    FROM_EXPECTED,
    LOCATION_BYTES,
    Instruction,
    Program,
)
from amp.ordering.platforms import Platform, Side

LEVELS: Final = 2  # the core's XP_LEVELS: towards siblings, towards the others


@dataclass(frozen=True, slots=True)
class Limits:
    """Where an enumeration gives up."""

    executions: int = 1_000_000
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many executions end in each outcome: the observed registers' values, then the observed locations', as u64.

    `states` is how many runs it took, the executions included. Unless `complete`, a limit was reached: what is not
    among the outcomes may still be possible.
    """

    counts: dict[tuple[int, ...], int]
    executions: int
    states: int
    complete: bool


def enumerate_outcomes(
    program: Program, platform: Platform, groups: tuple[int, ...], limits: Limits | None = None, faults: int = 0
) -> Outcomes:
    """Every execution of `program`; `groups[i]` is the domain of thread i. Raises UsageError for one it cannot run.

    `faults`: errors planted by a test (litmus.h, enum litmus_fault).
    """
    limits = limits or Limits()
    mixed = len(set(groups)) not in (1, len(groups))
    apart = len(set(groups)) > 1
    orders = array("I")  # struct xp_orders
    for ordering in program.orderings:
        # Its own part: what the hardware keeps by itself makes no store a release.
        near = ordering.orders & platform.towards_siblings(Side.HOST, ordering.orders, ordering.reach)
        far = ordering.orders & platform.towards_others(Side.HOST, ordering.orders, ordering.reach)
        orders.extend((near if mixed or not apart else far, far if apart else near))
    implicit = platform.implicit(Side.HOST)
    arrangement: _Arrangement = (
        orders.tobytes(),
        LEVELS if mixed else 1,
        groups if mixed else tuple(range(len(groups))),
        bytes([implicit] * LEVELS),
        not platform.host.architecture.multi_copy_atomic,
    )
    counts: dict[tuple[int, ...], int] = {}
    executions = states = 0
    complete, until = True, time.monotonic() + limits.seconds
    for threads in _variants(program.threads):
        left = Limits(limits.executions - executions, max(until - time.monotonic(), 0.0))
        found = _explore(program, threads, arrangement, left, faults)
        for outcome, count in found.counts.items():
            counts[outcome] = counts.get(outcome, 0) + count
        executions, states, complete = executions + found.executions, states + found.states, found.complete
        if not complete:
            break
    return Outcomes(counts, executions, states, complete)


Code = tuple[Instruction, ...]
# Orders, levels, domains, what the hardware keeps, and whether stores reach the others one by one.
_Arrangement = tuple[bytes, int, tuple[int, ...], bytes, bool]


def _explore(
    program: Program, threads: tuple[Code, ...], arrangement: _Arrangement, limits: Limits, faults: int
) -> Outcomes:
    """All outcomes of these threads. Raises UsageError for what the core says it cannot do."""
    try:
        found, executions, runs, complete = _bridge.litmus(
            tuple(b"".join(instruction.pack() for instruction in thread) for thread in threads),
            program.initial or (0,),
            *arrangement[:-1],
            tuple(number for pair in program.observed_registers for number in pair),
            program.observed_locations,
            limits.executions,
            int(limits.seconds * 1e9),
            program.sizes_bytes or (LOCATION_BYTES,) * max(len(program.initial), 1),
            faults,
            arrangement[-1],
        )
    except RuntimeError as error:
        raise UsageError(str(error)) from None
    return Outcomes(dict(found), executions, runs, complete)


def _variants(threads: tuple[Code, ...]) -> Iterator[tuple[Code, ...]]:
    """The threads in every way in which a compare-and-swap that stores may have its result.

    Where nobody uses the result it makes no difference.
    """
    places = [
        (number, at)
        for number, thread in enumerate(threads)
        for at, instruction in enumerate(thread)
        if instruction.flags & FROM_EXPECTED
    ]
    used = [(number, at) for number, at in places if _is_read(threads[number][at].dst, threads[number][at + 1 :])]
    for from_expected in product((False, True), repeat=len(used)):
        chosen = {place for place, expected in zip(used, from_expected, strict=True) if expected}
        yield tuple(
            tuple(
                replace(instruction, flags=instruction.flags & ~FROM_EXPECTED)
                if (number, at) not in chosen
                else instruction
                for at, instruction in enumerate(thread)
            )
            for number, thread in enumerate(threads)
        )


def _is_read(register: int, code: Code) -> bool:
    return any(register in instruction.sources for instruction in code)
