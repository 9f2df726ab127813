"""Litmus shapes against the platforms: a weak outcome is seen where the platform allows it, and never where not.

Rows are written by hand from the architectures, not computed from the tables the core is given. The first thread is
the host's, the second the remote's; a row that ends in "swapped" has them the other way round.
"""

from __future__ import annotations

from itertools import product

import pytest
from model_machine import HOST, REMOTE, Machine, parse_outcome

from amp._core import _bridge
from amp.ordering import platform
from amp.ordering.barriers import Primitive
from amp.ordering.platforms import Side

PLATFORMS = ("sc", "x86-wb", "x86-wc", "arm64", "arm64-domains", "armv7-smp", "omap4-2011", "paranoid")
TRIES_SEEN, TRIES_NEVER = 8000, 600

# name: thread of P0, thread of P1, the weak outcome. {0} and {1} are the barriers of a row.
SHAPES = {
    "MP": ("x=1 {0} y=1", "r0=y {1} r1=x", "r0=1 r1=0"),
    "MP+rel+acq": ("x=1 rel:y=1", "r0=acq:y r1=x", "r0=1 r1=0"),
    "MP+addr": ("x=1 {0} y=1", "r0=y r1=x@r0", "r0=1 r1=0"),
    "MP+halves": ("xl=1 {0} xh=1", "r0=x", "r0=0x10000"),
    "MP+word+halves": ("x=0x10001", "r0=xl {1} r1=xh", "r0=1 r1=0"),
    "MP+irq": ("x=1 {0} kick", "r0=wait r1=x", "r0=1 r1=0"),
    "SB": ("x=1 {0} r0=y", "y=1 {1} r1=x", "r0=0 r1=0"),
    "SB+rel+acq": ("rel:x=1 r0=acq:y", "rel:y=1 r1=acq:x", "r0=0 r1=0"),
    "SB+xchg": ("r2=xchg:x,1 r0=y", "r3=xchg:y,1 r1=x", "r0=0 r1=0"),
    "LB": ("r0=lazy:x {0} y=1", "r1=lazy:y {1} x=1", "r0=1 r1=1"),
    "LB+rel": ("r0=lazy:x rel:y=1", "r1=lazy:y rel:x=1", "r0=1 r1=1"),
    "S": ("x=2 {0} y=1", "r0=lazy:y {1} x=1", "r0=1 x=2"),
    "R": ("x=1 {0} y=1", "y=2 {1} r0=x", "y=2 r0=0"),
    "2+2W": ("x=1 {0} y=2", "y=1 {1} x=2", "x=1 y=1"),
    # forbidden everywhere, by coherence and by single-copy atomicity
    "CoRR": ("x=1", "r0=x r1=x", "r0=1 r1=0"),
    "CoRR+lazy": ("x=1", "r0=lazy:x r1=x", "r0=1 r1=0"),
    "CoRR+word+byte": ("x=0x101", "r0=x r1=xb", "r0=0x101 r1=0"),
    "CoRR+byte+word": ("x=0x101", "r0=xb r1=x", "r0=1 r1=0"),
    "CoWW": ("x=1 x=2", "none", "x=1"),
    "CoWW+overlap": ("x=1 xl=2", "none", "x=1"),
    "CoRW1": ("r0=lazy:x x=1", "none", "r0=1"),
    "CoRW2": ("r0=lazy:x x=1", "x=2", "r0=2 x=2"),
    "CoWR old": ("x=1 r0=x", "x=2", "r0=0"),
    "CoWR other": ("x=1 r0=x", "x=2", "r0=2 x=1"),
    "torn word": ("x=0x10001", "r0=x", "r0=1"),
    "torn long": ("xx=0x100000001", "r0=xx", "r0=1"),
    "lost add": ("r0=add:x,1", "r1=add:x,1", "x=1"),
    "both won": ("r0=cas:x,0,1", "r1=cas:x,0,2", "r0=0 r1=0"),
}

