"""What Linux's memory primitives are made of, a row a name: accesses, and barriers of the host's architecture.

A row names `Primitive`s, never instructions: what these order, and how far they reach, is the platform's to say. Names
and forms are those of the kernel and of herd7's linux-kernel.def. Sources: Linux v6.1 include/linux/compiler.h and
include/asm-generic/barrier.h (accesses, barriers), Documentation/atomic_t.txt (atomics: with a result and no suffix,
fully ordered; without a result, not ordered; a failed conditional operation orders nothing),
include/linux/rcupdate.h (rcu_assign_pointer is a store-release; rcu_dereference a load whose dependencies hold).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from amp.litmus.program import Rmw
from amp.ordering.barriers import Primitive

P = Primitive


class Order(Enum):
    """How an atomic operation is ordered."""

    RELAXED = auto()
    ACQUIRE = auto()
    RELEASE = auto()
    FULL = auto()


class Result(Enum):
    """What an atomic operation gives back."""

    NONE = auto()
    OLD = auto()
    NEW = auto()
    NEW_IS_ZERO = auto()
    NEW_IS_NEGATIVE = auto()


@dataclass(frozen=True, slots=True)
class FenceRow:
    """`primitive` between what is before and after."""

    primitive: Primitive


@dataclass(frozen=True, slots=True)
class LoadRow:
    """`by_address`: the argument is a pointer to the location, else the location itself ("*x")."""

    primitive: Primitive
    by_address: bool


@dataclass(frozen=True, slots=True)
class StoreRow:
    """(location, value). `then` is a barrier behind the store."""

    primitive: Primitive
    by_address: bool
    then: Primitive = P.NONE


@dataclass(frozen=True, slots=True)
class AtomicRow:
    """A read-modify-write. `operand` is its constant operand; None: an argument, before the pointer if `operand_first`.

    `inverted`: the operand is complemented first (andnot).
    """

    rmw: Rmw
    order: Order
    result: Result
    operand: int | None = None
    operand_first: bool = True
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class AroundAtomicRow:
    """smp_mb__before_atomic() and after: smp_mb(), or nothing where an atomic operation is a full barrier itself."""


class NoRow:
    """What a test may say and what orders nothing by itself: the marks of RCU readers, where nobody waits for them."""


Row = FenceRow | LoadRow | StoreRow | AtomicRow | AroundAtomicRow | NoRow

_SUFFIXES: Final = {"": Order.FULL, "_relaxed": Order.RELAXED, "_acquire": Order.ACQUIRE, "_release": Order.RELEASE}
_ARITHMETIC: Final = {
    "add": (Rmw.ADD, None, False),
    "sub": (Rmw.SUB, None, False),
    "inc": (Rmw.ADD, 1, False),
    "dec": (Rmw.SUB, 1, False),
    "and": (Rmw.AND, None, False),
    "or": (Rmw.OR, None, False),
    "xor": (Rmw.XOR, None, False),
    "andnot": (Rmw.AND, None, True),
}
_RETURNING: Final = ("add", "sub", "inc", "dec")  # atomic_and_return and the like do not exist


def _atomics(prefix: str) -> Iterator[tuple[str, Row]]:
    yield f"{prefix}_read", LoadRow(P.NONE, by_address=True)
    yield f"{prefix}_read_acquire", LoadRow(P.LOAD_ACQUIRE, by_address=True)
    yield f"{prefix}_set", StoreRow(P.NONE, by_address=True)
    yield f"{prefix}_set_release", StoreRow(P.STORE_RELEASE, by_address=True)
    for name, (rmw, operand, inverted) in _ARITHMETIC.items():
        yield f"{prefix}_{name}", AtomicRow(rmw, Order.RELAXED, Result.NONE, operand, inverted=inverted)
        for suffix, order in _SUFFIXES.items():
            yield f"{prefix}_fetch_{name}{suffix}", AtomicRow(rmw, order, Result.OLD, operand, inverted=inverted)
            if name in _RETURNING:
                yield f"{prefix}_{name}_return{suffix}", AtomicRow(rmw, order, Result.NEW, operand)
    yield f"{prefix}_sub_and_test", AtomicRow(Rmw.SUB, Order.FULL, Result.NEW_IS_ZERO)
    yield f"{prefix}_dec_and_test", AtomicRow(Rmw.SUB, Order.FULL, Result.NEW_IS_ZERO, 1)
    yield f"{prefix}_inc_and_test", AtomicRow(Rmw.ADD, Order.FULL, Result.NEW_IS_ZERO, 1)
    yield f"{prefix}_add_negative", AtomicRow(Rmw.ADD, Order.FULL, Result.NEW_IS_NEGATIVE)
    yield from _exchanges(f"{prefix}_")


def _exchanges(prefix: str) -> Iterator[tuple[str, Row]]:
    for suffix, order in _SUFFIXES.items():
        yield f"{prefix}xchg{suffix}", AtomicRow(Rmw.XCHG, order, Result.OLD, operand_first=False)
        yield f"{prefix}cmpxchg{suffix}", AtomicRow(Rmw.CMPXCHG, order, Result.OLD, operand_first=False)


PRIMITIVES: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "READ_ONCE": LoadRow(P.NONE, by_address=False),
        "WRITE_ONCE": StoreRow(P.NONE, by_address=False),
        "smp_load_acquire": LoadRow(P.LOAD_ACQUIRE, by_address=True),
        "smp_store_release": StoreRow(P.STORE_RELEASE, by_address=True),
        # As the SMP build writes it; the UP build's is a plain store, as its smp_mb() is nothing.
        "smp_store_mb": StoreRow(P.NONE, by_address=False, then=P.SMP_MB),
        "virt_store_mb": StoreRow(P.NONE, by_address=False, then=P.VIRT_STORE_MB),
        "rcu_dereference": LoadRow(P.NONE, by_address=False),
        "rcu_assign_pointer": StoreRow(P.STORE_RELEASE, by_address=False),
        "rcu_read_lock": NoRow(),
        "rcu_read_unlock": NoRow(),
        "barrier": FenceRow(P.COMPILER),
        **{
            f"{kind}{barrier}": FenceRow(Primitive[f"{kind}{barrier}".upper()])
            for kind in ("", "smp_", "dma_", "virt_")
            for barrier in ("mb", "rmb", "wmb")
        },
        "smp_mb__before_atomic": AroundAtomicRow(),
        "smp_mb__after_atomic": AroundAtomicRow(),
        **dict(_atomics("atomic")),
        **dict(_atomics("atomic64")),
        **dict(_atomics("atomic_long")),
        **dict(_exchanges("")),
    }
)
