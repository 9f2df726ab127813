"""Numbers that the C core and traces share, and the rows: complete, sourced, and what the headers say."""

from __future__ import annotations

import pytest

from amp.ordering import platform
from amp.ordering.architectures import ARCHITECTURES, FENCES, NO_INSTRUCTION, Architecture, with_fences
from amp.ordering.barriers import (
    ALL_ORDERS,
    NO_ORDERS,
    PROMISES,
    BarrierClass,
    Kind,
    Orders,
    Primitive,
    Reach,
    orders_text,
    primitive_for,
)
from amp.ordering.platforms import Side

RELEASE, ACQUIRE = Orders.RW | Orders.WW, Orders.RR | Orders.RW
FENCE_PAIRS = {fence: pairs for _, *fences in FENCES for fence, pairs in zip(fences, (RELEASE, ACQUIRE), strict=True)}


def test_the_numbers_shared_with_the_c_core_and_with_traces_are_these() -> None:
    pairs = {"RR": 1, "RW": 2, "WR": 4, "WW": 8, "WD": 16, "RCSC": 32}
    assert {order.name: order.value for order in Orders} == {**pairs, "NO_STATUS_BEFORE": 64, "NO_STATUS_AFTER": 128}
    assert [reach.name for reach in sorted(Reach)] == ["NONE", "INNER", "OUTER", "SYSTEM"]
    assert [primitive.name for primitive in sorted(Primitive)] == [
        "NONE",
        "COMPILER",
        "MB",
        "RMB",
        "WMB",
        "SMP_MB",
        "SMP_RMB",
        "SMP_WMB",
        "DMA_MB",
        "DMA_RMB",
        "DMA_WMB",
        "VIRT_MB",
        "VIRT_RMB",
        "VIRT_WMB",
        "VIRT_STORE_MB",
        "STORE_RELEASE",
        "LOAD_ACQUIRE",
        "WRITEL",
        "READL",
        "FENCE_RELEASE_SMP",
        "FENCE_RELEASE_DMA",
        "FENCE_RELEASE_MANDATORY",
        "FENCE_ACQUIRE_SMP",
        "FENCE_ACQUIRE_DMA",
        "FENCE_ACQUIRE_MANDATORY",
        "AS_BUILT",
    ]
    assert list(Primitive) == list(range(len(Primitive)))
    assert len(Primitive) < 32


@pytest.mark.parametrize("cls", list(BarrierClass))
@pytest.mark.parametrize("kind", [Kind.MB, Kind.RMB, Kind.WMB])
def test_a_class_and_a_kind_name_one_primitive(cls: BarrierClass, kind: Kind) -> None:
    prefix = {BarrierClass.SMP: "smp_", BarrierClass.DMA: "dma_", BarrierClass.MANDATORY: ""}
    expected = prefix[cls] + kind if cls in prefix else cls.value
    assert primitive_for(cls, kind).label == expected


@pytest.mark.parametrize("cls", list(BarrierClass))
@pytest.mark.parametrize("kind", [Kind.RELEASE, Kind.ACQUIRE])
def test_a_class_and_a_fence_name_one_primitive(cls: BarrierClass, kind: Kind) -> None:
    expected = cls.value if cls in (BarrierClass.NONE, BarrierClass.COMPILER) else f"fence_{kind}_{cls}"
    assert primitive_for(cls, kind).label == expected


def test_every_primitive_has_a_promise() -> None:
    assert set(PROMISES) == set(Primitive)


def test_orders_are_printed_in_words() -> None:
    assert orders_text(Orders.RR | Orders.WD) == "RR WD"
    assert orders_text(NO_ORDERS) == "nothing"


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=lambda a: a.name)
def test_every_primitive_has_a_row_and_every_row_a_source(architecture: Architecture) -> None:
    assert set(architecture.rows) == set(Primitive)
    assert architecture.implicit_source.strip()
    for primitive, row in architecture.rows.items():
        assert row.primitive is primitive
        assert row.source.strip(), primitive
        # An instruction orders something and reaches someone; a compiler barrier neither.
        assert (row.instruction == NO_INSTRUCTION) == (row.orders == NO_ORDERS) == (row.reach is Reach.NONE), row


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=lambda a: a.name)
def test_a_mandatory_barrier_keeps_its_promise_on_its_own_side_of_the_wires(architecture: Architecture) -> None:
    for primitive in (Primitive.MB, Primitive.RMB, Primitive.WMB):
        assert PROMISES[primitive] & ~(architecture.rows[primitive].orders | architecture.implicit) == NO_ORDERS


def test_an_architecture_with_a_missing_row_cannot_be_made() -> None:
    rows = dict(ARCHITECTURES["arm64"].rows)
    del rows[Primitive.DMA_MB]
    with pytest.raises(AssertionError, match="DMA_MB"):
        Architecture("short", "short", NO_ORDERS, "nowhere", rows)


