"""All outcomes of a litmus test on a platform.

Every thread is a CPU of the platform's host. Threads of one group are siblings of one inner domain; threads of
different groups see one another only beyond the platform's stages, and there a barrier counts as far as it reaches.
The core (`explore.h`) meets every execution that the ordering allows; nothing here decides what is allowed but the
platform's tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from amp._core import _bridge
from amp.errors import UsageError
from amp.litmus.program import ORDERED_READ, Instruction, Op, Program
from amp.ordering.barriers import Orders
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
    program: Program, platform: Platform, groups: tuple[int, ...], limits: Limits | None = None
) -> Outcomes:
    """Every execution of `program`; `groups[i]` is the domain of thread i. Raises UsageError for one it cannot run."""
    limits = limits or Limits()
    mixed = len(set(groups)) not in (1, len(groups))
    apart = len(set(groups)) > 1
    orders = bytearray()
    for ordering in program.orderings:
        # Its own part: what the hardware keeps by itself makes no store a release.
        near = ordering.orders & platform.towards_siblings(Side.HOST, ordering.orders, ordering.reach)
        far = ordering.orders & platform.towards_others(Side.HOST, ordering.orders, ordering.reach)
        orders += bytes([near if mixed or not apart else far, far if apart else near])
    implicit = platform.implicit(Side.HOST)
    worth = [Orders(least) | implicit for least in orders[LEVELS - 1 :: LEVELS]]
    for number, thread in enumerate(program.threads):
        _refuse_overtaken_atomics(number, thread, worth)
    try:
        found, executions, runs, complete = _bridge.litmus(
            tuple(b"".join(instruction.pack() for instruction in thread) for thread in program.threads),
            program.initial or (0,),
            bytes(orders),
            LEVELS if mixed else 1,
            groups if mixed else tuple(range(len(groups))),
            bytes([implicit] * LEVELS),
            tuple(number for pair in program.observed_registers for number in pair),
            program.observed_locations,
            limits.executions,
            int(limits.seconds * 1e9),
        )
    except RuntimeError as error:
        raise UsageError(str(error)) from None
    return Outcomes(dict(found), executions, runs, complete)


def _refuse_overtaken_atomics(number: int, thread: tuple[Instruction, ...], orders: Sequence[Orders]) -> None:
    """The core lets no later store become visible before an atomic has read: say so rather than miss outcomes.

    `orders` is what each ordering is worth among these CPUs, the hardware's own part included.
    """
    relaxed = False
    for instruction in thread:
        if instruction.op in (Op.STORE, Op.RMW) and relaxed:
            text = "a store behind an atomic that it may overtake here is not supported in one thread"
            raise UsageError(f"P{number}: {text}")
        if instruction.op is Op.RMW:
            worth = orders[instruction.order] if instruction.flags & ORDERED_READ else orders[0]
            relaxed |= Orders.RW not in worth
