"""A RISC-V fence orders what it names before it with what it names behind it, and nothing else: fences.py."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from fences import PAIRS, SETS, source
from machine_code import SHARED, built, finding

from amp.code.riscv import decode
from amp.code.rows import HALVES, Kind
from amp.ordering.instructions import BY_NUMBER
from amp.ordering.platforms import PLATFORMS, Side

REGISTERS = "mailbox=0x48000000:1&mailbox=0x4800000c:0&status=0x48000004:2"
KINDS = "riwo"  # in the order of struct xp_orders (graph.h)


def names(before: str, after: str) -> set[str]:
    return {"".join(pair) for pair in product(before, after)}


def word(before: str, after: str) -> int:
    bits = {"i": 8, "o": 4, "r": 2, "w": 1}
    return sum(bits[c] for c in before) << 24 | sum(bits[c] for c in after) << 20 | 0x0F


def numbers(before: str, after: str) -> list[int]:
    """Of the rows that it is: one, or two."""
    row = decode(0, word(before, after), None, {"wide": 1})
    assert row.kind is Kind.BARRIER
    return [row.load_by, row.store_by] if row.detail == HALVES else [row.load_by]


@pytest.mark.parametrize("before", SETS)
def test_the_explorer_is_told_exactly_what_is_named(before: str) -> None:
    platform = PLATFORMS["riscv"]
    told = platform.device_orders(list(platform.core_table(Side.HOST)))
    for after in SETS:
        kept = set[str]()
        for number in numbers(before, after):
            assert told[number] >> 24 == 1
            kept |= {a + b for a in KINDS for b in KINDS if told[number] >> 8 + 4 * KINDS.index(a) + KINDS.index(b) & 1}
        assert kept == names(before, after) - {"oo"}, (before, after)


def machine_keeps(orders: int) -> set[str]:
    """What the running machine does with the core's orders: core.h, amp_keeps_doorbells() and its like."""
    rr, rw, wr, ww, wd, _, no_before, no_after = (bool(orders >> bit & 1) for bit in range(8))
    loads, later = "r" if no_before else "ri", "r" if no_after else "ri"
    kept = names(loads, later) if rr else set[str]()
    kept |= names(loads, "w") if rw else set()
    kept |= names(loads, "o") if rw and (wd or not no_after) else set()
    kept |= names("wo" if wd and not no_before else "w", later) if wr else set()
    kept |= names("ow" if wd or not no_before else "w", "w") if ww else set()
    return kept | ({"wo"} if wd else set())


@pytest.mark.parametrize("before", SETS)
def test_the_running_machine_orders_no_less(before: str) -> None:
    table = PLATFORMS["riscv"].core_table(Side.HOST)
    for after in SETS:
        kept = set[str]().union(*(machine_keeps(table[number]) for number in numbers(before, after)))
        assert names(before, after) - {"oo"} <= kept, (before, after)


def test_those_of_memory_alone_and_what_linux_writes_are_one_row() -> None:
    for before, after in (
        ("rw", "rw"),
        ("r", "rw"),
        ("rw", "w"),
        ("iorw", "iorw"),
        ("ir", "ir"),
        ("ow", "ow"),
        ("i", "ir"),
    ):
        (number,) = numbers(before, after)
        assert BY_NUMBER[number].name == f"fence {before},{after}"


def are_exact(directory: Path, before: str, after: str) -> None:
    """In an exploration each pair is in order if it is named, and else it is not."""
    (directory / "all.c").write_text(source(before, after))
    path = built(directory, "all", "-O1", target="rv64", at=directory)
    for pair in PAIRS:
        reference = f"{path}?host=host_{pair}&remote=remote_{pair}&{SHARED}&{REGISTERS}"
        is_open = finding(reference, "riscv") is not None
        assert is_open == (pair not in names(before, after)), pair


@pytest.mark.parametrize(("before", "after"), [("irw", "w"), ("iorw", "irw"), ("w", "ow"), ("ior", "io")])
def test_in_an_exploration_a_pair_is_in_order_if_it_is_named(tmp_path: Path, before: str, after: str) -> None:
    are_exact(tmp_path, before, after)


@pytest.mark.slow
@pytest.mark.parametrize("after", SETS)
@pytest.mark.parametrize("before", SETS)
def test_so_it_is_with_every_fence(tmp_path: Path, before: str, after: str) -> None:
    are_exact(tmp_path, before, after)
