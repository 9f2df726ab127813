"""The machines: two processors, what lies between them, and what a barrier of one is worth to the other.

A platform is data. Its processors' architectures say what a barrier orders and how far it reaches; its stages say how
far it has to reach. `Platform.orders` joins the two, and is the only place that does: the model asks for nothing else.
The ten platforms below are amp's own; `userfile` reads a user's. This module decides nothing at run time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from amp.ordering.architectures import ARCHITECTURES, Architecture, Row
from amp.ordering.barriers import ALL_ORDERS, NO_ORDERS, Orders, Primitive, Reach, orders_text
from amp.ordering.instructions import FIRST, INSTRUCTIONS, Barrier, Instruction, promise_of

LOADS = Orders.RR | Orders.RW
_MEMORY_STORES = Orders.WR | Orders.WW


class Side(StrEnum):
    """The two machines. A side may have several processors. Driver and device are roles."""

    HOST = "host"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Stage:
    """A place where a side's stores wait on their way to the other side.

    `memory` is the reach a barrier needs to keep a memory store behind an earlier one here, or a load behind an earlier
    store; `doorbell` is the reach it needs to keep a doorbell behind an earlier memory store.
    """

    name: str
    memory: Reach
    doorbell: Reach
    source: str


@dataclass(frozen=True, slots=True)
class Processor:
    """One side. `load_reach` is what a barrier needs to order this side's loads of what the other side wrote."""

    architecture: Architecture
    stages: tuple[Stage, ...]
    load_reach: Reach


class Verdict(StrEnum):
    """Does a primitive keep its promise (`barriers.PROMISES`) towards the other side?"""

    NOTHING = "-"  # it promises nothing
    YES = "yes"
    MEMORY_ONLY = "memory only"  # but a doorbell may overtake the memory stores before it
    READS_ONLY = "reads only"  # its loads are ordered, its stores are not
    PART = "in part"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a primitive does or does not reach: `row` is what it is, `orders` what is left of it at the other side.

    `implicit` is the part of `orders` that needs no barrier. `reasons` names each thing in the way, such as "PL310
    write buffer needs SYSTEM"; empty when the verdict is YES.
    """

    side: Side
    row: Row
    implicit: Orders
    orders: Orders
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line: "dmb reaches OUTER; PL310 write buffer needs SYSTEM"."""
        return "; ".join((f"{self.row.instruction} reaches {self.row.reach.name}", *self.reasons))


@dataclass(frozen=True, slots=True)
class Platform:
    """A machine. `region_memory` is the type the host maps the region with, in its architecture's words."""

    name: str
    summary: str
    region_memory: str
    host: Processor
    remote: Processor
    source: str

    def processor(self, side: Side) -> Processor:
        return self.host if side is Side.HOST else self.remote

    def implicit(self, side: Side) -> Orders:
        """What `side`'s hardware keeps towards the other side with no barrier at all."""
        return self.processor(side).architecture.implicit

    def orders(self, side: Side, primitive: Primitive) -> Orders:
        """What is in order towards the other side when `side` executes `primitive`: implicit orders included."""
        row = self.processor(side).architecture.rows[primitive]
        return self.towards_others(side, row.orders, row.reach)

    def orders_of(self, side: Side, barrier: Barrier) -> Orders:
        """The same of a primitive or of an instruction."""
        row = self.row(side, barrier)
        return self.towards_others(side, row.orders, row.reach)

    def towards_others(self, side: Side, orders: Orders, reach: Reach) -> Orders:
        """What of `orders`, by an instruction of `side` with that reach, holds for the other side; and the implicit."""
        processor = self.processor(side)
        reached = NO_ORDERS
        if reach >= processor.load_reach:
            reached |= LOADS
        if all(reach >= stage.memory for stage in processor.stages):
            reached |= Orders.WW
            if reach >= processor.load_reach:
                reached |= Orders.WR | Orders.RCSC
        if all(reach >= stage.doorbell for stage in processor.stages):
            reached |= Orders.WD
        return processor.architecture.implicit | (orders & reached)

    def towards_siblings(self, side: Side, orders: Orders, reach: Reach) -> Orders:
        """The same for the other CPUs of `side`'s own inner domain: they look in before the first stage."""
        return self.processor(side).architecture.implicit | (orders if reach >= Reach.INNER else NO_ORDERS)

    def table(self, side: Side) -> tuple[Orders, ...]:
        """`orders` of every primitive, indexed by its number: what the C core is given."""
        return tuple(self.orders(side, primitive) for primitive in Primitive)

    def core_table(self, side: Side) -> bytes:
        """The same for the C core, instructions of compiled code behind it: one byte a number."""
        table = bytearray(FIRST + len(INSTRUCTIONS))
        table[: len(Primitive)] = self.table(side)
        for each in INSTRUCTIONS:
            table[each.number] = self.towards_others(side, each.orders, each.reach)
            if table[each.number] & ALL_ORDERS == each.orders & ALL_ORDERS:
                table[each.number] |= _at_least(each.name)
            table[each.number] |= _not_named(each.name)
        for primitive in Primitive:
            table[primitive] |= _no_status(self.row(side, primitive).instruction)
        return bytes(table)

    @staticmethod
    def device_orders(kept: Sequence[int]) -> tuple[int, ...]:
        """The same for the explorer, where by number these are kept at a distance: exactly what a RISC-V fence names.

        graph.h, struct xp_orders. In the running machine (`core_table`) one that names devices orders at least that. Of
        instructions in compiled code: what Linux and C11 have by name is what its row says.
        """
        names = {each.number: each.name for each in INSTRUCTIONS}
        return tuple(_exactly(names.get(number, ""), orders) for number, orders in enumerate(kept))

    def row(self, side: Side, barrier: Barrier) -> Row:
        """What a barrier is on `side`: of an instruction in compiled code, itself."""
        if isinstance(barrier, Instruction):
            return Row(Primitive.AS_BUILT, barrier.name, barrier.orders, barrier.reach, barrier.source)
        return self.processor(side).architecture.rows[barrier]

    def explain(self, side: Side, primitive: Barrier, needs: Orders | None = None) -> Explanation:
        """`orders`, with the reasons for what is missing from the primitive's promise, or from `needs`."""
        processor = self.processor(side)
        row = self.row(side, primitive)
        orders = self.towards_others(side, row.orders, row.reach)
        missing = (promise_of(primitive) if needs is None else needs) & ~orders
        return Explanation(
            side,
            row,
            processor.architecture.implicit,
            orders,
            _verdict(primitive, orders),
            _reasons(processor, row, missing),
        )