# The table of DESIGN: what the headers compile to. Columns by architecture, "-" a compiler barrier only.
COLUMNS = ("armv7-smp", "armv7-up", "arm64", "x86-wb", "riscv")
INSTRUCTIONS = {
    "mb": ("dsb; outer_sync", "dsb", "dsb sy", "mfence", "fence iorw,iorw"),
    "rmb": ("dsb", "dsb", "dsb ld", "lfence", "fence ir,ir"),
    "wmb": ("dsb st; outer_sync", "dsb st", "dsb st", "sfence", "fence ow,ow"),
    "smp_mb": ("dmb ish", "-", "dmb ish", "lock addl", "fence rw,rw"),
    "smp_rmb": ("dmb ish", "-", "dmb ishld", "-", "fence r,r"),
    "smp_wmb": ("dmb ishst", "-", "dmb ishst", "-", "fence w,w"),
    "dma_rmb": ("dmb osh", "dmb osh", "dmb oshld", "-", "fence ir,ir"),
    "dma_wmb": ("dmb oshst", "dmb oshst", "dmb oshst", "-", "fence ow,ow"),
    "dma_mb": ("dsb; outer_sync", "dsb", "dmb osh", "mfence", "fence iorw,iorw"),
    "virt_mb": ("dmb ish", "dmb ish", "dmb ish", "lock addl", "fence rw,rw"),
    "virt_store_mb": ("str; dmb ish", "str; dmb ish", "str; dmb ish", "xchg", "sw; fence rw,rw"),
    "store_release": ("dmb ish; str", "-", "stlr", "-", "fence rw,w; sw"),
    "load_acquire": ("ldr; dmb ish", "-", "ldar", "-", "lw; fence r,rw"),
    "writel": ("dsb st; outer_sync; str", "dsb st; str", "dmb oshst; str", "-", "fence w,o; sw"),
    "readl": ("ldr; dsb", "ldr; dsb", "ldr; dmb oshld", "-", "lw; fence i,ir"),
}


@pytest.mark.parametrize(("label", "instructions"), INSTRUCTIONS.items())
def test_the_instructions_are_those_of_the_headers(label: str, instructions: tuple[str, ...]) -> None:
    primitive = Primitive[label.upper()]
    assert tuple(ARCHITECTURES[name].rows[primitive].instruction for name in COLUMNS) == instructions


@pytest.mark.parametrize(
    ("instruction", "orders"),
    [
        ("dmb ish", ALL_ORDERS),
        ("dmb ishst", Orders.WW | Orders.WD),
        ("dmb oshst", Orders.WW | Orders.WD),
        ("dmb ishld", Orders.RR | Orders.RW),
        ("dsb st", Orders.WW | Orders.WD | Orders.WR),
        ("dsb ld", Orders.RR | Orders.RW),
        ("fence w,w", Orders.WW),
        ("fence w,o; sw", Orders.WD),
        ("fence ir,ir", Orders.RR),
    ],
)
def test_an_instruction_orders_the_same_wherever_it_stands(instruction: str, orders: Orders) -> None:
    rows = [
        row
        for a in ARCHITECTURES.values()
        for row in a.rows.values()
        if row.instruction == instruction and row.primitive not in FENCE_PAIRS  # theirs is what C lets one rely on
    ]
    assert rows
    assert {row.orders for row in rows} == {orders}


def test_a_fence_orders_its_pairs_and_no_other_and_reaches_as_far_as_the_full_barrier_of_its_class() -> None:
    """ISO C11 7.17.4: a release fence does not hold back later loads, an acquire fence not earlier stores."""
    assert {PROMISES[fence] for fence in FENCE_PAIRS} == {RELEASE, ACQUIRE}
    for name, architecture in ARCHITECTURES.items():
        rows = architecture.rows
        for barrier, *fences in FENCES:
            for fence in fences:
                if rows[fence].instruction == NO_INSTRUCTION:
                    continue
                assert rows[fence].orders == rows[barrier].orders & FENCE_PAIRS[fence] == FENCE_PAIRS[fence], name
                assert rows[fence].reach is rows[barrier].reach, name


def test_a_fence_is_no_instruction_where_c_compiles_it_to_none_or_its_class_is_none() -> None:
    none = {
        (name, barrier)
        for name, architecture in ARCHITECTURES.items()
        for barrier, *fences in FENCES
        if all(architecture.rows[fence].instruction == NO_INSTRUCTION for fence in fences)
    }
    assert none == {
        *(("sc", barrier) for barrier, *_ in FENCES),
        *((name, Primitive.SMP_MB) for name in ("armv7-up", "x86-wb", "x86-wc", "paranoid")),
        ("paranoid", Primitive.DMA_MB),
    }


def test_on_x86_the_hardware_orders_what_c11_fences_ask_for_but_not_in_write_combining_memory() -> None:
    for name, kept in (("x86-wb", RELEASE), ("x86-wc", Orders.RW)):
        orders = platform(name).orders(Side.HOST, Primitive.FENCE_RELEASE_SMP)
        assert orders & RELEASE == kept, name
    assert RELEASE in platform("x86-wc").orders(Side.HOST, Primitive.FENCE_RELEASE_MANDATORY)


def test_a_row_of_a_fences_own_is_not_replaced_by_that_of_the_full_barrier() -> None:
    rows = ARCHITECTURES["riscv"].rows
    fence = Primitive.FENCE_RELEASE_SMP
    assert rows[fence].instruction == "fence rw,w"
    assert with_fences(rows, {fence})[fence] == rows[fence]
    assert with_fences(rows, ())[fence].instruction == "fence rw,rw"