# shape, barriers, where the weak outcome is seen; the initials: w x86-wc, b x86-wb, 8 arm64, d arm64-domains,
# 7 armv7-smp, o omap4-2011, p paranoid. sc never shows one.
ROWS = [
    ("MP", "none none", "w8d7op"),
    ("MP", "smp_wmb none", "w8d7op"),
    ("MP", "none smp_rmb", "w8d7op"),
    ("MP", "smp_wmb smp_rmb", "wd7op"),
    ("MP", "virt_wmb virt_rmb", "wd7op"),
    ("MP", "dma_wmb dma_rmb", "wp"),
    ("MP", "wmb none", "8d7op"),
    ("MP", "none rmb", "w8d7op"),
    ("MP", "wmb rmb", ""),
    ("MP swapped", "none none", "8d7op"),
    ("MP swapped", "smp_wmb smp_rmb", "d7p"),
    ("MP swapped", "dma_wmb dma_rmb", "p"),
    ("MP swapped", "wmb rmb", ""),
    ("MP+rel+acq", "", "w7op"),
    ("MP+addr", "none", "w8d7op"),
    ("MP+addr", "smp_wmb", "wd7op"),
    ("MP+addr", "wmb", ""),
    ("MP+halves", "none", "w8d7op"),
    ("MP+halves", "smp_wmb", "wd7op"),
    ("MP+halves", "wmb", ""),
    ("MP+word+halves", "none none", "8d7op"),
    ("MP+word+halves", "none rmb", ""),
    ("MP+irq", "none", "8d7op"),
    ("MP+irq", "smp_wmb", "d7op"),
    ("MP+irq", "dma_wmb", "7p"),
    ("MP+irq", "wmb", ""),
    ("MP+irq", "writel", ""),
    ("SB", "none none", "bw8d7op"),
    ("SB", "mb none", "bw8d7op"),
    ("SB", "smp_mb smp_mb", "d7op"),
    ("SB", "virt_store_mb virt_store_mb", "d7op"),
    ("SB", "wmb wmb", "bwp"),
    ("SB", "rmb rmb", "bw8dop"),  # on Armv7 rmb is a full dsb; the PL310 of 2011 holds on to the store all the same
    ("SB", "dma_mb dma_mb", "p"),
    ("SB", "mb mb", ""),
    ("SB+xchg", "", "d7op"),
    ("LB", "none none", "8d7op"),
    ("LB", "smp_mb smp_mb", "d7p"),
    ("LB", "smp_wmb smp_wmb", "8d7p"),
    ("LB", "dma_mb dma_mb", "p"),
    ("LB", "rmb none", "8d7op"),
    ("LB", "mb mb", ""),
    ("LB+rel", "", "7p"),
    ("S", "none none", "w8d7op"),
    ("S", "wmb none", "8d7op"),
    ("S", "smp_wmb smp_rmb", "wd7op"),
    ("S", "wmb mb", ""),
    ("R", "none none", "bw8d7op"),
    ("R", "smp_wmb smp_mb", "wd7op"),
    ("R", "wmb none", "bw8d7op"),
    ("R", "wmb mb", ""),
    ("2+2W", "none none", "w8d7op"),
    ("2+2W", "smp_wmb smp_wmb", "wd7op"),
    ("2+2W", "dma_wmb dma_wmb", "wp"),
    ("2+2W", "wmb wmb", ""),
    *((shape, "", "") for shape in SHAPES if shape.startswith(("Co", "torn", "lost", "both"))),
]
INITIALS = dict(zip("sbw8d7op", PLATFORMS, strict=True))


def program(shape: str, barriers: str) -> tuple[list[str], dict[str, int]]:
    first, second, outcome = SHAPES[shape]
    names = [*barriers.split(), "none", "none"]
    return [first.format(*names), second.format(*names)], dict(parse_outcome(outcome))


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize(("shape", "barriers", "seen_on"), ROWS, ids=lambda text: str(text).replace(" ", "+") or "-")
def test_the_weak_outcome_is_seen_exactly_where_the_platform_allows_it(
    name: str, shape: str, barriers: str, seen_on: str
) -> None:
    allowed = name in {INITIALS[initial] for initial in seen_on}
    machine = Machine(name, swapped=shape.endswith(" swapped"))
    threads, outcome = program(shape.removesuffix(" swapped"), barriers)
    assert machine.seen(threads, outcome, TRIES_SEEN if allowed else TRIES_NEVER) is allowed