# A RISC-V fence in a row's instruction, or an access's aq or rl: by their spelling, which no other architecture has, so
# that a user's platform is judged as amp's own. A fence that names nothing is one of everything.
_FENCE: Final = re.compile(
    r"\bfence(?:\.tso\b|\s+(?P<before>[iorw]+)\s*,\s*(?P<after>[iorw]+)\b)|(?:^|\.)(?:aq|rl|aq\.?rl)\b", re.IGNORECASE
)


def _named(instruction: str) -> tuple[str, str] | None:
    """What a RISC-V fence names before and behind it: nothing if its row says of memory what it is, as aq does."""
    fence = _FENCE.search(instruction)
    return None if fence is None else ((fence["before"] or "").lower(), (fence["after"] or "").lower())


def _no_status(instruction: str) -> Orders:
    """A RISC-V fence orders a mailbox's registers, which are a device's, only where it names them.

    RISC-V unprivileged ISA, FENCE: i and o are accesses of devices, r and w of memory; so is an aq or rl of memory. One
    that keeps stores, too, before loads has to name both: a status is input, an acknowledgement output.
    """
    named = _named(instruction)
    if named is None:
        return NO_ORDERS
    before, after = named
    names_devices = "i" in before and ("o" in before or "w" not in before)
    return (NO_ORDERS if names_devices else Orders.NO_STATUS_BEFORE) | (
        NO_ORDERS if "i" in after else Orders.NO_STATUS_AFTER
    )


def _not_named(instruction: str) -> Orders:
    """The same of a fence in compiled code, so that no less is ordered than what it names (`_at_least`)."""
    named = _named(instruction)
    if named is None:
        return NO_ORDERS
    before, after = named
    # Of loads before doorbells: core.h, amp_keeps_for_doorbells().
    names_output = "o" in after and bool(set("ir") & set(before)) and not set("ow") & set(before)
    return (NO_ORDERS if set("io") & set(before) else Orders.NO_STATUS_BEFORE) | (
        NO_ORDERS if "i" in after or names_output else Orders.NO_STATUS_AFTER
    )


def _at_least(instruction: str) -> Orders:
    """What the running machine keeps of a fence that names devices: for an order that it lacks, a stronger one."""
    before, after = map(set, _named(instruction) or ("", ""))
    loads, stores = bool(before & set("ir")), bool(before & set("ow"))
    found = Orders(0)
    found |= Orders.RR if loads and after & set("ir") else Orders(0)
    found |= Orders.RW if loads and after & set("ow") else Orders(0)
    found |= Orders.WR if stores and after & set("ir") else Orders(0)
    found |= Orders.WW if stores and "w" in after else Orders(0)
    device = ("o" in before and after & set("ir")) or (loads and stores and "o" in after)
    return found | (Orders.WD if device or ("w" in before and "o" in after) else Orders(0))


