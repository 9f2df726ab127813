"""C11's fences as compilers make them, by instruction set: which of their names is worth what, and why.

A fence may be relied on for what ISO C11 7.17.4 says of it, and for no more, whatever its instruction orders besides;
and for that only as far as its instruction reaches. C11 knows no doorbell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amp.ordering.barriers import Orders, Reach
from amp.ordering.instructions import A64, ARMV7_A, ARMV7_M, BY_NAME, ISA_OF_ROWS, RISCV, X86

RR, RW, WR, WW = Orders.RR, Orders.RW, Orders.WR, Orders.WW

# ISO C11 7.17.4.1, by memory order; 7.17.3 for seq_cst, which is total. The weakest first.
_PROMISES: Final = {
    "acquire": RR | RW,
    "release": RW | WW,
    "acq_rel": RR | RW | WW,
    "seq_cst": RR | RW | WR | WW,
}


@dataclass(frozen=True, slots=True)
class Fence:
    """atomic_thread_fence() of one memory order. `instruction` is "" where nothing but the compiler is held back."""

    order: str
    instruction: str
    orders: Orders
    reach: Reach
    source: str

    @property
    def name(self) -> str:
        """As it is written in C."""
        return f"atomic_thread_fence(memory_order_{self.order})"


_ARM: Final = "gcc and clang for Arm: dmb ish for all of them, and dmb ishld for an acquire fence of AArch64"
_M: Final = "gcc arm-none-eabi: dmb ish, which Armv7-M executes as dmb sy (DDI 0403E, A7.7.33)"
_INTEL: Final = "gcc and clang for x86-64: only seq_cst is an instruction, mfence or a locked one"
_RVWMO: Final = "RISC-V unprivileged ISA, appendix A, mappings from C/C++ to RISC-V"
_COMPILED: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = MappingProxyType(
    {
        A64: (_ARM, {"acquire": "dmb ishld", "release": "dmb ish", "acq_rel": "dmb ish", "seq_cst": "dmb ish"}),
        ARMV7_A: (_ARM, dict.fromkeys(_PROMISES, "dmb ish")),
        ARMV7_M: (_M, dict.fromkeys(_PROMISES, "dmb sy")),
        X86: (_INTEL, {"acquire": "", "release": "", "acq_rel": "", "seq_cst": "mfence"}),
        RISCV: (
            _RVWMO,
            {"acquire": "fence r,rw", "release": "fence rw,w", "acq_rel": "fence.tso", "seq_cst": "fence rw,rw"},
        ),
    }
)


def fences(isa: str) -> tuple[Fence, ...]:
    """The fences of an instruction set, the weakest first."""
    rows = ISA_OF_ROWS.get(isa, isa)
    source, compiled = _COMPILED[rows]
    found = []
    for order, promised in _PROMISES.items():
        name = compiled[order]
        if name:
            row = BY_NAME[rows, name]
            found.append(Fence(order, name, promised & row.orders, row.reach, source))
        else:
            found.append(Fence(order, "", Orders(0), Reach.NONE, source))
    return tuple(found)