@pytest.mark.parametrize("name", ["arm64", "arm64-domains"])
def test_an_ldar_waits_for_earlier_stlr_by_the_platform_s_table(name: str) -> None:
    threads, outcome = program("SB+rel+acq", "")
    assert not Machine(name).seen(threads, outcome, TRIES_NEVER)


@pytest.mark.parametrize("rcsc", [True, False])
def test_the_core_itself_tells_an_ldar_from_an_ldapr(rcsc: bool) -> None:
    machine = Machine("arm64")
    for cpu, side in enumerate((Side.HOST, Side.REMOTE)):
        table = bytearray(platform("arm64").table(side))
        if not rcsc:
            table[Primitive.LOAD_ACQUIRE] &= ~_bridge.RCSC
        machine.set_orders(cpu, 0, bytes(table))
    threads, outcome = program("SB+rel+acq", "")
    assert machine.seen(threads, outcome, TRIES_SEEN) is not rcsc


# --- what two words a thread cannot say -------------------------------------------------------------------------------


def test_a_bulk_store_may_tear_between_granules_and_never_within_one() -> None:
    machine, pairs = Machine("paranoid"), set()
    writer, reader = machine.ports
    for seed in range(600):
        machine.reset(seed)
        writer.write(0x40, b"\x11" * 16)
        writer.note(0, 0)
        pairs.add((int(reader.load_u64(0x40)), int(reader.load_u64(0x48))))
    whole = 0x1111111111111111
    assert pairs == set(product((0, whole), repeat=2))


def test_a_bulk_load_may_see_a_younger_granule_and_an_older_one() -> None:
    machine = Machine("paranoid")
    writer, reader = machine.ports
    seen = set()
    for seed in range(2000):
        machine.reset(seed)
        for address in (0x40, 0x48):
            writer.store_u64(address, 0x0101010101010101)
            writer.fence(Primitive.MB)
        seen.add(bytes(reader.read(0x40, 16)))
    assert seen == {a * 8 + b * 8 for a in (b"\0", b"\1") for b in (b"\0", b"\1")}


def test_an_interrupt_raises_the_floor_and_polling_does_not() -> None:
    machine = Machine("paranoid")
    writer, reader = machine.ports
    after: dict[str, set[int]] = {"interrupt": set(), "polling": set()}
    for seed, how in product(range(500), after):
        machine.reset(seed)
        writer.store_u32(0x40, 1)
        writer.fence(Primitive.MB)
        writer.store_u32(0x80, 1)
        writer.kick(REMOTE)
        writer.fence(Primitive.MB)
        if how == "interrupt":
            assert reader.wait(0)
            after[how].add(int(reader.load_u32(0x40)))
        elif reader.load_u32(0x80):
            after[how].add(int(reader.load_u32(0x40)))
    assert after == {"interrupt": {1}, "polling": {0, 1}}


def test_a_lazy_value_is_loaded_when_used_and_not_before_a_barrier_lets_it() -> None:
    machine = Machine("paranoid")
    writer, reader = machine.ports
    late = set()
    for seed in range(50):
        machine.reset(seed)
        value = reader.read(0x40, 4)
        if value.performed:
            continue
        writer.store_u32(0x40, 0x01020304)
        writer.fence(Primitive.MB)
        late.add(bytes(value))
        assert value.performed
        machine.reset(seed)
        value = reader.read(0x40, 4)
        reader.fence(Primitive.RMB)
        assert value.performed
        writer.store_u32(0x40, 5)
        writer.fence(Primitive.MB)
        assert value == bytes(4)
    assert late == {bytes(4), b"\4\3\2\1"}


def test_a_lazy_value_that_is_dropped_unread_is_forgotten() -> None:
    machine = Machine("paranoid")
    for seed in range(50):
        machine.reset(seed)
        for _ in range(10):
            machine.ports[HOST].read(0x40, 64)
        machine.ports[HOST].fence(Primitive.MB)


def test_hardware_that_keeps_only_load_load_does_not_defer_a_bulk_load() -> None:
    machine = Machine("paranoid")
    for seed in range(30):
        machine.reset(seed)
        machine.set_orders(REMOTE, _bridge.RR, bytes(32))
        assert machine.ports[REMOTE].read(0x40, 4).performed


