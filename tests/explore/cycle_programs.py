"""Random small programs around a cycle of several processors, in the words of small_programs. Not a test.

Each processor's last access is to the place of the next one's first, and one of the two is a store: read from, missed,
or overwritten. So something depends on every link: what a processor keeps between its two accesses, and who sees what.
That is how the classic shapes are built (Alglave, Maranget, Sarkar, Sewell, "Fences in weak memory models", CAV 2010).
"""

from __future__ import annotations

from random import Random

PLACES = "xyz"
BARRIERS = ("mb", "mb", "mb", "wmb", "rmb", "smp_mb", "smp_wmb", "dma_mb", "dma_wmb")
DEPENDENCIES = ("data", "address", "address", "branch")


def cycle(random: Random, cpus: int, *, atomics: bool = False) -> tuple[str, ...]:
    """A program for each of so many processors."""
    while True:
        single = [random.random() < 0.3 for _ in range(cpus)]  # one access, which is the first and the last
        kinds = [[random.choice("WR")] * 2 if one else [random.choice("WR"), random.choice("WR")] for one in single]
        links = [(kinds[cpu][1], kinds[(cpu + 1) % cpus][0]) for cpu in range(cpus)]
        if ("R", "R") not in links and not all(single):
            break
    turns = cpus - sum(single)  # so many processors go on to another place
    place, at, values = 0, list[tuple[str, str]](), dict.fromkeys(PLACES, 0)
    for one in single:
        first = PLACES[place % min(turns, len(PLACES))]
        place += not one
        at.append((first, PLACES[place % min(turns, len(PLACES))]))
    return tuple(_part(random, kinds[cpu], at[cpu], values, single=single[cpu], atomics=atomics) for cpu in range(cpus))


def _part(
    random: Random, kinds: list[str], places: tuple[str, str], values: dict[str, int], *, single: bool, atomics: bool
) -> str:
    words, registers = list[str](), 0

    def number(place: str) -> int:
        values[place] += 1
        return values[place]

    def access(kind: str, place: str, link: str) -> str:
        nonlocal registers
        source = f"r{registers - 1}"
        if atomics and random.random() < 0.1:
            registers += 1
            return f"r{registers - 1}=xchg:{place},{number(place)}"
        if kind == "R":
            registers += 1
            return f"r{registers - 1}={place}" + (f"@{source}" if link else "")
        if link == "branch":
            return f"{source}=1?{place}={number(place)}"
        if link == "data":
            number(place)
            return f"{place}={source}^"
        return (f"{place}@{source}=" if link else f"{place}=") + str(number(place))

    words.append(access(kinds[0], places[0], ""))
    if random.random() < 0.15:  # another access in between, which may be to a third place
        words.append(access(random.choice("WR"), random.choice(PLACES), ""))
    if not single:
        how = random.random()
        if how < 0.5:
            words.append(random.choice(BARRIERS))
        link = random.choice(DEPENDENCIES) if how >= 0.5 and registers else ""
        words.append(access(kinds[1], places[1], link if how < 0.95 else ""))
    return " ".join(words)
