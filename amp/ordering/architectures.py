"""What each barrier primitive compiles to, what that orders, and how far it reaches: one row per fact, with its source.

An architecture here is an instruction set, a kernel or firmware build, and for x86 a memory type: what decides the
instruction behind a name. Rows say what the instruction does, which may be more than the name promises (`smp_rmb` on
Armv7 is a full `dmb`). Whether that reaches the other processor is not said here: `platforms` knows what lies between.

`Reach` of Arm's options: ish INNER, osh OUTER, sy SYSTEM. On Armv7 parts with a PL310 a bare `dmb` or `dsb` is OUTER
and only `outer_sync` is SYSTEM: the outer cache is no part of the architecture, and does not see the instruction.
`dsb` also holds back every later instruction, so `dsb st` orders WR, and `dsb ld` RW (Arm ARM DDI 0487, B2.3, DSB).
Store-release and load-acquire rows are for the access itself, as a release or an acquire. Where the access is a plain
one and a fence (RISC-V, Armv7), `Row.fence` has what that fence orders: other accesses as well, on both sides of it.

Multi-copy atomic: a store that one other CPU has seen, all have, or all at that distance. Where it is not promised the
explorer shows stores that reach one observer before another; barriers count there as Arm's do, each a full fence for
the pairs that it orders (`amp/_core/explore/graph.h`).

Fences (FENCE_*) are C11's, in the strength of a barrier class. Where no row of their own says what a compiler makes
of one, it is the class's full barrier: the same instruction, the same reach. Of what that orders, the row has only what
C11 lets a program rely on; a compiler may do with less, so a verdict must not rest on more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from amp.ordering.barriers import ALL_ORDERS, NO_ORDERS, Orders, Primitive, Reach

P = Primitive
RR, RW, WR, WW, WD = Orders.RR, Orders.RW, Orders.WR, Orders.WW, Orders.WD
ALL, STORES, LOADS = ALL_ORDERS, WW | WD, RR | RW
RELEASE, ACQUIRE = RW | WW, RR | RW
NONE, INNER, OUTER, SYSTEM = Reach.NONE, Reach.INNER, Reach.OUTER, Reach.SYSTEM
NO_INSTRUCTION = "-"

# Memory-barriers.txt, the table of primitives; a UP build makes all of these, and no others, compiler barriers.
SMP = (P.SMP_MB, P.SMP_RMB, P.SMP_WMB, P.STORE_RELEASE, P.LOAD_ACQUIRE)

# By class: its full barrier, then its release and its acquire fence.
FENCES = (
    (P.SMP_MB, P.FENCE_RELEASE_SMP, P.FENCE_ACQUIRE_SMP),
    (P.DMA_MB, P.FENCE_RELEASE_DMA, P.FENCE_ACQUIRE_DMA),
    (P.MB, P.FENCE_RELEASE_MANDATORY, P.FENCE_ACQUIRE_MANDATORY),
)
_C11 = "ISO C11 7.17.4"


@dataclass(frozen=True, slots=True)
class Row:
    """One primitive on one architecture. `instruction` as an assembler prints it, "-" for a compiler barrier.

    `fence`: of an access that is a plain one and a fence, what the fence orders.
    """

    primitive: Primitive
    instruction: str
    orders: Orders
    reach: Reach
    source: str
    fence: Orders = NO_ORDERS


@dataclass(frozen=True, slots=True)
class Architecture:
    """`implicit` is what the hardware keeps between accesses to the region with no barrier at all.

    `rows` has one row for every `Primitive`. `multi_copy_atomic`: promised, and where.
    """

    name: str
    title: str
    implicit: Orders
    implicit_source: str
    rows: Mapping[Primitive, Row] = field(hash=False)  # a mapping has none
    multi_copy_atomic: bool = False
    multi_copy_source: str = "not said"

    def __post_init__(self) -> None:
        assert set(self.rows) == set(Primitive), f"{self.name}: {set(Primitive) - set(self.rows)} have no row"


Primitives = Primitive | tuple[Primitive, ...]
# The last of six: `Row.fence`.
Spec = tuple[Primitives, str, Orders, Reach, str] | tuple[Primitives, str, Orders, Reach, str, Orders]


ARCHITECTURES: dict[str, Architecture] = {}

_UNCALLED = {
    P.NONE: Row(P.NONE, NO_INSTRUCTION, NO_ORDERS, NONE, "no call at the site"),
    P.COMPILER: Row(P.COMPILER, NO_INSTRUCTION, NO_ORDERS, NONE, "Linux v6.1 include/linux/compiler.h, barrier()"),
    P.AS_BUILT: Row(P.AS_BUILT, NO_INSTRUCTION, NO_ORDERS, NONE, "compiled code: what stands there is its own"),
}


def with_fences(rows: Mapping[Primitive, Row], own: Collection[Primitive]) -> dict[Primitive, Row]:
    """`rows` with every fence as the full barrier of its class has it; those in `own` have said so themselves."""
    result = dict(rows)
    for barrier, *fences in FENCES:
        if barrier not in rows:  # the caller misses that row, too
            continue
        row = rows[barrier]
        for fence, pairs in zip(fences, (RELEASE, ACQUIRE), strict=True):
            if fence not in own:
                source = f"{_C11}, as the full barrier of its class: {row.source}"
                result[fence] = Row(fence, row.instruction, row.orders & pairs, row.reach, source)
    return result


def _add(
    name: str,
    title: str,
    implicit: Orders,
    implicit_source: str,
    specs: Iterable[Spec],
    *,
    copies: tuple[bool, str],
    base: str = "",
) -> None:
    """Adds one architecture. A spec is a row, for several primitives where it is the same; `base` gives the others.

    `copies`: is it multi-copy atomic, and where is that written?

    Fences that no spec is for follow from the full barriers.
    """
    own: dict[Primitive, Row] = {}
    for primitives, instruction, orders, reach, source, *fence in specs:
        for primitive in primitives if isinstance(primitives, tuple) else (primitives,):
            own[primitive] = Row(primitive, instruction, orders, reach, source, *fence)
    rows = with_fences({**(ARCHITECTURES[base].rows if base else _UNCALLED), **own}, own)
    ARCHITECTURES[name] = Architecture(name, title, implicit, implicit_source, MappingProxyType(rows), *copies)


_ARMV7_COPIES = (False, "Arm ARM DDI 0406C, A3.5.3: in Armv7 writes to Normal memory need not be multi-copy atomic")
_ARMV8_COPIES = (True, "Arm ARM DDI 0487, B2.3: other-multi-copy atomic, for all Armv8 and Armv9")
_X86_COPIES = (True, "Intel SDM vol. 3A, 8.2.2: stores are seen in a consistent order by the other processors")
_RISCV_COPIES = (True, "RISC-V unprivileged ISA, RVWMO: other-multi-copy atomic")

# Armv7-A under Linux. dma_mb() has no row of its own in arch/arm and falls back to mb().
_ARM = "Linux v6.1 arch/arm/include/asm/barrier.h"
_ARM_HEAVY = f"{_ARM}, __arm_heavy_mb; arch/arm/mm/flush.c, arm_heavy_mb"
_ARM_IO = "Linux v6.1 arch/arm/include/asm/io.h, __iowmb and __iormb"
_GENERIC = "Linux v6.1 include/asm-generic/barrier.h"
_ARMV7_WEAK = "Arm ARM DDI 0406C, A3.8.2: Normal accesses without dependencies may be observed in any order"

_add(
    "armv7-smp",
    "Armv7-A, CONFIG_SMP, PL310, Linux 6.1",
    NO_ORDERS,
    _ARMV7_WEAK,
    [
        (P.MB, "dsb; outer_sync", ALL, SYSTEM, _ARM_HEAVY),
        (P.RMB, "dsb", ALL, OUTER, _ARM),
        (P.WMB, "dsb st; outer_sync", STORES | WR, SYSTEM, _ARM_HEAVY),
        ((P.SMP_MB, P.SMP_RMB), "dmb ish", ALL, INNER, _ARM),
        (P.SMP_WMB, "dmb ishst", STORES, INNER, _ARM),
        (P.DMA_MB, "dsb; outer_sync", ALL, SYSTEM, f"{_GENERIC}: dma_mb is mb"),
        (P.DMA_RMB, "dmb osh", ALL, OUTER, _ARM),
        (P.DMA_WMB, "dmb oshst", STORES, OUTER, _ARM),
        ((P.VIRT_MB, P.VIRT_RMB), "dmb ish", ALL, INNER, f"{_GENERIC}: virt_* are __smp_*, in every build"),
        (P.VIRT_WMB, "dmb ishst", STORES, INNER, f"{_GENERIC}: virt_* are __smp_*, in every build"),
        (P.VIRT_STORE_MB, "str; dmb ish", ALL, INNER, f"{_GENERIC}, __smp_store_mb"),
        (P.STORE_RELEASE, "dmb ish; str", RELEASE, INNER, f"{_GENERIC}, __smp_store_release", ALL),
        (P.LOAD_ACQUIRE, "ldr; dmb ish", ACQUIRE, INNER, f"{_GENERIC}, __smp_load_acquire", ALL),
        (P.WRITEL, "dsb st; outer_sync; str", STORES | WR, SYSTEM, _ARM_IO),
        (P.READL, "ldr; dsb", ALL, OUTER, _ARM_IO),
    ],
    copies=_ARMV7_COPIES,
)
_add(
    "armv7-up",
    "Armv7-A, no CONFIG_SMP, no outer cache, Linux 6.1",
    NO_ORDERS,
    _ARMV7_WEAK,
    [
        (SMP, NO_INSTRUCTION, NO_ORDERS, NONE, f"{_GENERIC}: smp_* without CONFIG_SMP"),
        (P.MB, "dsb", ALL, SYSTEM, _ARM),
        (P.RMB, "dsb", ALL, SYSTEM, _ARM),
        (P.WMB, "dsb st", STORES | WR, SYSTEM, _ARM),
        (P.DMA_MB, "dsb", ALL, SYSTEM, f"{_GENERIC}: dma_mb is mb"),
        (P.WRITEL, "dsb st; str", STORES | WR, SYSTEM, _ARM_IO),
        (P.READL, "ldr; dsb", ALL, SYSTEM, _ARM_IO),
    ],
    base="armv7-smp",
    copies=_ARMV7_COPIES,
)

# 2011: `dmb` had no option yet (full system), wmb() was mb(); dma_* came in v3.19, virt_* in 2016, release and acquire
# in v3.14. What stood in for them then is what the row says.
_ARM31 = "Linux v3.1 arch/arm/include/asm/system.h"
_ARM31_IO = "Linux v3.1 arch/arm/include/asm/io.h, __iowmb and __iormb with CONFIG_ARM_DMA_MEM_BUFFERABLE"
_DMA31 = f"{_ARM31}; no dma_* yet: drivers used the mandatory ones (Documentation/memory-barriers.txt of v3.1)"
_VIRT31 = f"{_ARM31}; no virt_* yet: virtio_ring.c of v3.1 used smp_* with CONFIG_SMP"
_ATOMIC31 = f"{_ARM31}; no release or acquire yet: code used smp_mb()"

_add(
    "armv7-2011",
    "Armv7-A, CONFIG_SMP, PL310, Linux 3.1",
    NO_ORDERS,
    _ARMV7_WEAK,
    [
        ((P.MB, P.WMB), "dsb; outer_sync", ALL, SYSTEM, _ARM31),
        (P.RMB, "dsb", ALL, OUTER, _ARM31),
        ((P.SMP_MB, P.SMP_RMB, P.SMP_WMB), "dmb", ALL, OUTER, _ARM31),
        ((P.DMA_MB, P.DMA_WMB), "dsb; outer_sync", ALL, SYSTEM, _DMA31),
        (P.DMA_RMB, "dsb", ALL, OUTER, _DMA31),
        ((P.VIRT_MB, P.VIRT_RMB, P.VIRT_WMB), "dmb", ALL, OUTER, _VIRT31),
        (P.VIRT_STORE_MB, "str; dmb", ALL, OUTER, _VIRT31),
        (P.STORE_RELEASE, "dmb; str", RELEASE, OUTER, _ATOMIC31, ALL),
        (P.LOAD_ACQUIRE, "ldr; dmb", ACQUIRE, OUTER, _ATOMIC31, ALL),
        (P.WRITEL, "dsb; outer_sync; str", ALL, SYSTEM, _ARM31_IO),
        (P.READL, "ldr; dsb", ALL, OUTER, _ARM31_IO),
    ],
    copies=_ARMV7_COPIES,
)

_ARM64 = "Linux v6.1 arch/arm64/include/asm/barrier.h"
_ARM64_IO = "Linux v6.1 arch/arm64/include/asm/io.h, __iowmb is dma_wmb, __iormb is dma_rmb"
_ARMV8_WEAK = "Arm ARM DDI 0487, B2.3: Normal accesses are ordered only by dependencies and barriers"
# stlr and ldar name no domain: they order for the domain of the address, and Non-cacheable is Outer Shareable.
_ARM64_RELEASE = f"{_ARM64}; Arm ARM DDI 0487, B2.3 load-acquire/store-release, B2.7 Non-cacheable is Outer Shareable"
_V8_C11 = "C11 atomic_thread_fence, gcc and clang for AArch64: acquire dmb ishld, release and seq_cst dmb ish"
_ARM64_FENCES: list[Spec] = [(P.FENCE_ACQUIRE_SMP, "dmb ishld", LOADS, INNER, f"{_V8_C11}; {_C11}")]

_add(
    "arm64",
    "Armv8-A, Linux 6.1",
    NO_ORDERS,
    _ARMV8_WEAK,
    [
        (P.MB, "dsb sy", ALL, SYSTEM, _ARM64),
        (P.RMB, "dsb ld", LOADS, SYSTEM, _ARM64),
        (P.WMB, "dsb st", STORES | WR, SYSTEM, _ARM64),
        ((P.SMP_MB, P.VIRT_MB), "dmb ish", ALL, INNER, _ARM64),
        ((P.SMP_RMB, P.VIRT_RMB), "dmb ishld", LOADS, INNER, _ARM64),
        ((P.SMP_WMB, P.VIRT_WMB), "dmb ishst", STORES, INNER, _ARM64),
        (P.DMA_MB, "dmb osh", ALL, OUTER, _ARM64),
        (P.DMA_RMB, "dmb oshld", LOADS, OUTER, _ARM64),
        (P.DMA_WMB, "dmb oshst", STORES, OUTER, _ARM64),
        (P.VIRT_STORE_MB, "str; dmb ish", ALL, INNER, f"{_GENERIC}, __smp_store_mb"),
        (P.STORE_RELEASE, "stlr", RELEASE, OUTER, _ARM64_RELEASE),
        (P.LOAD_ACQUIRE, "ldar", ACQUIRE | Orders.RCSC, OUTER, _ARM64_RELEASE),
        (P.WRITEL, "dmb oshst; str", STORES, OUTER, _ARM64_IO),
        (P.READL, "ldr; dmb oshld", LOADS, OUTER, _ARM64_IO),
        *_ARM64_FENCES,
    ],
    copies=_ARMV8_COPIES,
)

_X86 = "Linux v6.1 arch/x86/include/asm/barrier.h"
_X86_IO = "Linux v6.1 arch/x86/include/asm/io.h, build_mmio_write and build_mmio_read: a compiler barrier"
_X86_SPECS: list[Spec] = [
    (P.MB, "mfence", ALL, SYSTEM, _X86),
    (P.RMB, "lfence", LOADS, SYSTEM, _X86),
    (P.WMB, "sfence", STORES, SYSTEM, _X86),
    (P.DMA_MB, "mfence", ALL, SYSTEM, f"{_GENERIC}: dma_mb is mb"),
    ((P.SMP_MB, P.VIRT_MB), "lock addl", ALL, SYSTEM, f"{_X86}; Intel SDM 3A 8.2, 8.3: locked instructions drain"),
    ((P.SMP_RMB, P.VIRT_RMB, P.DMA_RMB), NO_INSTRUCTION, NO_ORDERS, NONE, _X86),
    ((P.SMP_WMB, P.VIRT_WMB, P.DMA_WMB), NO_INSTRUCTION, NO_ORDERS, NONE, _X86),
    (P.VIRT_STORE_MB, "xchg", ALL, SYSTEM, f"{_X86}, __smp_store_mb"),
    ((P.STORE_RELEASE, P.LOAD_ACQUIRE), NO_INSTRUCTION, NO_ORDERS, NONE, _X86),
    ((P.WRITEL, P.READL), NO_INSTRUCTION, NO_ORDERS, NONE, _X86_IO),
    # No instruction: the hardware keeps these pairs for write-back memory, and does not for write-combining memory.
    (
        (P.FENCE_RELEASE_SMP, P.FENCE_ACQUIRE_SMP),
        NO_INSTRUCTION,
        NO_ORDERS,
        NONE,
        f"{_C11}; gcc and clang for x86-64: only seq_cst is an instruction, the others are for the compiler",
    ),
]
_add(
    "x86-wb",
    "x86-64, region write-back or uncached",
    LOADS | STORES,
    "Intel SDM vol. 3A, 8.2.2: only a load may pass an earlier store",
    _X86_SPECS,
    copies=_X86_COPIES,
)
_add(
    "x86-wc",
    "x86-64, region write-combining",
    LOADS | WD,
    "Intel SDM vol. 3A, Memory Cache Control: WC stores are combined and leave in any order; a store to uncached "
    "memory flushes the buffers (so also AMD APM vol. 2, 7.4)",
    _X86_SPECS,
    copies=_X86_COPIES,
)

# The fence names whose accesses it orders: r, w memory; i, o devices. It has no domain: all observers are meant.
_RISCV = "Linux v6.1 arch/riscv/include/asm/barrier.h"
_RISCV_IO = "Linux arch/riscv/include/asm/mmio.h, __io_bw and __io_ar"
_RVWMO = "RISC-V unprivileged ISA, RVWMO: main memory is ordered only by dependencies and fences"
_RISCV_C11 = "RISC-V unprivileged ISA, appendix A, mappings from C/C++ to RISC-V: atomic_thread_fence"
_RISCV_FENCES: list[Spec] = [
    (P.FENCE_RELEASE_SMP, "fence rw,w", RELEASE, SYSTEM, f"{_RISCV_C11}; {_C11}"),
    (P.FENCE_ACQUIRE_SMP, "fence r,rw", ACQUIRE, SYSTEM, f"{_RISCV_C11}; {_C11}"),
]

_add(
    "riscv",
    "RISC-V, Linux 6.1",
    NO_ORDERS,
    _RVWMO,
    [
        ((P.MB, P.DMA_MB), "fence iorw,iorw", ALL, SYSTEM, f"{_RISCV}; dma_mb is mb"),
        ((P.RMB, P.DMA_RMB), "fence ir,ir", RR, SYSTEM, f"{_RISCV}; dma_rmb is rmb"),
        ((P.WMB, P.DMA_WMB), "fence ow,ow", STORES, SYSTEM, f"{_RISCV}; dma_wmb is wmb"),
        ((P.SMP_MB, P.VIRT_MB), "fence rw,rw", LOADS | WR | WW, SYSTEM, _RISCV),
        ((P.SMP_RMB, P.VIRT_RMB), "fence r,r", RR, SYSTEM, _RISCV),
        ((P.SMP_WMB, P.VIRT_WMB), "fence w,w", WW, SYSTEM, _RISCV),
        (P.VIRT_STORE_MB, "sw; fence rw,rw", LOADS | WR | WW, SYSTEM, f"{_GENERIC}, __smp_store_mb"),
        (P.STORE_RELEASE, "fence rw,w; sw", RELEASE, SYSTEM, _RISCV, RELEASE),
        (P.LOAD_ACQUIRE, "lw; fence r,rw", ACQUIRE, SYSTEM, _RISCV, ACQUIRE),
        (P.WRITEL, "fence w,o; sw", WD, SYSTEM, _RISCV_IO),
        # Its first read is that of the mailbox register: what follows an interrupt, not a memory read, is ordered.
        (P.READL, "lw; fence i,ir", RR, SYSTEM, f"{_RISCV_IO} (until v6.5: fence i,r)"),
        *_RISCV_FENCES,
    ],
    copies=_RISCV_COPIES,
)

# Firmware. SMP is what C11 fences compile to; DMA and MANDATORY are what a port of the stack would write by hand.
_V7M = "Arm ARM DDI 0403E, A7.7.33 DMB, A7.7.34 DSB: SY is the only option, all others execute as SY"
_V7M_C11 = f"C11 atomic_thread_fence, gcc arm-none-eabi: dmb ish; {_V7M}"

_add(
    "cortex-m",
    "Armv7-M firmware (Cortex-M3, M4, M7)",
    NO_ORDERS,
    "Arm ARM DDI 0403E, A3.7: Normal accesses may be reordered (that a Cortex-M3 does not is no promise)",
    [
        ((P.MB, P.RMB, P.WMB), "dsb", ALL, SYSTEM, _V7M),
        ((P.DMA_MB, P.DMA_RMB, P.DMA_WMB), "dmb", ALL, SYSTEM, _V7M),
        ((P.SMP_MB, P.SMP_RMB, P.SMP_WMB, P.VIRT_MB, P.VIRT_RMB, P.VIRT_WMB), "dmb ish", ALL, SYSTEM, _V7M_C11),
        (P.VIRT_STORE_MB, "str; dmb ish", ALL, SYSTEM, _V7M_C11),
        (P.STORE_RELEASE, "dmb ish; str", RELEASE, SYSTEM, _V7M_C11, ALL),
        (P.LOAD_ACQUIRE, "ldr; dmb ish", ACQUIRE, SYSTEM, _V7M_C11, ALL),
        (P.WRITEL, "dsb; str", ALL, SYSTEM, _V7M),
        (P.READL, "ldr; dsb", ALL, SYSTEM, _V7M),
    ],
    copies=(False, "Arm ARM DDI 0403E, A3.5: as Armv7-A, no multi-copy atomicity is promised"),
)

_V8_IO = "Zephyr include/zephyr/arch/arm64/sys_io.h, sys_write32 and sys_read32: dmb sy"
_add(
    "armv8-firmware",
    "Armv8 firmware (Cortex-R82 class, or a Cortex-A core under an RTOS)",
    NO_ORDERS,
    _ARMV8_WEAK,
    [
        ((P.SMP_MB, P.SMP_WMB, P.VIRT_MB, P.VIRT_WMB), "dmb ish", ALL, INNER, _V8_C11),
        ((P.SMP_RMB, P.VIRT_RMB), "dmb ishld", LOADS, INNER, _V8_C11),
        (P.WRITEL, "dmb sy; str", ALL, SYSTEM, _V8_IO),
        (P.READL, "ldr; dmb sy", ALL, SYSTEM, _V8_IO),
        *_ARM64_FENCES,
    ],
    base="arm64",
    copies=_ARMV8_COPIES,
)

_add(
    "riscv-firmware",
    "RISC-V firmware",
    NO_ORDERS,
    _RVWMO,
    [
        ((P.SMP_RMB, P.VIRT_RMB), "fence r,rw", LOADS, SYSTEM, _RISCV_C11),
        ((P.SMP_WMB, P.VIRT_WMB), "fence rw,w", RW | WW, SYSTEM, _RISCV_C11),
        *_RISCV_FENCES,
    ],
    base="riscv",
    copies=_RISCV_COPIES,
)

# Two machines that nobody built: the reference, and the worst that the names of the barriers allow.
_CALLED = set(Primitive) - set(_UNCALLED)
_FENCE_NAMES = {fence for _, *fences in FENCES for fence in fences}
_SC = "Lamport 1979, sequential consistency: every access in program order; no barrier is needed"
_add(
    "sc",
    "sequentially consistent",
    ALL,
    _SC,
    [
        (tuple(_CALLED), NO_INSTRUCTION, NO_ORDERS, NONE, _SC),
    ],
    copies=(True, _SC),
)

_PARANOID = "Documentation/memory-barriers.txt: only the mandatory barriers promise anything beyond the SMP siblings"
_PARANOID_IO = "Linux v6.1 include/asm-generic/io.h: __io_bw is wmb, __io_ar is rmb"
_add(
    "paranoid",
    "everything reorders, only mandatory barriers order",
    NO_ORDERS,
    _PARANOID,
    [
        (tuple(_CALLED - _FENCE_NAMES), NO_INSTRUCTION, NO_ORDERS, NONE, _PARANOID),
        (P.MB, "mb", ALL, SYSTEM, _PARANOID),
        (P.RMB, "rmb", LOADS, SYSTEM, _PARANOID),
        (P.WMB, "wmb", STORES, SYSTEM, _PARANOID),
        (P.WRITEL, "wmb; store", STORES, SYSTEM, _PARANOID_IO),
        (P.READL, "load; rmb", LOADS, SYSTEM, _PARANOID_IO),
    ],
    copies=(False, _PARANOID),
)