def test_fetch_add_from_every_cpu_loses_nothing_and_hands_out_each_value_once() -> None:
    machine = Machine("paranoid", cpus=6, depth=4)
    got = [int(machine.ports[i * 7 % 6].fetch_add_u16(0x42, 1)) for i in range(3000)]
    assert got == list(range(3000))
    assert machine.peek("xh") == 3000
    assert machine.memory[0x40:0x48] == b"\0\0" + (3000).to_bytes(2, "little") + bytes(4)


def test_an_atomic_reads_what_is_newest_and_wraps_at_its_size() -> None:
    machine = Machine("paranoid")
    host, remote = machine.ports
    host.store_u8(0x40, 0xFF)
    host.fence(Primitive.MB)
    assert remote.fetch_add_u8(0x40, 2) == 0xFF
    assert host.cmpxchg_u8(0x40, 7, 9) == 1, "fails, and says what is there"
    assert host.cmpxchg_u8(0x40, 1, 9) == 1
    assert remote.xchg_u8(0x40, 3) == 9
    assert machine.peek("x") == 3


@pytest.mark.parametrize("reader_polls", [True, False])
def test_the_last_store_of_a_cpu_that_has_retired_is_seen_in_the_end(reader_polls: bool) -> None:
    for seed in range(30):
        machine = Machine("paranoid", seed=seed)
        host, remote = machine.ports
        host.store_u32(0x40, 1)
        host.kick(REMOTE)
        host.retire()
        if reader_polls:
            assert any(remote.load_u32(0x40) for _ in range(2000))
        else:
            assert remote.wait()
            remote.fence(Primitive.RMB)


# --- the testers tested -----------------------------------------------------------------------------------------------

LIES = [
    ("MP", "smp_wmb smp_rmb", HOST, "smp_wmb", 0),
    ("MP", "smp_wmb smp_rmb", REMOTE, "smp_rmb", 0),
    ("MP+irq", "smp_wmb", HOST, "smp_wmb", _bridge.WW),
    ("SB", "smp_mb smp_mb", HOST, "smp_mb", _bridge.RR | _bridge.RW | _bridge.WW | _bridge.WD),
    ("LB", "dma_mb dma_mb", HOST, "dma_mb", _bridge.WR | _bridge.WW | _bridge.WD),  # RR too performs deferred loads
    ("S", "smp_wmb smp_rmb", HOST, "smp_wmb", _bridge.WD),
    ("R", "smp_wmb smp_mb", REMOTE, "smp_mb", _bridge.RR),
    ("2+2W", "smp_wmb smp_wmb", REMOTE, "smp_wmb", _bridge.WD),
    ("MP+rel+acq", "", HOST, "store_release", _bridge.RW),
    ("MP+rel+acq", "", REMOTE, "load_acquire", 0),
]


@pytest.mark.parametrize(("shape", "barriers", "cpu", "primitive", "orders"), LIES)
def test_a_table_that_says_less_than_the_barrier_does_turns_never_into_seen(
    shape: str, barriers: str, cpu: int, primitive: str, orders: int
) -> None:
    machine = Machine("arm64")
    table = bytearray(platform("arm64").table((Side.HOST, Side.REMOTE)[cpu]))
    table[Primitive[primitive.upper()]] = orders
    machine.set_orders(cpu, 0, bytes(table))
    threads, outcome = program(shape, barriers)
    assert not Machine("arm64").seen(threads, outcome, TRIES_NEVER)
    assert machine.seen(threads, outcome, TRIES_SEEN)


@pytest.mark.parametrize(("shape", "name", "implicit"), [("MP", "arm64", 31), ("SB", "x86-wb", 31), ("LB", "arm64", 2)])
def test_hardware_that_keeps_more_than_it_should_turns_seen_into_never(shape: str, name: str, implicit: int) -> None:
    machine = Machine(name)
    for cpu in (HOST, REMOTE):
        machine.set_orders(cpu, implicit, bytes(32))
    threads, outcome = program(shape, "none none")
    assert Machine(name).seen(threads, outcome, TRIES_SEEN)
    assert not machine.seen(threads, outcome, TRIES_SEEN)


def test_the_same_tries_give_the_same_outcomes() -> None:
    threads, _ = program("MP", "none none")
    first, second = (list(Machine("arm64").tries(threads, 50)) for _ in range(2))
    assert first == second
    assert first != list(Machine("arm64").tries(threads, 50, seed=2))
