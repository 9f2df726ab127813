"""Random Python programs, by seed: unstructured ones, and hand-overs with something wrong in them. Not a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from program_chance import Chance
from program_handovers import HANDOVERS
from program_words import COMPLAINTS, KEPT, TOLD
from python_programs import OTHERS, Block, Program, Statement, line

from amp.ordering.barriers import BarrierClass

PLATFORMS = (
    *("sc", "sc", "x86-wb", "x86-wc", "armv7-up", "armv7-smp", "omap4-2011"),
    *("arm64", "arm64", "arm64-domains", "riscv", "paranoid", "paranoid"),
)
CLASSES = (BarrierClass.NONE, BarrierClass.SMP, BarrierClass.DMA, BarrierClass.MANDATORY)
FOCUSES: tuple[dict[str, int], ...] = (
    {},
    {},
    {"compute": 40},
    {"poll": 24, "store": 26},
    {"kick": 20, "wait": 20},
    {"atomic": 30, "apart": 10},
    {"bulk_load": 20, "bulk_store": 20, "use": 16},
    {"complain": 24},
    {"branch": 20, "fence": 3},
    {"forget": 16, "load": 40},
)


def parts_by_chance(random: Random) -> tuple[Block, Block]:
    mixed, focus = random.random() < 0.25, random.choice(FOCUSES)
    waits, writer = random.choice(((0, 0), (1, 0), (0, 1), (1, 1), (2, 1))), random.randrange(2)
    sizes = [random.choice((2, 3, 4, 5, 6, 7, 8)) for _ in range(2)]
    chances = [Chance(random, cpu, mixed, waits[cpu], cpu == writer, weights=focus) for cpu in range(2)]
    blocks = [each.block(size) for each, size in zip(chances, sizes, strict=True)]
    return blocks[0], blocks[1]


def mutated(block: Block, chance: Chance, rate: float) -> Block:
    """With statements left out, doubled, swapped, and others put between."""
    random, out = chance.random, list[Statement]()
    for each in block:
        changed = each
        if each.body and not each.head[0].startswith("def "):
            changed = replace(each, body=mutated(each.body, chance, rate))
        fence = each.head[0].startswith("port.fence")
        if random.random() < (0.4 if fence else 0.25 * rate):
            if fence and random.random() < 0.4:
                out.append(chance.fence())
            continue
        out.append(changed)
        if random.random() < 0.3 * rate:
            out.append(random.choice((changed, chance.load(), chance.statement(1), chance.compute())))
    if len(out) > 1 and random.random() < 0.3 * rate:
        at = random.randrange(len(out) - 1)
        out[at], out[at + 1] = out[at + 1], out[at]
    return tuple(out)


def handover(random: Random) -> tuple[Block, Block]:
    parts: Sequence[Block] = random.choice(HANDOVERS)(random)
    rate, mixed = random.choice((0.1, 0.3, 0.7)), random.random() < 0.15
    if random.random() < 0.5 and "kick" not in "".join(
        text for part in parts for each in part for text in each.lines()
    ):
        parts = parts[::-1]
    stores = [any("store_u32(APART" in text for each in part for text in each.lines()) for part in parts]
    writer = stores.index(True) if any(stores) else random.randrange(2)
    chances = [Chance(random, cpu, mixed, 1, cpu == writer) for cpu in range(2)]
    return mutated(parts[0], chances[0], rate), mutated(parts[1], chances[1], rate)


def met(random: Random, parts: tuple[Block, Block]) -> tuple[Block, Block]:
    """Somewhere on the way both wait for each other: what was different before is so only for who remembers it."""
    blocks: list[Block] = []
    for part, (own, other) in zip(parts, ((0x30, 0x38), (0x38, 0x30)), strict=True):
        at = random.randrange(len(part) + 1)
        meet = (
            line("port.fence(P.MB)"),
            line(f"port.store_u32(THERE + {own:#x}, 1)"),
            line(f"port.poll(lambda: port.load_u32(THERE + {other:#x}) or None)"),
            line("port.fence(P.MB)"),
        )
        blocks.append((*part[:at], *meet, *part[at:]))
    return blocks[0], blocks[1]


def told_at_the_end(random: Random, parts: tuple[Block, Block]) -> tuple[Block, Block]:
    """One CPU leaves what it has to the other, which then judges what both have seen."""
    teller = random.randrange(2)
    stores = [line(f"port.store_u64(THERE + {8 * at}, w{at} & 0xffff)") for at in range(len(OTHERS))]
    tells = (*stores, line("port.fence(P.MB)"), line("port.store_u32(THERE + 0x20, 1)"))
    loads = [line(f"o{at} = port.load_u64(THERE + {8 * at})") for at in range(len(OTHERS))]
    asks = (line("port.poll(lambda: port.load_u32(THERE + 0x20) or None)"), line("port.fence(P.MB)"), *loads)
    last = (tells, asks) if teller == 0 else (asks, tells)
    return (*parts[0], *last[0]), (*parts[1], *last[1])


def uses() -> list[Program]:
    """For each way to use a Word a program that uses an early load so, and then nothing but that tells which it was."""
    host = (line("port.store_u32(X, 1)"), line("port.store_u32(Y, 1)"))
    early = (line("w0 = port.load_u32(X)"), line("w1 = port.load_u32(Z)"))
    late = tuple(line(f"port.poll(lambda: True if port.load_u32({place}) else None)") for place in "YX")
    rows = [row.format(a="w0", b="w1") for row in (*KEPT, *TOLD, *COMPLAINTS)]
    seen = (), ("int(w0)",)
    return [Program((host, (*early, line(f"w0 = {row}"), *late)), seen, "sc") for row in dict.fromkeys(rows)]


def program_of(seed: int) -> Program:
    """The program of that number; the same for ever, as long as this file is."""
    random = Random(f"program {seed}")
    parts = handover(random) if random.random() < 0.4 else parts_by_chance(random)
    seen = tuple(Chance(random, cpu, False).seen() for cpu in range(2))
    if random.random() < 0.3:
        parts = met(random, parts)
    if random.random() < 0.4:
        parts = told_at_the_end(random, parts)
        seen = tuple((*each, *(f"int({name})" for name in OTHERS)) for each in seen)
    return Program(parts, (seen[0], seen[1]), random.choice(PLATFORMS), random.choice(CLASSES))