_KINDS: Final = "riwo"  # before, and behind, in the order of the explorer's bits
_CLASSES: Final[Mapping[str, Orders]] = MappingProxyType(  # what has to be kept for any of these
    {
        **dict.fromkeys(("rr", "ri", "ir", "ii"), Orders.RR),
        **dict.fromkeys(("rw", "ro", "iw", "io"), Orders.RW),
        **dict.fromkeys(("wr", "wi", "or", "oi"), Orders.WR),
        **dict.fromkeys(("ww", "ow"), Orders.WW),
        "wo": Orders.WD,
    }
)
_EXACT: Final = 1 << 24


def _exactly(instruction: str, kept: int) -> int:
    named = _named(instruction)
    if named is None or not named[0]:
        return kept
    pairs = {before + after for before in named[0] for after in named[1]}
    bits = (
        1 << 8 + 4 * _KINDS.index(pair[0]) + _KINDS.index(pair[1])
        for pair, order in _CLASSES.items()
        if pair in pairs and kept & order
    )
    return kept | sum(bits) | _EXACT


def _verdict(primitive: Barrier, orders: Orders) -> Verdict:
    promise = promise_of(primitive)
    kept, missing = promise & orders, promise & ~orders
    if not promise:
        return Verdict.NOTHING
    if not missing:
        return Verdict.YES
    if not kept:
        return Verdict.NO
    if missing == Orders.WD:
        return Verdict.MEMORY_ONLY
    return Verdict.READS_ONLY if not kept & ~LOADS else Verdict.PART


def _reasons(processor: Processor, row: Row, missing: Orders) -> tuple[str, ...]:
    """One line for what the instruction does not order at all, one for each place that it does not reach."""
    reasons = []
    never, short = missing & ~row.orders, missing & row.orders
    if never and not row.orders:
        reasons.append(f"compiler only, and the hardware does not keep {orders_text(never)}")
    elif never:
        reasons.append(f"does not order {orders_text(never)}")
    if short & (LOADS | Orders.WR) and row.reach < processor.load_reach:
        reasons.append(f"loads of what the other side wrote need {processor.load_reach.name}")
    for stage in processor.stages:
        wanted = (("memory", stage.memory, _MEMORY_STORES), ("the doorbell", stage.doorbell, Orders.WD))
        needs = [(reach, what) for what, reach, orders in wanted if short & orders and row.reach < reach]
        if len(needs) == len(wanted) and stage.memory == stage.doorbell:
            reasons.append(f"{stage.name} needs {stage.memory.name}")
        elif needs:
            each = ", ".join(f"{reach.name} for {what}" for reach, what in needs)
            reasons.append(f"{stage.name} needs {each}")
    return tuple(reasons)


_DDI0406 = "Arm ARM DDI 0406C, A3.8.3: a dmb or dsb is only for observers in its shareability domain"
_HEAVY = (
    "Linux 'ARM: Change the mandatory barriers implementation' (2010): a PL310 buffers stores to Normal Non-cacheable "
    "memory, and only outer_sync drains it"
)
_INTERCONNECT = Stage("interconnect", Reach.OUTER, Reach.OUTER, _DDI0406)
_PL310 = Stage(
    "PL310 write buffer",
    Reach.OUTER,
    Reach.SYSTEM,
    f"{_HEAVY}; modern reading: it keeps what dmb ordered, but a doorbell on another port passes it",
)
_PL310_2011 = Stage(
    "PL310 write buffer",
    Reach.SYSTEM,
    Reach.SYSTEM,
    f"{_HEAVY}; L2C-310 TRM DDI 0246, store buffer: slots that merge and drain on their own",
)
_BUS = Stage("bus", Reach.OUTER, Reach.OUTER, "Arm ARM DDI 0403E, A3.7: a Cortex-M has no inner domain with the host")
_CORTEX_M = Processor(ARCHITECTURES["cortex-m"], (_BUS,), Reach.OUTER)

_ARMV8_NOW = Stage(
    "interconnect",
    Reach.INNER,
    Reach.INNER,
    "herd7 aarch64.cat, and Arm ARM DDI 0487 of 2024: the options of dmb and dsb order alike for memory",
)
_ARMV8_DOMAINS = Stage(
    "interconnect",
    Reach.OUTER,
    Reach.OUTER,
    "Arm ARM DDI 0487 before 2024, B2.3: a barrier is only for observers in its shareability domain",
)
_X86_BUFFER = Stage("store buffer", Reach.INNER, Reach.INNER, "Intel SDM vol. 3A, 8.2.2")
_X86_WC = Stage("write-combining buffers", Reach.SYSTEM, Reach.SYSTEM, "Intel SDM vol. 3A, Memory Cache Control, WC")
_RISCV = Stage("store buffer", Reach.INNER, Reach.INNER, "RISC-V unprivileged ISA, FENCE: no domains, all observers")


def _both(architecture: str, stages: tuple[Stage, ...], load_reach: Reach) -> tuple[Processor, Processor]:
    processor = Processor(ARCHITECTURES[architecture], stages, load_reach)
    return processor, processor


_NC = "Normal Non-cacheable"
_ALL = (
    Platform(
        "sc",
        "The reference: every access in program order, no barrier needed",
        "sequentially consistent",
        *_both("sc", (), Reach.NONE),
        source="Lamport 1979",
    ),
    Platform(
        "x86-wb",
        "x86 on both sides of cacheable memory: a virtual machine and its device",
        "write-back",
        *_both("x86-wb", (_X86_BUFFER,), Reach.INNER),
        source="Intel SDM vol. 3A, 8.2",
    ),
    Platform(
        "x86-wc",
        "x86 host writing a card's memory through a write-combining aperture",
        "write-combining",
        Processor(ARCHITECTURES["x86-wc"], (_X86_BUFFER, _X86_WC), Reach.INNER),
        Processor(ARCHITECTURES["x86-wb"], (_X86_BUFFER,), Reach.INNER),
        source="Linux v3.13 drivers/misc/mic/host/mic_main.c: the card's aperture is mapped by ioremap_wc",
    ),
    Platform(
        "armv7-up",
        "One Armv7-A core (AM335x class), smp_* compiled away, and a Cortex-M",
        _NC,
        Processor(ARCHITECTURES["armv7-up"], (_INTERCONNECT,), Reach.OUTER),
        _CORTEX_M,
        source="Linux v6.1 arch/arm without CONFIG_SMP; drivers/remoteproc/wkup_m3_rproc.c",
    ),
    Platform(
        "armv7-smp",
        "Cortex-A9 MPCore with PL310 under today's headers, and a Cortex-M",
        _NC,
        Processor(ARCHITECTURES["armv7-smp"], (_INTERCONNECT, _PL310), Reach.OUTER),
        _CORTEX_M,
        source="Linux v6.1 arch/arm with CONFIG_SMP and CONFIG_CACHE_L2X0; drivers/remoteproc/omap_remoteproc.c",
    ),
    Platform(
        "omap4-2011",
        "OMAP4 as rpmsg found it: Cortex-A9 with PL310 under Linux 3.1, Cortex-M3",
        _NC,
        Processor(ARCHITECTURES["armv7-2011"], (_INTERCONNECT, _PL310_2011), Reach.OUTER),
        _CORTEX_M,
        source="Linux commit 7b21e34fd1c2 and the thread 'harsher barriers for rpmsg', November 2011",
    ),
    Platform(
        "arm64",
        "Armv8-A and Armv8 firmware, today's text: every option orders for every observer",
        _NC,
        Processor(ARCHITECTURES["arm64"], (_ARMV8_NOW,), Reach.INNER),
        Processor(ARCHITECTURES["armv8-firmware"], (_ARMV8_NOW,), Reach.INNER),
        source="Arm ARM DDI 0487 of 2024, B2.3; herd7 aarch64.cat",
    ),
    Platform(
        "arm64-domains",
        "The same machine by the older text, strictly: ish does not reach the other side",
        _NC,
        Processor(ARCHITECTURES["arm64"], (_ARMV8_DOMAINS,), Reach.OUTER),
        Processor(ARCHITECTURES["armv8-firmware"], (_ARMV8_DOMAINS,), Reach.OUTER),
        source="Arm ARM DDI 0487 before 2024, B2.3",
    ),
    Platform(
        "riscv",
        "RISC-V on both sides; the region is main memory, the mailbox is I/O",
        "non-cacheable (Svpbmt NC)",
        Processor(ARCHITECTURES["riscv"], (_RISCV,), Reach.INNER),
        Processor(ARCHITECTURES["riscv-firmware"], (_RISCV,), Reach.INNER),
        source="RISC-V unprivileged ISA, RVWMO and FENCE; privileged ISA, Svpbmt: NC is main memory, not I/O",
    ),
    Platform(
        "paranoid",
        "Everything may reorder; only mandatory barriers order",
        "the weakest that any driver may meet",
        *_both("paranoid", (), Reach.SYSTEM),
        source="Linux Documentation/memory-barriers.txt, taken at its word",
    ),
)

PLATFORMS: Mapping[str, Platform] = MappingProxyType({platform.name: platform for platform in _ALL})
